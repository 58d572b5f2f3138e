/**
 * Runs the engine outside the page's thread. Commands run one after another; a stop takes effect at once, whether its
 * command is waiting or running. There is no chat logic here.
 */

import init, * as bindings from 'inf-llava-bindings';
import { failure, STOPPED, type ModelFiles } from '../keep/files.js';
import { PAGE } from '../keep/foreign.js';
import { keepFeatures, recallFeatures } from './features.js';
import { locate } from './locate.js';
import { isReel } from './reel.js';
import { readSamples } from './samples.js';
import type { Command, Commands, EngineEvent, LoadCommand, Message, ModelInfo, PictureInfo, PlainError, Stop, UnderstoodRequest } from './protocol.js';

declare const self: DedicatedWorkerGlobalScope;

type Emit = (event: EngineEvent) => void;

interface Pending {
  stopped: boolean;
  interrupt: () => void;
}

/** After these errors nothing on the device can be relied on. */
const ENDS_ENGINE = ['device-lost', 'out-of-memory'];

/** Commands that need no loaded model, so they do not wait for the others. */
const AT_ONCE: readonly Command['command'][] = ['samples', 'readCompletion'];

let instantiated: Promise<void> | null = null;
/** The loaded model, and its identity, which changes with every byte. */
let engine: bindings.Engine | null = null;
let identity: string | null = null;
/** The files that it reads from; null: it fetches a checkpoint by itself. */
let files: ModelFiles | null = null;
/** Commands that are not answered yet. */
const pending = new Map<number, Pending>();
let queue = Promise.resolve();

self.addEventListener('message', ({ data }: MessageEvent<Command | Stop>) => {
  if ('stop' in data) {
    const command = pending.get(data.stop);
    if (!command) return;
    command.stopped = true;
    command.interrupt();
    return;
  }
  pending.set(data.id, { stopped: false, interrupt: () => {} });
  if (AT_ONCE.includes(data.command)) void run(data);
  else queue = queue.then(() => run(data));
});

// A panic inside one of the engine's tasks rejects no promise: it is only seen here.
self.addEventListener('error', (event) => crash(event.message));
self.addEventListener('unhandledrejection', (event) => crash(describe(event.reason).message));

// A worker that is ended from outside sends no message, but its lock is released.
void navigator.locks?.request(self.name, () => {
  tell({ type: 'alive' });
  return new Promise<never>(() => {});
});

async function run(data: Command) {
  const { id } = data;
  const state = pending.get(id)!;
  const emit: Emit = (event) => tell({ type: 'event', id, event });
  try {
    if (state.stopped) throw STOPPED;
    const value = await start(data, emit, state);
    tell({ type: 'result', id, value });
  } catch (error) {
    const described = describe(error);
    if (error instanceof WebAssembly.RuntimeError) crash(error.message);
    else if (ENDS_ENGINE.includes(described.code)) crash(described.message, described.code);
    else tell({ type: 'error', id, error: described });
  } finally {
    pending.delete(id);
  }
}

function start({ command, args }: Command, emit: Emit, state: Pending): Promise<unknown> {
  switch (command) {
    case 'load':
      return load(args, emit, state);
    case 'samples':
      return readSamples(args.url);
    case 'readPicture':
      return readPicture(args, emit, state);
    case 'videoFrames':
      return whole().then((running) => running.video_frames(args.frames, args.fps, args.seconds));
    case 'reply':
      return withStop(state, async (stop) => (await whole()).reply(args, emit, stop));
    case 'readCompletion':
      return readCompletion(args, emit, state);
    case 'complete':
      return withStop(state, async (stop) => (await whole()).complete(args, args.head, emit, stop));
    case 'attention':
      return whole().then((running) => running.attention(args));
    case 'enhancementAttention':
      return withStop(state, (stop) => loaded().enhancement_attention(args.name, args.bytes, emit, stop));
  }
}

function loaded(): bindings.Engine {
  if (!engine) throw failure('not-running', 'no model is loaded');
  return engine;
}

/** The engine, after checking that the files that it still reads are the ones that were loaded. */
async function whole(): Promise<bindings.Engine> {
  const running = loaded();
  await files?.check?.();
  return running;
}

/** Loads the model. A recovery follows no redirect: another host would learn of it. */
async function load(command: LoadCommand, emit: Emit, state: Pending): Promise<ModelInfo> {
  const { fetch } = self;
  if (command.unasked) self.fetch = (input, init) => fetch(input, { ...init, redirect: 'error' });
  try {
    return await loadAll(command, emit, state);
  } finally {
    self.fetch = fetch;
  }
}

/** Fetches the engine if necessary, then loads the model: a checkpoint from its server, others from storage. */
async function loadAll({ place, wasmUrl, device, context, agreedBytes, keep, unasked }: LoadCommand, emit: Emit, state: Pending): Promise<ModelInfo> {
  const signal = stopOf(state);
  await program(wasmUrl, unasked, emit, signal);
  engine?.free();
  engine = null;
  files?.release?.();
  const located = await locate(place, { agreedBytes, keep, unasked, emit, signal, bindings });
  const { name } = located;
  const readFrom = located.files;
  files = readFrom;
  try {
    engine = await withStop(state, (stop) =>
      readFrom ? bindings.Engine.load_files(readFrom, name, device, context, emit, stop) : bindings.Engine.load(name, device, context, emit, stop),
    );
  } catch (error) {
    readFrom?.release?.();
    throw error;
  }
  // From now on no host may be asked for anything: it could depend on a picture or a question.
  readFrom?.seal?.();
  // With `keep: false`, features of pictures are not kept either.
  identity = keep ? located.identity : null;
  return engine.info();
}

/** Reads a picture: from the engine's cache, else from kept features, else by computing them, which are then kept. */
async function readPicture(command: Commands['readPicture'][0], emit: Emit, state: Pending): Promise<PictureInfo> {
  const { key, name, bytes, isOnly, detail } = command;
  const running = loaded();
  const held = running.picture(key);
  if (held) return held;
  // Those of a picture by itself, as the model was released, are kept; others, and those of videos, are computed.
  const usual = isOnly && detail === 'auto' && !isReel(bytes) ? identity : null;
  const kept = usual && (await recallFeatures(usual, key));
  if (kept) {
    try {
      return running.restore_picture(key, kept.info, kept.features);
    } catch {
      // They do not fit this model after all: compute them.
    }
  }
  const info = await withStop(state, (stop) => running.read_picture(key, name, bytes, isOnly, detail, emit, stop));
  if (usual) await keepFeatures(usual, key, { info, features: await running.features(key) });
  return info;
}

/** Reads a request in OpenAI's form with the engine's own code, which is fetched if necessary. */
async function readCompletion(args: Commands['readCompletion'][0], emit: Emit, state: Pending): Promise<UnderstoodRequest> {
  const { wasmUrl, request, model, mostPictures, unasked } = args;
  const signal = stopOf(state);
  await program(wasmUrl, unasked, emit, signal).catch((error) => {
    // The command that fetched it was stopped, but this one was not.
    if (error !== STOPPED || state.stopped) throw error;
    return program(wasmUrl, unasked, emit, signal);
  });
  return bindings.read_completion(request, model, mostPictures);
}

/** A signal that aborts when the command is stopped. */
function stopOf(state: Pending): AbortSignal {
  const stopping = new AbortController();
  state.interrupt = () => stopping.abort();
  return stopping.signal;
}

/** The engine's wasm, fetched and compiled once. */
function program(url: string, unasked: boolean, emit: Emit, signal: AbortSignal): Promise<void> {
  instantiated ??= instantiate(url, unasked, emit, signal).catch((error) => {
    instantiated = null;
    throw error;
  });
  return instantiated;
}

/** Gives one command a stop flag while it runs. */
async function withStop<T>(state: Pending, begin: (stop: bindings.StopFlag) => Promise<T>): Promise<T> {
  const flag = new bindings.StopFlag();
  state.interrupt = () => flag.stop();
  try {
    if (state.stopped) throw STOPPED;
    return await begin(flag);
  } finally {
    state.interrupt = () => {};
    flag.free();
  }
}

async function instantiate(url: string, unasked: boolean, emit: Emit, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(url, { signal, cache: unasked ? 'force-cache' : 'default', redirect: unasked ? 'error' : 'follow' }); // it was fetched before
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    if (response.headers.get('Content-Type')?.startsWith('text/html')) throw new Error(PAGE);
    await init({ module_or_path: counted(response, emit) });
  } catch (error) {
    if (signal.aborted) throw STOPPED;
    if (error instanceof WebAssembly.RuntimeError) throw error;
    throw failure('network', `the engine did not arrive from ${url}: ${(error as Error).message}`);
  }
}

/** The same response; emits progress as it arrives. */
function counted(response: Response, emit: Emit): Response {
  // The bytes are counted after decompression, so the Content-Length of a compressed body is no total for them.
  const total = response.headers.has('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
  let done = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      done += chunk.byteLength;
      emit({ type: 'progress', phase: 'engine', done, total });
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body!.pipeThrough(counter), { headers: { 'Content-Type': 'application/wasm' } });
}

function describe(error: unknown): PlainError {
  const { code, message, details } = (error ?? {}) as Partial<PlainError>;
  if (typeof code === 'string') return { code, message: String(message), ...(details && { details }) };
  return { code: 'page', message: error instanceof Error ? error.message : String(error) };
}

const tell = (message: Message) => self.postMessage(message);

const crash = (message: string, code?: string) => tell({ type: 'crashed', message, ...(code && { code }) });
