/**
 * The engine as the page sees it: each command is a promise that can be stopped. A worker that
 * crashes rejects everything that waits for it and is ended; a fresh client starts a fresh one.
 *
 * @typedef {import('./protocol.js').EngineEvent} EngineEvent
 * @typedef {import('./protocol.js').EngineInfo} EngineInfo
 * @typedef {import('./protocol.js').ImageSummary} ImageSummary
 * @typedef {import('./protocol.js').Answer} Answer
 * @typedef {import('./protocol.js').Sampling} Sampling
 */

import { engineUrl } from './policy.js';

/**
 * @template T
 * @typedef {{promise: Promise<T>, stop: () => void}} Command
 */

export class EngineClient {
  /** @type {Promise<Worker>} */
  #worker;
  #ended = false;
  #next_id = 1;
  /** @type {Map<number, {resolve: Function, reject: Function, on_event: (event: EngineEvent) => void}>} */
  #waiting = new Map();
  #on_crash;

  /**
   * @param {(message: string, code?: string) => void} on_crash  called at most once
   * @param {Promise<void>} ready  the worker starts when this is done; commands wait for it
   */
  constructor(on_crash, ready) {
    this.#on_crash = on_crash;
    this.#worker = ready.then(() => this.#start());
  }

  #start() {
    const worker = new Worker(engineUrl(), { type: 'module', name: 'engine' });
    worker.addEventListener('message', ({ data }) => this.#receive(data));
    worker.addEventListener('messageerror', () => this.#crashed('a message could not be read'));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#crashed(event.message ?? '');
    });
    return worker;
  }

  /** @param {import('./protocol.js').LoadRequest} request @returns {Command<EngineInfo>} */
  load(request, on_event) {
    return this.#send('load', request, on_event);
  }

  /** Models that the browser keeps. @returns {Command<import('./protocol.js').KeptModel[]>} */
  kept() {
    return this.#send('kept', {});
  }

  /** @param {string} id @returns {Command<void>} */
  removeKept(id) {
    return this.#send('remove_kept', { id });
  }

  /** The model's sample pictures; none where it has none. @returns {Command<import('./protocol.js').Sample[]>} */
  samples(url) {
    return this.#send('samples', { url });
  }

  /** Starts a conversation about a picture. The bytes move to the worker. @returns {Command<ImageSummary>} */
  setImage(name, bytes, on_event) {
    return this.#send('set_image', { name, bytes }, on_event, [bytes.buffer]);
  }

  /** Starts a conversation without a picture. @returns {Command<void>} */
  clearImage() {
    return this.#send('clear_image', {});
  }

  /** @param {string} text @param {Sampling} sampling @returns {Command<Answer>} */
  ask(text, sampling, on_event) {
    return this.#send('ask', { text, sampling }, on_event);
  }

  /** @param {Sampling} sampling @returns {Command<Answer>} */
  regenerate(sampling, on_event) {
    return this.#send('regenerate', { sampling }, on_event);
  }

  /** Starts a conversation about the same picture. @returns {Command<void>} */
  newChat() {
    return this.#send('new_chat', {});
  }

  #send(command, args, on_event = () => {}, transfer = []) {
    const id = this.#next_id++;
    const promise = new Promise((resolve, reject) => {
      if (this.#ended) {
        reject({ code: 'crashed', message: '' });
        return;
      }
      this.#waiting.set(id, { resolve, reject, on_event });
    });
    this.#post({ id, command, args }, transfer);
    return { promise, stop: () => this.#post({ stop: id }, []) };
  }

  async #post(message, transfer) {
    const worker = await this.#worker;
    if (!this.#ended) worker.postMessage(message, transfer);
  }

  /** @param {import('./protocol.js').Reply} reply */
  #receive(reply) {
    if (reply.type === 'crashed') {
      this.#crashed(reply.message, reply.code);
      return;
    }
    const command = this.#waiting.get(reply.id);
    if (!command) return;
    if (reply.type === 'event') {
      command.on_event(reply.event);
      return;
    }
    this.#waiting.delete(reply.id);
    if (reply.type === 'result') command.resolve(reply.value);
    else command.reject(reply.error);
  }

  #crashed(message, code) {
    if (this.#ended) return;
    this.#ended = true;
    this.#worker.then((worker) => worker.terminate());
    for (const { reject } of this.#waiting.values()) reject({ code: 'crashed', message });
    this.#waiting.clear();
    this.#on_crash(message, code);
  }
}
