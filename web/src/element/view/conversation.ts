/** The log: pictures, questions and answers in order. Entries that the model no longer remembers are dimmed. */

import { button, h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';
import type { ShownPicture } from './picture.js';
import { thumbnail } from './preview.js';
import { TurnView, type TurnHandlers } from './turn.js';

const THUMBNAIL_SIDE = 96;
/** How many entries stay on the page, so that a long conversation does not slow it down. */
const MOST_ENTRIES = 100;
/** Within this distance from the end, the log keeps scrolling along. */
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
  /** Replaces entries that are no longer on the page. */
  readonly #earlier: HTMLElement;
  /** All turns that are shown. */
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
    // A notice below makes the log smaller.
    new ResizeObserver(() => this.turns.length > 0 && this.#scrolls() && this.#follow()).observe(this.root);
    this.setStarters(strings.starters.any);
  }

  /** Suggests questions, while nothing has been asked. */
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

  /** Adds a picture that the next questions are about. */
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

  /** Dims everything before `entry`, which the model no longer remembers. */
  forgetBefore(entry: HTMLElement): void {
    // A picture about which nothing was asked is removed.
    const above = entry.previousElementSibling;
    if (above?.matches('.picture-entry')) above.remove();
    for (let past = entry.previousElementSibling; past; past = past.previousElementSibling) past.classList.add('past');
  }

  clear(): void {
    this.root.replaceChildren(this.#opening);
    this.turns = [];
  }

  /** Growing text is not read aloud; the status line announces when it is complete. */
  setStreaming(streaming: boolean): void {
    this.root.setAttribute('aria-live', streaming ? 'off' : 'polite');
    this.root.setAttribute('aria-busy', String(streaming));
  }

  /** Scrolls to the newest turn, in the log or in whatever scrolls instead. */
  #scrollToEnd() {
    if (this.#scrolls()) this.root.scrollTop = this.root.scrollHeight;
    else this.root.lastElementChild?.scrollIntoView({ block: 'nearest' });
  }

  /** Keeps the end visible, unless the reader has scrolled up. */
  #follow() {
    const desk = this.root.closest('.desk');
    const scroller = this.#scrolls() ? this.root : desk && desk.scrollHeight > desk.clientHeight ? desk : document.documentElement;
    const hiddenPx = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (hiddenPx < FOLLOW_WITHIN_PX) this.#scrollToEnd();
  }

  /** What scrolls: the log itself, or in a very small element everything together. */
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
    // Not the page: it would scroll away from the picture that was just chosen.
    if (this.#scrolls()) this.#scrollToEnd();
    return entry;
  }
}
