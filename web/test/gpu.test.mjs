/**
 * What a graphics card can do to the page, with the real engine in Chromium:
 * `DIST=… EXPECT_TEXT=… node --test gpu.test.mjs`, as `real.test.mjs`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage } from './harness.mjs';
import { answer, ask, browser, EXPECT_TEXT, IMAGE, PATIENCE, QUESTION, ready, says, server, UNBOUNDED } from './real.mjs';

const PATH = '?device=wgpu&temperature=0&max_new_tokens=24';

/** The page, whose worker first does what `change` does. */
async function openWith(change) {
  const permissions = ['clipboard-read', 'clipboard-write'];
  const p = await openPage(browser, 'about:blank', { serviceWorkers: 'block', permissions });
  await p.context.route('**/inf-llava/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${change})();\n${await response.text()}` });
  });
  await p.page.goto(server.url + PATH);
  return p;
}

/** What the page answers where the command line was asked too. */
async function answered(p) {
  await p.image.setInputFiles(IMAGE);
  await ask(p, QUESTION);
  return answer(p);
}

test('every kernel is right in this browser', async () => {
  const p = await ready(PATH);
  assert.match(await p.status.innerText(), /^Ready on WebGPU: [^()]+$/, 'nothing is done without');
  await p.context.close();
});

test('a kernel that the driver refuses is told, done without, and changes no answer', async () => {
  const p = await openWith(() => {
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      const code = descriptor.code.replace(/^(\/\/ y = x W\^T for few rows of x, W in f32[\s\S]*)fn main/, '$1fn main(');
      return create.call(this, { ...descriptor, code });
    };
  });
  await says(p.status, 'its kernels matvec compute something wrong here and are not used');
  assert.equal(await answered(p), EXPECT_TEXT);
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
  assert.equal(await answered(p), EXPECT_TEXT);
  await p.context.close();
});

test('a graphics card lost in the middle of an answer: the page goes on by itself, as if nothing had been', async () => {
  const p = await ready(`${PATH.replace('24', '400')}&${UNBOUNDED}`);
  await p.image.setInputFiles(IMAGE);
  await says(p.status, 'Picture ready');
  await ask(p, 'Describe the picture.');
  const expected = await answer(p);
  await p.newChat.click();
  await p.status.evaluate((status) => {
    window.said = [];
    new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
  });
  await ask(p, 'Describe the picture.');
  await p.conversation.locator('article[data-state="streaming"]').waitFor(PATIENCE);
  const session = await browser.newBrowserCDPSession();
  // It answers only when the process is there again.
  session.send('Browser.crashGpuProcess').catch(() => {});
  assert.equal(await answer(p), expected);
  assert.match((await p.page.evaluate(() => window.said)).join('\n'), /The engine was lost/);
  assert.equal(await p.page.getByRole('alert').count(), 0);
  await ask(p, 'How many red shapes are there?');
  await answer(p);
  await p.context.close();
});
