/** Texts in front of which an answer ends: pieces go through it, and what may begin such a text is held back. */

export class StopTexts {
  readonly #texts: readonly string[];
  #held = '';
  #found = false;

  constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  /** Whether one of them came: nothing is said any more. */
  get found(): boolean {
    return this.#found;
  }

  /** What of the answer may be said by now. */
  push(piece: string): string {
    if (this.#found) return '';
    const text = this.#held + piece;
    const places = this.#texts.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (places.length > 0) {
      this.#found = true;
      this.#held = '';
      return text.slice(0, Math.min(...places));
    }
    const held = Math.max(0, ...this.#texts.map((stop) => beginning(text, stop)));
    this.#held = text.slice(text.length - held);
    return text.slice(0, text.length - held);
  }

  /** What was held back and began nothing after all. */
  finish(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** How much of the end of `text` may be the beginning of `stop`. */
function beginning(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (stop.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
