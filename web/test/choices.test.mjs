/** The last choice wins, whatever takes how long: pictures by every way in, models, questions and new conversations. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { openElement, says } from './stand-in.mjs';

/** What never comes must not hold the others up. */
const LIMIT = { timeout: 60_000 };

const PNG = await readFile(join(REPOSITORY, 'models/demo/samples/2.png'));
const status = (page) => page.getByRole('status', { name: 'Status' });

/** What a page has to choose with; a picture with `held` in its name takes until `release()`. */
function tools(png) {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const file = (name) => new File([bytes, name], name, { type: 'image/png' });
  const list = (name) => {
    const data = new DataTransfer();
    data.items.add(file(name));
    return data;
  };
  let gates = [];
  const held = () => new Promise((resolve) => (gates ? gates.push(resolve) : resolve()));
  const original = globalThis.createImageBitmap;
  globalThis.createImageBitmap = async (image, ...rest) => {
    if (String(image?.name).includes('held')) await held();
    return original(image, ...rest);
  };
  const chat = () => document.querySelector('inf-llava-chat');
  Object.assign(globalThis, {
    chat,
    hold: () => (gates = []),
    release: () => {
      for (const open of gates ?? []) open();
      gates = null; // what comes later is not held
    },
    ways: {
      setImage: (name) =>
        void chat()
          .setImage(file(name))
          .catch(() => {}),
      address: (name) =>
        void chat()
          .setImage(`pictures/${name}`)
          .catch(() => {}),
      src: (name) => (chat().src = `pictures/${name}`),
      file(name) {
        const input = chat().shadowRoot.getElementById('image');
        input.files = list(name).files;
        input.dispatchEvent(new Event('change'));
      },
      drop: (name) => chat().dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: list(name) })),
      paste: (name) => chat().dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: list(name) })),
      camera(name) {
        const { shadowRoot } = chat();
        const video = shadowRoot.querySelector('video');
        Object.defineProperty(video, 'videoWidth', { value: 2, configurable: true });
        Object.defineProperty(video, 'videoHeight', { value: 2, configurable: true });
        const toBlob = HTMLCanvasElement.prototype.toBlob;
        HTMLCanvasElement.prototype.toBlob = (done) => (name.includes('held') ? held() : Promise.resolve()).then(() => done(new Blob([bytes, 'camera', name])));
        shadowRoot.querySelector('dialog .primary').click();
        HTMLCanvasElement.prototype.toBlob = toBlob;
      },
      sample: () => chat().shadowRoot.querySelector('.sample').click(),
      remove: () => void chat().setImage(null),
    },
  });
}

/** A page whose element has read a first picture, and whose pictures of addresses come when `release()` lets them. */
async function opened() {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  let held = [];
  await page.route('**/pictures/**', async (route) => {
    const url = route.request().url();
    if (url.includes('held') && held) await new Promise((resolve) => held.push(resolve));
    // Each of another content: the engine knows a picture by that.
    await route.fulfill({ body: Buffer.concat([PNG, Buffer.from(url)]), contentType: 'image/png' }).catch(() => {}); // nobody may want it any more
  });
  await page.evaluate(tools, PNG.toString('base64'));
  await says(status(page), 'Ready on');
  await page.locator('.sample').first().waitFor();
  // The camera's dialog is there once it was opened.
  await page.evaluate(() => (navigator.mediaDevices.getUserMedia = async () => document.createElement('canvas').captureStream()));
  await page.getByRole('button', { name: 'Camera' }).first().click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  /** With a picture that was read before, and nothing said about it. */
  const anew = () => {
    held = [];
    return page.evaluate(async () => {
      hold();
      await chat().newChat();
      await chat().setImage(new File([Uint8Array.of(1)], 'earlier.png'));
    });
  };
  await anew();
  const release = async () => {
    for (const open of held ?? []) open();
    held = null;
    await page.evaluate(() => release());
    await page.waitForTimeout(60); // what was held would show by now
  };
  return { page, done, release, anew };
}

const shown = { sample: 'Sample 1', camera: 'camera.png', remove: '' };
const WAYS = ['setImage', 'address', 'src', 'file', 'drop', 'paste', 'camera'];

for (const first of WAYS) {
  test(`a slow picture by ${first}, then another by whatever way: the last one wins`, LIMIT, async () => {
    const { page, done, release, anew } = await opened();
    for (const second of [...WAYS, 'sample', 'remove']) {
      await anew();
      const answer = page.evaluate(
        ([first, second]) =>
          new Promise((resolve) => {
            ways[first]('held.png');
            ways[second](second === first && second === 'src' ? 'second.png' : 'fast.png');
            // A question that follows at once is about the last one too.
            chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true });
            chat().ask('which?');
          }),
        [first, second],
      );
      const name = shown[second] ?? (second === first && second === 'src' ? 'second.png' : 'fast.png');
      const expected = second === 'remove' ? /^Without a picture, turn 1/ : new RegExp(`^About ${name}, turn 1`);
      assert.match(await answer, expected, `${first}, ${second}`);
      await release();
      assert.equal(await page.locator('.caption').isVisible(), second !== 'remove', `${first}, ${second}`);
      if (second !== 'remove') assert.equal(await page.locator('#picture-name').textContent(), name, `${first}, ${second}`);
      const text = await page.evaluate(
        () =>
          new Promise((resolve) => {
            chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true });
            chat().ask('and now?');
          }),
      );
      assert.match(text, second === 'remove' ? /^Without a picture, turn 2/ : new RegExp(`^About ${name}, turn 2`), `${first}, ${second}`);
    }
    await done();
  });
}

test('a question at once after a picture is about that picture, by whatever way it comes', LIMIT, async () => {
  const { page, done, release, anew } = await opened();
  for (const way of [...WAYS, 'sample', 'remove']) {
    await anew();
    const answer = page.evaluate(
      (way) =>
        new Promise((resolve) => {
          ways[way]('held.png');
          chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true });
          chat().ask('which?');
        }),
      way,
    );
    await page.waitForTimeout(60);
    await release();
    assert.match(await answer, way === 'remove' ? /^Without a picture, turn 1/ : new RegExp(`^About ${shown[way] ?? 'held.png'}, turn 1`), way);
  }
  await done();
});

test('a picture that comes to nothing leaves the one before, and one that another overtook says so', LIMIT, async () => {
  const { page, done, release } = await opened();
  const said = await page.evaluate(async () => {
    const told = [];
    chat().addEventListener('inf-llava-error', ({ detail }) => told.push(detail.code));
    const code = (promise) =>
      promise.then(
        () => 'read',
        ({ code }) => code,
      );
    const outcomes = [code(chat().setImage('pictures/held.png')), code(chat().setImage(new File([], 'broken.png')))];
    const codes = await Promise.all(outcomes);
    return { codes, told, name: chat().shadowRoot.getElementById('picture-name').textContent, width: chat().chat.picture.width };
  });
  await release();
  assert.deepEqual(said, { codes: ['stopped', 'image-format'], told: ['image-format'], name: 'earlier.png', width: 1200 });
  await done();
});

test('a picture, then another model, then another model still: the last of each', LIMIT, async () => {
  const { page, done, release } = await opened();
  const answer = page.evaluate(async () => {
    chat()
      .setImage('pictures/held-named.png')
      .catch(() => {});
    chat().model = 'models/slow/';
    chat().load();
    chat().model = 'models/named-last/';
    const ready = await new Promise((resolve) => chat().addEventListener('inf-llava-ready', ({ detail }) => resolve(detail.name), { once: true }));
    const text = new Promise((resolve) => chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true }));
    chat().ask('which?');
    return [ready, await text, chat().model];
  });
  await says(status(page), 'waits for the picture');
  await release();
  const [ready, text, model] = await answer;
  assert.match(ready, /named-last/);
  assert.deepEqual([text, model], ['About held-named.png, turn 1: you asked which?', 'models/named-last/']);
  await done();
});

test('models chosen while another loads: the last one, and the samples are its own', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  const said = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const readied = [];
    chat.addEventListener('inf-llava-ready', ({ detail }) => readied.push(detail.scope));
    for (const model of ['models/slow/', 'models/broken/', 'models/drawn/', 'models/slow-drawn/', 'models/drawn-bare/']) {
      chat.model = model;
      chat.load();
      await Promise.resolve();
    }
    await new Promise((resolve) => chat.addEventListener('inf-llava-ready', resolve, { once: true }));
    await new Promise((resolve) => setTimeout(resolve, 300));
    return {
      readied,
      samples: chat.shadowRoot.querySelectorAll('.sample').length,
      state: chat.state,
      notice: chat.shadowRoot.querySelector('.talk .notice').hidden,
    };
  });
  assert.deepEqual(said, { readied: ['drawn_scenes'], samples: 0, state: 'ready', notice: true });
  await done();
});

test('a new conversation and a question at once: the question stays, and is the first', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  await says(status(page), 'Ready on');
  const said = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const next = () => new Promise((resolve) => chat.addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true }));
    const texts = [];
    let answer = next();
    chat.ask('one');
    texts.push(await answer);
    answer = next();
    chat.newChat();
    chat.ask('two');
    texts.push(await answer);
    // While an answer comes, which ends then.
    const stopped = next();
    chat.ask('slow please');
    while (!chat.shadowRoot.querySelector('.turn[data-state="streaming"]')) await new Promise(requestAnimationFrame);
    chat.newChat();
    chat.ask('three');
    await stopped;
    texts.push(await next());
    return {
      texts,
      turns: [...chat.shadowRoot.querySelectorAll('.turn .question')].map(({ textContent }) => textContent),
      kept: chat.chat.turns.map(({ question }) => question),
    };
  });
  assert.deepEqual(said.texts, [
    'Without a picture, turn 1: you asked one',
    'Without a picture, turn 1: you asked two',
    'Without a picture, turn 1: you asked three',
  ]);
  assert.deepEqual([said.turns, said.kept], [['You: three'], ['three']]);
  await done();
});

test('a question while another is answered is refused in words, not lost in silence', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  await says(status(page), 'Ready on');
  const code = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const told = new Promise((resolve) => chat.addEventListener('inf-llava-error', ({ detail }) => resolve(detail.code), { once: true }));
    chat.ask('slow please');
    chat.ask('and this?');
    return told;
  });
  assert.equal(code, 'busy');
  await done();
});
