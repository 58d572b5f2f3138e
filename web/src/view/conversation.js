/** The log: pictures, questions and answers in the order they came. What the model no longer remembers is dimmed. */

import { strings } from '../strings.js';
import { thumbnail } from './thumbnail.js';
import { Turn } from './turn.js';

const THUMBNAIL_SIDE = 96;
/** A reader this near to the end has not scrolled away from it. */
const FOLLOW_WITHIN_PX = 240;

export class Conversation {
  #log = document.getElementById('conversation');
  #opening = document.getElementById('opening');
  #starters = document.getElementById('starters');
  #handlers;

  /**
   * @param {object} handlers
   * @param {(text: string) => void} handlers.on_starter
   * @param {(turn: Turn) => void} handlers.on_regenerate
   * @param {(text: string) => void} handlers.on_copy
   */
  constructor(handlers) {
    this.#handlers = handlers;
    // A notice below takes room from the log.
    new ResizeObserver(() => this.#scrolls() && this.#follow()).observe(this.#log);
    this.setStarters(strings.starters.any);
  }

  /** @param {string[]} questions  to put into the box, while nothing has been asked */
  setStarters(questions) {
    this.#starters.replaceChildren(...questions.map((text) => this.#starter(text)));
  }

  /** @param {string} question @returns {Turn} */
  addTurn(question) {
    this.#opening.remove();
    const turn = new Turn(question, this.#handlers, () => this.#follow());
    this.#log.append(turn.root);
    this.#scrollToEnd();
    return turn;
  }

  /** A picture that the questions below are about. @param {import('../picture.js').Picture} picture */
  addPicture(picture) {
    const entry = this.#entry('picture-entry', picture.name);
    if (picture.preview) entry.prepend(thumbnail(picture.preview, THUMBNAIL_SIDE));
    return entry;
  }

  /** @param {Element} entry  of a picture @param {string} text */
  remarkOn(entry, text) {
    const remark = document.createElement('span');
    remark.className = 'entry-remark';
    remark.textContent = text;
    entry.querySelector('.entry-text').append(remark);
  }

  /** @param {string} text */
  addNote(text) {
    return this.#entry('note', text);
  }

  /** The model knows nothing of what stands before `entry` any more. @param {Element} entry */
  forgetBefore(entry) {
    // A picture about which nothing was asked leaves no trace.
    if (entry.previousElementSibling?.matches('.picture-entry')) entry.previousElementSibling.remove();
    for (let past = entry.previousElementSibling; past; past = past.previousElementSibling) past.classList.add('past');
  }

  hasTurns() {
    return this.#log.querySelector('.turn') !== null;
  }

  clear() {
    this.#log.replaceChildren(this.#opening);
  }

  /** @param {boolean} streaming  growing text is not read aloud; the status says when it is complete */
  setStreaming(streaming) {
    this.#log.setAttribute('aria-live', streaming ? 'off' : 'polite');
    this.#log.setAttribute('aria-busy', String(streaming));
  }

  /** Brings the newest turn into sight: in the log where that scrolls, else on the page. */
  #scrollToEnd() {
    if (this.#scrolls()) this.#log.scrollTop = this.#log.scrollHeight;
    else this.#log.lastElementChild?.scrollIntoView({ block: 'end' });
  }

  /** Keeps the end in sight, unless the reader has scrolled up. */
  #follow() {
    const scroller = this.#scrolls() ? this.#log : document.documentElement;
    const hidden_px = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (hidden_px < FOLLOW_WITHIN_PX) this.#scrollToEnd();
  }

  /** On a wide page the log scrolls by itself; on a narrow one the page does. */
  #scrolls() {
    return this.#log.scrollHeight > this.#log.clientHeight;
  }

  #entry(kind, text) {
    const entry = document.createElement('div');
    entry.className = `entry ${kind}`;
    const label = document.createElement('bdi');
    label.textContent = text;
    const texts = document.createElement('div');
    texts.className = 'entry-text';
    texts.append(label);
    entry.append(texts);
    if (this.#opening.isConnected) this.#opening.before(entry);
    else this.#log.append(entry);
    // Not on the page: it would scroll the picture away that has just been chosen.
    if (this.#scrolls()) this.#scrollToEnd();
    return entry;
  }

  #starter(text) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button quiet';
    button.textContent = text;
    button.addEventListener('click', () => this.#handlers.on_starter(text));
    item.append(button);
    return item;
  }
}
