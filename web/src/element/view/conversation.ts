/** The log: pictures, questions and answers in the order they came. What the model no longer remembers is dimmed. */

import { button, h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';
import type { ShownPicture } from './picture.js';
import { thumbnail } from './preview.js';
import { TurnView, type TurnHandlers } from './turn.js';

const THUMBNAIL_SIDE = 96;
/** Entries that stay on the page: however long a conversation is, it does not slow the page down. */
const MOST_ENTRIES = 100;
/** A reader this near to the end has not scrolled away from it. */
const FOLLOW_WITHIN_PX = 240;

export interface ConversationHandlers extends TurnHandlers {
  onStarter: (text: string) => void;
}

export class Conversation {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #handlers: ConversationHandlers;
  readonly #opening: HTMLElement;
  readonly #starters: HTMLElement;
  /** Stands for what is no longer on the page. */
  readonly #earlier: HTMLElement;
  /** All that are shown. */
  turns: readonly TurnView[] = [];

  constructor(strings: Strings, handlers: ConversationHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    this.#earlier = h('div', { class: 'entry note past' }, h('div', { class: 'entry-text' }, strings.earlier));
    this.#starters = h('ul', { id: 'starters', class: 'starters', 'aria-label': strings.startersLabel });
    this.#opening = h('div', { class: 'opening' }, h('slot', { name: 'opening' }, h('p', { class: 'opening-lead' }, strings.opening)), this.#starters);
    this.root = h(
      'div',
      { class: 'log', part: 'log', id: 'log', role: 'log', 'aria-labelledby': 'conversation-title', 'aria-live': 'polite', tabindex: '0' },
      this.#opening,
    );
    // A notice below takes room from the log.
    new ResizeObserver(() => this.turns.length > 0 && this.#scrolls() && this.#follow()).observe(this.root);
    this.setStarters(strings.starters.any);
  }

  /** Questions to put into the box, while nothing has been asked. */
  setStarters(questions: string[]): void {
    const starter = (text: string) => button(text, () => this.#handlers.onStarter(text), { dir: 'auto' });
    this.#starters.replaceChildren(...questions.map((text) => h('li', {}, starter(text))));
  }

  addTurn(question: string): TurnView {
    this.#opening.remove();
    const turn = new TurnView(this.#strings, question, this.#handlers, () => this.#follow());
    this.#append(turn.root);
    this.turns = [...this.turns.filter(({ root }) => root.isConnected), turn];
    this.#scrollToEnd();
    return turn;
  }

  /** A picture that the questions below are about. */
  addPicture(picture: ShownPicture): HTMLElement {
    const entry = this.#entry('picture-entry', picture.name);
    if (picture.preview) entry.prepend(thumbnail(picture.preview, THUMBNAIL_SIDE));
    return entry;
  }

  remarkOn(entry: HTMLElement, text: string): void {
    entry.querySelector('.entry-text')!.append(h('span', { class: 'entry-remark' }, text));
  }

  addNote(text: string): HTMLElement {
    return this.#entry('note', text);
  }

  /** The model knows nothing of what stands before `entry` any more. */
  forgetBefore(entry: HTMLElement): void {
    // A picture about which nothing was asked leaves no trace.
    const above = entry.previousElementSibling;
    if (above?.matches('.picture-entry')) above.remove();
    for (let past = entry.previousElementSibling; past; past = past.previousElementSibling) past.classList.add('past');
  }

  clear(): void {
    this.root.replaceChildren(this.#opening);
    this.turns = [];
  }

  /** Growing text is not read aloud; the status says when it is complete. */
  setStreaming(streaming: boolean): void {
    this.root.setAttribute('aria-live', streaming ? 'off' : 'polite');
    this.root.setAttribute('aria-busy', String(streaming));
  }

  /** Brings the newest turn into sight: in the log where that scrolls, else in what does. */
  #scrollToEnd() {
    if (this.#scrolls()) this.root.scrollTop = this.root.scrollHeight;
    else this.root.lastElementChild?.scrollIntoView({ block: 'nearest' });
  }

  /** Keeps the end in sight, unless the reader has scrolled up. */
  #follow() {
    const desk = this.root.closest('.desk');
    const scroller = this.#scrolls() ? this.root : desk && desk.scrollHeight > desk.clientHeight ? desk : document.documentElement;
    const hiddenPx = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (hiddenPx < FOLLOW_WITHIN_PX) this.#scrollToEnd();
  }

  /** The log scrolls by itself; in a very small element everything does together. */
  #scrolls() {
    return this.root.scrollHeight > this.root.clientHeight;
  }

  #append(entry: HTMLElement) {
    this.root.append(entry);
    const most = MOST_ENTRIES + Number(this.#earlier.isConnected);
    if (this.root.children.length <= most) return;
    this.#earlier.remove();
    while (this.root.children.length > MOST_ENTRIES) this.root.firstElementChild!.remove();
    this.root.prepend(this.#earlier);
  }

  #entry(kind: string, text: string): HTMLElement {
    const entry = h('div', { class: `entry ${kind}` }, h('div', { class: 'entry-text' }, isolated(text)));
    if (this.#opening.isConnected) this.#opening.before(entry);
    else this.#append(entry);
    // Not on the page: it would scroll the picture away that has just been chosen.
    if (this.#scrolls()) this.#scrollToEnd();
    return entry;
  }
}
