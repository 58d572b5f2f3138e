/**
 * The engine's kernels beside onnxruntime-web's WebGPU: same browser, same adapter, one run.
 * `cargo xtask test page`, then `npm ci && node run.mjs [NAME...]` in this folder (DIST: the built page).
 */

import assert from 'node:assert/strict';
import { median, openBench, RUNS } from './page.mjs';

/** Ours, theirs (several, where one of ours takes the place of several), and in how many times the time it should be. */
const ROWS = [
  { ours: 'matvec_q4', theirs: [['matvec4', 8, 4096]], bar: 5 },
  { ours: 'matmul_f32', theirs: [['matmul', 576, 1024, 4096]], bar: 5 },
  { ours: 'matmul_q8', theirs: [['matmul', 576, 1024, 4096]], bar: 5 },
  { ours: 'clip_layer', theirs: [['clipLayer', 577, 1024, 16]], bar: 4 },
  // The tiles' and the strided direction, of N = 3.
  { ours: 'dem_attention', theirs: [['attention', 9, 64, 576, 1024, 8], ['attention', 1, 576, 576, 1024, 8]], bar: 4 },
];

const bench = await openBench();

/** In a page of its own, so that neither has to share its adapter. */
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

const asked = process.argv.slice(2);
console.log('| operation | here, ms | onnxruntime-web, ms | times quicker | bar |');
console.log('| --- | --- | --- | --- | --- |');
for (const row of ROWS.filter(({ ours }) => asked.length === 0 || asked.includes(ours))) {
  const timing = await bench.time({ kernel: row.ours });
  let other = 0;
  for (const graph of row.theirs) {
    const { ms, size } = await theirs(graph);
    assert.ok(size > 0 && Number.isFinite(size), 'onnxruntime-web computed nothing');
    other += median(ms);
  }
  const mine = median(timing.ms);
  const ratio = (other / mine).toFixed(1);
  console.log(`| ${row.ours}: ${timing.shape} | ${mine.toFixed(0)} | ${other.toFixed(0)} | ${ratio} | ${row.bar} |`);
}
await bench.close();
