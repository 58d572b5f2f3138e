/**
 * The engine in the browser. Without --shape its hot operations beside onnxruntime-web's WebGPU: same browser, same
 * adapter, one run; with it the stages of an answer; with --model a converted model, from its files to an answer.
 * `cargo xtask test page`, `npm ci` in this folder (the first needs it), then
 *
 *   node run.mjs [--json] [NAME...]            RUNS and DIST (the built page) are read from the environment
 *   node run.mjs --shape 8b|demo|narrow [--json] [STAGE...]
 *   node run.mjs --model FOLDER [--device cpu|wgpu] [--detail low|auto|high] [--tokens N] [--context N] [--json]
 */

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { serve } from '../test/server.mjs';
import { median, openBench, RUNS } from './page.mjs';

/** Ours, theirs (several, where one of ours takes the place of several), and in how many times the time it should be. */
const ROWS = [
  { ours: 'matvec_q4', theirs: [['matvec4', 8, 4096]], bar: 5 },
  { ours: 'matmul_f32', theirs: [['matmul', 576, 1024, 4096]], bar: 5 },
  { ours: 'matmul_q8', theirs: [['matmul', 576, 1024, 4096]], bar: 5 },
  { ours: 'clip_layer', theirs: [['clipLayer', 577, 1024, 16]], bar: 4 },
  // The tiles' and the strided direction, of N = 3.
  {
    ours: 'dem_attention',
    theirs: [
      ['attention', 9, 64, 576, 1024, 8],
      ['attention', 1, 576, 576, 1024, 8],
    ],
    bar: 4,
  },
];
const STAGES = ['resize', 'vision', 'enhance', 'projector', 'prefill', 'decode', 'first_token'];

const { values, positionals: asked } = parseArgs({
  options: {
    shape: { type: 'string' },
    model: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    detail: { type: 'string', default: 'auto' },
    tokens: { type: 'string', default: '24' },
    context: { type: 'string' },
    json: { type: 'boolean' },
    burn: { type: 'boolean' },
  },
  allowPositionals: true,
});
const bench = await openBench({ compares: !values.shape && !values.model });
const results = [];
if (values.model) await answers(values);
else if (values.shape) await stages(values.shape);
else await operations();
if (values.json) console.log(JSON.stringify(results));
await bench.close();

/** Each in a page of its own, so that neither has to share its adapter. */
async function theirs([name, ...sizes]) {
  const page = await bench.browser.newPage();
  await page.goto(bench.url);
  const timed = await page.evaluate(
    async ([name, sizes, runs]) => {
      const cases = await import('./cases.js');
      const { time } = await import('./ort.js');
      return time(cases[name](...sizes), runs);
    },
    [name, sizes, RUNS],
  );
  await page.close();
  return timed;
}

async function operations() {
  row('operation', 'here, ms', 'onnxruntime-web, ms', 'times quicker', 'aim', 'burn, times as long');
  row('---', '---', '---', '---', '---', '---');
  for (const { ours, theirs: graphs, bar } of ROWS.filter(({ ours }) => asked.length === 0 || asked.includes(ours))) {
    const timing = await bench.time({ kernel: ours, burn: values.burn });
    let other = 0;
    for (const graph of graphs) {
      const { ms, size } = await theirs(graph);
      assert.ok(size > 0 && Number.isFinite(size), 'onnxruntime-web computed nothing');
      other += median(ms);
    }
    const mine = median(timing.ms);
    const burn = timing.burn_ms.length > 0 ? (median(timing.burn_ms) / mine).toFixed(1) : '';
    row(`${ours}: ${timing.shape}`, mine.toFixed(0), other.toFixed(0), (other / mine).toFixed(1), bar, burn);
    results.push({ ...timing, onnxruntime_ms: other });
  }
}

async function stages(shape) {
  row('stage', 'ms', 'host, ms', 'kernels');
  row('---', '---', '---', '---');
  for (const stage of asked.length > 0 ? asked : STAGES) {
    const timing = await bench.time({ shape, stage });
    const { ms, host_ms, launches, shape: words } = timing;
    row(`${stage}: ${words}`, median(ms).toFixed(1), median(host_ms).toFixed(1), launches);
    results.push(timing);
  }
}

async function answers({ model, device, detail, tokens, context }) {
  const files = await serve(model, { headers: { 'Access-Control-Allow-Origin': '*' } });
  const { info, downloadMs, loadMs, heapMib, times } = await bench.model({
    url: files.url,
    device,
    detail,
    tokens: Number(tokens),
    context: context && Number(context),
  });
  await files.close();
  const of = (value) => median(times.map(value)).toFixed(1);
  row('model', 'device', 'download, s', 'load, s', 'passes', 'prompt', 'vision, s', 'first token, s', 'tokens a second', 'wasm heap, MiB');
  row('---', '---', '---', '---', '---', '---', '---', '---', '---', '---');
  row(
    `${basename(model)}, ${detail}`,
    info.device,
    (downloadMs / 1000).toFixed(1),
    (loadMs / 1000).toFixed(1),
    times[0].vision_passes,
    times[0].prompt,
    of(({ vision_ms }) => vision_ms / 1000),
    of(({ firstMs }) => firstMs / 1000),
    of(({ decode, tokens }) => ((tokens - 1) * 1000) / decode),
    heapMib,
  );
  results.push({ info, downloadMs, loadMs, heapMib, times });
}

function row(...cells) {
  if (!values.json) console.log(`| ${cells.join(' | ')} |`);
}
