/** Tasks of the element: reading a picture, answering a question. */

import { InfLlavaError } from '../errors.js';
import type { PictureInfo } from '../engine/protocol.js';
import type { Choice } from './choice.js';
import type { ShownPicture } from './view/picture.js';

/** The picture that the conversation is about. */
export interface Held {
  choice: Choice;
  picture: ShownPicture;
  info: PictureInfo;
}

/** A running task; `done` settles when it has ended. */
export interface Task {
  abort: AbortController;
  /** Whether it was passed to the engine. */
  begun: boolean;
  done: Promise<unknown>;
}

export interface Reading extends Task {
  /** Null: the picture is removed. */
  choice: Choice | null;
  /** Its entry in the log, once the picture is prepared. */
  entry: HTMLElement | null;
}

export const codeOf = (error: unknown): string => (error as Partial<InfLlavaError>)?.code ?? 'page';
export const messageOf = (error: unknown): string => (error as Partial<Error>)?.message ?? String(error);
/** Errors of the engine, which are shown by the runner. */
export const ENDS = ['crashed', 'device-lost', 'out-of-memory', 'unloaded', 'not-loaded'];

/** Waits for a promise, or until an abort. */
export async function until<T>(other: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = () => new InfLlavaError('stopped', 'stopped');
  if (signal.aborted) throw stopped();
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(stopped()), { once: true }));
  return Promise.race([other, aborted]);
}
