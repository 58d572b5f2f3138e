/**
 * The picture as the model sees it: the padded square under its grid of crops, with the model's own
 * pixel coordinates along two sides. While the picture is read, crops that are done come to light.
 */

import { strings } from '../strings.js';

export class PictureView {
  #mount = document.getElementById('mount');
  #canvas = /** @type {HTMLCanvasElement} */ (document.getElementById('preview'));
  #grid = document.getElementById('grid');
  #rules = [document.getElementById('rule-x'), document.getElementById('rule-y')];
  #toggle = /** @type {HTMLInputElement} */ (document.getElementById('grid-toggle'));
  #caption = document.getElementById('caption');
  #name = document.getElementById('picture-name');
  #facts = document.getElementById('picture-facts');
  #remarks = document.getElementById('picture-remarks');
  #outside = document.getElementById('outside-scope');
  #outside_text = document.getElementById('outside-scope-text');
  #has_picture = false;
  #crops_per_side = 0;

  constructor() {
    this.#toggle.addEventListener('change', () => this.#update());
  }

  /** @param {{crops_per_side: number, image_px: number}} geometry */
  setGeometry({ crops_per_side, image_px }) {
    this.#crops_per_side = crops_per_side;
    // Through the object model: the page's policy refuses style attributes.
    this.#grid.style.setProperty('--crops-per-side', String(crops_per_side));
    const cells = Array.from({ length: crops_per_side ** 2 }, (_, i) => {
      const cell = document.createElement('span');
      cell.textContent = String(i + 1);
      return cell;
    });
    this.#grid.replaceChildren(...cells);
    for (const rule of this.#rules) {
      const marks = Array.from({ length: crops_per_side + 1 }, (_, i) => {
        const mark = document.createElement('span');
        mark.textContent = String((image_px / crops_per_side) * i);
        return mark;
      });
      rule.replaceChildren(...marks);
    }
    this.#update();
  }

  /**
   * @param {import('../picture.js').Picture|null} picture
   * @param {string} facts
   * @param {string[]} remarks
   * @param {boolean} outside_scope  the model knows pictures of another kind only
   */
  show(picture, facts = '', remarks = [], outside_scope = false) {
    this.#has_picture = picture !== null;
    if (picture) {
      const context = this.#canvas.getContext('2d');
      this.#canvas.width = this.#canvas.height = picture.preview?.width ?? 1;
      if (picture.preview) context.drawImage(picture.preview, 0, 0);
      this.#name.textContent = picture.name;
    }
    this.#canvas.hidden = !picture?.preview;
    this.#facts.textContent = picture && !picture.preview ? [strings.noPreview, facts].filter(Boolean).join(' · ') : facts;
    this.#remarks.hidden = remarks.length === 0;
    this.#remarks.replaceChildren(
      ...remarks.map((text) => {
        const item = document.createElement('li');
        item.textContent = text;
        return item;
      }),
    );
    this.#outside.hidden = !outside_scope;
    this.#outside_text.textContent = outside_scope ? strings.outsideScope : '';
    this.#caption.hidden = !picture;
    this.#mount.classList.toggle('filled', this.#has_picture);
    this.#update();
  }

  /** Veils the crops, to be lifted by {@link advance}. */
  beginReading() {
    this.#mount.classList.add('reading');
    this.advance(0, 1);
    this.#update();
  }

  /** @param {number} done @param {number} total vision passes */
  advance(done, total) {
    const lit = total > 0 ? Math.floor((done / total) * this.#grid.children.length) : 0;
    [...this.#grid.children].forEach((cell, i) => cell.classList.toggle('lit', i < lit));
  }

  endReading() {
    this.#mount.classList.remove('reading');
    this.#update();
  }

  /** @param {boolean} over  a file is being dragged over the page */
  setTarget(over) {
    this.#mount.classList.toggle('target', over);
  }

  #update() {
    const reading = this.#mount.classList.contains('reading');
    const wanted = this.#toggle.checked && this.#has_picture && this.#crops_per_side > 0;
    this.#mount.classList.toggle('ruled', wanted);
    this.#grid.hidden = !this.#has_picture || !(wanted || reading);
  }
}
