/** What fails, and how the page says so: pictures, models, engines, graphics cards; with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { assembleWithMock } from './harness.mjs';
import { serve } from './server.mjs';
import { ask, choose, open, p, PNG, ready, says } from './stand-in.mjs';

test('a picture that cannot be used leaves the earlier one and its conversation', async () => {
  await ready();
  await choose('chart.png');
  await ask('one');
  await says(p.status, 'Answer complete');
  await choose('broken.png');
  await says(p.page.getByRole('alert'), 'broken.png: this is no picture');
  await says(p.page.locator('#picture-name'), 'chart.png');
  await ask('two');
  await says(p.answers.nth(1), 'About chart.png, turn 2');
  await p.page.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await p.page.getByRole('alert').count(), 0);
});

test('an empty file, and a file beyond all measure', async () => {
  await ready();
  await choose('empty.png', Buffer.alloc(0));
  await says(p.page.getByRole('alert'), 'this is no picture');
  await p.page.evaluate(() => {
    const file = new File(['x'], 'huge.png');
    Object.defineProperty(file, 'size', { value: 3e9 });
    const data = new DataTransfer();
    data.items.add(file);
    const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data });
    Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], files: [file] } });
    document.body.dispatchEvent(event);
  });
  await says(p.page.getByRole('alert'), 'The file has 3.0 GB; at most 128 MB can be read here');
});

test('a picture whose header claims too many pixels is never given to the browser’s decoder', async () => {
  await ready();
  const bomb = Buffer.from(PNG);
  bomb.writeUInt32BE(20000, 16);
  bomb.writeUInt32BE(20000, 20);
  await p.page.evaluate(() => {
    const original = window.createImageBitmap;
    window.decoded = 0;
    window.createImageBitmap = (...args) => {
      if (args[0].name === 'bomb.png') window.decoded += 1; // samples are decoded, too
      return original(...args);
    };
  });
  await choose('bomb.png', bomb);
  await says(p.status, 'The picture could not be used');
  await says(p.page.getByRole('alert'), '20000 × 20000 pixels');
  assert.equal(await p.page.evaluate(() => window.decoded), 0);
});

test('a question that fails returns to the box', async () => {
  await ready();
  await ask('fine');
  await says(p.status, 'Answer complete');
  await ask('beyond the context');
  await says(p.page.getByRole('alert'), 'the context holds 4096');
  assert.equal(await p.message.inputValue(), 'beyond the context');
  assert.equal(await p.answers.count(), 1);
  await p.message.fill('fine again');
  await p.send.click();
  await says(p.answers.nth(1), 'turn 2');
  assert.equal(await p.page.getByRole('alert').count(), 0);
});

test('a model that cannot be loaded: what, and again; the question comes back', async () => {
  await open('?model=models/broken/');
  await says(p.page.getByRole('alert'), 'tensor model.norm.weight is missing');
  await ask('anyone there?');
  await says(p.status, 'Your question is back in the box');
  assert.equal(await p.message.inputValue(), 'anyone there?');
  await says(p.page.getByRole('alert'), 'tensor model.norm.weight is missing');
  await p.page.getByRole('button', { name: 'Load again' }).click();
  await says(p.page.getByRole('alert'), 'tensor model.norm.weight is missing');
});

test('a crash in the middle of an answer: another engine goes on by itself', async () => {
  await ready();
  await choose('chart.png');
  await ask('one');
  await says(p.status, 'Answer complete');
  await p.status.evaluate((status) => {
    window.said = [];
    new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
  });
  await ask('lose once yourself');
  await says(p.answers.nth(1), 'About chart.png, turn 2: you asked lose once yourself');
  await says(p.status, 'Answer complete');
  assert.match((await p.page.evaluate(() => window.said)).join('\n'), /The engine was lost\. It is started again/);
  assert.equal(await p.page.getByRole('alert').count(), 0);
  await ask('three');
  await says(p.answers.nth(2), 'About chart.png, turn 3: you asked three');
});

test('a crash that comes back: conversation kept, the answer goes on after a restart', async () => {
  await ready();
  await choose('chart.png');
  await ask('one');
  await says(p.status, 'Answer complete');
  await ask('lose always yourself, as long as there are words');
  await says(p.page.getByRole('alert'), 'The engine crashed');
  await says(p.page.getByRole('alert'), 'unreachable');
  await says(p.answers.nth(0), 'turn 1');
  assert.match(await p.answers.nth(1).innerText(), /^About chart\.png, turn 2: you asked\s*$/);
  await p.page.getByRole('button', { name: 'Restart engine' }).click();
  // Each engine says three words and loses itself; the first after a restart is replaced by itself.
  await says(p.page.getByRole('alert'), 'The engine crashed');
  await says(p.answers.nth(1), /lose always yourself, as long as\s*$/);
  await p.page.getByRole('button', { name: 'Restart engine' }).click();
  await says(p.answers.nth(1), /as long as there are words\s*$/);
  await says(p.status, 'Answer complete');
  assert.equal(await p.page.getByRole('alert').count(), 0);
  await ask('two');
  await says(p.answers.last(), 'About chart.png, turn 3: you asked two');
});

for (const [question, title, reason] of [
  ['panic', 'The engine crashed', 'unreachable'],
  ['lost card', 'The graphics card was lost', 'the graphics device was lost (reset)'],
]) {
  test(`${title}, and again after a restart: a new chat does without that question`, async () => {
    await ready();
    await ask(question);
    await says(p.page.getByRole('alert'), title);
    await says(p.page.getByRole('alert'), reason);
    await p.page.getByRole('button', { name: 'Restart engine' }).click();
    await says(p.page.getByRole('alert'), title);
    await p.newChat.click();
    await p.page.getByRole('button', { name: 'Restart engine' }).click();
    await says(p.status, 'Ready on');
    await ask('two');
    await says(p.answers.last(), 'you asked two');
  });
}

test('no room on the graphics card: half the context is offered, and half of that', async () => {
  await ready();
  await ask('no room');
  // The question is asked again with each.
  for (const [had, offered] of [
    ['4096', '2,048'],
    ['2048', '1,024'],
    ['1024', '1,024'],
  ]) {
    await says(p.page.getByRole('alert'), `no room for ${had} tokens`);
    await p.page.getByRole('button', { name: `Restart with room for ${offered} tokens` }).click();
  }
});

test('a device that is not the one that was looked for says why', async () => {
  await open('?device=portable');
  await says(p.status, 'Ready on portable (its kernels argmax are not used)');
});

test('a worker that is not there is said, and with its address', async () => {
  const partial = await assembleWithMock();
  await rm(`${partial.folder}/inf-llava/worker.js`);
  const other = await serve(partial.folder);
  await open('', { url: other.url });
  await says(p.page.getByRole('alert'), 'inf-llava/worker.js there');
  await other.close();
  await partial.remove();
});

test('an engine that is not there is said', async () => {
  const partial = await assembleWithMock();
  await rm(`${partial.folder}/inf-llava/inf-llava.wasm`);
  const other = await serve(partial.folder);
  await open('', { url: other.url });
  await says(p.page.getByRole('alert'), 'the engine did not arrive');
  await says(p.page.getByRole('alert'), 'HTTP status 404');
  await other.close();
  await partial.remove();
});
