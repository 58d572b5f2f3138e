/** A question with its answer, figures and buttons. */

import type { Answer } from '../../engine/protocol.js';
import { button, h, isolated, more } from '../dom.js';
import type { Strings } from '../strings/index.js';

export interface TurnHandlers {
  onCopy: (text: string) => void;
  onRegenerate: (turn: TurnView) => void;
  onEdit: (turn: TurnView) => void;
}

export type TurnState = 'waiting' | 'streaming' | 'done' | 'broken';

/** Loads the Markdown parser with the model: earlier, an unused page would load it; later, an answer would cause a request. */
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
  /** A remark beside the answer. */
  readonly #remark = h('p', { class: 'remark', role: 'note', hidden: true });
  readonly #facts = h('div', { class: 'data' });
  readonly #copy: HTMLButtonElement;
  readonly #regenerate: HTMLButtonElement;
  readonly #edit: HTMLButtonElement;
  readonly #onGrowth: () => void;
  #text = '';
  #frame = 0;
  #begunMs = performance.now();
  /** The answer before a regeneration, until there is a new one. */
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
      // The text is laid out in the direction of its letters, and aligned by the language around it.
      h('div', { class: 'answer-place' }, this.#answer),
      this.#remark,
      h('footer', {}, this.#facts, this.#copy, this.#edit, this.#regenerate),
    );
    this.state = 'waiting';
    needMarkdown().catch(() => {}); // then it stays plain text
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

  /** The model starts with it; the time before that is not counted. */
  begin(): void {
    this.#begunMs = performance.now();
  }

  /** Shows its buttons: only the last answer can be regenerated; questions about the current picture can be edited. */
  offer({ regenerate, edit }: { regenerate: boolean; edit: boolean }): void {
    this.#regenerate.hidden = !regenerate;
    this.#edit.hidden = !edit;
  }

  /** Sets the current answer aside for a new one. */
  startOver(): void {
    this.#before = { text: this.#text, remark: this.#remark.textContent, facts: [...this.#facts.childNodes], state: this.state };
    this.#text = '';
    this.#begunMs = performance.now();
    this.#setRemark('');
    this.#facts.replaceChildren();
    this.#draw();
    this.state = 'waiting';
  }

  /** Restores the answer that was set aside. */
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
    // Drawn at most once per frame, however fast the pieces arrive.
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
    // Nothing was computed if a remark replaces the answer.
    if (remark && !remark.answered) this.#facts.replaceChildren();
    else this.#facts.replaceChildren(more(brief, [...this.#strings.answerFacts(answer), this.#strings.promptFacts(answer)].join(' · ')));
    this.state = 'done';
    this.#onGrowth();
    return tookMs;
  }

  /** Marks the answer as interrupted. */
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
