/**
 * What a graphics card can do to the page, with the real engine in Chromium:
 * `DIST=… EXPECT_TEXT=… node --test gpu.test.mjs`, as `real.test.mjs`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

const DIST = process.env.DIST ?? join(REPOSITORY, 'dist');
const IMAGE = process.env.IMAGE ?? join(REPOSITORY, 'models/demo/samples/1.png');
const QUESTION = process.env.QUESTION ?? 'What is in the picture?';
const EXPECT_TEXT = process.env.EXPECT_TEXT;
const PATH = '?device=wgpu&temperature=0&max_new_tokens=24';
const PATIENCE = { timeout: 180_000 };

let browser;
let server;

before(async () => {
  assert.notEqual(EXPECT_TEXT, undefined, 'EXPECT_TEXT: what the command line answers');
  server = await serve(DIST);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);

/** The page, whose worker first does what `change` does. */
async function openWith(change) {
  const p = await openPage(browser, 'about:blank', { serviceWorkers: 'block' });
  await p.context.route('**/web/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${change})();\n${await response.text()}` });
  });
  await p.page.goto(server.url + PATH);
  return p;
}

async function answer(p) {
  await p.image.setInputFiles(IMAGE);
  await p.message.fill(QUESTION);
  await p.send.click();
  const turn = p.conversation.locator('article').last();
  await turn.and(p.page.locator('[data-state="done"]')).waitFor(PATIENCE);
  return (await turn.locator('.answer').innerText()).trim();
}

const plain = (text) => text.replace(/\s+/g, ' ').trim();

test('every kernel is right in this browser', async () => {
  const p = await openPage(browser, server.url, { path: PATH });
  await says(p.status, 'Ready on');
  assert.match(await p.status.innerText(), /^Ready on WebGPU: [^()]+$/, 'nothing is done without');
  await p.context.close();
});

test('a kernel that the driver refuses is told, done without, and changes no answer', async () => {
  const p = await openWith(() => {
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      const code = descriptor.code.replace(/^(\/\/ y = x W\^T for few rows of x, W in f32[^]*)fn main/, '$1fn main(');
      return create.call(this, { ...descriptor, code });
    };
  });
  await says(p.status, 'its kernels matvec compute something wrong here and are not used');
  assert.equal(plain(await answer(p)), plain(EXPECT_TEXT));
  await p.context.close();
});

test('a kernel that computes something wrong is told, done without, and changes no answer', async () => {
  const p = await openWith(() => {
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      const code = descriptor.code.replace('inverseSqrt(total(thread, squares) / channels', 'inverseSqrt(1.01 * total(thread, squares) / channels');
      return create.call(this, { ...descriptor, code });
    };
  });
  await says(p.status, 'its kernels norm compute something wrong here and are not used');
  assert.equal(plain(await answer(p)), plain(EXPECT_TEXT));
  await p.context.close();
});

test('a graphics card lost in the middle of an answer: said, and a restart answers', async () => {
  const p = await openPage(browser, server.url, { path: PATH.replace('24', '400') });
  await says(p.status, 'Ready on');
  await p.image.setInputFiles(IMAGE);
  await says(p.status, 'Picture ready');
  await p.message.fill('Describe the picture.');
  await p.send.click();
  await p.conversation.locator('article[data-state="streaming"]').waitFor(PATIENCE);
  const session = await browser.newBrowserCDPSession();
  // It answers only when the process is there again.
  session.send('Browser.crashGpuProcess').catch(() => {});
  await says(p.page.getByRole('alert'), 'The graphics card was lost');
  await p.page.getByRole('button', { name: 'Restart engine' }).click();
  await says(p.status, 'Picture ready');
  assert.ok(plain(await answer(p)).startsWith(plain(EXPECT_TEXT)));
  await p.context.close();
});
