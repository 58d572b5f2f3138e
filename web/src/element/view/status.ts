/** The status line, which screen readers announce, and the progress bar, which they do not. */

import type { Phase } from '../../engine/protocol.js';
import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';
import { Pace } from './pace.js';

export class Status {
  readonly bar: HTMLProgressElement;
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #status: HTMLElement;
  readonly #text = h('div', { class: 'data', 'aria-hidden': 'true' });
  readonly #pause: HTMLButtonElement;
  #pace = new Pace();
  /** What is told of the download, and of the quantising that goes on beside it. */
  #beside = { download: '', conversion: '' };

  constructor(strings: Strings, onPause: () => void) {
    this.#strings = strings;
    this.bar = h('progress', { id: 'progress', class: 'progress', part: 'progress', 'aria-label': strings.progress, hidden: true });
    this.#status = h('div', { id: 'status', role: 'status', 'aria-label': strings.status });
    this.#pause = button(strings.pause, onPause, { hidden: true });
    this.root = h('div', { class: 'statusbar', part: 'status' }, this.#status, this.#text, this.#pause);
  }

  get text(): string {
    return this.#status.textContent ?? '';
  }

  /** To be used sparingly: each change is read aloud. */
  say(text: string): void {
    if (this.text !== text) this.#status.textContent = text;
  }

  /** Shows an indeterminate bar, until {@link advance} sets its length. */
  begin(): void {
    this.bar.removeAttribute('value');
    this.bar.removeAttribute('aria-valuetext');
    this.bar.hidden = false;
    this.#text.textContent = '';
    this.#pace = new Pace();
    this.#beside = { download: '', conversion: '' };
  }

  advance(phase: Phase, done: number, total: number): void {
    if (phase === 'conversion') {
      this.#beside.conversion = this.#strings.progressOf(phase, done, total, { rate: 0, left_s: 0 });
      this.#show([this.#beside.download, this.#beside.conversion], phase);
      return;
    }
    const told = this.#strings.progressOf(phase, done, total, this.#pace.at(done, total, performance.now()));
    this.#beside = { download: told, conversion: phase === 'download' ? this.#beside.conversion : '' };
    if (total > 0) {
      this.bar.max = total;
      this.bar.value = Math.min(done, total);
    } else this.bar.removeAttribute('value');
    this.#show([told, this.#beside.conversion], phase);
  }

  #show(parts: string[], phase: Phase) {
    const text = parts.filter(Boolean).join(' · ');
    this.bar.setAttribute('aria-valuetext', text);
    this.bar.hidden = false;
    this.#text.textContent = text;
    this.#pause.hidden = phase !== 'download' && phase !== 'conversion';
  }

  end(): void {
    this.bar.hidden = true;
    this.#text.textContent = '';
    this.#pause.hidden = true;
  }
}
