/** Loads a converted model as the page's worker does and asks it about a photograph, in a worker as the page has it. */

import init, { Engine, StopFlag } from './inf-llava.js';
import { locate } from '../src/engine/locate.ts';

const MIB = 2 ** 20;
/** As cameras take them. */
const [WIDTH, HEIGHT] = [1600, 1200];
const QUESTION = 'What is in the picture?';

self.addEventListener('message', async ({ data }) => {
  try {
    self.postMessage({ value: await measure(data) });
  } catch (error) {
    self.postMessage({ error: error.message ?? String(error) });
  }
});

/** A wasm memory never shrinks: its size is its peak. */
async function measure({ url, device, detail, tokens, context, runs }) {
  const { memory } = await init();
  const silent = () => {};
  let began = performance.now();
  const signal = new AbortController().signal;
  const { files } = await locate({ url }, { agreedBytes: Infinity, keep: true, unasked: false, emit: silent, signal });
  const downloadMs = performance.now() - began;
  began = performance.now();
  const engine = await Engine.load_files(files, url, device, context, silent, new StopFlag());
  const loadMs = performance.now() - began;
  const times = [];
  for (let run = 0; run < runs; run++) times.push(await ask(engine, `photograph ${run}`, await photograph(run), detail, tokens));
  return { info: engine.info(), downloadMs, loadMs, heapMib: Math.round(memory.buffer.byteLength / MIB), times };
}

async function ask(engine, key, bytes, detail, tokens) {
  const began = performance.now();
  const silent = () => {};
  const { vision_ms, vision_passes } = await engine.read_picture(key, 'photograph.jpg', bytes, true, detail, silent, new StopFlag());
  const options = { temperature: 0, max_new_tokens: tokens };
  const request = { system: '', before: [], pictures: [{ key, at: 0, detail }], question: QUESTION, begun: [], options };
  let firstMs = 0;
  const onEvent = ({ type }) => {
    if (type === 'piece') firstMs ||= performance.now() - began;
  };
  const answer = await engine.reply(request, onEvent, new StopFlag());
  const { prefill, decode } = answer.timings_ms;
  return { firstMs, vision_ms, vision_passes, prefill, decode, prompt: answer.new_prompt_tokens, tokens: answer.answer_tokens };
}

/** A JPEG of overlapping gradients, another one for each seed, so that no run finds what another has kept. */
async function photograph(seed) {
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = canvas.getContext('2d');
  for (let blob = 0; blob < 60; blob++) {
    const [x, y] = [(blob * 397 + seed * 31) % WIDTH, (blob * 211 + seed * 17) % HEIGHT];
    const gradient = context.createRadialGradient(x, y, 0, x, y, 400);
    gradient.addColorStop(0, `hsl(${(blob * 47) % 360} 60% 50%)`);
    gradient.addColorStop(1, 'transparent');
    context.fillStyle = gradient;
    context.fillRect(0, 0, WIDTH, HEIGHT);
  }
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
  return new Uint8Array(await blob.arrayBuffer());
}
