/** A failure, said in the page: what happened, what to do, and a button for it. */

import { strings } from '../strings.js';

export class Notice {
  #root;

  /** @param {HTMLElement} root  with role alert */
  constructor(root) {
    this.#root = root;
  }

  /**
   * @param {object} notice
   * @param {string} notice.title
   * @param {string} [notice.message]
   * @param {string} [notice.advice]
   * @param {{label: string, run: () => void}} [notice.action]
   */
  show({ title, message = '', advice = '', action }) {
    const parts = [paragraph('notice-title', title)];
    if (message) parts.push(paragraph('notice-message', message));
    if (advice) parts.push(paragraph('notice-advice', advice));
    const buttons = document.createElement('div');
    buttons.className = 'notice-buttons';
    if (action) buttons.append(button(action.label, action.run));
    // What must be acted on cannot be waved away.
    else buttons.append(button(strings.dismiss, () => this.hide()));
    this.#root.replaceChildren(...parts, buttons);
    this.#root.hidden = false;
    this.#root.scrollIntoView({ block: 'nearest' });
  }

  hide() {
    this.#root.hidden = true;
    this.#root.replaceChildren();
  }
}

function paragraph(name, text) {
  const node = document.createElement('p');
  node.className = name;
  node.dir = 'auto';
  node.textContent = text;
  return node;
}

function button(label, run) {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'button';
  node.textContent = label;
  node.addEventListener('click', run);
  return node;
}
