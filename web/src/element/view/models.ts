/** Which model: those that the page offers, a folder on disk, an address; and what the browser keeps. */

import type { KeptEntry } from '../../keep/list.js';
import { button, h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';

/** A model that the page offers. */
export interface OfferedModel {
  name: string;
  /** Of its folder; empty: the package's own small model. */
  url: string;
}

export interface ModelsHandlers {
  on_choose: (url: string) => void;
  on_folder: (files: File[]) => void;
  read_kept: () => Promise<KeptEntry[]>;
  on_remove: (id: string) => Promise<void>;
}

export class Models {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #handlers: ModelsHandlers;
  readonly #offered = h('ul', { class: 'offered', 'aria-labelledby': 'models-title' });
  readonly #kept = h('ul', { class: 'kept', 'aria-labelledby': 'kept-title' });

  constructor(strings: Strings, handlers: ModelsHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    const folder = h('input', { id: 'model-folder', class: 'unseen', type: 'file', webkitdirectory: true, multiple: true, 'aria-label': strings.openFolder });
    folder.addEventListener('change', () => {
      handlers.on_folder([...folder.files!]);
      folder.value = '';
    });
    const address = h('input', { type: 'url', 'aria-label': strings.modelAddress, placeholder: strings.modelAddress, autocomplete: 'off' });
    const use_address = button(strings.load, () => address.value.trim() && handlers.on_choose(address.value.trim()));
    this.root = h(
      'div',
      { class: 'models' },
      h('p', { class: 'panel-title', id: 'models-title' }, strings.models),
      this.#offered,
      h('div', { class: 'tools' }, h('label', { class: 'button quiet', for: 'model-folder' }, strings.openFolder), folder, h('span', { class: 'address' }, address, use_address)),
      h('p', { class: 'panel-title', id: 'kept-title' }, strings.kept),
      this.#kept,
    );
  }

  /** @param current  the address of the one in use */
  offer(models: OfferedModel[], current: string | null): void {
    const item = ({ name, url }: OfferedModel) => {
      const used = url === current;
      const use = button(this.#strings.useModel, () => this.#handlers.on_choose(url), { 'aria-pressed': String(used), 'aria-label': `${this.#strings.useModel}: ${name}` });
      return h('li', {}, isolated(name), use);
    };
    this.#offered.replaceChildren(...models.map(item));
  }

  async showKept(): Promise<void> {
    const kept = await this.#handlers.read_kept().catch(() => []);
    this.#kept.replaceChildren(...(kept.length > 0 ? kept.map((entry) => this.#item(entry)) : [h('li', {}, this.#strings.keptNothing)]));
  }

  #item(entry: KeptEntry): HTMLElement {
    const text = this.#strings.keptEntry(entry);
    const remove = button(
      this.#strings.remove,
      async () => {
        remove.disabled = true;
        await this.#handlers.on_remove(entry.id);
        await this.showKept();
      },
      { 'aria-label': `${this.#strings.remove}: ${text}` },
    );
    return h('li', {}, isolated(text), remove);
  }
}
