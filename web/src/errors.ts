/** The error class of this package. */

import type { PlainError } from './engine/protocol.js';

/**
 * An error with a stable `code`: one of the engine's (the command line has the same), or one of the package's. README.md
 * lists all of them.
 */
export class InfLlavaError extends Error {
  override readonly name = 'InfLlavaError';
  /** Stable, for programs; the message is for people. */
  readonly code: string;
  /** Of `consent`: name, license, bytes, total, kept, stored; of `quota`: needed, free. */
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

/** Thrown if something is stopped before it has a result. */
export const stopped = (): InfLlavaError => new InfLlavaError('stopped', 'stopped');
