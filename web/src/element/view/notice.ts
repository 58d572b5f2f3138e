/** Shows an error or a question: what happened, what to do, and buttons for it. */

import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';

export interface Trouble {
  title: string;
  /** The engine's messages are English; for known codes there is a text in the element's language. */
  message?: string;
  code?: string;
  advice?: string;
  actions?: { label: string; run: () => void }[];
}

export class Notice {
  readonly root = h('div', { class: 'notice', part: 'notice', role: 'alert', hidden: true });
  readonly #strings: Strings;

  constructor(strings: Strings) {
    this.#strings = strings;
  }

  show({ title, message = '', code = '', advice = '', actions = [] }: Trouble): void {
    const translated = this.#strings.errors[code];
    const paragraph = (name: string, text: string) => text && h('p', { class: name, dir: 'auto' }, text);
    // A notice with actions cannot be dismissed.
    const buttons = actions.length > 0 ? actions : [{ label: this.#strings.dismiss, run: () => this.hide() }];
    this.root.replaceChildren(
      ...([
        paragraph('notice-title', title),
        paragraph('notice-message', translated ?? message),
        paragraph('notice-advice', advice),
        // The engine's message has the names and numbers, for finding the cause.
        translated && message && h('p', { class: 'notice-detail', lang: 'en', dir: 'ltr' }, message),
      ].filter(Boolean) as HTMLElement[]),
      h('div', { class: 'notice-buttons' }, ...buttons.map(({ label, run }) => button(label, run, { kind: '' }))),
    );
    this.root.hidden = false;
    this.root.scrollIntoView?.({ block: 'nearest' });
  }

  hide(): void {
    this.root.hidden = true;
    this.root.replaceChildren();
  }
}
