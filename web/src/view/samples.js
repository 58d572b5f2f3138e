/** The sample pictures below the mount, as buttons, and the line that says what the model knows. */

import { strings } from '../strings.js';
import { thumbnail } from './thumbnail.js';

const THUMBNAIL_SIDE = 224;

/** @typedef {{picture: import('../picture.js').Picture, alt: string}} Sample */

export class Samples {
  #root = document.getElementById('samples');
  #lead = document.getElementById('samples-lead');
  #list = document.getElementById('sample-list');
  /** @type {{sample: Sample, button: HTMLButtonElement}[]} */
  #offered = [];
  /** @type {string|null} */
  #scope = null;
  /** @type {import('../picture.js').Picture|null} */
  #current = null;

  /** @param {string|null} scope  the one kind of picture that the model knows */
  setScope(scope) {
    this.#scope = scope;
    this.#update();
  }

  /** @param {Sample[]} samples @param {(sample: Sample) => void} on_choose */
  offer(samples, on_choose) {
    this.#offered = samples.map((sample) => ({ sample, button: sampleButton(sample, () => on_choose(sample)) }));
    this.#list.replaceChildren(
      ...this.#offered.map(({ button }) => {
        const item = document.createElement('li');
        item.append(button);
        return item;
      }),
    );
    this.#update();
  }

  /** @param {import('../picture.js').Picture|null} picture  the one that is in the mount */
  setCurrent(picture) {
    this.#current = picture;
    this.#update();
  }

  #update() {
    for (const { sample, button } of this.#offered) {
      button.setAttribute('aria-pressed', String(sample.picture === this.#current));
    }
    this.#root.classList.toggle('small', this.#current !== null);
    const any = this.#offered.length > 0;
    this.#lead.textContent = this.#scope ? strings.scope(any) : strings.samplesLead;
    this.#list.hidden = !any;
    this.#root.hidden = !any && !this.#scope;
  }
}

function sampleButton({ picture, alt }, on_click) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'sample';
  const canvas = thumbnail(picture.preview, THUMBNAIL_SIDE);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', alt || picture.name);
  button.append(canvas);
  button.addEventListener('click', on_click);
  return button;
}
