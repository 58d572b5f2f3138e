/** Loads a converted model as the page's worker does, and measures: the wasm heap, and what the device holds. */

import init, { Engine, StopFlag } from './inf-llava.js';
import { locate } from '../src/engine/locate.ts';

const MIB = 2 ** 20;

self.addEventListener('message', async ({ data }) => {
  try {
    self.postMessage({ value: await measure(data) });
  } catch (error) {
    self.postMessage({ error: { code: error.code, message: error.message ?? String(error) } });
  }
});

/** A wasm memory never shrinks: its size is its peak. */
async function measure({ url, device, pieces, question }) {
  const { memory } = await init();
  const heapMib = () => Math.round(memory.buffer.byteLength / MIB);
  const seconds = async (work) => {
    const start = performance.now();
    const value = await work();
    return [value, (performance.now() - start) / 1000];
  };
  const signal = new AbortController().signal;
  const silent = () => {};
  const [{ files }, downloadS] = await seconds(() => locate({ url }, { agreedBytes: Infinity, keep: true, unasked: false, emit: silent, signal }));
  const [engine, loadS] = await seconds(() => Engine.load_files(files, url, device, undefined, silent, new StopFlag()));
  const loaded = { heapMib: heapMib(), downloadS, loadS, info: engine.info() };
  const back = await engine.read_back(pieces, 1);
  const answered = question ? await answer(engine, question, seconds) : {};
  return { ...loaded, read_back: back, ...answered, finalHeapMib: heapMib() };
}

async function answer(engine, question, seconds) {
  const options = { temperature: 0, max_new_tokens: 2 };
  const request = { picture: null, before: [], question, begun: [], options };
  const [answer, answerS] = await seconds(() => engine.reply(request, () => {}, new StopFlag()));
  return { answer, answerS };
}
