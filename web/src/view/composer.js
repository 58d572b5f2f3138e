/** The question box with its buttons and settings. */

const SETTINGS = { temperature: 'temperature', max_new_tokens: 'max-new-tokens', seed: 'seed' };

export class Composer {
  #form = /** @type {HTMLFormElement} */ (document.getElementById('composer'));
  #box = /** @type {HTMLTextAreaElement} */ (document.getElementById('message'));
  #send = /** @type {HTMLButtonElement} */ (document.getElementById('send'));
  #stop = /** @type {HTMLButtonElement} */ (document.getElementById('stop'));
  #suggestions = document.getElementById('suggestions');
  #on_send;

  /** @param {{on_send: (text: string) => void, on_stop: () => void}} handlers */
  constructor({ on_send, on_stop }) {
    this.#on_send = on_send;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      on_send(this.#box.value);
    });
    this.#box.addEventListener('keydown', (event) => {
      // An input method's Enter takes a candidate; it does not send.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#send.disabled) this.#form.requestSubmit();
    });
    this.#stop.addEventListener('click', on_stop);
  }

  /** Sampling as set; what is left empty is for the engine to choose. @returns {import('../protocol.js').Sampling} */
  sampling() {
    const sampling = {};
    for (const [name, id] of Object.entries(SETTINGS)) {
      const value = this.#setting(id).valueAsNumber;
      if (!Number.isNaN(value)) sampling[name] = value;
    }
    return sampling;
  }

  /** @param {Object<string, string>} values  as typed in the page's address */
  setSampling(values) {
    for (const [name, value] of Object.entries(values)) this.#setting(SETTINGS[name]).value = value;
  }

  /** @param {{asking: boolean, stoppable: boolean}} state */
  setBusy({ asking, stoppable }) {
    const focused = document.activeElement;
    this.#send.disabled = asking;
    this.#stop.disabled = !stoppable;
    for (const button of this.#suggestions.querySelectorAll('button')) button.disabled = asking;
    // A disabled button would drop the focus to the page's top.
    if (focused instanceof HTMLButtonElement && focused.disabled) this.focus();
  }

  /** Offers questions that a click asks. @param {string[]} questions */
  suggest(questions) {
    this.#suggestions.hidden = questions.length === 0;
    this.#suggestions.replaceChildren(
      ...questions.map((text) => {
        const item = document.createElement('li');
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'button quiet';
        button.dir = 'auto';
        button.textContent = text;
        button.disabled = this.#send.disabled;
        button.addEventListener('click', () => this.#on_send(text));
        item.append(button);
        return item;
      }),
    );
  }

  /** Takes a question out of the box; something else that is being typed there stays. @param {string} question */
  take(question) {
    if (this.#box.value.trim() === question) this.#box.value = '';
  }

  /** Puts a question back, before whatever has been typed since. @param {string} text */
  giveBack(text) {
    this.#box.value = [text, this.#box.value].filter(Boolean).join('\n');
  }

  /** @param {string} text */
  setText(text) {
    this.#box.value = text;
    this.focus();
  }

  focus() {
    this.#box.focus();
  }

  /** @returns {HTMLInputElement} */
  #setting(id) {
    return /** @type {HTMLInputElement} */ (document.getElementById(id));
  }
}
