/**
 * What a page and the engine's worker say to one another. Types only.
 *
 * The page sends a {@link Command} and may send `{stop: id}` at any moment. The worker runs commands one after another
 * and answers each with exactly one result or error; `crashed` means that nothing will ever come again from this worker.
 * Data are named as the engine names them (snake_case), here and in the public API.
 */

/** `engine` is the program itself. */
export type Phase = 'engine' | 'download' | 'weights' | 'vision' | 'prefill';

/** `total` 0: not known. */
export interface Progress {
  type: 'progress';
  phase: Phase;
  done: number;
  total: number;
}

/** The next characters of an answer, and the token that they came with: none for what was left at the end. */
export interface Piece {
  type: 'piece';
  text: string;
  id: number | null;
}

export type EngineEvent = Progress | Piece;

/** An error as it crosses from the worker. */
export interface PlainError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

/** Files in one file, as the default model comes with the package. */
export interface Pack {
  name: string;
  license: string;
  url: string;
  bytes: number;
  sha256: string;
  /** Where each file begins and ends. */
  files: Record<string, [number, number]>;
}

/** Where a model is: a folder on a server, files that the user picked, or files in one. */
export type ModelPlace = { url: string } | { files: File[]; name: string } | { pack: Pack };

export interface LoadCommand {
  place: ModelPlace;
  /** Absolute address of the engine's wasm. */
  wasmUrl: string;
  device: Device;
  /** Tokens to make room for. */
  context: number | undefined;
  /** The user has agreed to a download of so many. */
  agreedBytes: number;
  /** Whether what is downloaded is to be kept. */
  keep: boolean;
  /** Nobody asked for it: an engine was lost. When that happens may depend on a question, so no other host may hear of it. */
  unasked: boolean;
}

export type Device = 'auto' | 'wgpu' | 'portable' | 'cpu';

export interface ModelInfo {
  name: string;
  device: string;
  /** Why it is not the one that was looked for first, or slower than it could be. */
  device_notice: string | null;
  parameters: number;
  weights_bytes: number;
  /** The picture is seen in this many crops a side, each of `crop_px` pixels. */
  crops_per_side: number;
  crop_px: number;
  image_px: number;
  image_tokens: number;
  context_tokens: number;
  vocabulary: number;
  random_weights: boolean;
  /** The one kind of picture that the model knows; null for a general model. */
  scope: 'drawn_scenes' | null;
}

export interface PictureInfo {
  /** Of the picture as it is shown, in its own pixels. */
  width: number;
  height: number;
  /** What the user should know of how it was read. */
  notices: string[];
  /** The picture is of a kind that the model does not know. */
  outside_scope: boolean;
  /** The browser decoded and scaled it, whose pixels may differ a little from those of the engine's decoder. */
  by_browser?: boolean;
  image_px: number;
  crops_per_side: number;
  /** 0 where the features were kept. */
  vision_passes: number;
  vision_ms: number;
}

/** How to answer. What is left out is for the engine to choose. */
export interface Sampling {
  /** 0 takes the likeliest token always. */
  temperature?: number;
  top_k?: number;
  top_p?: number;
  repetition_penalty?: number;
  seed?: number;
  max_new_tokens?: number;
  /** Ask a model of narrow scope also what it has not learnt to answer, and without a picture. */
  anyway?: boolean;
}

export type StopReason = 'stop' | 'length' | 'stopped' | 'context';

/** What must be said of a question that a model of narrow scope was asked. */
export interface Remark {
  /** There is no picture; the question is not in English; the model has not learnt to answer such a question. */
  code: 'needs_picture' | 'not_english' | 'unlike_questions';
  /** Whether the model answered all the same; else the remark stands in the place of an answer. */
  answered: boolean;
  /** In English. */
  text: string;
  /** Questions that work. */
  examples: string[];
}

export interface Answer {
  text: string;
  token_ids: number[];
  stop_reason: StopReason;
  prompt_tokens: number;
  /** Of these, tokens that were computed for this answer. */
  new_prompt_tokens: number;
  image_tokens: number;
  answer_tokens: number;
  vision_passes: number;
  tokens_per_second: number;
  device: string;
  /** Only of a question that the model has not learnt to answer. */
  remark?: Remark;
}

/** A question with its answer; `token_ids` where they are known. */
export interface Exchange {
  question: string;
  token_ids?: number[];
  text: string;
}

/** A question, with all that it depends on. */
export interface ReplyRequest {
  picture: string | null;
  before: Exchange[];
  question: string;
  /** The ids that an interrupted answer began with. */
  begun: number[];
  options: Sampling;
}

/** Where the enhancement (DEM) looked in a picture, as shares; empty where a configuration has no such direction. */
export interface EnhancementAttention {
  /** Within each tile, at every position of the map, row by row. */
  detail: number[];
  /** Over the whole picture, token by token. */
  overview: number[];
}

/** A picture that comes with a model. */
export interface SamplePicture {
  bytes: Uint8Array<ArrayBuffer>;
  alt: string;
  questions: string[];
}

/** Arguments and result of each command. */
export interface Commands {
  load: [LoadCommand, ModelInfo];
  samples: [{ url: string }, SamplePicture[]];
  readPicture: [{ key: string; name: string; bytes: Uint8Array<ArrayBuffer> }, PictureInfo];
  reply: [ReplyRequest, Answer];
  attention: [ReplyRequest, Float32Array];
  enhancementAttention: [{ name: string; bytes: Uint8Array<ArrayBuffer> }, EnhancementAttention];
}

export type CommandName = keyof Commands;

export type Command = { [Name in CommandName]: { id: number; command: Name; args: Commands[Name][0] } }[CommandName];

export interface Stop {
  stop: number;
}

export type Message =
  /** The worker holds the lock that is called as it is: whoever gets it next knows that the worker is gone. */
  | { type: 'alive' }
  | { type: 'event'; id: number; event: EngineEvent }
  | { type: 'result'; id: number; value: unknown }
  | { type: 'error'; id: number; error: PlainError }
  /** The code is `device-lost`, `out-of-memory`, or none. */
  | { type: 'crashed'; message: string; code?: string };
