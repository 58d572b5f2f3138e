/** What is going on, in one line that is announced, with a bar that is not; and the engine's facts. */

import { Pace } from './pace.js';
import { strings } from '../strings.js';

export class Status {
  #status = document.getElementById('status');
  #bar = /** @type {HTMLProgressElement} */ (document.getElementById('progress'));
  #bar_text = document.getElementById('progress-text');
  #device = document.getElementById('device');
  #model = document.getElementById('model');
  #random_weights = document.getElementById('random-weights');
  #full_model = document.getElementById('full-model');
  #pace = new Pace();

  /** Only at turns of events: each change is read aloud. @param {string} text */
  say(text) {
    if (this.#status.textContent !== text) this.#status.textContent = text;
  }

  /** A bar without a length, until {@link advance} gives it one. */
  begin() {
    this.#bar.removeAttribute('value');
    this.#bar.removeAttribute('aria-valuetext');
    this.#bar.hidden = false;
    this.#bar_text.textContent = '';
    this.#pace = new Pace();
  }

  /** @param {import('../protocol.js').Phase} phase @param {number} done @param {number} total */
  advance(phase, done, total) {
    const text = strings.progress[phase]?.(done, total, this.#pace.at(done, total, performance.now())) ?? '';
    if (total > 0) {
      this.#bar.max = total;
      this.#bar.value = Math.min(done, total);
    } else this.#bar.removeAttribute('value');
    this.#bar.setAttribute('aria-valuetext', text);
    this.#bar.hidden = false;
    this.#bar_text.textContent = text;
  }

  end() {
    this.#bar.hidden = true;
    this.#bar_text.textContent = '';
  }

  /** @param {import('../protocol.js').EngineInfo|null} info */
  facts(info) {
    this.#device.textContent = info?.device ?? strings.deviceUnknown;
    this.#model.textContent = info ? strings.modelFacts(info) : strings.modelUnknown;
    this.#random_weights.textContent = info?.random_weights ? strings.randomWeights : '';
    this.#random_weights.hidden = !info?.random_weights;
    // A general model is the full one as far as this page knows.
    if (info) this.#full_model.hidden = !info.scope;
  }
}
