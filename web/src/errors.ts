/** Every failure that this package reports. */

import type { PlainError } from './engine/protocol.js';

/**
 * An error with a stable `code`: the engine's own (`inf-llava` says the same on the command line), or one of the
 * package's. The table in README.md has them all.
 */
export class InfLlavaError extends Error {
  override readonly name = 'InfLlavaError';
  /** Stable; for programs. The message is for people. */
  readonly code: string;
  /** Of `consent`: name, license, bytes, total, kept; of `quota`: needed, free. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Record<string, unknown> = {}) {
    super(message || code);
    this.code = code;
    this.details = Object.freeze(details);
  }

  static from(error: PlainError): InfLlavaError {
    return new InfLlavaError(error.code, error.message, error.details);
  }
}

/** What a stop throws where there is nothing yet to be kept. */
export const stopped = (): InfLlavaError => new InfLlavaError('stopped', 'stopped');
