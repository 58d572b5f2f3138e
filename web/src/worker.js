/**
 * Runs the engine off the page's thread. Commands run one after another; a stop takes effect at
 * once, whether its command waits or runs. No logic of the chat lives here.
 *
 * @typedef {import('./protocol.js').Request} Request
 * @typedef {import('./protocol.js').Reply} Reply
 * @typedef {{stopped: boolean, interrupt: () => void}} Pending
 */

import { listKept, removeKept } from './keep/folder.js';
import { keep } from './keep/keep.js';
import { picked } from './keep/picked.js';
import { readSamples } from './samples.js';

const ENGINE_JS = new URL('../inf-llava.js', import.meta.url).href;
const ENGINE_WASM = new URL('../inf-llava_bg.wasm', import.meta.url).href;
const STOPPED = { code: 'stopped', message: 'stopped' };

/** After these the device holds nothing that can be relied on. */
const ENDS_ENGINE = ['device-lost', 'out-of-memory'];

/** Commands that need no engine and wait for none. */
const ASIDE = ['samples', 'kept', 'remove_kept'];

/** The bindings that wasm-bindgen wrote, once they and the wasm are here. */
let bindings = null;
/** The loaded model. */
let engine = null;
/** @type {Map<number, Pending>} every command that has not been answered */
const pending = new Map();
let queue = Promise.resolve();

self.addEventListener('message', ({ data }) => {
  if ('stop' in data) {
    const command = pending.get(data.stop);
    if (!command) return;
    command.stopped = true;
    command.interrupt();
    return;
  }
  pending.set(data.id, { stopped: false, interrupt: () => {} });
  if (ASIDE.includes(data.command)) run(data);
  else queue = queue.then(() => run(data));
});

// A panic inside a task of the engine reaches no promise: it surfaces here, or nowhere.
self.addEventListener('error', (event) => crash(event.message));
self.addEventListener('unhandledrejection', (event) => crash(describe(event.reason).message));

/** @param {Request} request */
async function run({ id, command, args }) {
  const state = pending.get(id);
  const emit = (event) => reply({ type: 'event', id, event });
  try {
    if (state.stopped) throw STOPPED;
    const value = await start(command, args, emit, state);
    reply({ type: 'result', id, value });
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) crash(error.message);
    else if (ENDS_ENGINE.includes(error?.code)) crash(error.message, error.code);
    else reply({ type: 'error', id, error: describe(error) });
  } finally {
    pending.delete(id);
  }
}

function start(command, args, emit, state) {
  if (command === 'load') return load(args, emit, state);
  if (command === 'samples') return readSamples(args.url);
  if (command === 'kept') return listKept();
  if (command === 'remove_kept') return removeKept(args.id);
  return drive(command, args, emit, state);
}

/** Fetches the engine if need be, then the model: a checkpoint from its server, a converted one as it is kept. */
async function load({ url, device, context, files, consent, keep: wanted }, emit, state) {
  const fetching = new AbortController();
  state.interrupt = () => fetching.abort();
  const { signal } = fetching;
  bindings ??= await instantiate(emit, signal);
  engine?.free();
  engine = null;
  const source = files ? picked(files) : await converted(url, { consent, keep: wanted, emit, signal });
  engine = await withStop(state, (stop) =>
    source
      ? bindings.Engine.load_files(source, url, device, context, emit, stop)
      : bindings.Engine.load(url, device, context, emit, stop),
  );
  return engine.info();
}

/** The files of a converted model; none where the folder holds a checkpoint, or nothing. */
async function converted(url, options) {
  // A checkpoint has a config.json; a converted model has it in its manifest.
  const request = { signal: options.signal, credentials: 'omit', referrerPolicy: 'no-referrer' };
  const has_config = await fetch(new URL('config.json', url), request).then(
    // What is read is kept for a visit without a network.
    (response) => response.text().then(() => response.ok),
  ).catch(() => false);
  return has_config ? null : keep(url, options);
}

function drive(command, args, emit, state) {
  if (!engine) throw { code: 'not-running', message: 'no model is loaded' };
  switch (command) {
    case 'set_image':
      return withStop(state, (stop) => engine.set_image(args.name, args.bytes, emit, stop));
    case 'ask':
      return withStop(state, (stop) => engine.ask(args.text, args.sampling, emit, stop));
    case 'regenerate':
      return withStop(state, (stop) => engine.regenerate(args.sampling, emit, stop));
    case 'clear_image':
      return engine.clear_image();
    case 'new_chat':
      return engine.new_chat();
    default:
      throw new Error(`unknown command ${command}`);
  }
}

/** Lends a fresh flag to one command, for as long as it runs. */
async function withStop(state, start) {
  const flag = new bindings.StopFlag();
  state.interrupt = () => flag.stop();
  try {
    if (state.stopped) throw STOPPED;
    return await start(flag);
  } finally {
    state.interrupt = () => {};
    flag.free();
  }
}

async function instantiate(emit, signal) {
  try {
    const [module, response] = await Promise.all([import(ENGINE_JS), fetch(ENGINE_WASM, { signal })]);
    if (!response.ok) throw new Error(`${ENGINE_WASM}: HTTP status ${response.status}`);
    await module.default({ module_or_path: counted(response, emit) });
    return module;
  } catch (error) {
    if (signal.aborted) throw STOPPED;
    if (error instanceof WebAssembly.RuntimeError) throw error;
    throw { code: 'network', message: `the engine did not arrive: ${error.message}` };
  }
}

/** The same response, telling how much of it has come. */
function counted(response, emit) {
  // A compressed body is counted as it unpacks, so its length in the header is no total for that.
  const total = response.headers.has('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
  let done = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      done += chunk.byteLength;
      emit({ type: 'progress', phase: 'engine', done, total });
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers: { 'Content-Type': 'application/wasm' } });
}

function describe(error) {
  if (error && typeof error.code === 'string') {
    return { code: error.code, message: String(error.message), details: error.details };
  }
  return { code: 'page', message: error instanceof Error ? error.message : String(error) };
}

/** @param {Reply} message */
const reply = (message) => self.postMessage(message);

const crash = (message, code) => reply({ type: 'crashed', message: message || '', code });
