/** A model: loads it, tells of it, and begins conversations. All handles of the same model share one engine. */

import defaultModel from 'inf-llava-default-model';
import { Host, type ConfirmDownload, type HostState } from '../engine/host.js';
import type { Device, ModelInfo, ModelPlace, SamplePicture } from '../engine/protocol.js';
import { shared } from '../engine/shared.js';
import { pageAddress, pageBase } from './address.js';
import { inBrowser } from './capabilities.js';
import { Chat, type ChatOptions, type WatchOptions } from './chat.js';
import { Completions } from './completions.js';
import { InfLlavaError } from '../errors.js';
import { kindOf } from './kind.js';
import { checkOptions } from './options.js';

export interface LoadOptions extends WatchOptions {
  /** A model folder: a checkpoint in Hugging Face's layout or a converted model. Without it, the package's own small model. */
  url?: string | URL;
  /** The files of a model folder that the user picked; nothing of them is sent or kept. */
  files?: Iterable<File>;
  /** `auto` takes the graphics card where there is one. */
  device?: Device;
  /** Tokens that a conversation may have; as many as the model likes, up to 4096, if nobody says. */
  context?: number;
  /** false: nothing is kept for the next visit, neither downloads nor features of pictures. */
  keep?: boolean;
  /** Is asked before a download of over 20 MB; without it, calling {@link load} is consent. */
  confirmDownload?: ConfirmDownload;
  /** Where the engine's files are, if not beside this script; relative to the page's own address, whatever its `<base>` says. */
  wasmUrl?: string | URL;
  workerUrl?: string | URL;
}

const DEVICES: readonly Device[] = ['auto', 'wgpu', 'portable', 'cpu'];
const RUNNING = ['signal', 'onProgress', 'confirmDownload'];
const LOADING = ['url', 'files', 'device', 'context', 'keep', 'wasmUrl', 'workerUrl', ...RUNNING];
/** Engines of this page by what they run. */
const hosts = shared('hosts', () => new Map<string, Host>());
let pickedFolders = 0;

/**
 * Loads a model. Who loads the same one again gets the same engine; a further call after a failure or a stop goes on
 * where the download was.
 *
 * @throws InfLlavaError see the table in README.md
 */
export async function load(options: LoadOptions = {}): Promise<Model> {
  const model = new Model(options);
  try {
    const { signal, onProgress, confirmDownload } = options ?? {};
    await model.load({ signal, onProgress, confirmDownload });
    return model;
  } catch (error) {
    model.unload();
    throw error;
  }
}

export class Model extends EventTarget {
  readonly #host: Host;
  readonly #key: string;
  readonly #url: string | null;
  readonly #tell = () => this.dispatchEvent(new Event('state'));
  readonly #passOn = ({ detail }: Event & { detail?: unknown }) => this.dispatchEvent(new CustomEvent('progress', { detail }));
  #unloaded = false;
  /** `model.chat({image})` begins a conversation; `model.chat.completions.create` answers as OpenAI's API does. */
  readonly chat: ((options?: ChatOptions) => Chat) & { readonly completions: Completions };

  /** A handle, before anything is loaded: {@link load} is what most need. */
  constructor(options: LoadOptions = {}) {
    super();
    const { url, files, device = 'auto', context, keep = true, wasmUrl, workerUrl } = checkOptions(options, LOADING);
    // Importing is safe on a server; running is for the browser.
    if (!inBrowser()) throw new InfLlavaError('worker', 'a model runs in a browser: call this on a page, not on a server');
    if (!DEVICES.includes(device)) throw new InfLlavaError('option', `there is no device “${String(device)}”; use ${DEVICES.join(', ')}`);
    if (context !== undefined && context !== null && !(Number.isSafeInteger(context) && context > 0)) {
      throw new InfLlavaError('option', `context is a whole number of tokens, and ${kindOf(context)} was given`);
    }
    const worker = absolute(workerUrl ?? defaultModel.worker(), pageAddress());
    const wasm = absolute(wasmUrl ?? defaultModel.wasm(), pageAddress()).href;
    const place = placeOf(url, files);
    this.#url = 'url' in place ? place.url : null;
    const named = 'pack' in place ? place.pack.sha256 : 'url' in place ? place.url : `picked ${++pickedFolders}`;
    this.#key = JSON.stringify([named, device, context ?? null, keep, wasm, worker.href]);
    let host = hosts.get(this.#key);
    if (!host) {
      host = new Host({ place, wasmUrl: wasm, workerUrl: worker, device, context: context ?? undefined, keep });
      hosts.set(this.#key, host);
    }
    this.#host = host;
    host.users += 1;
    host.addEventListener('state', this.#tell);
    host.addEventListener('progress', this.#passOn);
    const completions = new Completions(host);
    this.chat = Object.assign((chatOptions?: ChatOptions) => new Chat(this.#use(), chatOptions ?? {}), { completions });
  }

  /** Loads it, or waits until whoever began has loaded it. */
  async load(options: Pick<LoadOptions, 'confirmDownload' | 'signal' | 'onProgress'> | null = {}): Promise<ModelInfo> {
    const { confirmDownload, signal, onProgress } = checkOptions(options, RUNNING);
    return this.#use().load(confirmDownload, { signal, onEvent: (event) => event.type === 'progress' && onProgress?.(event) });
  }

  /** What the model is and where it runs; null until it is loaded. */
  info(): ModelInfo | null {
    return this.#host.info;
  }

  /** How many commands of this page's conversations the engine has to do: a further one waits for them. */
  get atWork(): number {
    return this.#host.atWork;
  }

  /** Changes with an event `state`; `progress` events tell of the loading, also of one that nobody asked for. */
  get state(): HostState {
    return this.#unloaded ? 'unloaded' : this.#host.state;
  }

  /** Why `state` is `lost`, or what the engine is recovering from. */
  get trouble(): InfLlavaError | null {
    return this.#host.trouble;
  }

  /** What to restart with where a device has no room: half of the present context. */
  get smallerContext(): number {
    return this.#host.smallerContext;
  }

  /** Starts an engine that was lost anew. Conversations go on: they are the page's. */
  async restart(options: (WatchOptions & { context?: number }) | null = {}): Promise<ModelInfo> {
    const { context, signal, onProgress } = checkOptions(options, ['context', 'signal', 'onProgress']);
    return this.#use().restart(context, { signal, onEvent: (event) => event.type === 'progress' && onProgress?.(event) });
  }

  /** The pictures that come with the model, with questions to ask; none where it has none. */
  async samples(): Promise<SamplePicture[]> {
    if (this.#url === null) return defaultModel.samples();
    return this.#use().samples(this.#url);
  }

  /** Lets it go. The last handle ends the engine, and frees all that it holds. */
  unload(): void {
    if (this.#unloaded) return;
    this.#unloaded = true;
    this.#host.removeEventListener('state', this.#tell);
    this.#host.removeEventListener('progress', this.#passOn);
    this.#host.users -= 1;
    if (this.#host.users === 0) {
      hosts.delete(this.#key);
      this.#host.end();
    }
    this.#tell();
  }

  #use(): Host {
    if (this.#unloaded) throw new InfLlavaError('unloaded', 'this model was unloaded; load it again');
    return this.#host;
  }
}

function placeOf(url: string | URL | undefined, files: Iterable<File> | undefined): ModelPlace {
  if (files) {
    if (typeof files !== 'object' || !(Symbol.iterator in files))
      throw new InfLlavaError('option', `files is a list of the files of a model folder, and ${kindOf(files)} was given`);
    const list = [...files];
    const name = list[0]?.webkitRelativePath?.split('/')[0] || 'folder';
    return { files: list, name };
  }
  if (!url) return { pack: defaultModel.pack() };
  const folder = absolute(url, pageBase());
  if (!['http:', 'https:'].includes(folder.protocol)) {
    throw new InfLlavaError('option', `“${String(url)}” is no address of a model folder: it must start with http: or https:, or be a path on this site`);
  }
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return { url: folder.href };
}

function absolute(url: string | URL, base: string | undefined): URL {
  if (typeof url !== 'string' && !(url instanceof URL)) throw new InfLlavaError('option', `an address is a text or a URL, and ${kindOf(url)} was given`);
  if (!URL.canParse(String(url), base)) throw new InfLlavaError('option', `“${String(url)}” is no address`);
  return new URL(url, base);
}
