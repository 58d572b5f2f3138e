/**
 * Keeps one engine running: starts it, says what goes wrong with it and offers to start it again.
 *
 * @typedef {import('./protocol.js').EngineError} EngineError
 */

import { EngineClient } from './engine.js';
import { strings } from './strings.js';
import { Task } from './task.js';

/** Tokens: what is offered at least, and what an engine takes that was not told. */
const LEAST_CONTEXT = 1024;
const LARGE_CONTEXT = 4096;

export class Host {
  /** @type {EngineClient|null} */
  engine = null;
  /** Whether the engine can be asked, once that is known. @type {Promise<boolean>} */
  running = Promise.resolve(false);
  /** @type {Task|null} */
  loading = null;
  #address;
  #view;
  #on_start;
  #on_info;
  #on_change;
  /** What is shown until the engine runs again. */
  #trouble = null;
  /** A model folder that the user picked, instead of the address's. @type {File[]|undefined} */
  #files;
  /** The user has agreed to a large download. */
  #consent = false;
  /** Tokens to make room for; as many as the engine likes if nobody says. @type {number|undefined} */
  #context;
  /** Tokens that there is room for. */
  #room = LARGE_CONTEXT;
  /** Whether what is downloaded is to be kept. */
  #keep = true;
  /** Whether a stop would interrupt a download, which goes on where it was. */
  #downloading = false;

  /**
   * @param {import('./address.js').PageAddress} address
   * @param {object} view
   * @param {import('./view/status.js').Status} view.status
   * @param {import('./view/picture.js').PictureView} view.picture
   * @param {import('./view/notice.js').Notice} view.chat_notice
   * @param {object} handlers
   * @param {() => void} handlers.on_start  a start begins
   * @param {(info: import('./protocol.js').EngineInfo) => void} handlers.on_info  the model is loaded
   * @param {() => void} handlers.on_change  loading began or ended
   */
  constructor(address, view, { on_start, on_info, on_change }) {
    this.#address = address;
    this.#view = view;
    this.#on_start = on_start;
    this.#on_info = on_info;
    this.#on_change = on_change;
  }

  /** @param {Promise<void>} [ready]  what an engine has to wait for */
  start(ready = Promise.resolve()) {
    this.#trouble = null;
    this.#view.chat_notice.hide();
    this.engine ??= new EngineClient((message, code) => this.#crashed(message, code), ready);
    this.running = this.#load();
    this.#on_start();
  }

  /** Runs a model from a folder on disk. @param {File[]} files */
  async open(files) {
    this.loading?.interrupt();
    await this.running;
    this.#files = files;
    this.start();
  }

  /** Takes away what was said about a question; trouble with the engine stays. */
  clearNotice() {
    if (this.#trouble) this.#view.chat_notice.show(this.#trouble);
    else this.#view.chat_notice.hide();
  }

  async #load() {
    const { status, picture } = this.#view;
    const loading = new Task();
    this.loading = loading;
    status.facts(null);
    status.say(strings.loadingEngine);
    status.begin();
    this.#on_change();
    try {
      const info = await loading.run(
        this.engine.load(this.#request(), (event) => {
          this.#downloading = event.phase === 'download';
          if (event.phase !== 'engine') status.say(strings.loading(event.phase));
          status.advance(event.phase, event.done, event.total);
        }),
      );
      status.facts(info);
      picture.setGeometry(info);
      this.#on_info(info);
      this.#room = info.context_tokens;
      status.say(strings.ready(info));
      return true;
    } catch (error) {
      this.#loadFailed(error);
      return false;
    } finally {
      this.loading = null;
      status.end();
      this.#on_change();
    }
  }

  /** @returns {import('./protocol.js').LoadRequest} */
  #request() {
    const { model, device } = this.#address;
    const files = this.#files;
    const url = files ? strings.pickedFolder(files) : model;
    return { url, device, context: this.#context, files, consent: this.#consent, keep: this.#keep };
  }

  /** @param {EngineError} error */
  #loadFailed(error) {
    if (error.code === 'crashed') return; // said where it was noticed
    if (error.code === 'consent') {
      this.#askFor(error.details);
      return;
    }
    if (error.code === 'quota') {
      this.#offerWithoutKeeping(error);
      return;
    }
    const stopped = error.code === 'stopped';
    const paused = stopped && this.#downloading && this.#keep;
    const ended = paused ? strings.downloadPaused : strings.engineStopped;
    this.#fail(stopped ? ended : strings.engineFailed, {
      title: stopped ? ended : strings.failure.load,
      message: stopped ? '' : error.message,
      advice: strings.advice(error.code),
      action: { label: paused ? strings.resume : strings.loadAgain, run: () => this.start() },
    });
  }

  /** Nothing large is downloaded before this is answered. */
  #askFor(details) {
    this.#fail(strings.downloadWaits, {
      title: strings.consentTitle(details),
      message: strings.consentMessage(details),
      action: {
        label: strings.download(details),
        run: () => {
          this.#consent = true;
          // Only a page may ask that what it keeps is not cleared away; a refusal changes nothing now.
          navigator.storage?.persist?.().catch(() => false);
          this.start();
        },
      },
    });
  }

  /** @param {EngineError} error */
  #offerWithoutKeeping({ message, details }) {
    this.#fail(strings.engineFailed, {
      title: strings.failure.quota,
      message: details ? strings.quotaMessage(details) : message,
      advice: strings.advice('quota'),
      action: {
        label: strings.withoutKeeping,
        run: () => {
          this.#keep = false;
          this.start();
        },
      },
    });
  }

  #crashed(message, code) {
    this.engine = null;
    this.running = Promise.resolve(false);
    this.#view.status.facts(null);
    if (code === 'out-of-memory') {
      this.#offerSmaller(message);
      return;
    }
    const because = message ? strings.crashedMessage(message) : strings.crashedWithoutMessage;
    this.#fail(strings.engineFailed, {
      title: code ? strings.failure[code] : strings.failure.crash,
      message: code ? message : because,
      advice: strings.advice(code ?? 'crashed'),
      action: { label: strings.restart, run: () => this.start() },
    });
  }

  /** The cache of a long conversation is what takes room beside the weights. */
  #offerSmaller(message) {
    const context = Math.max(LEAST_CONTEXT, Math.floor((this.#context ?? this.#room) / 2));
    this.#fail(strings.engineFailed, {
      title: strings.failure['out-of-memory'],
      message,
      advice: strings.advice('out-of-memory'),
      action: {
        label: strings.smallerContext(context),
        run: () => {
          this.#context = context;
          this.start();
        },
      },
    });
  }

  #fail(status_text, trouble) {
    this.#trouble = trouble;
    this.#view.status.say(status_text);
    this.#view.chat_notice.show(trouble);
  }
}
