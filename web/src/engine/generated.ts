/**
 * What the engine takes and gives, and the shapes of OpenAI's API: types only. Written from the types in Rust, whose names
 * and comments they have: change those, then run
 *
 *     WRITE_TYPES=1 cargo test --package inf-llava-core --lib typescript
 */

/** The one kind of picture that a model of narrow scope knows. */
export type Scope = 'drawn_scenes';

/** What must be said of a question that a model of narrow scope was asked. */
export type Remark = {
  /** There is no picture; the question is not in English; the model has not learnt to answer such a question. */
  code: 'needs_picture' | 'not_english' | 'unlike_questions';
  /** Whether the model answered all the same; else the remark stands in the place of an answer. */
  answered: boolean;
  /** In English. */
  text: string;
  /** Questions that work. */
  examples: Array<string>;
};

/** A part of the work that takes long enough to be shown. */
export type EnginePhase = "weights" | "vision" | "prefill" | "download" | "conversion" | "verification";

/** One report. */
export type EngineEvent = { "type": "progress",
  /** The phase. */
  phase: EnginePhase,
  /** Amount done; equals `total` at the end. */
  done: number,
  /** Total amount. */
  total: number, } | { "type": "piece",
  /** Complete UTF-8 characters; empty if the token does not complete one. */
  text: string,
  /** The token; `None` for text that was held back until the end. */
  id: number | null,
};

/** A model on the hub. */
export type HubPlace = {
  /** `owner/name`. */
  repository: string,
  /** A branch, a tag or a commit. */
  revision: string,
  /** The address of the list of its files, with their sizes. */
  list: string,
  /** The address that the files' names are appended to, at this revision. */
  url: string,
};

/** A file of a model on the hub. */
export type HubFile = {
  /** Its name. */
  file: string,
  /** Its size in bytes; null if the hub does not tell it. */
  bytes: number | null,
};

/** The files of a model on the hub, at a commit. */
export type HubFolder = {
  /** The commit. */
  commit: string,
  /** The address that the files' names are appended to. */
  url: string,
  /** 64 hexadecimal digits, which change with the files that decide what the model becomes, and with its precision. A
   * new commit with the same files has the same. */
  contents: string,
  /** The same, and they change with the converter: of what is not complete. */
  identity: string,
  /** The files at its top. */
  files: Array<HubFile>,
};

/** A file of the converted model. */
export type ConversionPart = {
  /** Its name. */
  file: string,
  /** Its size in bytes. */
  bytes: number,
  /** Bytes of the checkpoint that are read for it. */
  source_bytes: number,
};

/** What a conversion reads and what it makes. */
export type ConversionPlan = {
  /** The model's display name. */
  name: string,
  /** The licence of the weights, as the model card names it. */
  license: string,
  /** The shards, in their order. */
  shards: Array<ConversionPart>,
  /** The files beside them. */
  files: Array<ConversionPart>,
  /** Indices of the shards with embeddings, of which rows are read while the model answers. */
  embeddings: Array<number>,
};

/** What a loaded model is, and where it runs. */
export type ModelInfo = {
  /** What to call it. */
  name: string,
  /** Where it runs. */
  device: string,
  /** Why it is not the one that was looked for first, or slower than it could be. */
  device_notice: string | null,
  /** Numbers of its weights. */
  parameters: number,
  /** As the files hold them. */
  weights_bytes: number,
  /** INF-LLaVA sees a picture in this many crops a side, each of `crop_px` pixels; 1 for other models. */
  crops_per_side: number,
  /** Side of a crop. */
  crop_px: number,
  /** Height of the resized picture; INF-LLaVA's is a square. */
  image_px: number,
  /** Tokens of the context that a picture takes. */
  image_tokens: number,
  /** The most pictures of a conversation; null where the context alone limits them. */
  most_pictures: number | null,
  /** Whether pictures can be looked at more or less closely. */
  has_detail: boolean,
  /** Whether a picture's visual tokens are a map of its padded square, row by row: then attention can be drawn over it. */
  has_map: boolean,
  /** Whether it sees videos too. */
  sees_videos: boolean,
  /** Tokens of the context. */
  context_tokens: number,
  /** Ids of tokens. */
  vocabulary: number,
  /** It was not trained: its answers mean nothing. */
  random_weights: boolean,
  /** The one kind of picture that the model knows; null for a general model. */
  scope: Scope | null,
};

/** What is known of a picture once it is encoded. */
export type PictureInfo = {
  /** Pixels, after turning by its EXIF orientation. */
  width: number,
  /** Pixels. */
  height: number,
  /** Remarks for the user about how it was decoded. */
  notices: Array<string>,
  /** True if the model knows only one kind of picture and this is another kind: its answers are then unreliable
   * (`crate::config::Scope::warning`). */
  outside_scope: boolean,
  /** Height of the resized picture, in pixels; INF-LLaVA's is a square. */
  image_px: number,
  /** Crops per side N of INF-LLaVA; 1 for other models. */
  crops_per_side: number,
  /** Passes of the vision tower that were run. */
  vision_passes: number,
  /** Milliseconds for these passes. */
  vision_ms: number,
};

/** Where the enhancement (DEM) looked in a picture, as the mean over heads and queries. What does not exist in a
 * configuration is empty. */
export type EnhancementAttention = {
  /** Within each tile, for every position of the map: `[N h, N h]`; each tile sums to 1. */
  detail: Array<number>,
  /** Over the whole picture: `[h, h]`, sums to 1. */
  overview: Array<number>,
};

/** The settings of a `Sampler`. Fields that a JSON object lacks get the default. */
export type Sampling = {
  /** 0 always takes the likeliest id; higher values give more variety. The release's default is 0.2. */
  temperature: number,
  /** Keeps only this many of the likeliest ids; 0 is off. */
  top_k: number,
  /** Keeps only the likeliest ids that together reach this probability; 1 is off. */
  top_p: number,
  /** Divides positive (multiplies negative) logits of ids seen in the prompt and the answer by this; 1 is off. */
  repetition_penalty: number,
  /** The same seed gives the same choices from the same logits, on every platform. */
  seed: number,
};

/** How to answer. */
export type AskOptions = {
  /** The most tokens of an answer. */
  max_new_tokens: number,
  /** Texts that end an answer and are not part of it. None may be empty. */
  stop: Array<string>,
  /** Ask a model of narrow scope also what it has not learnt to answer, and without a picture: for whoever measures
   * what it says then. See `session::Answer::remark`. */
  anyway: boolean,
  /** 0 always takes the likeliest id; higher values give more variety. The release's default is 0.2. */
  temperature: number,
  /** Keeps only this many of the likeliest ids; 0 is off. */
  top_k: number,
  /** Keeps only the likeliest ids that together reach this probability; 1 is off. */
  top_p: number,
  /** Divides positive (multiplies negative) logits of ids seen in the prompt and the answer by this; 1 is off. */
  repetition_penalty: number,
  /** The same seed gives the same choices from the same logits, on every platform. */
  seed: number,
};

/** A picture that is shown with a question. */
export type Shown = {
  /** Its key (`session::Shared::read_picture`). */
  key: string,
  /** Bytes of the question in front of it. Most templates put pictures before the text whatever this is. */
  at: number,
  /** How closely it is looked at: `low`, `auto`, `high`, or the most visual tokens. */
  detail: 'low' | 'auto' | 'high' | number,
};

/** A question with its answer. */
export type Exchange = {
  /** The pictures that were shown with the question. */
  pictures: Array<Shown>,
  /** As the user typed it. */
  question: string,
  /** The answer as `session::Answer::token_ids`: the next answer is then what it would have been
   * without an interruption. */
  token_ids?: Array<number> | null,
  /** The answer's text, if its ids are not known. Text that looks like a control token is treated as text. */
  text: string,
};

/** A question, with all that it depends on. */
export type ReplyRequest = {
  /** What the model is told before anything is asked; empty for nothing. */
  system: string,
  /** The earlier exchanges. */
  before: Array<Exchange>,
  /** The pictures that are shown with the question. */
  pictures: Array<Shown>,
  /** The question. */
  question: string,
  /** The first ids of an interrupted answer, which is continued. */
  begun: Array<number>,
  /** Options of the answer. */
  options: AskOptions,
};

/** Why an answer ended. */
export type StopReason = "stop" | "length" | "context" | "stopped";

/** Milliseconds of the parts of a turn. */
export type Timings = {
  /** Decoding, padding and resizing the picture, if that was part of the turn. */
  image: number,
  /** Vision tower, enhancement and projector, if that was part of the turn. */
  vision: number,
  /** The prompt's tokens. */
  prefill: number,
  /** The answer's tokens. */
  decode: number,
};

/** An answer and what it took. */
export type Answer = {
  /** The whole text. */
  text: string,
  /** Its token ids, the stop id included. */
  token_ids: Array<number>,
  /** Ids of the whole prompt; -200 stands for the picture. */
  input_ids: Array<number>,
  /** Why it ended. */
  stop_reason: StopReason,
  /** Tokens of the context that the prompt takes, the picture's included. */
  prompt_tokens: number,
  /** Of these, tokens that were computed in this turn; the others were in the cache. */
  new_prompt_tokens: number,
  /** The picture's tokens in the prompt. */
  image_tokens: number,
  /** Tokens of the answer. */
  answer_tokens: number,
  /** Passes of the vision tower in this turn. */
  vision_passes: number,
  /** Milliseconds. */
  timings_ms: Timings,
  /** Of the answer, excluding the prefill. */
  tokens_per_second: number,
  /** The device's name. */
  device: string,
  /** A remark on the question, if the model has a narrow scope (`crate::config::Scope`). The text is the
   * remark's, unless the remark says that the model answered. */
  remark?: Remark,
};

/** A frame of a reel. */
export type ReelFrame = {
  /** When it is shown, in seconds from the beginning. */
  time_s: number,
  /** Length of its picture's file. */
  bytes: number,
};

/** What a reel says of its video. */
export type ReelHead = {
  /** How long the video takes. */
  seconds: number,
  /** How many frames the video has. */
  of: number,
  /** Those that are looked at, ascending; none for an animated picture. */
  frames: Array<ReelFrame>,
};

/** Visual tokens of a photograph of 4000 x 3000 pixels, the only one of its conversation. */
export type DetailTokens = {
  /** As few as the model can do with. */
  low: number,
  /** As the model was released. */
  auto: number,
  /** As many as the model takes. */
  high: number,
};

/** A known model. */
export type KnownModel = {
  /** What people call it. */
  name: string,
  /** The short name that `--model` takes. */
  short: string,
  /** Its repository on the Hugging Face hub, owner/name; null: it is a part of the program. */
  id: string | null,
  /** The branch or commit of the repository. */
  revision: string,
  /** The licence of the weights: SPDX's identifier, or else its name. */
  license: string,
  /** What it is good for, in a few words. */
  good_for: string,
  /** Number of parameters in its files. */
  parameters: number,
  /** Bytes of the weights as published, which are downloaded. */
  published_bytes: number,
  /** Bytes of the weights converted to 4 bits, which are kept; of the model in the program, as published. */
  kept_bytes: number,
  /** Bytes of memory, converted to 4 bits: weights, a conversation of 4096 tokens or of as many as the model
   * knows, and intermediate results. Of the model in the program, in floats. */
  memory_bytes: number,
  /** Visual tokens of a photograph by how closely it is looked at. */
  detail: DetailTokens,
  /** Whether it sees videos. */
  video: boolean,
  /** The most pictures of a conversation; null: as many as its context holds. */
  most_pictures: number | null,
};

/** How closely a picture is to be looked at, where the model has a choice. */
export type Detail = 'low' | 'auto' | 'high';

/** A part of what a message says. */
export type ContentPart = ({ type: 'text' | 'input_text' | 'output_text' } & TextPart) | ({ type: 'image_url' | 'input_image' } & PicturePart);

/** A URL in an object. */
export type ImageUrl = { url: string, detail?: Detail | null, };

/** A part of text, beside its type. */
export type TextPart = { text: string, };

/** A part with a picture, beside its type. */
export type PicturePart = {
  /** A URL, or a `Picture`. */
  image_url: string | ImageUrl, detail?: Detail | null,
};

/** A message as it is sent. */
export type Message = { role: 'user' | 'assistant' | 'system' | 'developer', content?: string | Array<ContentPart> | null,
  /** None, or an empty list. */
  tool_calls?: [] | null,
};

/** What else is wanted of a stream. */
export type StreamOptions = {
  /** The last chunk tells what the answer took. */
  include_usage?: boolean | null,
};

/** A request for a completion: the fields that an answer keeps to. */
export type CompletionRequest = {
  /** Which model is asked. */
  model?: string | null,
  /** The conversation, the last of the user. */
  messages: Array<Message>,
  /** The answer is wanted piece by piece. */
  stream?: boolean | null,
  /** Of a stream. */
  stream_options?: StreamOptions | null,
  /** 0 takes the likeliest token always; without it, what suits the model. */
  temperature?: number | null,
  /** Only the likeliest tokens that together have this probability; 1 is off. */
  top_p?: number | null,
  /** Only this many of the likeliest tokens; 0 is off. Not OpenAI's. */
  top_k?: number | null,
  /** Makes what was said less likely; 1 is off. Not OpenAI's. */
  repetition_penalty?: number | null,
  /** The same seed gives the same answer; without one, or by -1, chance chooses it. */
  seed?: number | null,
  /** The older name of `max_completion_tokens`, which many programs still send. */
  max_tokens?: number | null,
  /** Most tokens of the answer; without it, as many as there is room for. */
  max_completion_tokens?: number | null,
  /** Texts in front of which the answer ends: one, or up to four. */
  stop?: string | Array<string> | null,
};

/** Why an answer ended, in OpenAI's words. */
export type FinishReason = "stop" | "length";

/** Parts of a prompt, in tokens. */
export type PromptTokens = {
  /** Those that were not computed anew. */
  cached_tokens: number,
  /** The picture's. Not OpenAI's. */
  image_tokens: number,
};

/** What an answer took, in tokens. */
export type Usage = {
  /** Of the context that the prompt takes, the picture's included. */
  prompt_tokens: number,
  /** Of the answer. */
  completion_tokens: number,
  /** Both. */
  total_tokens: number,
  /** Of the prompt's. */
  prompt_tokens_details: PromptTokens,
};

/** Who speaks, and what: a whole message. */
export type Said = {
  /** `assistant` */
  role: 'assistant',
  /** The answer. */
  content: string,
  /** Always null: what a model does not want to say it says in its answer. */
  refusal: null,
};

/** The one answer of a completion. */
export type CompletionChoice = {
  /** 0 */
  index: 0,
  /** The answer. */
  message: Said,
  /** Always null. */
  logprobs: null,
  /** Why it ended. */
  finish_reason: FinishReason,
};

/** A whole answer. */
export type Completion = {
  /** No other answer's. */
  id: string,
  /** `chat.completion` */
  object: 'chat.completion',
  /** Seconds since 1970. */
  created: number,
  /** Which model answered. */
  model: string,
  /** One. */
  choices: [CompletionChoice],
  /** What it took. */
  usage: Usage,
  /** Not OpenAI's: what should be known of the picture before the answer is believed. */
  notices?: Array<string>,
  /** Not OpenAI's: what must be said of the question, where the model is of narrow scope. */
  remark?: Remark,
};

/** What a chunk adds to the message. */
export type Delta = {
  /** `assistant`, in the first chunk. */
  role?: 'assistant',
  /** The next characters. */
  content?: string,
};

/** The one answer of a chunk. */
export type ChunkChoice = {
  /** 0 */
  index: 0,
  /** What is added. */
  delta: Delta,
  /** Always null. */
  logprobs: null,
  /** Why the answer ended, in the chunk that ends it. */
  finish_reason: FinishReason | null,
};

/** A part of a streamed answer. */
export type CompletionChunk = {
  /** The same in all chunks of an answer. */
  id: string,
  /** `chat.completion.chunk` */
  object: 'chat.completion.chunk',
  /** Seconds since 1970. */
  created: number,
  /** Which model answers. */
  model: string,
  /** One; none in the chunk behind the end that has the usage. */
  choices: Array<ChunkChoice>,
  /** Where the usage is wanted: null in all chunks but the last. */
  usage?: Usage | null,
  /** Not OpenAI's; in the chunk that ends the answer. */
  notices?: Array<string>,
  /** Not OpenAI's; in the chunk that ends the answer. */
  remark?: Remark,
};

/** What all parts of one answer have in common. */
export type Head = {
  /** No other answer's. */
  id: string,
  /** Seconds since 1970. */
  created: number,
  /** Which model answers. */
  model: string,
  /** Of a stream: the last chunk tells what the answer took, so the others say that they do not. */
  include_usage: boolean,
};

/** What a request comes to, beside its pictures' files. */
export type Understood = {
  /** What the engine is asked; its pictures have their files' keys. */
  asked: ReplyRequest,
  /** Whether the request states a temperature; else the model's default is taken. */
  states_temperature: boolean,
  /** Whether the answer is wanted piece by piece. */
  stream: boolean,
  /** What all parts of the answer have in common. */
  head: Head,
  /** The first chunk of a stream. */
  begin: CompletionChunk,
};

/** What is told while an answer is made, and the chunk that tells it. */
export type CompletionEvent = {
  /** Of a piece with characters. */
  chunk?: CompletionChunk, } & ({ "type": "progress",
  /** The phase. */
  phase: EnginePhase,
  /** Amount done; equals `total` at the end. */
  done: number,
  /** Total amount. */
  total: number, } | { "type": "piece",
  /** Complete UTF-8 characters; empty if the token does not complete one. */
  text: string,
  /** The token; `None` for text that was held back until the end. */
  id: number | null, });

/** An answer with what is told at its end. */
export type Completed = {
  /** All of it in one. */
  completion: Completion,
  /** The chunk behind the last piece. */
  end: CompletionChunk,
  /** The chunk behind that, where it is wanted. */
  usage: CompletionChunk | null,
  /** The whole text. */
  text: string,
  /** Its token ids, the stop id included. */
  token_ids: Array<number>,
  /** Ids of the whole prompt; -200 stands for the picture. */
  input_ids: Array<number>,
  /** Why it ended. */
  stop_reason: StopReason,
  /** Tokens of the context that the prompt takes, the picture's included. */
  prompt_tokens: number,
  /** Of these, tokens that were computed in this turn; the others were in the cache. */
  new_prompt_tokens: number,
  /** The picture's tokens in the prompt. */
  image_tokens: number,
  /** Tokens of the answer. */
  answer_tokens: number,
  /** Passes of the vision tower in this turn. */
  vision_passes: number,
  /** Milliseconds. */
  timings_ms: Timings,
  /** Of the answer, excluding the prefill. */
  tokens_per_second: number,
  /** The device's name. */
  device: string,
  /** A remark on the question, if the model has a narrow scope (`crate::config::Scope`). The text is the
   * remark's, unless the remark says that the model answered. */
  remark?: Remark,
};
