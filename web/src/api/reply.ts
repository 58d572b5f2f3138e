/** An answer: its pieces as they arrive, in a `for await`, and the whole as a promise. */

import type { Answer } from '../engine/protocol.js';

/** `Piece`: the type of the parts; `Whole`: the type of the result. */
export class Reply<Piece = string, Whole = Answer> implements AsyncIterable<Piece> {
  /** The whole answer. If it was stopped, the part that had arrived, with `stop_reason: 'stopped'`. */
  readonly answer: Promise<Whole>;
  readonly #pieces: Piece[] = [];
  readonly #stop: () => void;
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(start: (onPiece: (piece: Piece) => void) => Promise<Whole>, stop: () => void) {
    this.#stop = stop;
    this.answer = start((piece) => {
      this.#pieces.push(piece);
      this.#wake();
    }).finally(() => {
      this.#ended = true;
      this.#wake();
    });
    // A caller that only iterates gets the error there: this promise must not count as an unhandled rejection.
    this.answer.catch(() => {});
  }

  /** Stops the answer. */
  stop(): void {
    this.#stop();
  }

  /** Pieces from the beginning. Leaving the loop stops the answer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void> {
    let at = 0;
    let complete = false;
    try {
      for (;;) {
        while (at < this.#pieces.length) yield this.#pieces[at++]!;
        if (this.#ended) break;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      complete = true;
      await this.answer;
    } finally {
      if (!complete) this.#stop();
    }
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
