/** One question with its answer, its figures, and its buttons. */

import type { Answer } from '../../engine/protocol.js';
import { button, h, isolated, more } from '../dom.js';
import type { Strings } from '../strings/index.js';

export interface TurnHandlers {
  onCopy: (text: string) => void;
  onRegenerate: (turn: TurnView) => void;
  onEdit: (turn: TurnView) => void;
}

export type TurnState = 'waiting' | 'streaming' | 'done' | 'broken';

/** Comes with the model: not before, since a page that nobody uses needs none of it; nor with an answer, which must ask for nothing. */
let markdown: Promise<typeof import('../markdown.js')> | null = null;
let renderMarkdown: ((text: string) => DocumentFragment) | null = null;

export function needMarkdown(): Promise<unknown> {
  markdown ??= import('../markdown.js').then((module) => {
    renderMarkdown = module.renderMarkdown;
    return module;
  });
  return markdown;
}

export class TurnView {
  readonly root: HTMLElement;
  readonly question: string;
  readonly #strings: Strings;
  readonly #answer = h('div', { class: 'answer', part: 'answer', dir: 'auto' });
  /** What must be said beside the answer. */
  readonly #remark = h('p', { class: 'remark', role: 'note', hidden: true });
  readonly #facts = h('div', { class: 'data' });
  readonly #copy: HTMLButtonElement;
  readonly #regenerate: HTMLButtonElement;
  readonly #edit: HTMLButtonElement;
  readonly #onGrowth: () => void;
  #text = '';
  #frame = 0;
  #begunMs = performance.now();
  /** What stood here before a regeneration, until there is something better. */
  #before: { text: string; remark: string; facts: ChildNode[]; state: TurnState } | null = null;

  constructor(strings: Strings, question: string, { onCopy, onRegenerate, onEdit }: TurnHandlers, onGrowth: () => void) {
    this.#strings = strings;
    this.question = question;
    this.#onGrowth = onGrowth;
    this.#copy = button(strings.copy, () => onCopy(this.#text), { hidden: true });
    this.#regenerate = button(strings.regenerate, () => onRegenerate(this), { hidden: true });
    this.#edit = button(strings.edit, () => onEdit(this), { hidden: true });
    const unseen = (text: string) => h('span', { class: 'unseen' }, `${text} `);
    this.root = h(
      'article',
      { class: 'turn', part: 'turn' },
      h('p', { class: 'question', part: 'question' }, unseen(strings.you), isolated(question)),
      unseen(strings.answer),
      // The text's own direction is that of its letters; where it stands follows the language around it.
      h('div', { class: 'answer-place' }, this.#answer),
      this.#remark,
      h('footer', {}, this.#facts, this.#copy, this.#edit, this.#regenerate),
    );
    this.state = 'waiting';
    needMarkdown().catch(() => {}); // plain text then
  }

  get state(): TurnState {
    return this.root.dataset.state as TurnState;
  }

  set state(state: TurnState) {
    this.root.dataset.state = state;
  }

  get text(): string {
    return this.#text;
  }

  /** The model goes to work on it: what it waited for before is not counted. */
  begin(): void {
    this.#begunMs = performance.now();
  }

  /** The last answer alone can be asked for again; questions about the present picture can be changed. */
  offer({ regenerate, edit }: { regenerate: boolean; edit: boolean }): void {
    this.#regenerate.hidden = !regenerate;
    this.#edit.hidden = !edit;
  }

  /** Sets the present answer aside for another. */
  startOver(): void {
    this.#before = { text: this.#text, remark: this.#remark.textContent, facts: [...this.#facts.childNodes], state: this.state };
    this.#text = '';
    this.#begunMs = performance.now();
    this.#setRemark('');
    this.#facts.replaceChildren();
    this.#draw();
    this.state = 'waiting';
  }

  /** Brings back what was set aside. */
  restore(): void {
    if (!this.#before) return;
    const { text, remark, facts, state } = this.#before;
    this.#text = text;
    this.#setRemark(remark);
    this.#facts.replaceChildren(...facts);
    this.#draw();
    this.state = state;
    this.#before = null;
  }

  append(piece: string): void {
    this.#text += piece;
    this.state = 'streaming';
    // However fast the pieces come, the page is drawn once a frame.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** @returns  how long the answer took, in milliseconds */
  finish(answer: Answer): number {
    const tookMs = performance.now() - this.#begunMs;
    this.#before = null;
    const { remark } = answer;
    const advice = remark ? this.#strings.remark(remark) : '';
    this.#text = remark && !remark.answered ? advice : answer.text;
    this.#setRemark(remark?.answered ? advice : '');
    this.#draw();
    if (!answer.text) this.#answer.append(h('p', { class: 'silence' }, this.#strings.silence));
    const ending = this.#strings.endings[answer.stop_reason];
    const brief = [ending, this.#strings.took(tookMs)].filter(Boolean).join(' · ');
    // Nothing was computed for a remark in the place of an answer.
    if (remark && !remark.answered) this.#facts.replaceChildren();
    else this.#facts.replaceChildren(more(brief, [...this.#strings.answerFacts(answer), this.#strings.promptFacts(answer)].join(' · ')));
    this.state = 'done';
    this.#onGrowth();
    return tookMs;
  }

  /** Keeps what came, and says that it is not the whole. */
  breakOff(): void {
    this.#before = null;
    this.#draw();
    this.#facts.replaceChildren(this.#strings.brokenOff);
    this.state = 'broken';
  }

  #setRemark(text: string) {
    this.#remark.textContent = text;
    this.#remark.hidden = !text;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const text = this.#text;
    if (renderMarkdown) this.#answer.replaceChildren(renderMarkdown(text));
    else {
      this.#answer.replaceChildren(...(text ? [h('p', {}, text)] : []));
      const again = () => this.#text === text && this.#draw();
      if (text) needMarkdown().then(again, () => {});
    }
    this.#copy.hidden = !text;
    this.#onGrowth();
  }
}
