/**
 * The messages between a page and the engine's worker. Types only.
 *
 * The page sends a {@link Command}, and may send `{stop: id}` at any time. The worker runs commands one after another
 * and answers each with exactly one result or error. After `crashed`, the worker sends nothing more.
 * Fields of the engine's data keep the engine's names (snake_case), here and in the public API.
 */

import type * as engine from './generated.js';
import type { Completed, CompletionChunk, EnhancementAttention, Head, ModelInfo, Understood } from './generated.js';

export type {
  Answer,
  Completed,
  CompletionChunk,
  EnhancementAttention,
  Exchange,
  Head,
  ModelInfo,
  Remark,
  Shown,
  StopReason,
  Understood,
} from './generated.js';

/**
 * `engine`: the engine's wasm is being fetched. `frames`: the frames of a video are being drawn. `conversion`: what is downloaded from a hub is quantised, which goes on
 * beside `download`; both are told.
 */
export type Phase = 'engine' | 'frames' | Exclude<engine.EnginePhase, 'verification'>;

/** `total` is 0 if it is not known. */
export interface Progress {
  type: 'progress';
  phase: Phase;
  done: number;
  total: number;
}

/** The next characters of an answer, and the token that completed them; null for the rest at the end. */
export type Piece = Extract<engine.EngineEvent, { type: 'piece' }>;

/** `chunk`: for a completion, the chunk with the piece's characters. */
export type EngineEvent = Progress | (Piece & { chunk?: CompletionChunk });

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

/** A model on a hub, as people name it: `owner/name`, with `@revision` or without, or its address there. */
export interface HubModel {
  name: string;
  /** The hub's address. */
  hub: string;
}

/** Where a model is: a folder on a server, files that the user picked, files packed into one, or a hub. */
export type ModelPlace = { url: string } | { files: File[]; name: string } | { pack: Pack } | { on: HubModel };

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

export interface PictureInfo extends engine.PictureInfo {
  /** The browser decoded and scaled it; its pixels may differ a little from those of the engine's decoder. */
  by_browser?: boolean;
}

/** How closely a picture is looked at: `auto` as the model was released, `low`, `high`, or the most visual tokens. */
export type Detail = engine.Shown['detail'];

/** How to answer. The engine has defaults for all of them. */
export type Sampling = Partial<Omit<engine.AskOptions, 'stop'>>;

/** A question with everything that its answer depends on. */
export interface ReplyRequest extends Omit<engine.ReplyRequest, 'options'> {
  options: Partial<engine.AskOptions>;
}

/** A request in OpenAI's form, as the engine understood it. */
export interface UnderstoodRequest extends Understood {
  /** The pictures' files, by the keys that the request has for them. */
  pictures: { key: string; media_type: string; bytes: Uint8Array<ArrayBuffer> }[];
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
  /**
   * A picture's file, or a video's frames (`reel.ts`). `isOnly`: it will be its conversation's only one; where that turns out
   * otherwise, the engine prepares it anew.
   */
  readPicture: [{ key: string; name: string; bytes: Uint8Array<ArrayBuffer>; isOnly: boolean; detail: Detail }, PictureInfo];
  /** Which frames are looked at, of so many at `fps` a second that take `seconds`. */
  videoFrames: [{ frames: number; fps: number; seconds: number }, number[]];
  reply: [ReplyRequest, engine.Answer];
  /**
   * `request` is JSON; `model` is the loaded model's name, and `mostPictures` those that it knows in a conversation.
   * `unasked` as in {@link LoadCommand}.
   */
  readCompletion: [{ wasmUrl: string; request: string; model: string | undefined; mostPictures: number | undefined; unasked: boolean }, UnderstoodRequest];
  complete: [ReplyRequest & { head: Head }, Completed];
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
