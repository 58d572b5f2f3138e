/**
 * Two hundred turns, each about a new picture, with the real engine on WebGPU: nothing grows. `SOAK=1 node --test
 * soak.test.mjs`; TURNS for fewer.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DIST, launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

const { SOAK } = process.env;
const TURNS = Number(process.env.TURNS ?? 200);
/** The log holds a hundred entries, two a turn; the engine eight pictures. */
const WARM_UP = Math.min(60, Math.floor(TURNS / 2));
const PATIENCE = { timeout: 180_000 };
const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);

/** Counts, in the worker, what is on the device and in the heap, below every library. */
function count() {
  const counts = { buffers: 0, bytes: 0, memory: null };
  const create = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = create.call(this, descriptor);
    counts.buffers += 1;
    counts.bytes += descriptor.size;
    let alive = true;
    const destroy = buffer.destroy;
    buffer.destroy = function () {
      if (alive) {
        counts.buffers -= 1;
        counts.bytes -= descriptor.size;
      }
      alive = false;
      return destroy.call(this);
    };
    return buffer;
  };
  for (const name of ['instantiateStreaming', 'instantiate']) {
    const instantiate = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const result = await instantiate.call(WebAssembly, ...args);
      counts.memory = (result.instance ?? result).exports.memory;
      return result;
    };
  }
  globalThis.counts = () => ({ buffers: counts.buffers, bufferBytes: counts.bytes, heapBytes: counts.memory?.buffer.byteLength });
}

test('nothing grows in two hundred turns about new pictures', { skip: SOAK ? false : 'SOAK is not set', timeout: 3_600_000 }, async (t) => {
  const server = await serve(DIST);
  const browser = await launchBrowser();
  const p = await openPage(browser, 'about:blank', { serviceWorkers: 'block' });
  await p.context.route('**/inf-llava/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${count})();\n${await response.text()}` });
  });
  await p.page.goto(`${server.url}?device=wgpu&temperature=0&max_new_tokens=8`);
  await says(p.status, 'Ready on');
  const picture = await readFile(join(REPOSITORY, 'models/demo/samples/1.png'));
  const session = await p.context.newCDPSession(p.page);
  const measured = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    // What stands behind a PNG's end is not looked at, but makes it another file.
    const buffer = Buffer.concat([picture, Buffer.from(`turn ${turn}`)]);
    await p.image.setInputFiles({ name: `${turn}.png`, mimeType: 'image/png', buffer });
    // Each its own question, and to the model the same: it does not hear punctuation.
    const question = `Read the white sign ${turn.toString(2).padStart(8, '0').replaceAll('0', '.').replaceAll('1', '!')}`;
    await p.message.fill(question);
    await p.send.click();
    await p.conversation.locator('article').filter({ hasText: question }).and(p.page.locator('[data-state="done"]')).waitFor(PATIENCE);
    if (turn % 10 !== 9) continue;
    await session.send('HeapProfiler.collectGarbage');
    const nodes = await p.page.evaluate(
      () => document.querySelectorAll('*').length + document.querySelector('inf-llava-chat').shadowRoot.querySelectorAll('*').length,
    );
    const worker = await p.page.workers()[0].evaluate(() => globalThis.counts());
    measured.push({ turn: turn + 1, nodes, ...worker });
    t.diagnostic(JSON.stringify(measured.at(-1)));
  }
  const later = measured.filter(({ turn }) => turn > WARM_UP);
  const first = later[0];
  for (const name of ['nodes', 'buffers', 'bufferBytes', 'heapBytes']) {
    const most = Math.max(...later.map((one) => one[name]));
    assert.ok(first[name] > 0, name);
    assert.ok(most <= first[name] * 1.05, `${name} grew from ${first[name]} to ${most}`);
  }
  assert.deepEqual(p.complaints, []);
  await browser.close();
  await server.close();
});
