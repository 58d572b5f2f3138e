/** `<inf-llava-chat>`: a picture and a conversation about it, anywhere in a page. */

import type { Chat } from '../api/chat.js';
import { kindOf } from '../api/kind.js';
import type { LoadOptions, Model } from '../api/model.js';
import { fileOf } from '../api/picture.js';
import type { ImageInput } from '../api/picture-input.js';
import type { Transcript } from '../api/transcript.js';
import { Attributes, OBSERVED, attributeNamed, warnOfIgnored, type Attribute } from './attributes.js';
import { Controller } from './controller.js';
import type { Events } from './events.js';
import { listen } from './gestures.js';
import { languageOf } from './language.js';
import { callable, checkedModels, checkedStrings, sameTexts } from './own.js';
import { en, needLanguage, stringsFor, type Strings } from './strings/index.js';
import { adoptStyles, dress } from './styles/adopt.js';
import type { OfferedModel } from './view/models.js';
import type { View } from './view/view.js';
import { wiredView } from './wiring.js';

/** The element's events; all of them bubble out of shadow trees. */
export type InfLlavaChatEventMap = { [Name in keyof Events as `inf-llava-${Name}`]: CustomEvent<Events[Name]> };

/** Attributes that the engine depends on; a change loads another one. */
const OF_ENGINE: readonly Attribute[] = ['model', 'hub', 'device', 'context', 'no-keep'];
/** Attributes for sampling, which the visitor can also set. */
const OF_SAMPLING = { temperature: 'temperature', 'max-new-tokens': 'max_new_tokens', seed: 'seed' } as const;

/**
 * Image chat that runs on the visitor's device.
 *
 * @tag inf-llava-chat
 *
 * @attr {string} model - Name of a model on the hub (`owner/name`) or address of a model folder; without it, the package's own small model.
 * @attr {string} hub - Address of the hub, if it is another one than huggingface.co.
 * @attr {'auto'|'wgpu'|'portable'|'cpu'} device - Where to run: `auto` takes the graphics card if there is one.
 * @attr {number} context - The context, in tokens.
 * @attr {'visible'|'interaction'} start - When to load the model: as soon as the element is visible (the default), or when somebody uses it.
 * @attr {string} src - Address of a picture to begin with, on this site or one that lets this site read it (CORS).
 * @attr {string} lang - The element's language (`en`, `de`, `ar`); else the page's.
 * @attr {number} temperature - Initial temperature; 0 always takes the most likely word. The visitor can change it, like the next two.
 * @attr {number} max-new-tokens - Initial limit of an answer's length, in tokens.
 * @attr {number} seed - The same seed gives the same answer.
 * @attr {string} detail - How closely the model looks at pictures: `low`, `auto`, `high`, or the most visual tokens.
 * @attr {string} system - What the model is told before anything is asked.
 * @attr {boolean} page-wide - Files dropped or pasted anywhere on the page go to the element, and Escape stops it from anywhere.
 * @attr {boolean} no-keep - Nothing is kept for the next visit: neither downloads nor features of pictures.
 *
 * @fires {CustomEvent<{state: string}>} inf-llava-state - The state changed: idle, loading, ready, recovering, lost, unloaded.
 * @fires {CustomEvent<Progress>} inf-llava-progress - The model is being downloaded or loaded.
 * @fires {CustomEvent<ModelInfo>} inf-llava-ready - The model is loaded.
 * @fires {CustomEvent<PictureInfo>} inf-llava-picture - A picture was read.
 * @fires {CustomEvent<{question: string, answer: Answer}>} inf-llava-answer - A question was answered.
 * @fires {CustomEvent<{code: string, message: string}>} inf-llava-error - Something failed; the element has said so.
 *
 * @slot header - Above everything.
 * @slot opening - In the empty conversation, instead of its first line.
 * @slot about - Below the picture.
 * @slot full-model - In the warning that the model does not know this kind of picture.
 * @slot footer - Below everything.
 *
 * @csspart widget - The whole element.
 * @csspart stage - The side with the picture.
 * @csspart picture - The picture in its mount.
 * @csspart attention - The map of what the model looks at.
 * @csspart attention-panel - The controls of the map, which choose a word.
 * @csspart samples - The sample pictures.
 * @csspart sample - One of them.
 * @csspart facts - Device and model.
 * @csspart talk - The side with the conversation.
 * @csspart caution - The warning about random weights.
 * @csspart log - Questions and answers.
 * @csspart turn - One question with its answer.
 * @csspart question - A question.
 * @csspart answer - An answer.
 * @csspart composer - The question box with its buttons.
 * @csspart input - The question box.
 * @csspart send - The button that sends.
 * @csspart stop - The button that stops.
 * @csspart suggestion - A question to ask at a click.
 * @csspart settings - The settings.
 * @csspart status - The status line.
 * @csspart progress - The progress bar above it.
 * @csspart notice - A failure, or a question about a download.
 * @csspart button - Any other button.
 * @csspart camera - The camera's dialog.
 *
 * @cssprop --inf-llava-block-size - The height, if the layout around it sets none.
 * @cssprop --inf-llava-ground - Background of code.
 * @cssprop --inf-llava-sheet - Background of the conversation.
 * @cssprop --inf-llava-well - Background of input fields.
 * @cssprop --inf-llava-ink - Colour of text.
 * @cssprop --inf-llava-soft - Colour of secondary text.
 * @cssprop --inf-llava-line - Colour of lines.
 * @cssprop --inf-llava-line-strong - Colour of the borders of controls.
 * @cssprop --inf-llava-mark - Accent colour: the send button, questions, progress.
 * @cssprop --inf-llava-on-mark - Colour of text on the accent colour.
 * @cssprop --inf-llava-tint - Background of notices.
 * @cssprop --inf-llava-radius - Radius of corners.
 * @cssprop --inf-llava-font - Font of text.
 * @cssprop --inf-llava-mono - Font of figures and code.
 */
export class InfLlavaChat extends Attributes {
  static readonly observedAttributes: readonly string[] = OBSERVED;
  #view: View | null = null;
  #controller: Controller | null = null;
  #listening: AbortController | null = null;
  #seen: IntersectionObserver | null = null;
  #strings: Partial<Strings> = {};
  /** All texts, in the element's language. */
  #texts: Strings = en;
  #spoken = '';
  #models: OfferedModel[] = [];
  #files: File[] | undefined;
  #engine: Pick<LoadOptions, 'wasmUrl' | 'workerUrl'> = {};
  #begun = false;
  /** Pending while the texts of its language are loaded; method calls wait for it. */
  #building: Promise<void> | null = null;
  /** Whether the attributes have changed since the engine was started with them. */
  #stale = false;

  constructor() {
    super();
    this.takeOver();
  }

  /** Custom texts, some or all. A change starts a new conversation. */
  get strings(): Partial<Strings> {
    return checkedStrings(this.#strings).checked;
  }

  set strings(strings: Partial<Strings> | null | undefined) {
    const { checked, wrong } = checkedStrings(strings);
    for (const reason of wrong) this.misused(reason);
    // Frameworks assign the same value again whenever something else changes.
    const same = sameTexts(checked, this.#strings);
    this.#strings = checked;
    if (!same) this.#rebuild();
  }

  /** Models to choose from, besides the package's own. */
  get models(): OfferedModel[] {
    return checkedModels(this.#models).checked;
  }

  set models(models: Iterable<OfferedModel> | null | undefined) {
    const { checked, wrong } = checkedModels(models);
    for (const reason of wrong) this.misused(reason);
    if (JSON.stringify(checked) === JSON.stringify(this.#models)) return; // new buttons would lose the focus
    this.#models = checked;
    this.#offerModels();
  }

  /** Address of the engine's wasm, if not beside the script; set it before loading. Not an attribute: markup must not choose code. */
  get wasmUrl(): string | URL | null {
    return this.#engine.wasmUrl ?? null;
  }

  set wasmUrl(url: string | URL | null | undefined) {
    this.#setEngine('wasmUrl', url);
  }

  /** Address of the engine's worker, in the same way. */
  get workerUrl(): string | URL | null {
    return this.#engine.workerUrl ?? null;
  }

  set workerUrl(url: string | URL | null | undefined) {
    this.#setEngine('workerUrl', url);
  }

  /** The model in use, for the API; null before the element has started. */
  get engine(): Model | null {
    return this.#controller?.model ?? null;
  }

  /** The conversation, for the API. Its methods do not update the element: use the element's own methods. */
  get chat(): Chat | null {
    return this.#controller?.chat ?? null;
  }

  /** `idle`, `loading`, or the engine's state. */
  get state(): string {
    return this.#controller?.state ?? 'idle';
  }

  connectedCallback(): void {
    warnOfIgnored(this);
    // It may have been moved to a part of the page in another language.
    if (this.#view && languageOf(this) !== this.#spoken) this.#rebuild();
    else this.#build();
  }

  adoptedCallback(): void {
    if (this.shadowRoot) adoptStyles(this.shadowRoot);
  }

  disconnectedCallback(): void {
    // A move within the page disconnects it and connects it again at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#tearDown();
    });
  }

  attributeChangedCallback(observed: string, before: string | null, value: string | null): void {
    const name = attributeNamed(observed);
    // Setting the same address again brings back a picture that was removed.
    const again = name === 'src' && this.#controller?.pictures.chosen === false;
    if (!this.#view || (before === value && !again)) return; // read when it is built
    if (name === 'lang') this.#rebuild();
    else if (name === 'src') this.#showSource();
    else if (name === 'page-wide') this.#listen();
    else if (name === 'start') this.#start();
    else if (name in OF_SAMPLING) this.#setSampling([name as keyof typeof OF_SAMPLING]);
    else if (name === 'detail') this.#setDetail();
    else if (name === 'system') this.#controller?.setSystem(this.said('system') ?? '');
    else if (OF_ENGINE.includes(name)) {
      if (name === 'model') this.#files = undefined;
      this.#change();
    }
  }

  /** Loads the model, unless that has started. */
  load(): void {
    if (this.#building) void this.#building.then(() => this.load());
    else this.#begin();
  }

  /**
   * Reads a picture, which further questions are about. Null removes it.
   *
   * @throws InfLlavaError as in the error event, and `stopped` if another picture is chosen in the meantime
   */
  setImage(image: ImageInput | URL | null, options: { name?: string } | null = {}): Promise<void> {
    this.#begin();
    if (Array.isArray(image) && image.length === 1) image = image[0] as ImageInput;
    const controller = this.#controller;
    let chosen: Promise<void>;
    if (this.#building) chosen = this.#setLater(this.#building, image, options?.name);
    else if (controller) chosen = controller.pictures.chooseGiven(image, options?.name);
    else chosen = Promise.reject(this.misused('setImage: the element is not on the page yet', 'not-loaded'));
    // Callers that do not await it get the event.
    chosen.catch(() => {});
    return chosen;
  }

  /** Takes a copy at once: a canvas or a video may change before the element is built. */
  #setLater(building: Promise<void>, image: ImageInput | URL | null, name: string | undefined): Promise<void> {
    const isAddress = image instanceof URL || (typeof image === 'string' && !/^data:/i.test(image));
    const file = image === null || isAddress ? null : fileOf(image as ImageInput, name);
    file?.catch(() => {}); // reported when it is used
    return building.then(() => {
      this.#begin();
      return file && this.#controller ? this.#controller.pictures.chooseWritten(file) : this.setImage(image, { ...(name !== undefined && { name }) });
    });
  }

  /** Asks a question, as if the visitor had typed it. */
  ask(question: string): void {
    this.#begin();
    if (typeof question !== 'string') this.misused(`ask: a question is a text, and ${kindOf(question)} was given`);
    else if (!question.trim()) this.misused('ask: the question is empty', 'empty-question');
    else if (this.#building) void this.#building.then(() => this.ask(question));
    else if (this.#controller) this.#controller.askFor(question);
    else this.misused('ask: the element is not on the page yet', 'not-loaded');
  }

  /** Stops what the engine is doing. */
  stop(): void {
    this.#controller?.stop();
  }

  /** Starts a new conversation about the same picture. */
  async newChat(): Promise<void> {
    await this.#controller?.newChat();
  }

  /** The conversation, as data or as Markdown; null if there is none yet. */
  export(format: 'markdown'): string | null;
  export(format?: 'json'): Transcript | null;
  export(format: 'json' | 'markdown' = 'json'): Transcript | string | null {
    if (format !== 'json' && format !== 'markdown') this.misused(`export: the format is json or markdown, and ${kindOf(format)} was given`);
    else if (this.chat) return format === 'markdown' ? this.chat.export('markdown') : this.chat.export();
    return null;
  }

  override focus(options?: FocusOptions): void {
    if (this.#building) void this.#building.then(() => this.focus(options));
    else if (this.#view) this.#view.composer.focus();
    else super.focus(options);
  }

  #build() {
    if (this.#view || this.#building) return;
    const language = languageOf(this);
    const texts = needLanguage(language);
    if (texts) {
      this.#building = texts.then(() => {
        this.#building = null;
        if (this.isConnected) this.#build();
      });
      return;
    }
    this.#spoken = language;
    const own = callable(
      () => this.#strings,
      stringsFor(language),
      (message) => this.misused(message),
    );
    const strings = stringsFor(language, own);
    this.#texts = strings;
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: 'open', delegatesFocus: false });
    const view = wiredView(strings, {
      begun: () => {
        this.#begin();
        return this.#controller;
      },
      chat: () => this.chat,
      emit: this.#tell,
      onModel: (url) => this.#choose(url),
      onFolder: (files) => this.#openFolder(files),
    });
    this.#view = view;
    this.#controller = new Controller(view, strings, this.#tell);
    dress(shadow, view.root);
    view.picture.offerCamera(typeof navigator.mediaDevices?.getUserMedia === 'function');
    this.#setSampling(Object.keys(OF_SAMPLING) as (keyof typeof OF_SAMPLING)[]);
    this.#setDetail();
    this.#offerModels();
    this.#listen();
    if (this.said('src')) this.#showSource();
    this.#start();
  }

  readonly #tell = <Name extends keyof Events>(name: Name, detail: Events[Name]) => {
    this.dispatchEvent(new CustomEvent(`inf-llava-${name}`, { detail, bubbles: true, composed: true }));
  };

  #setSampling(names: (keyof typeof OF_SAMPLING)[]) {
    for (const name of names) this.#view!.composer.setSampling({ [OF_SAMPLING[name]]: String(this.#number(name) ?? '') });
  }

  #setDetail() {
    const { detail } = this;
    if (this.#view!.composer.setDetail(detail ?? 'auto')) this.#controller?.pictures.lookAnew();
    else this.misused(`detail: “${String(detail)}” is not low, auto, high or a number of visual tokens`);
  }

  /** An attribute's number; reports a value that is none. */
  #number(name: Attribute): number | null {
    const number = this.numberSaid(name);
    if (number === null && this.said(name)) this.misused(`${name}: “${this.said(name)}” is no number`);
    return number;
  }

  #tearDown() {
    this.#listening?.abort();
    this.#seen?.disconnect();
    this.#view?.closeCamera();
    this.#controller?.end();
    this.#controller = null;
    this.#view = null;
    this.#begun = false;
    this.shadowRoot?.replaceChildren();
  }

  /** Builds the element again, with other texts; this starts a new conversation. */
  #rebuild() {
    if (!this.#view) return;
    this.#tearDown();
    if (this.isConnected) this.#build();
  }

  /** Arranges when the model is loaded. */
  #start() {
    if (this.#begun) return;
    this.#seen?.disconnect();
    const start = this.said('start')?.toLowerCase();
    if (start && start !== 'visible' && start !== 'interaction') this.misused(`start: “${start}” is neither visible nor interaction`);
    if (start === 'interaction') {
      this.#view!.status.say(this.#texts.start);
      return;
    }
    this.#seen = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) this.#begin();
    });
    this.#seen.observe(this.#view!.root); // not the host, which may have no box
  }

  /** Applies changed attributes: once, even if several are set one after another. */
  #change() {
    this.#stale = this.#begun;
    this.#offerModels();
    queueMicrotask(() => this.#stale && this.#begin());
  }

  /** @param anew  whether to start again, with the current attributes */
  #begin(anew = this.#stale) {
    const controller = this.#controller;
    if (!controller || (this.#begun && !anew)) return;
    this.#begun = true;
    this.#stale = false;
    this.#seen?.disconnect();
    const context = this.#number('context');
    const [model, hub] = [this.said('model'), this.said('hub')];
    const device = this.said('device') as LoadOptions['device'];
    const options: LoadOptions = {
      ...(this.#files ? { files: this.#files } : model && { model }),
      ...(hub && { hub }),
      ...(device && { device }),
      ...(context !== null && { context }),
      keep: !this.isSaid('no-keep'),
      ...this.#engine,
    };
    controller.use(options, this.said('system') ?? '');
    this.#offerModels();
  }

  #setEngine(name: 'wasmUrl' | 'workerUrl', url: unknown) {
    if (url !== null && url !== undefined && typeof url !== 'string' && !(url instanceof URL)) {
      this.misused(`${name}: an address is a text or a URL, and ${kindOf(url)} was given`);
      return;
    }
    if (String(this.#engine[name] ?? '') === String(url ?? '')) return;
    const { [name]: before, ...others } = this.#engine;
    this.#engine = url ? { ...others, [name]: url } : others;
    if (this.#begun) this.#change();
  }

  #offerModels() {
    const own = { name: this.#texts.defaultModel, url: '' };
    this.#view?.models.offer([own, ...this.#models], this.#files ? null : (this.said('model') ?? ''));
  }

  #choose(url: string) {
    this.#files = undefined;
    this.model = url;
    this.#begin(true);
  }

  #openFolder(files: File[]) {
    if (files.some(({ name }) => name === 'manifest.json' || name === 'config.json')) {
      this.#files = files;
      this.#begin(true);
    } else {
      this.#view!.chatNotice.show({ title: this.#texts.failure.load, message: this.#texts.noModelFolder });
      this.#tell('error', { code: 'file-missing', message: this.#texts.noModelFolder });
    }
  }

  /** Shows the picture that `src` names, or removes the one that it named before. */
  #showSource() {
    const src = this.said('src');
    if (src) this.#begin();
    this.#controller?.pictures.chooseSource(src);
  }

  #listen() {
    this.#listening?.abort();
    this.#listening = new AbortController();
    const gestures = {
      onFiles: (files: FileList) => {
        this.#begin();
        this.#controller?.pictures.choose(files);
      },
      onTarget: (over: boolean) => this.#view?.picture.setTarget(over),
      onEscape: () => this.#controller?.escape() ?? false,
    };
    listen(this.isSaid('page-wide') ? this.ownerDocument : this, gestures, this.#listening.signal);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'inf-llava-chat': InfLlavaChat;
  }
  interface HTMLElementEventMap extends InfLlavaChatEventMap {}
}
