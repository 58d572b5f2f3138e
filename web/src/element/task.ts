/** What is under way in the element: reading a picture, answering a question. */

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

/** Something under way, and when nothing more will come of it. */
export interface Task {
  abort: AbortController;
  /** Whether the engine has been given it. */
  begun: boolean;
  done: Promise<unknown>;
}

export interface Reading extends Task {
  /** Null: the picture is taken away. */
  choice: Choice | null;
  /** In the log, once it is known what was chosen. */
  entry: HTMLElement | null;
}

export const codeOf = (error: unknown): string => (error as Partial<InfLlavaError>)?.code ?? 'page';
export const messageOf = (error: unknown): string => (error as Partial<Error>)?.message ?? String(error);
/** The engine's end is said where it is noticed. */
export const ENDS = ['crashed', 'device-lost', 'out-of-memory', 'unloaded', 'not-loaded'];

/** Waits for something else, but not beyond an abort. */
export async function until<T>(other: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = () => new InfLlavaError('stopped', 'stopped');
  if (signal.aborted) throw stopped();
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(stopped()), { once: true }));
  return Promise.race([other, aborted]);
}
