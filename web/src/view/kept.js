/** The models that the browser keeps, with what they take, to be deleted. */

import { strings } from '../strings.js';

export class Kept {
  #list = document.getElementById('kept');
  #read;
  #remove;

  /**
   * @param {object} handlers
   * @param {() => Promise<import('../protocol.js').KeptModel[]>} handlers.read
   * @param {(id: string) => Promise<void>} handlers.remove
   */
  constructor({ read, remove }) {
    this.#read = read;
    this.#remove = remove;
    const settings = /** @type {HTMLDetailsElement} */ (document.getElementById('settings'));
    settings.addEventListener('toggle', () => {
      if (settings.open) this.show();
    });
  }

  async show() {
    const models = await this.#read().catch(() => []);
    this.#list.replaceChildren(...(models.length ? models.map((model) => this.#item(model)) : [line(strings.keptNothing)]));
  }

  #item(model) {
    const item = line(strings.keptModel(model));
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button quiet';
    button.textContent = strings.remove;
    button.setAttribute('aria-label', `${strings.remove}: ${strings.keptModel(model)}`);
    button.addEventListener('click', async () => {
      button.disabled = true;
      await this.#remove(model.id);
      await this.show();
    });
    item.append(button);
    return item;
  }
}

function line(text) {
  const item = document.createElement('li');
  const name = document.createElement('bdi');
  name.textContent = text;
  item.append(name);
  return item;
}
