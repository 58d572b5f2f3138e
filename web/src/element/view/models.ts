/** The choice of a model (offered by the page, known by name, a folder on disk, an address), and what the browser keeps. */

import type { KnownModel } from '../../engine/generated.js';
import type { KeptEntry } from '../../keep/list.js';
import { pageBase } from '../../api/address.js';
import { button, composing, h, isolated } from '../dom.js';
import type { Strings } from '../strings/index.js';

/** A model that the page offers. */
export interface OfferedModel {
  name: string;
  /** Address of its folder; empty: the package's own small model. */
  url: string;
}

export interface ModelsHandlers {
  onChoose: (url: string) => void;
  onFolder: (files: File[]) => void;
  /** The known models that fit this device. */
  readKnown: () => Promise<KnownModel[]>;
  readKept: () => Promise<KeptEntry[]>;
  onRemove: (id: string) => Promise<void>;
}

/** A normal form of the address. */
const folder = (url: string) => url && (URL.canParse(url, pageBase()) ? new URL(url, pageBase()).href : url).replace(/\/?$/, '/');

/** Whether `current` names the repository `id`, at whatever revision. */
const isRepository = (current: string | null, id: string) => current?.replace(/^hf:(\/\/)?|@.*$/g, '').toLowerCase() === id.toLowerCase();

export class Models {
  readonly root: HTMLElement;
  readonly #strings: Strings;
  readonly #handlers: ModelsHandlers;
  readonly #offered = h('ul', { class: 'offered', 'aria-labelledby': 'models-title' });
  readonly #known = h('ul', { class: 'known', 'aria-labelledby': 'known-title' });
  readonly #knownTitle: HTMLElement;
  readonly #kept = h('ul', { class: 'kept', 'aria-labelledby': 'kept-title' });

  #current: string | null = null;
  #fitting: KnownModel[] = [];
  #reading: Promise<KeptEntry[]> | null = null;

  constructor(strings: Strings, handlers: ModelsHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    const folder = h('input', { id: 'model-folder', class: 'unseen', type: 'file', webkitdirectory: true, multiple: true, 'aria-label': strings.openFolder });
    folder.addEventListener('change', () => {
      handlers.onFolder([...folder.files!]);
      folder.value = '';
    });
    const address = h('input', { type: 'url', 'aria-label': strings.modelAddress, placeholder: strings.modelAddress, autocomplete: 'off' });
    address.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || composing(event)) return;
      event.preventDefault();
      useAddress.click();
    });
    const useAddress = button(strings.load, () => address.value.trim() && handlers.onChoose(address.value.trim()));
    this.#knownTitle = h('p', { class: 'panel-title', id: 'known-title', hidden: true }, strings.knownModels);
    this.root = h(
      'div',
      { class: 'models' },
      h('p', { class: 'panel-title', id: 'models-title' }, strings.models),
      this.#offered,
      h(
        'div',
        { class: 'tools' },
        h('label', { class: 'button quiet', for: 'model-folder' }, strings.openFolder),
        folder,
        h('span', { class: 'address' }, address, useAddress),
      ),
      this.#knownTitle,
      this.#known,
      h('p', { class: 'panel-title', id: 'kept-title' }, strings.kept),
      this.#kept,
    );
  }

  /** @param current  the address of the model in use */
  offer(models: OfferedModel[], current: string | null): void {
    const item = ({ name, url }: OfferedModel) => this.#choice(name, url, current !== null && folder(url) === folder(current));
    this.#offered.replaceChildren(...models.map(item));
    this.#current = current;
    this.#listKnown();
  }

  /** Lists the known models that fit this device. */
  async showKnown(): Promise<void> {
    this.#known.setAttribute('aria-busy', 'true');
    const fitting = await this.#handlers.readKnown().catch(() => []);
    this.#known.setAttribute('aria-busy', 'false');
    if (JSON.stringify(fitting) === JSON.stringify(this.#fitting)) return; // new buttons would lose the focus
    this.#fitting = fitting;
    this.#listKnown();
  }

  #listKnown() {
    const item = (known: KnownModel) => {
      const about = h('span', { class: 'about' }, isolated(this.#strings.knownModel(known)));
      return this.#choice(known.name, known.id!, isRepository(this.#current, known.id!), about);
    };
    this.#known.replaceChildren(...this.#fitting.map(item));
    this.#knownTitle.hidden = this.#fitting.length === 0;
  }

  #choice(name: string, url: string, used: boolean, about: HTMLElement | null = null): HTMLElement {
    const use = button(this.#strings.useModel, () => this.#handlers.onChoose(url), {
      'aria-pressed': String(used),
      'aria-label': `${this.#strings.useModel}: ${name}`,
    });
    return h('li', {}, isolated(name), h('span', { class: 'in-use' }, used && this.#strings.inUse), use, about);
  }

  async showKept(): Promise<void> {
    const reading = this.#handlers.readKept().catch(() => []);
    this.#reading = reading;
    const kept = await reading;
    if (this.#reading !== reading) return; // a newer request replaces this one
    this.#kept.replaceChildren(...(kept.length > 0 ? kept.map((entry) => this.#item(entry)) : [h('li', {}, this.#strings.keptNothing)]));
  }

  #item(entry: KeptEntry): HTMLElement {
    const text = this.#strings.keptEntry(entry);
    const label = (name: string) => {
      remove.textContent = name;
      remove.setAttribute('aria-label', `${name}: ${text}`);
    };
    /** A model may have taken an hour to download: it is deleted at the second press. */
    let asked = false;
    const remove = button('', async () => {
      if (!asked) {
        asked = true;
        label(this.#strings.removeForGood);
        remove.classList.add('surely');
        return;
      }
      remove.disabled = true;
      await this.#handlers.onRemove(entry.id);
      await this.showKept();
    });
    remove.addEventListener('blur', () => {
      asked = false;
      label(this.#strings.remove);
      remove.classList.remove('surely');
    });
    label(this.#strings.remove);
    return h('li', {}, isolated(text), remove);
  }
}
