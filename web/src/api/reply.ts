/** An answer: its pieces as they arrive, in a `for await`, and the whole as a promise. */

import type { Answer } from '../engine/protocol.js';

export class Reply implements AsyncIterable<string> {
  /** The whole answer. If it was stopped, the part that had arrived, with `stop_reason: 'stopped'`. */
  readonly answer: Promise<Answer>;
  readonly #pieces: string[] = [];
  readonly #stop: () => void;
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(start: (onPiece: (text: string) => void) => Promise<Answer>, stop: () => void) {
    this.#stop = stop;
    this.answer = start((text) => {
      this.#pieces.push(text);
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
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
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
