/** `<inf-llava-chat>`: a picture and a conversation about it, anywhere in a page. */

import { pageBase } from '../api/address.js';
import type { Chat } from '../api/chat.js';
import type { LoadOptions, Model } from '../api/model.js';
import { MOST_FILE_BYTES, openPicture, type ImageInput } from '../api/picture.js';
import type { Transcript } from '../api/transcript.js';
import { storage } from '../api/storage.js';
import { counted } from '../keep/counted.js';
import type { Device } from '../engine/protocol.js';
import { copyText } from './clipboard.js';
import { Controller } from './controller.js';
import type { Events } from './events.js';
import { en, stringsFor, type Strings } from './strings/index.js';
import composer from './styles/composer.css';
import layout from './styles/layout.css';
import stage from './styles/stage.css';
import talk from './styles/talk.css';
import theme from './styles/theme.css';
import { hasCamera } from './view/camera.js';
import type { OfferedModel } from './view/models.js';
import { View } from './view/view.js';

/** The element's events; all bubble out of shadow trees. */
export type InfLlavaChatEventMap = { [Name in keyof Events as `inf-llava-${Name}`]: CustomEvent<Events[Name]> };

/** Where there is no page (a server renders it), the class is only a name. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;
const OBSERVED = ['model', 'device', 'context', 'src', 'lang'] as const;
/** May be set before the element is defined. */
const PROPERTIES = ['strings', 'models', 'wasmUrl', 'workerUrl'] as const;
/** Earlier attributes. Whoever may write markup into a page must not choose what runs there. */
const REFUSED = ['wasm-url', 'worker-url'];
let sheet: CSSStyleSheet | null = null;

/**
 * Image chat that runs on the visitor's device.
 *
 * @tag inf-llava-chat
 *
 * @attr {string} model - Address of a model folder; without it, the package's own small model.
 * @attr {'auto'|'wgpu'|'portable'|'cpu'} device - Where to run: `auto` takes the graphics card where there is one.
 * @attr {number} context - Tokens that a conversation may have.
 * @attr {'visible'|'interaction'} start - When to load the model: as soon as the element is seen (the default), or when somebody uses it.
 * @attr {string} src - Address of a picture to begin with, of this site or one that lets this site read it.
 * @attr {string} lang - The element's language (`en`, `de`, `ar`); else the page's.
 * @attr {number} temperature - Of answers to begin with; 0 takes the likeliest word always. The visitor can change it, as the next two.
 * @attr {number} max-new-tokens - Of an answer to begin with.
 * @attr {number} seed - The same seed gives the same answer.
 * @attr {boolean} page-wide - Files dropped or pasted anywhere on the page are the element's, and Escape stops it from anywhere.
 * @attr {boolean} no-keep - Nothing is kept for the next visit: neither downloads nor what the model made of pictures.
 *
 * @fires {CustomEvent<{state: string}>} inf-llava-state - The engine's state changed: loading, ready, recovering, lost, unloaded.
 * @fires {CustomEvent<Progress>} inf-llava-progress - The model is being downloaded or loaded.
 * @fires {CustomEvent<ModelInfo>} inf-llava-ready - The model is loaded.
 * @fires {CustomEvent<PictureInfo>} inf-llava-picture - A picture was read.
 * @fires {CustomEvent<{question: string, answer: Answer}>} inf-llava-answer - A question was answered.
 * @fires {CustomEvent<{code: string, message: string}>} inf-llava-error - Something failed; the element has said so.
 *
 * @slot header - Above everything.
 * @slot opening - In the empty conversation, instead of its first line.
 * @slot about - Below the picture.
 * @slot full-model - In the warning that a picture is none that the model knows.
 * @slot footer - Below everything.
 *
 * @csspart widget - All of it.
 * @csspart stage - The side of the picture.
 * @csspart picture - The picture in its mount.
 * @csspart attention - The map of what the model looks at.
 * @csspart attention-panel - Where its word is chosen.
 * @csspart samples - The sample pictures.
 * @csspart sample - One of them.
 * @csspart facts - Device and model.
 * @csspart talk - The side of the conversation.
 * @csspart caution - The line about random weights.
 * @csspart log - Questions and answers.
 * @csspart turn - One question with its answer.
 * @csspart question - A question.
 * @csspart answer - An answer.
 * @csspart composer - The question box with its buttons.
 * @csspart input - The question box.
 * @csspart send - The button that sends.
 * @csspart stop - The button that stops.
 * @csspart suggestion - A question to ask at a click.
 * @csspart settings - What can be set.
 * @csspart status - The line that says what goes on.
 * @csspart progress - The bar above it.
 * @csspart notice - A failure, or a question about a download.
 * @csspart button - Any other button.
 * @csspart camera - The camera's dialog.
 *
 * @cssprop --inf-llava-ground - Behind code.
 * @cssprop --inf-llava-sheet - The conversation's background.
 * @cssprop --inf-llava-well - The background of what is typed into.
 * @cssprop --inf-llava-ink - Text.
 * @cssprop --inf-llava-soft - Text that stands back.
 * @cssprop --inf-llava-line - Lines.
 * @cssprop --inf-llava-line-strong - Borders of what can be used.
 * @cssprop --inf-llava-mark - What is live: the button that sends, questions, progress.
 * @cssprop --inf-llava-on-mark - Text on it.
 * @cssprop --inf-llava-tint - The background of notices.
 * @cssprop --inf-llava-radius - Of corners.
 * @cssprop --inf-llava-font - Of text.
 * @cssprop --inf-llava-mono - Of figures and code.
 */
export class InfLlavaChat extends Base {
  static readonly observedAttributes: readonly string[] = OBSERVED;
  #view: View | null = null;
  #controller: Controller | null = null;
  #listening: AbortController | null = null;
  #seen: IntersectionObserver | null = null;
  #strings: Partial<Strings> = {};
  /** All texts, in the element's language. */
  #texts: Strings = en;
  #models: OfferedModel[] = [];
  #files: File[] | undefined;
  #engine: Pick<LoadOptions, 'wasmUrl' | 'workerUrl'> = {};
  #begun = false;

  /** Texts of your own, some or all; set before the element is connected. */
  get strings(): Partial<Strings> {
    return this.#strings;
  }

  set strings(strings: Partial<Strings>) {
    this.#strings = strings;
    this.#rebuild();
  }

  /** Models to choose from, beside the package's own. */
  get models(): OfferedModel[] {
    return this.#models;
  }

  set models(models: OfferedModel[]) {
    this.#models = [...models];
    this.#offerModels();
  }

  /** Where the engine's wasm is, if not beside the script; set before the model is loaded. No attribute: what runs is for scripts to say. */
  get wasmUrl(): string | URL | null {
    return this.#engine.wasmUrl ?? null;
  }

  set wasmUrl(url: string | URL | null) {
    this.#setEngine('wasmUrl', url);
  }

  /** The same for the engine's worker. */
  get workerUrl(): string | URL | null {
    return this.#engine.workerUrl ?? null;
  }

  set workerUrl(url: string | URL | null) {
    this.#setEngine('workerUrl', url);
  }

  /** The model in use; null before it is begun with. */
  get model(): Model | null {
    return this.#controller?.model ?? null;
  }

  /** The conversation as the headless API has it. Its methods do not show in the element: use the element's own. */
  get chat(): Chat | null {
    return this.#controller?.chat ?? null;
  }

  /** `idle`, or the engine's state. */
  get state(): string {
    return this.model?.state ?? 'idle';
  }

  connectedCallback(): void {
    for (const name of PROPERTIES) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Record<string, unknown>)[name];
      Object.assign(this, { [name]: value });
    }
    for (const name of REFUSED) {
      if (this.hasAttribute(name)) console.warn(`inf-llava-chat: the attribute ${name} is ignored; set the property ${name.replace('-u', 'U')} from a script`);
    }
    this.#build();
  }

  disconnectedCallback(): void {
    // A move within the page disconnects and connects again at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#tearDown();
    });
  }

  attributeChangedCallback(name: (typeof OBSERVED)[number], before: string | null, value: string | null): void {
    if (!this.#controller || before === value) return;
    if (name === 'lang') this.#rebuild();
    else if (name === 'src') void this.#showSource();
    else if (this.#begun) {
      if (name === 'model') this.#files = undefined;
      this.#begin(true);
    }
  }

  /** Loads the model, if that has not begun. */
  load(): void {
    this.#begin();
  }

  /** Reads a picture; what is asked from then on is about it. */
  async setImage(image: ImageInput | null, { name }: { name?: string } = {}): Promise<void> {
    this.#begin();
    if (image === null) return this.#controller?.removePicture();
    const { blob, name: found } = await openPicture(image, name);
    return this.#controller?.choosePicture([new File([blob], found)]);
  }

  /** Asks, as if somebody had typed it. */
  ask(question: string): void {
    this.#begin();
    this.#controller?.send(question);
  }

  /** Ends what the engine is at. */
  stop(): void {
    this.#controller?.stop();
  }

  /** Begins a new conversation about the same picture. */
  async newChat(): Promise<void> {
    await this.#controller?.newChat();
  }

  /** The conversation, as data or as Markdown; null before there is one. */
  export(format: 'markdown'): string | null;
  export(format?: 'json'): Transcript | null;
  export(format: 'json' | 'markdown' = 'json'): Transcript | string | null {
    const chat = this.chat;
    if (!chat) return null;
    return format === 'markdown' ? chat.export('markdown') : chat.export();
  }

  override focus(options?: FocusOptions): void {
    if (this.#view) this.#view.composer.focus();
    else super.focus(options);
  }

  #build() {
    if (this.#view) return;
    const language = this.closest('[lang]')?.getAttribute('lang') || 'en';
    const strings = stringsFor(language, this.#strings);
    this.#texts = strings;
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: 'open', delegatesFocus: false });
    if (!sheet) {
      // An adopted sheet: strict pages refuse inline styles.
      sheet = new CSSStyleSheet();
      sheet.replaceSync([theme, stage, talk, composer, layout].join('\n'));
    }
    shadow.adoptedStyleSheets = [sheet];
    const begun = <Args extends unknown[]>(run: (controller: Controller, ...args: Args) => unknown) => (...args: Args) => {
      this.#begin();
      if (this.#controller) void run(this.#controller, ...args);
    };
    const view = new View(strings, {
      picture: {
        on_files: begun((controller, files) => controller.choosePicture(files)),
        on_remove: begun((controller) => controller.removePicture()),
        on_camera: () => view.camera.open().catch(() => view.picture_notice.show({ title: strings.cameraFailed })),
        on_looking: begun((controller) => controller.look()),
      },
      conversation: {
        on_starter: (text) => view.composer.setText(text),
        on_regenerate: begun((controller, turn) => controller.regenerate(turn)),
        on_edit: begun((controller, turn) => controller.edit(turn)),
        on_copy: async (text) => {
          if (await copyText(text)) view.status.say(strings.copied);
          else view.chat_notice.show({ title: strings.failure.copy, message: strings.copyFailed });
        },
      },
      composer: {
        on_send: begun((controller, text) => controller.send(text)),
        on_stop: begun((controller) => controller.stop()),
        on_cancel_edit: begun((controller) => controller.cancelEdit()),
        on_settings: () => view.models.showKept(),
      },
      models: {
        on_choose: (url) => this.#choose(url),
        on_folder: (files) => this.#openFolder(files),
        read_kept: () => storage.list(),
        on_remove: async (id) => this.#controller?.removeKept(id),
      },
      on_photo: begun((controller, file: File) => controller.choosePicture([file])),
      on_token: begun((controller) => controller.look()),
      on_pause: begun((controller) => controller.pause()),
      on_new_chat: begun((controller) => controller.newChat()),
      on_export: (format) => this.#download(format),
    });
    this.#view = view;
    this.#controller = new Controller(view, strings, (name, detail) => {
      this.dispatchEvent(new CustomEvent(`inf-llava-${name}`, { detail, bubbles: true, composed: true }));
    });
    shadow.replaceChildren(view.root);
    view.picture.offerCamera(hasCamera());
    view.composer.setSampling({
      temperature: this.getAttribute('temperature') ?? '',
      max_new_tokens: this.getAttribute('max-new-tokens') ?? '',
      seed: this.getAttribute('seed') ?? '',
    });
    this.#offerModels();
    this.#listen();
    this.#start();
  }

  #tearDown() {
    this.#listening?.abort();
    this.#seen?.disconnect();
    this.#controller?.end();
    this.#controller = null;
    this.#view = null;
    this.#begun = false;
    this.shadowRoot?.replaceChildren();
  }

  /** In other words: the conversation begins anew. */
  #rebuild() {
    if (!this.#view) return;
    this.#tearDown();
    if (this.isConnected) this.#build();
  }

  /** When the model is loaded. */
  #start() {
    if (this.getAttribute('src')) void this.#showSource();
    else if (this.getAttribute('start') !== 'interaction') {
      this.#seen = new IntersectionObserver((entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) this.#begin();
      });
      this.#seen.observe(this);
    } else this.#view!.status.say(this.#texts.start);
  }

  /** @param anew  with what the attributes now say */
  #begin(anew = false) {
    const controller = this.#controller;
    if (!controller || (this.#begun && !anew)) return;
    this.#begun = true;
    this.#seen?.disconnect();
    const number = (name: string) => (this.hasAttribute(name) ? Number(this.getAttribute(name)) : undefined);
    const context = number('context');
    const url = this.getAttribute('model');
    const options: LoadOptions = {
      ...(this.#files ? { files: this.#files } : url && { url }),
      device: (this.getAttribute('device') as Device | null) ?? 'auto',
      ...(context && { context }),
      keep: !this.hasAttribute('no-keep'),
      ...this.#engine,
    };
    controller.use(options);
    this.#offerModels();
  }

  #setEngine(name: 'wasmUrl' | 'workerUrl', url: string | URL | null) {
    if (String(this.#engine[name] ?? '') === String(url ?? '')) return;
    const { [name]: before, ...others } = this.#engine;
    this.#engine = url ? { ...others, [name]: url } : others;
    if (this.#begun) this.#begin(true);
  }

  #offerModels() {
    const own = { name: this.#texts.defaultModel, url: '' };
    this.#view?.models.offer([own, ...this.#models], this.#files ? null : (this.getAttribute('model') ?? ''));
  }

  #choose(url: string) {
    this.#files = undefined;
    if ((this.getAttribute('model') ?? '') === url) this.#begin(true);
    else if (url) this.setAttribute('model', url);
    else this.removeAttribute('model');
    if (!this.#begun) this.#begin();
  }

  #openFolder(files: File[]) {
    if (files.some(({ name }) => name === 'manifest.json' || name === 'config.json')) {
      this.#files = files;
      this.#begin(true);
    } else this.#view!.chat_notice.show({ title: this.#texts.failure.load, message: this.#texts.noModelFolder });
  }

  async #showSource() {
    const src = this.getAttribute('src');
    if (!src) return;
    this.#begin();
    try {
      const url = new URL(src, pageBase());
      const response = await fetch(url, { referrerPolicy: 'no-referrer' });
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const bytes = await counted(response, MOST_FILE_BYTES, src);
      await this.#controller?.choosePicture([new File([bytes], nameOf(url))]);
    } catch (error) {
      this.#view?.picture_notice.show({ title: this.#texts.failure.picture, message: `${src}: ${(error as Error).message}` });
    }
  }

  #download(format: 'markdown' | 'json') {
    const content = format === 'markdown' ? this.export('markdown') : JSON.stringify(this.export(), null, 1);
    if (content === null) return;
    const link = document.createElement('a');
    const url = URL.createObjectURL(new Blob([content], { type: format === 'markdown' ? 'text/markdown' : 'application/json' }));
    link.href = url;
    link.download = `conversation.${format === 'markdown' ? 'md' : 'json'}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  /** Files that are dropped or pasted, and Escape. */
  #listen() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const place: EventTarget = this.hasAttribute('page-wide') ? document : this;
    const on = <Type extends keyof DocumentEventMap>(type: Type, run: (event: DocumentEventMap[Type]) => void) =>
      place.addEventListener(type, run as EventListener, { signal });
    const has_files = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') === true;
    const take = (files: FileList) => {
      this.#begin();
      void this.#controller?.choosePicture(files);
    };
    on('dragover', (event) => {
      if (!has_files(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = 'copy';
      this.#view?.picture.setTarget(true);
    });
    on('dragleave', (event) => {
      const inside = event.relatedTarget instanceof Node && (place as Node).contains(event.relatedTarget);
      if (!inside) this.#view?.picture.setTarget(false);
    });
    on('drop', (event) => {
      this.#view?.picture.setTarget(false);
      if (!has_files(event)) return;
      event.preventDefault();
      take(event.dataTransfer!.files);
    });
    on('paste', (event) => {
      if (!event.clipboardData?.files.length) return; // text goes where the cursor is
      event.preventDefault();
      take(event.clipboardData.files);
    });
    on('keydown', (event) => {
      if (event.key === 'Escape' && !event.isComposing) this.#controller?.stop();
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'inf-llava-chat': InfLlavaChat;
  }
  interface HTMLElementEventMap extends InfLlavaChatEventMap {}
}

/** A file's name out of its address, where a `%` need not mean anything. */
function nameOf({ pathname }: URL): string {
  const name = pathname.split('/').pop() ?? '';
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
