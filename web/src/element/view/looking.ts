/** Selects a word of an answer, to show what the model looked at. */

import { h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';

export class Looking {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #slider: HTMLInputElement;
  readonly #word = isolated('', { class: 'looking-word' });
  readonly #hint = h('p', { class: 'looking-hint' });
  readonly #reading = h('input', { type: 'radio', name: 'looking', value: 'reading' });
  readonly #answering = h('input', { type: 'radio', name: 'looking', value: 'answering', checked: true });
  #texts: readonly string[] = [];

  /** @param onChange  another map is wanted */
  constructor(strings: Strings, onChange: () => void) {
    this.#strings = strings;
    const kinds = h(
      'div',
      { class: 'tools', role: 'radiogroup', 'aria-label': strings.lookedAtKind },
      h('label', { class: 'switch' }, this.#answering, ` ${strings.decoder}`),
      h('label', { class: 'switch' }, this.#reading, ` ${strings.dem}`),
    );
    kinds.addEventListener('change', onChange);
    this.#slider = h('input', { type: 'range', min: 0, step: 1, value: 0, 'aria-label': strings.lookedAtToken });
    this.#slider.addEventListener('input', () => {
      this.#say();
      onChange();
    });
    this.root = h(
      'section',
      { class: 'looking-panel', part: 'attention-panel', 'aria-label': strings.lookedAt, hidden: true },
      kinds,
      this.#slider,
      this.#word,
      this.#hint,
    );
  }

  get token(): number {
    return this.#slider.valueAsNumber;
  }

  /** Whether the map of the enhancement is wanted, not that of a word. */
  get reading(): boolean {
    return this.#reading.checked;
  }

  /** @param texts  the text of each token of the answer; empty if there is no answer yet */
  offer(texts: readonly string[] | undefined): void {
    const wanted = texts ?? [];
    const same = JSON.stringify(wanted) === JSON.stringify(this.#texts);
    this.#texts = wanted;
    const any = this.#texts.length > 0;
    this.#slider.hidden = this.#word.hidden = !any || this.reading;
    this.#hint.textContent = this.reading ? this.#strings.demHint : any ? this.#strings.lookedAtHint : this.#strings.lookedAtNothing;
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
