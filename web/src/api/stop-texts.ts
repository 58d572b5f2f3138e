/** Ends an answer before any of the stop texts: text that may be the beginning of one is held back. */

export class StopTexts {
  readonly #texts: readonly string[];
  #held = '';
  #found = false;

  constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  /** Whether a stop text was found: then there is no more output. */
  get found(): boolean {
    return this.#found;
  }

  /** Adds a piece. @returns the text that can be output now */
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

  /** The end of the answer. @returns the text that was held back */
  finish(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** How many characters at the end of `text` may be the beginning of `stop`. */
function beginning(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (stop.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
