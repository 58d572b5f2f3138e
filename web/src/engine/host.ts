/**
 * One engine for everything on a page that uses the same model. It is loaded once, and commands queue. A lost engine is
 * replaced once automatically: the model comes from storage, pictures are read again (or their features restored), and an
 * answer continues after the tokens that had arrived. If that fails too, or the model would have to be fetched from
 * another host, the user has to call for {@link Host.restart}.
 */

import { InfLlavaError, stopped } from '../errors.js';
import { EngineClient, type Running } from './client.js';
import type {
  Answer,
  Commands,
  Completed,
  Detail,
  EngineEvent,
  EnhancementAttention,
  Head,
  LoadCommand,
  ModelInfo,
  PictureInfo,
  Progress,
  ReplyRequest,
  UnderstoodRequest,
} from './protocol.js';

/** `lost`: nothing works before {@link Host.restart}. */
export type HostState = 'loading' | 'ready' | 'recovering' | 'lost' | 'unloaded';

/** Errors after which the worker is gone. */
const CRASHES = ['crashed', 'device-lost', 'out-of-memory'];
/** Those of them where another try would fail too. */
const HOPELESS = ['out-of-memory'];
/** The default context, in tokens, and the smallest one that is offered. */
const LARGE_CONTEXT = 4096;
const LEAST_CONTEXT = 1024;

/** A picture, or a video's frames (`reel.ts`). */
export interface Picture {
  key: string;
  name: string;
  blob: Blob;
}

/** A picture that is looked at. */
export interface Look {
  picture: Picture;
  detail: Detail;
}

export interface Watcher {
  signal?: AbortSignal | undefined;
  onEvent?: ((event: EngineEvent) => void) | undefined;
}

export type ConfirmDownload = (details: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>;

export interface HostOptions extends Omit<LoadCommand, 'agreedBytes' | 'unasked'> {
  workerUrl: URL;
}

export class Host extends EventTarget {
  readonly #options: HostOptions;
  #client: EngineClient | null = null;
  #loading: Promise<ModelInfo> | null = null;
  #stopLoading = () => {};
  /** Callbacks for the progress of loading. */
  readonly #watchers = new Set<(event: Progress) => void>();
  #info: ModelInfo | null = null;
  #state: HostState = 'loading';
  #trouble: InfLlavaError | null = null;
  /** Crashes since a command last succeeded. */
  #crashes = 0;
  /** The largest download that the user agreed to: another version of the model may be larger. */
  #agreedBytes = 0;
  /** Asks the user before a download. */
  #confirm: ConfirmDownload | undefined;
  #pending = 0;
  /** Pictures that the current engine has read. */
  readonly #read = new Map<string, PictureInfo>();
  users = 0;

  constructor(options: HostOptions) {
    super();
    this.#options = options;
  }

  get state(): HostState {
    return this.#state;
  }

  /** Why it is lost. */
  get trouble(): InfLlavaError | null {
    return this.#trouble;
  }

  get info(): ModelInfo | null {
    return this.#info;
  }

  /** How many commands are not answered yet: a further one waits for them. */
  get pending(): number {
    return this.#pending;
  }

  /** Half of the present context: what to restart with after `out-of-memory`. */
  get smallerContext(): number {
    return Math.max(LEAST_CONTEXT, Math.floor((this.#options.context ?? this.#info?.context_tokens ?? LARGE_CONTEXT) / 2));
  }

  /** Loads the model, or waits for it. An abort stops loading for all callers; the next {@link load} continues. */
  async load(confirm: ConfirmDownload | undefined, { signal, onEvent }: Watcher): Promise<ModelInfo> {
    if (signal?.aborted) throw stopped();
    this.#confirm = confirm ?? this.#confirm;
    if (onEvent) this.#watchers.add(onEvent);
    const stop = () => this.#stopLoading();
    signal?.addEventListener('abort', stop);
    try {
      for (;;) {
        try {
          this.#loading ??= this.#load();
          return await this.#loading;
        } catch (error) {
          const { code, details } = error as InfLlavaError;
          if (code !== 'consent') throw error;
          // Without a `confirm` function, the call itself is consent.
          const agreed = !confirm || (await confirm(details));
          if (signal?.aborted || !agreed) {
            if (this.#state === 'recovering') this.#giveUp(error as InfLlavaError);
            throw agreed ? stopped() : error;
          }
          this.#agreedBytes = Math.max(this.#agreedBytes, Number(details.bytes));
        }
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      if (onEvent) this.#watchers.delete(onEvent);
    }
  }

  /** Restarts a lost engine, optionally with another context. */
  async restart(context: number | undefined, watcher: Watcher): Promise<ModelInfo> {
    this.#crashes = 0;
    this.#options.context = context ?? this.#options.context;
    if (this.#state !== 'loading') this.#forget();
    this.#setState('recovering');
    return this.load(this.#confirm, watcher);
  }

  /** Waits for the model that is being loaded, and for the engine where it is being replaced. */
  async ready(signal: AbortSignal | undefined): Promise<ModelInfo> {
    return this.#recovered({ signal }, async () => this.#info!);
  }

  /** Reads a picture. `isOnly`: it will be its conversation's only one. @returns facts about it */
  async readPicture(look: Look, isOnly: boolean, watcher: Watcher): Promise<PictureInfo> {
    return this.#recovered(watcher, (client, signal) => this.#readOne(client, look, isOnly, { ...watcher, signal }));
  }

  /** Which frames of a video are looked at: see {@link Commands.videoFrames}. */
  async videoFrames(frames: number, fps: number, seconds: number, { signal }: Watcher): Promise<readonly number[]> {
    return this.#recovered({ signal }, (client) => until(client.send('videoFrames', { frames, fps, seconds }), signal));
  }

  async #readOne(client: EngineClient, { picture, detail }: Look, isOnly: boolean, { signal, onEvent }: Watcher): Promise<PictureInfo> {
    const { key, name } = picture;
    const bytes = await pictureBytes(picture);
    if (signal?.aborted) throw stopped();
    const info = await until(client.send('readPicture', { key, name, bytes, isOnly, detail }, onEvent, [bytes.buffer]), signal);
    this.#read.set(key, info);
    return info;
  }

  /** Answers a question about the pictures `looks`; continues the answer if the engine is replaced in the meantime. */
  async reply(request: ReplyRequest, looks: readonly Look[], watcher: Watcher): Promise<Answer> {
    return this.#answered(request, looks, watcher, (client, asked, onEvent) => client.send('reply', asked, onEvent));
  }

  /** As {@link Host.reply}, with the chunks and the completion in OpenAI's form. */
  async complete(request: ReplyRequest, head: Head, looks: readonly Look[], watcher: Watcher): Promise<Completed> {
    return this.#answered(request, looks, watcher, (client, asked, onEvent) => client.send('complete', { ...asked, head }, onEvent));
  }

  async #answered<T>(
    request: ReplyRequest,
    looks: readonly Look[],
    watcher: Watcher,
    send: (client: EngineClient, request: ReplyRequest, onEvent: (event: EngineEvent) => void) => Running<T>,
  ): Promise<T> {
    const begun = [...request.begun];
    const onEvent = (event: EngineEvent) => {
      if (event.type === 'piece' && event.id !== null) begun.push(event.id);
      watcher.onEvent?.(event);
    };
    return this.#recovered(watcher, (client, signal) =>
      this.#withPictures(client, looks, { signal, onEvent }, () =>
        until(send(client, { ...request, begun, options: this.#withTemperature(request.options) }, onEvent), signal),
      ),
    );
  }

  /** Questions to a model for one kind of picture have one right answer, so its default is greedy decoding. */
  #withTemperature(options: ReplyRequest['options']): ReplyRequest['options'] {
    return this.info?.scope ? { temperature: 0, ...options } : options;
  }

  /** The share of attention of each visual token of the last picture when the last token of `request.begun` was generated. */
  async attention(request: ReplyRequest, looks: readonly Look[], watcher: Watcher): Promise<Float32Array> {
    return this.#recovered(watcher, (client, signal) => this.#withPictures(client, looks, { signal }, () => until(client.send('attention', request), signal)));
  }

  /** Where the enhancement looked in a picture. This reads the picture once more. */
  async enhancementAttention(picture: Picture, watcher: Watcher): Promise<EnhancementAttention> {
    return this.#recovered(watcher, async (client, signal) => {
      const bytes = await pictureBytes(picture);
      return until(client.send('enhancementAttention', { name: picture.name, bytes }, watcher.onEvent, [bytes.buffer]), signal);
    });
  }

  /** Reads a request in OpenAI's form, which is JSON. It needs the engine's wasm but no model, and does not wait for answers. */
  async readCompletion(request: string, signal: AbortSignal | undefined): Promise<UnderstoodRequest> {
    for (let again = false; ; again = true) {
      if (this.#state === 'unloaded') throw new InfLlavaError('unloaded', 'the model was unloaded');
      if (signal?.aborted) throw stopped();
      this.#client ??= new EngineClient(this.#options.workerUrl);
      const client = this.#client;
      const args = {
        wasmUrl: this.#options.wasmUrl,
        request,
        model: this.#info?.name,
        mostPictures: this.#info?.most_pictures ?? undefined,
        unasked: this.#crashes > 0,
      };
      try {
        return await until(client.send('readCompletion', args), signal);
      } catch (error) {
        if (!CRASHES.includes((error as InfLlavaError).code)) throw error;
        // The worker is gone. If it had a model, that is recovered for those who wait for an answer.
        if (this.#client === client && this.#loading) this.#lost(error as InfLlavaError);
        else if (this.#client === client) this.#forget();
        if (again) throw error;
      }
    }
  }

  /** The pictures that come with a model on a server. */
  async samples(url: string) {
    this.#client ??= new EngineClient(this.#options.workerUrl);
    return this.#client.send('samples', { url }).promise;
  }

  end(): void {
    this.#setState('unloaded');
    this.#forget();
  }

  /** Runs `run` with the pictures read. The engine evicts pictures for others; then all are read again, which is quick for those it still has. */
  async #withPictures<T>(client: EngineClient, looks: readonly Look[], watcher: Watcher, run: () => Promise<T>): Promise<T> {
    for (let again = false; ; again = true) {
      for (const look of looks) {
        if (again || !this.#read.has(look.picture.key)) await this.#readOne(client, look, looks.length === 1, watcher);
      }
      try {
        return await run();
      } catch (error) {
        if (again || looks.length === 0 || (error as InfLlavaError).code !== 'picture-not-held') throw error;
      }
    }
  }

  /** Runs a command, and again on the next engine if the current one is lost. */
  async #recovered<T>(watcher: Watcher, run: (client: EngineClient, signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#state === 'unloaded') throw new InfLlavaError('unloaded', 'the model was unloaded');
      if (this.#state === 'lost' && this.#trouble) throw this.#trouble;
      await this.#running(watcher.signal);
      const client = this.#client!;
      this.#pending += 1;
      try {
        const value = await run(client, watcher.signal);
        this.#crashes = 0;
        return value;
      } catch (error) {
        if (!CRASHES.includes((error as InfLlavaError).code)) throw error;
        // Several commands may have waited for the same engine: it is lost once.
        if (this.#client === client) this.#lost(error as InfLlavaError);
      } finally {
        this.#pending -= 1;
      }
    }
  }

  /** Waits for the engine; loads it again if it was lost. */
  async #running(signal: AbortSignal | undefined) {
    if (signal?.aborted) throw stopped();
    if (this.#state === 'recovering') this.#loading ??= this.#load();
    if (!this.#loading) throw new InfLlavaError('not-loaded', 'the model is not loaded: call load() first');
    // An abort here does not stop the loading, which others may be waiting for.
    const aborted = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(stopped()), { once: true }));
    await Promise.race([this.#loading, aborted]);
  }

  #lost(error: InfLlavaError) {
    this.#forget();
    this.#crashes += 1;
    this.#trouble = error;
    this.#setState(this.#crashes > 1 || HOPELESS.includes(error.code) ? 'lost' : 'recovering');
  }

  #forget() {
    this.#client?.end();
    this.#client = null;
    this.#loading = null;
    this.#read.clear();
  }

  #load(): Promise<ModelInfo> {
    const recovering = this.#state === 'recovering';
    if (!recovering) this.#setState('loading');
    const { workerUrl, ...command } = this.#options;
    let client: EngineClient;
    try {
      client = this.#client ??= new EngineClient(workerUrl);
    } catch (error) {
      queueMicrotask(() => (this.#loading = null)); // the next call tries again
      return Promise.reject(error);
    }
    const unasked = recovering && this.#crashes > 0;
    const running = client.send('load', { ...command, agreedBytes: this.#agreedBytes, unasked }, (event) => {
      for (const watcher of this.#watchers) watcher(event as Progress);
      this.dispatchEvent(new CustomEvent('progress', { detail: event }));
    });
    this.#stopLoading = running.stop;
    return running.promise.then(
      (info) => {
        this.#info = info;
        this.#trouble = null;
        this.#setState('ready');
        return info;
      },
      (error: InfLlavaError) => {
        if (this.#client === client) {
          this.#loading = null;
          if (CRASHES.includes(error.code)) this.#forget();
          // The first error says more than the failed recovery. `consent` is left to the user, who may agree at a restart.
          if (recovering && (unasked || error.code !== 'consent')) this.#giveUp((unasked && this.#trouble) || error);
        }
        throw error;
      },
    );
  }

  #giveUp(trouble: InfLlavaError) {
    this.#trouble = trouble;
    this.#setState('lost');
  }

  #setState(state: HostState) {
    if (this.#state === state || this.#state === 'unloaded') return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }
}

async function pictureBytes({ blob }: Picture): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new InfLlavaError('file-access', 'the browser could not read the file; it may have been moved or changed');
  }
}

/** A command's result; an abort stops the command, which then settles by itself. */
async function until<T>({ promise, stop }: Running<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
