/** A handle of a model: loads it, describes it, and starts conversations. All handles of the same model share one engine. */

import defaultModel from 'inf-llava-default-model';
import { Host, type ConfirmDownload, type HostState } from '../engine/host.js';
import type { Device, ModelInfo, ModelPlace, SamplePicture } from '../engine/protocol.js';
import { shared } from '../engine/shared.js';
import { pageAddress, pageBase } from './address.js';
import { inBrowser } from './capabilities.js';
import { Chat, type ChatOptions, type WatchOptions } from './chat.js';
import { Completions } from './completions.js';
import { InfLlavaError } from '../errors.js';
import { HUB, namesHub } from './hub.js';
import { kindOf } from './kind.js';
import { checkOptions } from './options.js';

export interface LoadOptions extends WatchOptions {
  /** A model folder: a checkpoint in Hugging Face's layout or a converted model. Without it, the package's own small model. */
  url?: string | URL;
  /**
   * A model on the hub, `owner/name` or `owner/name@revision`, also behind `hf:`: it is quantised while it is downloaded.
   * Anything else is an address, as in `url`.
   */
  model?: string | URL;
  /** The hub's address, if it is another one than huggingface.co. */
  hub?: string | URL;
  /** The files of a model folder that the user picked; nothing of them is sent or kept. */
  files?: Iterable<File>;
  /** `auto` takes the graphics card where there is one. */
  device?: Device;
  /** The context, in tokens; by default the model's own, at most 4096. */
  context?: number;
  /** false: nothing is kept for the next visit, neither downloads nor features of pictures. */
  keep?: boolean;
  /** Called before a download of over 20 MB; without it, calling {@link load} is consent. */
  confirmDownload?: ConfirmDownload;
  /** Where the engine's files are, if not beside this script; relative to the page's own address, not to its `<base>`. */
  wasmUrl?: string | URL;
  workerUrl?: string | URL;
}

const DEVICES: readonly Device[] = ['auto', 'wgpu', 'portable', 'cpu'];
const RUNNING = ['signal', 'onProgress', 'confirmDownload'];
const LOADING = ['url', 'model', 'hub', 'files', 'device', 'context', 'keep', 'wasmUrl', 'workerUrl', ...RUNNING];
/** The engines of this page, by model and options. */
const hosts = shared('hosts', () => new Map<string, Host>());
let pickedFolders = 0;

/**
 * Loads a model. Loading the same model again gives the same engine; after a failure or a stop, another call continues
 * the download.
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
  /** The address of the folder that may have some, or whether there are the default model's. */
  readonly #samples: string | 'none' | 'default';
  readonly #tell = () => this.dispatchEvent(new Event('state'));
  readonly #passOn = ({ detail }: Event & { detail?: unknown }) => this.dispatchEvent(new CustomEvent('progress', { detail }));
  #unloaded = false;
  /** `model.chat({image})` starts a conversation; `model.chat.completions.create` works as in OpenAI's API. */
  readonly chat: ((options?: ChatOptions) => Chat) & { readonly completions: Completions };

  /** Makes a handle without loading anything; most callers want {@link load}. */
  constructor(options: LoadOptions = {}) {
    super();
    const { device = 'auto', context, keep = true, wasmUrl, workerUrl, ...named } = checkOptions(options, LOADING);
    // On a server the package can be imported, but no model can run.
    if (!inBrowser()) throw new InfLlavaError('worker', 'a model runs in a browser: call this on a page, not on a server');
    if (!DEVICES.includes(device)) throw new InfLlavaError('option', `there is no device “${String(device)}”; use ${DEVICES.join(', ')}`);
    if (context !== undefined && context !== null && !(Number.isSafeInteger(context) && context > 0)) {
      throw new InfLlavaError('option', `context is a whole number of tokens, and ${kindOf(context)} was given`);
    }
    const worker = absolute(workerUrl ?? defaultModel.worker(), pageAddress());
    const wasm = absolute(wasmUrl ?? defaultModel.wasm(), pageAddress()).href;
    const place = placeOf(named);
    this.#samples = 'url' in place ? place.url : 'on' in place ? 'none' : 'default';
    this.#key = JSON.stringify([keyOf(place), device, context ?? null, keep, wasm, worker.href]);
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

  /** Loads the model, or waits until another caller has loaded it. */
  async load(options: Pick<LoadOptions, 'confirmDownload' | 'signal' | 'onProgress'> | null = {}): Promise<ModelInfo> {
    const { confirmDownload, signal, onProgress } = checkOptions(options, RUNNING);
    return this.#use().load(confirmDownload, { signal, onEvent: (event) => event.type === 'progress' && onProgress?.(event) });
  }

  /** What the model is and where it runs; null until it is loaded. */
  info(): ModelInfo | null {
    return this.#host.info;
  }

  /** How many commands the engine has not finished: a further one waits for them. */
  get atWork(): number {
    return this.#host.pending;
  }

  /** A `state` event follows each change; `progress` events report loading, also when the engine recovers by itself. */
  get state(): HostState {
    return this.#unloaded ? 'unloaded' : this.#host.state;
  }

  /** Why `state` is `lost`, or what the engine is recovering from. */
  get trouble(): InfLlavaError | null {
    return this.#host.trouble;
  }

  /** Half of the present context: what to restart with after `out-of-memory`. */
  get smallerContext(): number {
    return this.#host.smallerContext;
  }

  /** Restarts an engine that was lost. Conversations continue, since the page holds them. */
  async restart(options: (WatchOptions & { context?: number }) | null = {}): Promise<ModelInfo> {
    const { context, signal, onProgress } = checkOptions(options, ['context', 'signal', 'onProgress']);
    return this.#use().restart(context, { signal, onEvent: (event) => event.type === 'progress' && onProgress?.(event) });
  }

  /** The sample pictures that come with the model, with questions to ask; empty if it has none. */
  async samples(): Promise<SamplePicture[]> {
    if (this.#samples === 'none') return [];
    if (this.#samples === 'default') return defaultModel.samples();
    return this.#use().samples(this.#samples);
  }

  /** Releases this handle. The last one ends the engine and frees its memory. */
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

/** What an engine is shared by. */
function keyOf(place: ModelPlace): string {
  if ('pack' in place) return place.pack.sha256;
  if ('url' in place) return place.url;
  return 'on' in place ? JSON.stringify(place.on) : `picked ${++pickedFolders}`;
}

function placeOf({ url, model, hub, files }: Pick<LoadOptions, 'url' | 'model' | 'hub' | 'files'>): ModelPlace {
  if (url && model) throw new InfLlavaError('option', 'url and model are two models; give one of them');
  const at = absolute(hub ?? HUB, pageBase()).href;
  if (!/^https?:/.test(at)) throw new InfLlavaError('option', `“${String(hub)}” is no address of a hub: it must start with http: or https:`);
  const text = model instanceof URL ? model.href : model;
  if (typeof text === 'string' && !files && namesHub(text.trim(), at)) return { on: { name: text.trim(), hub: at } };
  return folderOf(url ?? model, files);
}

function folderOf(url: string | URL | undefined, files: Iterable<File> | undefined): ModelPlace {
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
    throw new InfLlavaError(
      'option',
      `“${String(url)}” is no address of a model folder: it must start with http: or https:, be a path on this site, or a name on the hub (owner/name)`,
    );
  }
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return { url: folder.href };
}

function absolute(url: string | URL, base: string | undefined): URL {
  if (typeof url !== 'string' && !(url instanceof URL)) throw new InfLlavaError('option', `an address is a text or a URL, and ${kindOf(url)} was given`);
  if (!URL.canParse(String(url), base)) throw new InfLlavaError('option', `“${String(url)}” is no address`);
  return new URL(url, base);
}
