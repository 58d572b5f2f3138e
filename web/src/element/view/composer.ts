/** The question box, with its buttons and settings. */

import type { Detail, Sampling } from '../../engine/protocol.js';
import { button, composing, focused, h } from '../dom.js';
import type { Strings } from '../strings/index.js';
import { icon } from './icons.js';
import { closesByEscape } from './menu.js';

export interface ComposerHandlers {
  onSend: (text: string) => void;
  onStop: () => void;
  onCancelEdit: () => void;
  /** The settings were opened. */
  onSettings: () => void;
  /** The visitor wants pictures looked at more or less closely. */
  onDetail: () => void;
}

const SETTINGS = ['temperature', 'max_new_tokens', 'seed'] as const;
type Setting = (typeof SETTINGS)[number];
const DETAILS = ['auto', 'low', 'high'] as const;

export class Composer {
  readonly root: HTMLFormElement;
  /** Holds further settings: models, storage. */
  readonly panel: HTMLElement;
  readonly #strings: Strings;
  readonly #box: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #suggestions: HTMLElement;
  readonly #editing: HTMLElement;
  readonly #settings: Record<Setting, HTMLInputElement>;
  readonly #detail: HTMLSelectElement;
  /** The choice of a detail, which some models have. */
  readonly #detailField: HTMLElement;
  readonly #handlers: ComposerHandlers;

  constructor(strings: Strings, handlers: ComposerHandlers, status: { bar: HTMLElement; root: HTMLElement }) {
    this.#strings = strings;
    this.#handlers = handlers;
    this.#box = h('textarea', {
      id: 'message',
      part: 'input',
      rows: 2,
      dir: 'auto',
      placeholder: strings.placeholder,
      enterkeyhint: 'send',
      'aria-describedby': 'message-keys',
    });
    this.#send = button(strings.send, () => {}, { kind: 'primary', part: 'send' });
    this.#send.type = 'submit';
    this.#stop = button(strings.stop, handlers.onStop, { kind: 'stop', part: 'stop', disabled: true });
    this.#suggestions = h('ul', { id: 'suggestions', class: 'starters suggestions', 'aria-label': strings.sampleQuestions, hidden: true });
    this.#editing = h('div', { class: 'editing', hidden: true }, h('span', {}, strings.editing), button(strings.cancel, handlers.onCancelEdit));
    const number = (attributes: Record<string, unknown>) => h('input', { type: 'number', autocomplete: 'off', ...attributes });
    this.#settings = {
      temperature: number({ min: 0, max: 5, step: 0.05, inputmode: 'decimal', placeholder: '0.2' }),
      max_new_tokens: number({ min: 1, max: 8192, step: 1, inputmode: 'numeric', placeholder: strings.automatic }),
      seed: number({ min: 0, max: 4294967295, step: 1, inputmode: 'numeric', placeholder: strings.any }),
    };
    this.#detail = h('select', {}, ...DETAILS.map((detail) => h('option', { value: detail }, strings.details[detail])));
    this.#detail.addEventListener('change', () => handlers.onDetail());
    this.#detailField = h('label', { hidden: true }, `${strings.detail} `, this.#detail);
    this.panel = h(
      'div',
      { class: 'panel' },
      this.#detailField,
      h('label', {}, `${strings.temperature} `, this.#settings.temperature),
      h('label', {}, `${strings.maxNewTokens} `, this.#settings.max_new_tokens),
      h('label', {}, `${strings.seed} `, this.#settings.seed),
    );
    const settings = h(
      'details',
      { class: 'settings', part: 'settings' },
      h('summary', { title: strings.settings }, icon('settings'), h('span', { class: 'settings-name' }, strings.settings)),
      this.panel,
    );
    settings.addEventListener('toggle', () => settings.open && handlers.onSettings());
    settings.addEventListener('keydown', (event) => {
      // The settings are inside the question's form, which Enter would submit.
      if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault();
    });
    closesByEscape(settings);
    this.root = h(
      'form',
      { class: 'composer', part: 'composer', autocomplete: 'off' },
      status.bar,
      h('div', { class: 'asides' }, status.root, this.#suggestions),
      this.#editing,
      h(
        'div',
        { class: 'ask' },
        h('label', { class: 'unseen', for: 'message' }, strings.message),
        this.#box,
        h('div', { class: 'actions' }, settings, h('span', { class: 'keys', id: 'message-keys' }, strings.keys), this.#stop, this.#send),
      ),
    );
    this.root.addEventListener('submit', (event) => {
      event.preventDefault();
      handlers.onSend(this.#box.value);
    });
    this.#box.addEventListener('keydown', (event) => {
      // Enter in an input method accepts a candidate and does not send.
      if (event.key !== 'Enter' || event.shiftKey || composing(event)) return;
      event.preventDefault();
      if (!this.#send.disabled) this.root.requestSubmit();
    });
  }

  /** The sampling options that are set; empty fields are left to the engine. */
  sampling(): Sampling {
    const sampling: Sampling = {};
    for (const name of SETTINGS) {
      const value = this.#settings[name].valueAsNumber;
      if (!Number.isNaN(value)) sampling[name] = value;
    }
    return sampling;
  }

  setSampling(values: Partial<Record<Setting, string>>): void {
    for (const name of SETTINGS) if (values[name] !== undefined) this.#settings[name].value = values[name];
  }

  /** How closely pictures are looked at. */
  get detail(): Detail {
    const { value } = this.#detail;
    return /^\d+$/.test(value) ? Number(value) : (value as Detail);
  }

  /** @returns whether there is such a detail; a number of tokens becomes a choice of its own */
  setDetail(detail: Detail): boolean {
    const isNumber = Number.isSafeInteger(detail) && Number(detail) > 0;
    if (!isNumber && !DETAILS.some((name) => name === detail)) return false;
    this.#detail.querySelector('.own')?.remove();
    if (isNumber) this.#detail.append(h('option', { value: String(detail), class: 'own' }, this.#strings.detailTokens(Number(detail))));
    this.#detail.value = String(detail);
    return true;
  }

  /** Shows the choice if the model has it. */
  offerDetail(offered: boolean): void {
    this.#detailField.hidden = !offered;
  }

  setBusy({ asking, stoppable }: { asking: boolean; stoppable: boolean }): void {
    const before = focused(this.root.getRootNode() as ShadowRoot);
    this.#send.disabled = asking;
    this.#stop.disabled = !stoppable;
    for (const suggestion of this.#suggestions.querySelectorAll('button')) suggestion.disabled = asking;
    // Disabling the focused button would move the focus to the top of the page.
    if (before instanceof HTMLButtonElement && before.disabled) this.focus();
  }

  /** Shows questions that can be asked with a click. */
  suggest(questions: string[]): void {
    this.#suggestions.hidden = questions.length === 0;
    const suggestion = (text: string) => button(text, () => this.#handlers.onSend(text), { dir: 'auto', part: 'suggestion', disabled: this.#send.disabled });
    this.#suggestions.replaceChildren(...questions.map((text) => h('li', {}, suggestion(text))));
  }

  /** Shows whether the next question replaces an earlier one. */
  setEditing(editing: boolean): void {
    this.#editing.hidden = !editing;
    this.#send.textContent = editing ? this.#strings.resend : this.#strings.send;
  }

  /** Removes a question from the box, unless something else was typed since. */
  take(question: string): void {
    if (this.#box.value.trim() === question) this.#box.value = '';
  }

  /** Puts a question back, before anything that was typed since. */
  giveBack(text: string): void {
    this.#box.value = [text, this.#box.value].filter(Boolean).join('\n');
  }

  get text(): string {
    return this.#box.value;
  }

  setText(text: string): void {
    this.#box.value = text;
    this.focus();
  }

  focus(): void {
    this.#box.focus();
  }
}
