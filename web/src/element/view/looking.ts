/** Walks through the words of an answer, to show for each what the model looked at. */

import { h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';

export class Looking {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #slider: HTMLInputElement;
  readonly #word = isolated('', { class: 'looking-word' });
  readonly #hint = h('p', { class: 'looking-hint' });
  #texts: readonly string[] = [];

  /** @param on_token  a token of the answer is to be shown */
  constructor(strings: Strings, on_token: () => void) {
    this.#strings = strings;
    this.#slider = h('input', { type: 'range', min: 0, step: 1, value: 0, 'aria-label': strings.lookedAtToken });
    this.#slider.addEventListener('input', () => {
      this.#say();
      on_token();
    });
    this.root = h('section', { class: 'looking-panel', part: 'attention-panel', 'aria-label': strings.lookedAt, hidden: true }, this.#slider, this.#word, this.#hint);
  }

  get token(): number {
    return this.#slider.valueAsNumber;
  }

  /** @param texts  what each token of the answer said; none: there is no answer yet */
  offer(texts: readonly string[] | undefined): void {
    const same = texts === this.#texts;
    this.#texts = texts ?? [];
    const any = this.#texts.length > 0;
    this.#slider.hidden = this.#word.hidden = !any;
    this.#hint.textContent = any ? this.#strings.lookedAtHint : this.#strings.lookedAtNothing;
    this.#slider.max = String(Math.max(0, this.#texts.length - 1));
    if (!same) this.#slider.value = '0';
    this.#say();
  }

  #say() {
    const at = this.token;
    const text = this.#strings.lookedAtPosition(at + 1, this.#texts.length, (this.#texts[at] ?? '').trim() || '·');
    this.#word.textContent = text;
    this.#slider.setAttribute('aria-valuetext', text);
  }
}
