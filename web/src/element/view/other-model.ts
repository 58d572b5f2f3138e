/** Offers a model for the pictures that the one in use does not know. */

import type { KnownModel } from '../../engine/generated.js';
import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';

export class OtherModel {
  readonly root = h('div', { class: 'other-model', hidden: true });
  readonly #strings: Strings;
  readonly #onChoose: (id: string) => void;

  constructor(strings: Strings, onChoose: (id: string) => void) {
    this.#strings = strings;
    this.#onChoose = onChoose;
  }

  offer(known: KnownModel | null): void {
    this.root.hidden = known === null;
    this.root.replaceChildren(...(known ? [button(this.#strings.forPhotographs(known), () => this.#onChoose(known.id!))] : []));
  }
}
