/**
 * The messages between a page and the engine's worker. Types only.
 *
 * The page sends a {@link Command}, and may send `{stop: id}` at any time. The worker runs commands one after another
 * and answers each with exactly one result or error. After `crashed`, the worker sends nothing more.
 * Fields of the engine's data keep the engine's names (snake_case), here and in the public API.
 */

/** `engine`: the engine's wasm is being fetched. */
export type Phase = 'engine' | 'download' | 'weights' | 'vision' | 'prefill';

/** `total` is 0 if it is not known. */
export interface Progress {
  type: 'progress';
  phase: Phase;
  done: number;
  total: number;
}

/** The next characters of an answer, and the token that completed them; null for the rest at the end. */
export interface Piece {
  type: 'piece';
  text: string;
  id: number | null;
}

export type EngineEvent = Progress | Piece;

/** An error as the worker sends it. */
export interface PlainError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

/** Several files packed into one: the default model comes like this with the package. */
export interface Pack {
  name: string;
  license: string;
  url: string;
  bytes: number;
  sha256: string;
  /** Start and end of each file, in bytes. */
  files: Record<string, [number, number]>;
}

/** Where a model is: a folder on a server, files that the user picked, or files packed into one. */
export type ModelPlace = { url: string } | { files: File[]; name: string } | { pack: Pack };

export interface LoadCommand {
  place: ModelPlace;
  /** Absolute address of the engine's wasm. */
  wasmUrl: string;
  device: Device;
  /** The context, in tokens. */
  context: number | undefined;
  /** The user has agreed to a download of this size. */
  agreedBytes: number;
  /** Whether to keep what is downloaded. */
  keep: boolean;
  /** A recovery, not a call of the user: its time may depend on a question, so no other host may notice it. */
  unasked: boolean;
}

export type Device = 'auto' | 'wgpu' | 'portable' | 'cpu';

export interface ModelInfo {
  name: string;
  device: string;
  /** Why it is not the preferred device, or slower than it could be. */
  device_notice: string | null;
  parameters: number;
  weights_bytes: number;
  /** The picture is divided into this many crops per side, each `crop_px` pixels wide. */
  crops_per_side: number;
  crop_px: number;
  image_px: number;
  image_tokens: number;
  context_tokens: number;
  vocabulary: number;
  random_weights: boolean;
  /** The only kind of picture that the model knows; null for a general model. */
  scope: 'drawn_scenes' | null;
}

export interface PictureInfo {
  /** The picture's own size as it is shown, in pixels. */
  width: number;
  height: number;
  /** What the user should know about how it was read. */
  notices: string[];
  /** The picture is of a kind that the model does not know. */
  outside_scope: boolean;
  /** The browser decoded and scaled it; its pixels may differ a little from those of the engine's decoder. */
  by_browser?: boolean;
  image_px: number;
  crops_per_side: number;
  /** 0 if kept features were used. */
  vision_passes: number;
  vision_ms: number;
}

/** How to answer. The engine has defaults for all of them. */
export interface Sampling {
  /** 0 always takes the most likely token. */
  temperature?: number;
  top_k?: number;
  top_p?: number;
  repetition_penalty?: number;
  seed?: number;
  max_new_tokens?: number;
  /** Have a model that knows one kind of picture answer also other questions, and questions without a picture. */
  anyway?: boolean;
}

export type StopReason = 'stop' | 'length' | 'stopped' | 'context';

/** A remark about a question to a model that knows one kind of picture only. */
export interface Remark {
  /** There is no picture; the question is not in English; the model was not trained to answer such a question. */
  code: 'needs_picture' | 'not_english' | 'unlike_questions';
  /** Whether the model answered nevertheless; if not, the remark replaces the answer. */
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
  /** How many of them were computed for this answer; the others were in the cache. */
  new_prompt_tokens: number;
  image_tokens: number;
  answer_tokens: number;
  vision_passes: number;
  tokens_per_second: number;
  device: string;
  /** Only for a question that the model was not trained to answer. */
  remark?: Remark;
}

/** A question with its answer, and the answer's `token_ids` if they are known. */
export interface Exchange {
  question: string;
  token_ids?: number[];
  text: string;
}

/** A question with everything that its answer depends on. */
export interface ReplyRequest {
  picture: string | null;
  before: Exchange[];
  question: string;
  /** The token ids of an interrupted answer, to be continued. */
  begun: number[];
  options: Sampling;
}

/** Where the enhancement (DEM) looked in a picture, as shares; empty if the model's configuration lacks that direction. */
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
  /** The worker holds the lock of its own name: if the page gets that lock, the worker is gone. */
  | { type: 'alive' }
  | { type: 'event'; id: number; event: EngineEvent }
  | { type: 'result'; id: number; value: unknown }
  | { type: 'error'; id: number; error: PlainError }
  /** The code is `device-lost`, `out-of-memory`, or none. */
  | { type: 'crashed'; message: string; code?: string };
