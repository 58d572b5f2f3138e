/** The models that are known by name: which of them a device is offered, in which order, and with what words. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { openElement, says } from './stand-in.mjs';

const MODELS = JSON.parse(await readFile(join(REPOSITORY, 'crates/core/src/models.json'), 'utf8'));
const FIRST = MODELS.find(({ short }) => short === 'smolvlm2-500m');

/** Runs on the page: a browser that has so much memory and room, and maybe no WebGPU. */
function pretend({ memory, room, gpu }) {
  Object.defineProperty(navigator, 'deviceMemory', { value: memory ?? undefined, configurable: true });
  StorageManager.prototype.estimate = async () => ({ quota: room, usage: 0 });
  if (!gpu) Object.defineProperty(navigator, 'gpu', { value: undefined, configurable: true });
}

/** An element in such a browser. */
async function opened(html, { memory = null, room = 1e12, gpu = true }) {
  const { page, done } = await openElement(html, { before: `(${pretend})(${JSON.stringify({ memory, room, gpu })})` });
  // No test asks the hub.
  await page.route(
    ({ hostname }) => hostname !== '127.0.0.1',
    (route) => route.abort(),
  );
  /** Opens the settings, and waits until it is known what fits. */
  const settings = async () => {
    await page.locator('.settings summary').click();
    await page.locator('.known[aria-busy="false"]').waitFor({ state: 'attached' });
  };
  return { page, done, settings };
}

const names = (page) => page.locator('.known li > bdi').allTextContents();
const named = (wanted) => MODELS.filter(({ id, short }) => id && short !== FIRST.short && wanted.includes(short)).map(({ name }) => name);

test('what fits a device is offered, the one to try first in front', async () => {
  const small = ['smolvlm-256m', 'smolvlm2-256m', 'smolvlm-500m'];
  const half = ['interleave-0.5b', 'onevision-0.5b'];
  const large = ['llava-1.6-mistral-7b', 'llava-1.6-llama3-8b', 'inf-llava-8b'];
  for (const [given, wanted, first] of [
    [{ memory: 8 }, [...small, ...half, ...large], true],
    [{ memory: 32 }, MODELS.map(({ short }) => short), true],
    [{ memory: 8, gpu: false }, [...small, ...half], true],
    [{ memory: 2 }, [...small, 'onevision-0.5b'], true],
    [{ memory: 1 }, small.slice(0, 2), false],
    [{ memory: 0.25 }, [], false],
    // A browser that does not say how much memory there is.
    [{}, small, true],
    [{ memory: 8, room: 3e8 }, small.slice(0, 2), false],
    [{ memory: 8, room: 0 }, [], false],
  ]) {
    const { page, settings, done } = await opened('<inf-llava-chat model="models/named-any/"></inf-llava-chat>', given);
    await settings();
    const expected = [...(first ? [FIRST.name] : []), ...named(wanted)];
    assert.deepEqual(await names(page), expected, JSON.stringify(given));
    assert.equal(await page.getByText('On the Hugging Face hub').isVisible(), expected.length > 0);
    await done();
  }
});

test('licence and download are told before anything is chosen; the one that is chosen becomes the model', async () => {
  const { page, settings, done } = await opened('<inf-llava-chat></inf-llava-chat>', { memory: 8 });
  await settings();
  const list = page.getByRole('list', { name: 'On the Hugging Face hub' });
  const first = list.getByRole('listitem').first();
  await says(first, 'Apache-2.0 · 2.0 GB to download');
  await says(first, FIRST.good_for);
  const models = await list.getByRole('listitem').allTextContents();
  assert.ok(models.some((text) => text.includes('Llama 3 Community') && text.includes('17 GB')));
  const requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await first.getByRole('button', { name: `Use: ${FIRST.name}` }).click();
  assert.equal(await page.evaluate(() => document.querySelector('inf-llava-chat').model), FIRST.id);
  await says(first, 'in use');
  assert.equal(await first.getByRole('button').getAttribute('aria-pressed'), 'true');
  assert.ok(!requests.some((url) => url.endsWith('.safetensors')), 'nothing large is asked for without consent');
  // However the page names it.
  for (const name of [`hf:${FIRST.id}`, `hf://${FIRST.id}`, `${FIRST.id}@main`, FIRST.id.toLowerCase()]) {
    await page.evaluate((name) => (document.querySelector('inf-llava-chat').model = name), name);
    assert.equal(await first.getByRole('button').getAttribute('aria-pressed'), 'true', name);
  }
  await page.evaluate(() => (document.querySelector('inf-llava-chat').model = 'models/named-any/'));
  assert.equal(await first.getByRole('button').getAttribute('aria-pressed'), 'false');
  await done();
});

test('a model that knows drawings only is used at once, and one for photographs is offered beside it', async () => {
  const { page, done } = await opened('<inf-llava-chat model="models/drawn/"></inf-llava-chat>', { memory: 8 });
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  const offered = page.locator('.samples .other-model');
  await says(offered, `For photographs: ${FIRST.name}, 2.0 GB to download`);
  // With a photograph it is offered in the warning.
  await page.evaluate(() => document.querySelector('inf-llava-chat').setImage(new File([Uint8Array.of(1)], 'photo.png')));
  const warning = page.locator('#outside-scope');
  await says(warning, `For photographs: ${FIRST.name}`);
  assert.equal(await offered.isVisible(), false);
  await warning.getByRole('button', { name: 'For photographs' }).click();
  assert.equal(await page.evaluate(() => document.querySelector('inf-llava-chat').model), FIRST.id);
  // A model that knows photographs needs no other.
  await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    chat.model = 'models/named-any/';
    chat.load();
    return new Promise((resolve) => chat.addEventListener('inf-llava-ready', resolve, { once: true }));
  });
  await offered.waitFor({ state: 'hidden' });
  assert.equal(await page.locator('.other-model button').count(), 0);
  await done();
});

test('a device without room for any is offered none', async () => {
  const { page, settings, done } = await opened('<inf-llava-chat model="models/drawn/"></inf-llava-chat>', { memory: 0.5 });
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  await says(page.locator('#samples-lead'), 'drawings');
  await settings(); // asks the same once more
  assert.equal(await page.locator('.other-model button').count(), 0);
  await done();
});

test('every known model has words in every language', async () => {
  for (const language of ['de', 'ar']) {
    const source = await readFile(join(REPOSITORY, `web/src/element/strings/${language}.ts`), 'utf8');
    const table = source.split('const uses')[1].split('};')[0];
    const told = [...table.matchAll(/^ {2}'([^']+)': /gm)].map(([, short]) => short);
    assert.deepEqual(
      told,
      MODELS.filter(({ id }) => id).map(({ short }) => short),
      language,
    );
    const { page, settings, done } = await opened(`<inf-llava-chat lang="${language}" model="models/named-any/"></inf-llava-chat>`, { memory: 8 });
    await settings();
    const text = await page.locator('.known .about').first().textContent();
    assert.ok(!text.includes(FIRST.good_for) && text.includes('Apache-2.0'), text);
    await done();
  }
});
