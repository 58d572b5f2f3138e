/** The sample pictures, as buttons, a line that says what the model knows, and a model that knows other pictures. */

import { h } from '../dom.js';
import type { Strings } from '../strings/index.js';
import { OtherModel } from './other-model.js';
import type { ShownPicture } from './picture.js';
import { thumbnail } from './preview.js';

const THUMBNAIL_SIDE = 224;

export class Samples {
  readonly root: HTMLElement;
  readonly other: OtherModel;
  readonly #strings: Strings;
  readonly #lead = h('p', { class: 'samples-lead', id: 'samples-lead' });
  readonly #list = h('ul', { class: 'sample-list' });
  #offered: { picture: ShownPicture; button: HTMLButtonElement }[] = [];
  #scope: string | null = null;
  #current: ShownPicture | null = null;

  constructor(strings: Strings, onModel: (id: string) => void) {
    this.#strings = strings;
    this.other = new OtherModel(strings, onModel);
    const attributes = { id: 'samples', class: 'samples', part: 'samples', 'aria-labelledby': 'samples-lead', hidden: true };
    this.root = h('section', attributes, this.#lead, this.#list, this.other.root);
  }

  /** @param scope  the only kind of picture that the model knows */
  setScope(scope: string | null): void {
    this.#scope = scope;
    this.#update();
  }

  offer(pictures: ShownPicture[], onChoose: (picture: ShownPicture) => void): void {
    this.#offered = pictures.map((picture) => ({ picture, button: sampleButton(picture, () => onChoose(picture)) }));
    this.#list.replaceChildren(...this.#offered.map(({ button }) => h('li', {}, button)));
    this.#update();
  }

  /** @param picture  the current picture */
  setCurrent(picture: ShownPicture | null): void {
    this.#current = picture;
    this.#update();
  }

  #update() {
    for (const { picture, button } of this.#offered) button.setAttribute('aria-pressed', String(picture === this.#current));
    const any = this.#offered.length > 0;
    this.#lead.textContent = this.#scope ? this.#strings.scope(any) : this.#strings.samplesLead;
    this.#list.hidden = !any;
    this.root.hidden = !any && !this.#scope;
  }
}

function sampleButton(picture: ShownPicture, onclick: () => void): HTMLButtonElement {
  const canvas = thumbnail(picture.preview!, THUMBNAIL_SIDE);
  // A button needs a short name; the description is shown with the picture, once it is chosen.
  return h('button', { type: 'button', class: 'sample', part: 'sample', 'aria-label': picture.name, title: picture.name, onclick }, canvas);
}
