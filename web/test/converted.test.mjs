/**
 * A converted (quantised) model with the real engine, in Chromium: `DIST=… CONVERTED=… node --test converted.test.mjs`.
 * CONVERTED is a folder that `inf-llava convert models/demo` made. LARGE, where it is given, is another one of
 * gigabytes: then the bars on memory are shown with that one too.
 */

import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { askWorker, copyEngine, DIST, launchBrowser, launchWithProfile, openPage, REPOSITORY } from './harness.mjs';
import { comes, hosts } from './hosts.mjs';
import { filesOf, serve } from './server.mjs';

const { CONVERTED, LARGE } = process.env;
/** However large the model is. */
const HEAP_MIB = 300;
const PATIENCE = { timeout: 180_000 };
const CORS = { 'Access-Control-Allow-Origin': '*' };
const samples = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));

let browser;
let folder;
let server;

before(async () => {
  assert.ok(CONVERTED, 'CONVERTED: a converted model');
  folder = await mkdtemp(join(tmpdir(), 'inf-llava-converted-'));
  await cp(DIST, folder, { recursive: true });
  await cp(CONVERTED, join(folder, 'models/converted'), { recursive: true });
  await copyEngine(folder);
  // With the parts of the package that it needs.
  const { build } = createRequire(join(REPOSITORY, 'web/package.json'))('esbuild');
  const entryPoints = [join(REPOSITORY, 'web/test/converted.worker.js')];
  await build({ entryPoints, bundle: true, format: 'esm', external: ['./inf-llava.js'], outfile: join(folder, 'converted.worker.js'), logLevel: 'warning' });
  await writeFile(join(folder, 'measure.html'), '<!doctype html><link rel="icon" href="data:,"><title>measure</title>');
  server = await serve(folder);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  if (folder) await rm(folder, { recursive: true });
});

const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);

for (const device of ['cpu', 'wgpu']) {
  test(`its answers about a sample are right on ${device}, and need no server afterwards`, async () => {
    // Not on loopback, where the page keeps nothing of itself.
    const world = await hosts({ 'page.test': filesOf(folder, { headers: { 'Cache-Control': 'no-cache' } }) });
    const path = `?device=${device}&temperature=0&max_new_tokens=24&model=models/converted/`;
    const p = await openPage(world.browser, 'http://page.test/', { path });
    await says(p.status, 'Ready on');
    const [, { image, questions }] = samples;
    await p.image.setInputFiles(join(REPOSITORY, 'models/demo', image));
    await says(p.status, 'Picture ready');
    const wrong = [];
    for (const { text, answer } of questions) {
      await p.message.fill(text);
      await p.send.click();
      const article = p.conversation.locator('article[data-state="done"]');
      await article.waitFor(PATIENCE);
      const found = await article.locator('.answer').innerText();
      if (found.trim() !== answer) wrong.push({ text, answer, found });
      await p.newChat.click();
      await says(p.status, 'New chat');
    }
    assert.deepEqual(wrong, []);

    assert.deepEqual(p.complaints, []);

    // The second visit needs no server.
    await comes(p.page, async () =>
      (await (await caches.open((await caches.keys()).find((name) => name.startsWith('inf-llava-page-')) ?? '-')).keys()).some(({ url }) =>
        url.endsWith('page/page.js'),
      ),
    );
    delete world.named['page.test'];
    await p.page.reload();
    await says(p.status, 'Ready on');
    await p.image.setInputFiles(join(REPOSITORY, 'models/demo', image));
    await says(p.status, 'Picture ready');
    await p.message.fill('How many shapes are there?');
    await p.send.click();
    await p.conversation.locator('article[data-state="done"]').waitFor(PATIENCE);
    await p.context.close();
    await world.close();
  });
}

/** Runs the measuring worker in a page of `context`. */
async function measure(context, command) {
  const reply = await askWorker(context, `${server.url}measure.html`, './converted.worker.js', command);
  return reply.value;
}

function check(value, pieces, t) {
  const { info, heapMib, finalHeapMib, read_back, downloadS, loadS, answer, answerS } = value;
  assert.match(info.device, /^WebGPU/);
  assert.equal(read_back.names.length, pieces);
  assert.ok(heapMib < HEAP_MIB && finalHeapMib < HEAP_MIB, `${heapMib}, then ${finalHeapMib} MiB`);
  t.diagnostic(
    `${(info.weights_bytes / 1e6).toFixed(1)} MB: kept in ${downloadS.toFixed(1)} s, loaded in ${loadS.toFixed(1)} s, ` +
      `wasm heap ${heapMib} MiB (${finalHeapMib} in the end); ` +
      `${pieces} pieces, ${(read_back.bytes / 1e6).toFixed(1)} MB, read back from ${info.device} and equal`,
  );
  if (answer) t.diagnostic(`${answer.token_ids?.length} token(s) in ${answerS.toFixed(1)} s: ${JSON.stringify(answer)}`);
}

test('what the GPU holds is what the files say', async (t) => {
  const pieces = 40;
  check(await measure(browser, { url: `${server.url}models/converted/`, device: 'wgpu', pieces }), pieces, t);
});

test('gigabytes of weights pass through a small heap', { skip: LARGE ? false : 'LARGE names no model', timeout: 3_600_000 }, async (t) => {
  const large = await serve(LARGE, { headers: CORS });
  const profile = join(folder, 'profile');
  const context = await launchWithProfile(profile);
  const pieces = 24;
  const value = await measure(context, { url: large.url, device: 'wgpu', pieces, question: 'Hello' });
  await context.close();
  assert.ok(value.info.weights_bytes > 2e9, 'at least 2 GB');
  assert.ok(value.answer.token_ids.length >= 1);
  check(value, pieces, t);
  await large.close();
});
