/** Shows the device and the model. */

import type { ModelInfo } from '../../engine/protocol.js';
import { h } from '../dom.js';
import type { Strings } from '../strings/index.js';

export class Facts {
  readonly root: HTMLElement;
  readonly caution = h('p', { id: 'random-weights', class: 'caution', part: 'caution', hidden: true });
  readonly #strings: Strings;
  readonly #device = h('dd', { id: 'device' });
  readonly #model = h('dd', { id: 'model' });

  constructor(strings: Strings) {
    this.#strings = strings;
    this.root = h(
      'dl',
      { class: 'facts', part: 'facts' },
      h('div', {}, h('dt', {}, strings.device), this.#device),
      h('div', {}, h('dt', {}, strings.model), this.#model),
    );
    this.show(null);
  }

  show(info: ModelInfo | null): void {
    this.#device.textContent = info?.device ?? this.#strings.deviceUnknown;
    this.#model.textContent = info ? this.#strings.modelFacts(info) : this.#strings.modelUnknown;
    const cautions = [info?.random_weights && this.#strings.randomWeights, info && !globalThis.isSecureContext && this.#strings.insecure];
    this.caution.textContent = cautions.filter(Boolean).join(' ');
    this.caution.hidden = !this.caution.textContent;
  }
}
