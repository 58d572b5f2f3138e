/**
 * A model from a hub with the real engine, in Chromium, against a server that behaves like the hub: from the name to the answer.
 * `DIST=… INF_LLAVA=… node --test hub-real.test.mjs`; INF_LLAVA is the program, whose conversion is what the page must keep.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { DIST, launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { closeHubs, cutOff, filesIn, hub, Repository } from './hub.mjs';
import { serve } from './server.mjs';

const { INF_LLAVA } = process.env;
const FIXTURE = join(REPOSITORY, 'tests/fixtures/family/smolvlm-tiny');
const IMAGE = join(FIXTURE, 'images/0.png');
const ID = 'owner/smolvlm-tiny';
const QUESTIONS = ['What is in the picture?', 'And what else?'];
const PATIENCE = { timeout: 180_000 };

let browser;
let folder;
let server;
/** What the program makes of the same files. */
let manifest;

before(async () => {
  assert.ok(INF_LLAVA, 'INF_LLAVA: the program');
  folder = await mkdtemp(join(tmpdir(), 'inf-llava-hub-'));
  await cp(DIST, folder, { recursive: true });
  const converted = join(folder, 'models/converted');
  await promisify(execFile)(INF_LLAVA, ['convert', FIXTURE, converted, '--quant', 'q4', '--name', ID]);
  manifest = JSON.parse(await readFile(join(converted, 'manifest.json'), 'utf8'));
  server = await serve(folder);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  closeHubs();
  if (folder) await rm(folder, { recursive: true });
});

const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);
const settings = (device) => `&device=${device}&temperature=0&max_new_tokens=12`;

/** What a page answers about the picture, question by question. */
async function answers(p) {
  await says(p.status, 'Ready on');
  await p.image.setInputFiles(IMAGE);
  await says(p.status, 'Picture ready');
  const found = [];
  for (const question of QUESTIONS) {
    await p.message.fill(question);
    await p.send.click();
    const article = p.conversation.locator('article[data-state="done"]').nth(found.length);
    await article.waitFor(PATIENCE);
    found.push(await article.locator('.answer').innerText());
  }
  return found;
}

/** The manifest that the page has kept. */
const kept = (page) =>
  page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava');
    for await (const [id, folder] of root.entries()) {
      if (!id.startsWith('hub-')) continue;
      return JSON.parse(await (await (await folder.getFileHandle('manifest.json')).getFile()).text());
    }
    return null;
  });

for (const device of ['cpu', 'wgpu']) {
  test(`from a name to the answers of the converted model, on ${device}, and without a network afterwards`, async () => {
    const repository = new Repository(await filesIn(FIXTURE));
    let cuts = 0;
    // An answer that ends early, in the middle of the weights.
    const fault = (what) => what.end - what.start > 2 ** 18 && ++cuts === 1 && cutOff(what, 100_001);
    const on = await hub({ [ID]: repository }, { fault });
    const reference = await openPage(browser, server.url, { path: `?model=models/converted/${settings(device)}` });
    const expected = await answers(reference);
    await reference.context.close();

    const p = await openPage(browser, server.url, { path: `?model=${ID}&hub=${encodeURIComponent(on.url)}${settings(device)}` });
    assert.deepEqual(await answers(p), expected);
    const found = await kept(p.page);
    assert.equal(found.revision, repository.commit);
    assert.deepEqual({ ...found, revision: manifest.revision }, manifest, 'what is kept is what the program makes');
    assert.ok(cuts > 1, 'the rest was asked for again');

    on.close();
    await p.page.reload();
    assert.deepEqual(await answers(p), expected);
    await p.context.close();
  });
}

test('several pictures, a detail, a system message and a video have the ids of the program', async () => {
  const images = [0, 1].map((index) => join(FIXTURE, `images/${index}.png`));
  const frames = join(folder, 'frames');
  await mkdir(frames);
  const files = await Promise.all(images.map((image) => readFile(image)));
  const film = Array.from({ length: 8 }, (_, at) => files[at % 2]);
  for (const [at, file] of film.entries()) await writeFile(join(frames, `${at}.png`), file);
  const cases = {
    several: images.flatMap((image) => ['--image', image]),
    low: ['--image', images[0], '--detail', 'low', '--system', 'Be brief.'],
    video: ['--image', images[1], '--video', frames, '--fps', '2'],
  };
  const common = ['chat', '--model', join(folder, 'models/converted'), '--device', 'cpu', '--prompt', QUESTIONS[0], '--json', '--temperature', '0'];
  const expected = {};
  for (const [name, args] of Object.entries(cases)) {
    const { stdout } = await promisify(execFile)(INF_LLAVA, [...common, '--max-new-tokens', '8', ...args]);
    const { token_ids, image_tokens } = JSON.parse(stdout);
    expected[name] = { token_ids, image_tokens };
  }
  const page = await browser.newPage();
  await page.goto(`${server.url}?start=never`);
  const found = await page.evaluate(
    async ([question, files]) => {
      const { load } = await import('./inf-llava/index.js');
      const model = await load({ url: 'models/converted/', device: 'cpu' });
      const blobs = files.map((file) => new Blob([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))], { type: 'image/png' }));
      const ask = async (chat) => {
        const { token_ids, image_tokens } = await chat.ask(question, { temperature: 0, max_new_tokens: 8 }).answer;
        return { token_ids, image_tokens };
      };
      const several = model.chat({ image: blobs[0] });
      await several.addImage(blobs[1]);
      const low = model.chat({ image: blobs[0], detail: 'low', system: 'Be brief.' });
      const video = model.chat({ image: blobs[1] });
      await video.addVideo({ frames: Array.from({ length: 8 }, (_, at) => blobs[at % 2]), seconds: 4 });
      return { several: await ask(several), low: await ask(low), video: await ask(video) };
    },
    [QUESTIONS[0], files.map((file) => file.toString('base64'))],
  );
  assert.deepEqual(found, expected);
  assert.ok(expected.low.image_tokens < expected.several.image_tokens && expected.video.image_tokens > 0);
  await page.close();
});

test('a checkpoint that lacks a tensor is refused by name, and one of .bin files with the command that converts it', async () => {
  const whole = await filesIn(FIXTURE);
  const without = (name, more = []) => new Repository(new Map([...[...whole].filter(([file]) => file !== name), ...more]));
  const config = JSON.parse(whole.get('config.json'));
  config.text_config.num_hidden_layers += 1;
  const on = await hub({
    'owner/larger': without('config.json', [['config.json', Buffer.from(JSON.stringify(config))]]),
    'owner/torch': without('model.safetensors', [['pytorch_model.bin', Buffer.alloc(100)]]),
  });
  for (const [id, words] of [
    ['owner/larger', ['tensor', 'is missing']],
    ['owner/torch', ['inf-llava convert']],
  ]) {
    const p = await openPage(browser, server.url, { path: `?model=${id}&hub=${encodeURIComponent(on.url)}` });
    for (const word of words) await says(p.page.getByRole('alert'), word);
    await p.context.close();
  }
});
