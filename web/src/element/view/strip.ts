/** The pictures of a conversation side by side, and a place to add one. */

import { h } from '../dom.js';
import type { Strings } from '../strings/index.js';
import { icon } from './icons.js';
import { accepted, type ShownPicture } from './picture.js';
import { thumbnail } from './preview.js';

export interface StripHandlers {
  onAdd: (files: FileList | File[]) => void;
  /** `at`: among those beside the first; -1: the first. */
  onLook: (at: number) => void;
  onRemove: (at: number) => void;
}

export interface StripPicture {
  picture: ShownPicture;
  reading: boolean;
  /** Whether it can be taken away. */
  removable: boolean;
  /** Whether it is on the stage. */
  looked: boolean;
}

/** Pixels of a side, twice as many as are shown. */
const SIDE = 112;

export class StripView {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #handlers: StripHandlers;
  readonly #list: HTMLElement;
  readonly #add: HTMLElement;
  readonly #input: HTMLInputElement;

  constructor(strings: Strings, handlers: StripHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    this.#list = h('ul', { class: 'strip-list', 'aria-label': strings.pictures });
    this.#input = h('input', { id: 'more-images', class: 'unseen', type: 'file', accept: accepted(false), multiple: true, 'aria-label': strings.addPicture });
    this.#input.addEventListener('change', () => {
      handlers.onAdd([...this.#input.files!]);
      this.#input.value = ''; // so that choosing the same file again fires an event
    });
    this.#add = h(
      'div',
      { class: 'strip-add' },
      this.#input,
      h('label', { class: 'button quiet', part: 'button button-quiet', for: 'more-images' }, icon('add'), h('span', {}, strings.addPicture)),
    );
    this.root = h('div', { class: 'strip', hidden: true }, this.#list, this.#add);
  }

  offerVideos(offered: boolean): void {
    this.#input.accept = accepted(offered);
  }

  show(pictures: StripPicture[], canAdd: boolean): void {
    this.root.hidden = pictures.length === 0 || (pictures.length === 1 && !canAdd);
    this.#add.hidden = !canAdd;
    this.#list.hidden = pictures.length < 2;
    this.#list.replaceChildren(...pictures.map((picture, index) => this.#item(picture, index - 1)));
  }

  #item({ picture, reading, removable, looked }: StripPicture, at: number): HTMLElement {
    const { name, preview } = picture;
    const look = h(
      'button',
      { type: 'button', class: 'strip-look', part: 'strip-picture', 'aria-label': name, title: name, 'aria-pressed': String(looked), disabled: reading },
      preview ? thumbnail(preview, SIDE) : h('span', { class: 'strip-name', dir: 'auto' }, name),
    );
    look.addEventListener('click', () => this.#handlers.onLook(at));
    const remove = h(
      'button',
      { type: 'button', class: 'strip-remove', 'aria-label': this.#strings.removeNamed(name), title: this.#strings.removeNamed(name) },
      icon('remove'),
    );
    remove.addEventListener('click', () => {
      this.#input.focus(); // the button disappears with the picture
      this.#handlers.onRemove(at);
    });
    return h('li', { 'aria-busy': String(reading) }, look, ...(removable ? [remove] : []));
  }
}
