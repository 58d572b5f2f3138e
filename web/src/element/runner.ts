/** Keeps a model running for the element: loads it, shows its errors, and offers to restart it. */

import type { Chat } from '../api/chat.js';
import type { InfLlavaError } from '../errors.js';
import { Model, type LoadOptions } from '../api/model.js';
import type { HostState } from '../engine/host.js';
import type { ModelInfo, Progress } from '../engine/protocol.js';
import type { Emit } from './events.js';
import type { Strings } from './strings/index.js';
import type { Trouble } from './view/notice.js';
import type { View } from './view/view.js';

export interface RunnerHandlers {
  /** Another model replaces the one before. */
  onAnother: () => void;
  onInfo: (info: ModelInfo) => void;
  /** Loading began or ended. */
  onChange: () => void;
  /** The engine runs again after a restart. */
  onRestarted: () => void;
}

export class Runner {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #handlers: RunnerHandlers;
  #options: LoadOptions = {};
  #model: Model | null = null;
  #chat: Chat | null = null;
  #loading: AbortController | null = null;
  #state: 'idle' | HostState = 'idle';
  #downloading = false;
  /** Whether what is downloaded is quantised meanwhile. */
  #converting = false;
  /** Whether there was an error, until the model runs again. */
  #trouble = false;
  /** Settles the question about a download. */
  #decide: (agreed: boolean) => void = () => {};
  /** Resolves once loading has ended: whether the model can be used. */
  running: Promise<boolean> = Promise.resolve(false);

  constructor(view: View, strings: Strings, emit: Emit, handlers: RunnerHandlers) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#handlers = handlers;
  }

  get model(): Model | null {
    return this.#model;
  }

  get chat(): Chat | null {
    return this.#chat;
  }

  /** `idle` while nothing is loaded or being loaded, else the engine's state; an event follows each change. */
  get state(): 'idle' | HostState {
    return this.#state;
  }

  get loading(): boolean {
    return this.#loading !== null;
  }

  /** Whether the engine is lost until somebody restarts it. */
  get lost(): boolean {
    return this.#model?.state === 'lost';
  }

  /** Starts with a model, or changes to another. */
  use(options: LoadOptions, system: string): void {
    const again = this.#model !== null;
    this.end();
    this.#options = options;
    try {
      this.#model = new Model(options);
    } catch (error) {
      this.#fail(this.#strings.engineFailed, { title: this.#strings.failure.load, message: (error as Error).message }, error as InfLlavaError);
      this.#emit('state', { state: 'idle' });
      return;
    }
    this.#model.addEventListener('state', this.#onState);
    this.#model.addEventListener('progress', this.#onProgress);
    this.#chat = this.#model.chat({ system });
    if (again) this.#handlers.onAnother();
    this.load();
  }

  /** Loads the model; continues after a stop. */
  load(): void {
    const model = this.#model;
    if (!model || this.#loading) return;
    // The page may have loaded the same model elsewhere: this element has not.
    this.#tell('loading');
    this.running = this.#run(model, (signal) => model.load({ signal, confirmDownload: (details) => this.#confirm(details) }));
  }

  /** Stops the loading; what was downloaded is kept. */
  stop(): void {
    this.#loading?.abort();
  }

  /** Hides a notice about a question; a notice about the model stays. */
  clearNotice(): void {
    if (!this.#trouble) this.#view.chatNotice.hide();
  }

  /** Releases the model. */
  end(): void {
    this.#decide(false);
    this.#loading?.abort();
    this.#loading = null;
    const model = this.#model;
    this.#model = this.#chat = null;
    this.#state = 'idle';
    this.running = Promise.resolve(false);
    model?.removeEventListener('state', this.#onState);
    model?.removeEventListener('progress', this.#onProgress);
    model?.unload();
  }

  async #run(model: Model, start: (signal: AbortSignal) => Promise<ModelInfo>): Promise<boolean> {
    const { status, picture, facts } = this.#view;
    const loading = new AbortController();
    this.#loading = loading;
    this.#trouble = false;
    this.#downloading = this.#converting = false;
    this.#view.chatNotice.hide();
    facts.show(null);
    status.say(this.#strings.loadingEngine);
    status.begin();
    this.#handlers.onChange();
    try {
      const info = await start(loading.signal);
      if (this.#model !== model) return false;
      this.#tell(model.state);
      facts.show(info);
      picture.setGeometry(info);
      picture.offerLooking(info.has_map);
      this.#handlers.onInfo(info);
      status.say(this.#strings.ready(info));
      this.#emit('ready', info);
      return true;
    } catch (error) {
      if (this.#model === model) this.#loadFailed(error as InfLlavaError);
      return false;
    } finally {
      if (this.#loading === loading) {
        this.#loading = null;
        // After a failure or a stop, nothing is being loaded, though the engine still says `loading`.
        this.#tell(model.state === 'loading' ? 'idle' : model.state);
        status.end();
        this.#handlers.onChange();
      }
    }
  }

  /** Asks the user before a large download, when the model is loaded or restarted. */
  async #confirm(details: Readonly<Record<string, unknown>>): Promise<boolean> {
    const signal = this.#loading?.signal;
    if (!signal) return false; // this element is not loading: it may have left the page
    const asked = details as { name?: string; license?: string; bytes: number; total: number; kept: boolean; stored?: number };
    const strings = this.#strings;
    this.#view.status.end();
    this.#view.status.say(strings.downloadWaits);
    return new Promise<boolean>((resolve) => {
      this.#decide = resolve;
      signal.addEventListener('abort', () => resolve(false), { once: true });
      const agree = () => {
        this.#view.chatNotice.hide();
        this.#view.status.say(strings.loadingEngine);
        // Only a page may ask for persistent storage; it works without.
        navigator.storage?.persist?.().catch(() => false);
        resolve(true);
      };
      const actions = [{ label: strings.download(asked.bytes), run: agree }];
      this.#view.chatNotice.show({ title: strings.consentTitle(asked), message: strings.consentMessage(asked), actions });
    });
  }

  #loadFailed(error: InfLlavaError) {
    const strings = this.#strings;
    if (this.lost) {
      this.#lost();
      return;
    }
    const again = { label: strings.loadAgain, run: () => this.load() };
    if (error.code === 'quota') {
      const details = error.details as unknown as { needed?: number; free: number };
      const message = details.needed === undefined ? error.message : strings.quotaMessage({ needed: details.needed, free: details.free });
      const without = { label: strings.withoutKeeping, run: () => this.use({ ...this.#options, keep: false }, this.#chat?.system ?? '') };
      const code = details.needed === undefined ? error.code : '';
      this.#fail(strings.engineFailed, { title: strings.failure.quota, message, code, advice: strings.advice.quota ?? '', actions: [without, again] }, error);
    } else if (error.code === 'stopped' || error.code === 'consent') {
      const paused = this.#downloading && this.#options.keep !== false;
      const ended = paused ? strings.downloadPaused : strings.engineStopped;
      this.#fail(ended, { title: ended, actions: [paused ? { ...again, label: strings.resume } : again] });
    } else if (error.code === 'crashed') {
      this.#fail(
        strings.engineFailed,
        { title: strings.failure.crash, message: this.#because(error), advice: strings.advice[error.code] ?? '', actions: [again] },
        error,
      );
    } else {
      this.#fail(
        strings.engineFailed,
        { title: strings.failure.load, message: error.message, code: error.code, advice: strings.advice[error.code] ?? '', actions: [again] },
        error,
      );
    }
  }

  readonly #onProgress = (event: Event) => {
    const progress = (event as CustomEvent<Progress>).detail;
    const { phase, done, total } = progress;
    this.#downloading ||= phase === 'download';
    // Both go on at once, and a text that changed all the time would be read aloud all the time.
    this.#converting ||= phase === 'conversion';
    const said = this.#converting && phase === 'download' ? 'conversion' : phase;
    if (this.#loading && phase !== 'engine') this.#view.status.say(this.#strings.loading(said));
    this.#view.status.advance(phase, done, total);
    this.#emit('progress', progress);
  };

  readonly #onState = () => {
    const { state } = this.#model!;
    this.#tell(state);
    if (state === 'recovering' && !this.#loading) {
      this.#view.status.say(this.#strings.recovering);
      this.#view.status.begin();
    } else if (state === 'lost') this.#lost();
    else if (state === 'ready') this.#view.facts.show(this.#model!.info());
  };

  #tell(state: HostState | 'idle') {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit('state', { state });
  }

  /** The engine was lost, and could not be recovered automatically. */
  #lost() {
    const strings = this.#strings;
    const model = this.#model!;
    const trouble = model.trouble!;
    const { code, message } = trouble;
    this.running = Promise.resolve(false);
    this.#view.facts.show(null);
    const restart = (context?: number) => {
      this.running = this.#run(model, (signal) => model.restart({ signal, ...(context && { context }) }));
      void this.running.then((running) => running && this.#handlers.onRestarted());
    };
    const advice = strings.advice[code] ?? '';
    if (code === 'out-of-memory') {
      const smaller = model.smallerContext;
      const actions = [{ label: strings.smallerContext(smaller), run: () => restart(smaller) }];
      this.#fail(strings.engineFailed, { title: strings.failure[code], message, code, advice, actions }, trouble);
      return;
    }
    const title = code === 'device-lost' ? strings.failure[code] : strings.failure.crash;
    const actions = [{ label: strings.restart, run: () => restart() }];
    this.#fail(strings.engineFailed, { title, message: this.#because(trouble), code, advice, actions }, trouble);
  }

  #because({ code, message }: InfLlavaError): string {
    if (code !== 'crashed') return message;
    return message && message !== code ? this.#strings.crashedMessage(message) : this.#strings.crashedSilently;
  }

  #fail(status: string, trouble: Trouble, error?: InfLlavaError) {
    this.#trouble = true;
    this.#view.status.end();
    this.#view.status.say(status);
    this.#view.chatNotice.show(trouble);
    if (error) this.#emit('error', { code: error.code ?? 'page', message: error.message });
  }
}
