/** Videos: files that the browser plays, what the camera records, and frames that a script has. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './harness.mjs';
import { openElement, says } from './stand-in.mjs';
import { withApi } from './with-api.mjs';

/** A browser with a camera, whose picture changes. */
let filming;
before(async () => {
  filming = await launchBrowser(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
});
after(() => filming?.close());

/** On a page: records `seconds` of a canvas that changes. */
const RECORDED = `async (seconds) => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const context = canvas.getContext('2d');
  let hue = 0;
  const draw = setInterval(() => {
    context.fillStyle = 'hsl(' + (hue += 20) + ' 80% 50%)';
    context.fillRect(0, 0, 320, 180);
  }, 50);
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm' });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  recorder.stop();
  await ended;
  clearInterval(draw);
  return new File(parts, 'film.webm', { type: 'video/webm' });
}`;

/** On a page: the same file, as recorders write it that do not say how long it is. */
const UNMEASURED = `async (film) => {
  const bytes = new Uint8Array(await film.arrayBuffer());
  // The element of the length, 11 bytes, becomes one that means nothing.
  const at = bytes.findIndex((byte, at) => byte === 0x44 && bytes[at + 1] === 0x89 && bytes[at + 2] === 0x88);
  if (at >= 0) bytes.set([0xec, 0x89], at);
  return new File([bytes], film.name, { type: film.type });
}`;

test('a file’s frames are drawn where the model looks, and told while they are', async () => {
  const { info, unmeasured, phases, answer, named } = await withApi(
    `async ({ load }, { texts }) => {
      const film = await (${RECORDED})(2.6);
      const chat = (await load({ url: './general/' })).chat();
      const phases = new Set();
      const info = await chat.setVideo(film, { onProgress: ({ phase }) => phases.add(phase) });
      const answer = await texts(chat.ask('what happens?'));
      const named = chat.pictures[0].name;
      const unmeasured = await chat.setVideo(await (${UNMEASURED})(film));
      return { info, unmeasured, phases: [...phases], answer, named };
    }`,
  );
  assert.match(info.notices[0], /^PNG at 0\.0, 1\.0(, 2\.0)? of \d+ in [23]\.\d s$/);
  assert.deepEqual(unmeasured.notices, info.notices);
  assert.deepEqual(phases, ['frames', 'vision']);
  assert.equal(named, 'film.webm');
  assert.match(answer, /^About film\.webm, turn 1/);
});

test('frames of a script, and animations, are videos too, beside pictures', async () => {
  const { film, animation, asked, wrong } = await withApi(
    `async ({ load }, { picture, texts, refused }) => {
      const chat = (await load({ url: './general/' })).chat({ image: picture('still.png') });
      const frames = Array.from({ length: 8 }, (_, at) => new Blob([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, at)]));
      const film = await chat.addVideo({ frames, seconds: 4 }, { name: 'film' });
      const animation = await chat.addVideo(new File(['GIF89a'], 'moves.gif', { type: 'image/gif' }));
      const asked = await texts(chat.ask('what happens?'));
      const wrong = [];
      for (const video of [null, 'film.webm', { frames: [], seconds: 1 }, { frames, seconds: 0 }, new File(['no video'], 'text.webm', { type: 'video/webm' })])
        wrong.push(await refused(chat.addVideo(video)));
      return { film: film.notices, animation: animation.notices, asked, wrong: wrong.map(({ code, message }) => [code, message]) };
    }`,
  );
  assert.deepEqual(film, ['PNG at 0.0, 1.0, 2.0, 3.0 of 8 in 4.0 s']);
  assert.deepEqual(animation, ['an animation of 6 bytes']);
  assert.match(asked, /^About still\.png and film and moves\.gif/);
  assert.deepEqual(
    wrong.map(([code]) => code),
    ['option', 'option', 'option', 'option', 'image-format'],
  );
  assert.match(wrong[4][1], /^text\.webm: the frames of this video could not be drawn: ./);
});

test('a model that sees no videos says so, and keeps its picture', async () => {
  const { said, kept } = await withApi(
    `async ({ load }, { picture, refused }) => {
      const chat = (await load({ url: './drawn/' })).chat();
      await chat.setImage(picture('still.png'));
      const said = [];
      for (const video of [{ frames: [new Blob(['x'])], seconds: 1 }, new Blob(['GIF89a'], { type: 'image/gif' })])
        said.push((await refused(chat.setVideo(video))).message);
      return { said, kept: chat.pictures.map(({ name }) => name) };
    }`,
  );
  assert.deepEqual(said, Array(2).fill('video: this model sees no videos'));
  assert.deepEqual(kept, ['still.png']);
});

test('the element takes a video file, and shows one of its frames', async () => {
  const { page, done } = await openElement('<inf-llava-chat model="./general/"></inf-llava-chat>');
  const status = page.locator('[role="status"]');
  await says(status, 'Ready');
  const image = page.locator('#image');
  assert.equal(await image.getAttribute('accept'), 'image/*,video/*');
  const bytes = await page.evaluate(`(${RECORDED})(1.5).then(async (film) => [...new Uint8Array(await film.arrayBuffer())])`);
  const film = (name) => ({ name, mimeType: 'video/webm', buffer: Buffer.from(bytes) });
  await image.setInputFiles(film('film.webm'));
  await says(status, 'Picture ready');
  assert.equal(await page.locator('#picture-name').textContent(), 'film.webm');
  await says(page.locator('#picture-remarks'), 'PNG at 0.0 of');
  assert.equal(await page.locator('#preview').isVisible(), true);
  // Another one beside it.
  await page.locator('#more-images').setInputFiles(film('more.webm'));
  await page.locator('.strip-list li').nth(1).and(page.locator('[aria-busy="false"]')).waitFor();
  await page.locator('#message').fill('what happens?');
  await page.locator('#message').press('Enter');
  // The same frames are read once.
  await says(page.locator('.answer'), 'About film.webm and film.webm');
  await image.setInputFiles({ name: 'text.webm', mimeType: 'video/webm', buffer: Buffer.from('no video') });
  await says(page.locator('.stage'), 'text.webm: the frames of this video could not be drawn');
  assert.equal(await page.locator('#picture-name').textContent(), 'film.webm');
  await done();
});

test('the camera records a video until it is told to stop', async () => {
  const { page, done } = await openElement('<inf-llava-chat model="./general/"></inf-llava-chat>', { launched: filming });
  const status = page.locator('[role="status"]');
  await says(status, 'Ready');
  const button = (name) => page.getByRole('button', { name }).first();
  const filmed = () => page.waitForFunction(() => document.querySelector('inf-llava-chat').shadowRoot.querySelector('video')?.videoWidth > 0);
  await button('Camera').click();
  await filmed();
  await button('Record a video').click();
  assert.equal(await button('Take the picture').isVisible(), false);
  await button('Stop: 2 s').click({ timeout: 30_000 });
  await says(status, 'Picture ready');
  assert.equal(await page.locator('#picture-name').textContent(), 'recording');
  assert.match(await page.locator('#picture-remarks').textContent(), /^PNG at 0\.0(, \d\.\d)* of \d+ in \d\.\d s/);
  // It is switched off, and on again for a picture.
  await button('Camera').click();
  await filmed();
  assert.equal(await button('Record a video').isVisible(), true);
  await button('Take the picture').click();
  await says(page.locator('#picture-name'), 'camera.png');
  await done();
});

test('a model of pictures offers no recording', async () => {
  const { page, done } = await openElement('<inf-llava-chat model="./drawn/"></inf-llava-chat>', { launched: filming });
  await says(page.locator('[role="status"]'), 'Ready');
  assert.equal(await page.locator('#image').getAttribute('accept'), 'image/*');
  await page.getByRole('button', { name: 'Camera' }).first().click();
  await page.getByRole('button', { name: 'Take the picture' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Record a video' }).isVisible(), false);
  await done();
});
