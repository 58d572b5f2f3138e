/**
 * Every stage of every fixture against PyTorch, in Chromium: on WebGPU (SwiftShader) and on the CPU.
 * The same comparison as `inf-llava parity`, by the same code, over HTTP. `DIST=… node --test parity.test.mjs`
 */

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { askWorker, copyEngine, launchBrowser, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

const FIXTURES = ['tiny', 'tiny-n2-bf16', 'tiny-n4-f16', 'released-geometry'];
/** Other models of the family, from their files as they are on the hub. */
const FAMILY = [
  'smolvlm-tiny',
  'idefics3-tiny',
  'smolvlm-geometry',
  'llava-clip-llama',
  'llava-clip-llama3-full',
  'llava-siglip-qwen2',
  'llava-next-clip-llama',
  'llava-next-clip-mistral',
  'llava-next-clip-mistral-window',
  'llava-onevision-siglip-qwen2',
  'llava-original',
  'llava-next-original',
  'vlsa',
].map((name) => `family/${name}`);
/** What these have no kernel for, as no released model: heads of 6 and 5 channels, products of 3, 5 and 2 columns. `info` names them. */
const WITHOUT_KERNEL = {
  'tiny-n2-bf16': ['attention of the enhancement', 'matrix product'],
  'tiny-n4-f16': ['attention of the enhancement', 'matrix product'],
  'released-geometry': ['matrix product'],
};
/** A software adapter compiles a pipeline for every new shape. */
const PATIENCE_MS = 600_000;

let browser;
let server;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inf-llava-parity-'));
  await copyEngine(folder);
  await cp(join(REPOSITORY, 'web/test/parity.worker.js'), join(folder, 'parity.worker.js'));
  await cp(join(REPOSITORY, 'tests/fixtures'), join(folder, 'fixtures'), { recursive: true });
  await writeFile(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>parity</title>');
  server = await serve(folder);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  if (folder) await rm(folder, { recursive: true });
});

const run = (command) => askWorker(browser, server.url, './parity.worker.js', command);

function check({ rows, unused, passed, fallbacks }, { least, without = [] }) {
  assert.ok(rows.length > least, `${rows.length} comparisons`);
  assert.deepEqual(fallbacks, without);
  const beyond = rows.filter((row) => !(row.max_error <= row.limit));
  assert.deepEqual(beyond, []);
  assert.deepEqual(unused, []);
  assert.equal(passed, true);
}

const leastOf = (fixture) => (FAMILY.includes(fixture) ? 30 : 50);

const worst = (rows, kind) => {
  const of = rows.filter((row) => row.limit > 0 && kind(row)).map((row) => row.max_error);
  return Math.max(...of).toExponential(1);
};

for (const fixture of [...FIXTURES, ...FAMILY]) {
  test(`${fixture} on WebGPU`, { timeout: PATIENCE_MS }, async (t) => {
    const url = `${server.url}fixtures/${fixture}/`;
    const { value, dispatches, adapters } = await run({ what: 'parity', url, device: 'wgpu' });
    // On a GPU every operation has a kernel.
    check(value, { least: leastOf(fixture), without: WITHOUT_KERNEL[fixture] });
    assert.match(value.device, /^WebGPU/);
    assert.ok(adapters >= 1);
    // Our own kernels, launched where the model runs them, and every dispatch that the browser saw.
    assert.ok(value.kernels_launched >= 18, `${value.kernels_launched} kernels`);
    assert.ok(dispatches > value.kernels_launched, `${dispatches} dispatches`);
    const logits = worst(value.rows, (row) => row.name.includes('logits'));
    const features = worst(value.rows, (row) => !row.name.includes('logits'));
    t.diagnostic(
      `${value.device}: ${value.rows.length} comparisons, features within ${features}, logits within ${logits}; ` +
        `${value.kernels_launched} WGSL kernels of ${dispatches} dispatches`,
    );
  });
}

test('tiny on an adapter with nothing but what WebGPU promises', { timeout: PATIENCE_MS }, async () => {
  const { value } = await run({ what: 'parity', url: `${server.url}fixtures/tiny/`, device: 'portable' });
  check(value, { least: 50 });
  assert.match(value.device, /^portable WebGPU/);
  assert.ok(value.kernels_launched >= 18, `${value.kernels_launched} kernels`);
});

for (const fixture of ['tiny', 'tiny-n2-bf16', 'tiny-n4-f16', ...FAMILY]) {
  test(`${fixture} on the CPU`, { timeout: PATIENCE_MS }, async () => {
    const url = `${server.url}fixtures/${fixture}/`;
    const { value, dispatches } = await run({ what: 'parity', url, device: 'cpu' });
    check(value, { least: leastOf(fixture) });
    assert.match(value.device, /^CPU/);
    assert.equal(dispatches, 0);
  });
}

test('what a launch costs', { timeout: PATIENCE_MS }, async (t) => {
  const runs = [];
  for (let index = 0; index < 5; index += 1) {
    const { value, dispatches } = await run({ what: 'launch', device: 'wgpu', count: 500 });
    assert.ok(dispatches >= 500, `${dispatches} dispatches`);
    runs.push(value);
  }
  const median = (key) =>
    runs
      .map((cost) => cost[key])
      .sort((a, b) => a - b)[2]
      .toFixed(3);
  // A measurement, not a bar: machines differ. The constructor fix is worth a factor of a hundred.
  t.diagnostic(
    `a burn launch in the browser, median of 5 runs of 500: ${median('host_ms')} ms until the call returns, ` +
      `${median('total_ms')} ms with the adapter's work`,
  );
});
