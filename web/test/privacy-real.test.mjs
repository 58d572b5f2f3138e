/**
 * Privacy with the real engine, as the page was built: `DIST=… CONVERTED=… node --test privacy-real.test.mjs`. CONVERTED is a
 * folder that `inf-llava convert models/demo` made. From a loaded model to the second answer not one request leaves the
 * browser, wherever the model came from; and a host that sends without end is not read to the end.
 */

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DIST, parts, REPOSITORY } from './harness.mjs';
import { hosts, written } from './hosts.mjs';
import { filesOf } from './server.mjs';

const { CONVERTED } = process.env;
const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Range', 'Cache-Control': 'no-cache' };
const PATIENCE = { timeout: 180_000 };
const SAMPLE = join(REPOSITORY, 'models/demo/samples/1.png');

let folder;
let world;

before(async () => {
  assert.ok(CONVERTED, 'CONVERTED: a converted model');
  folder = await mkdtemp(join(tmpdir(), 'inf-llava-privacy-'));
  await cp(DIST, folder, { recursive: true });
  await writeFile(
    join(folder, 'page.html'),
    '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>privacy</title><script type="module" src="inf-llava/define.js"></script>',
  );
  const page = filesOf(folder);
  world = await hosts(
    {
      'page.test': page,
      'plain.test': page,
      'converted.test': filesOf(CONVERTED, { headers: CORS }),
      'checkpoint.test': filesOf(join(REPOSITORY, 'models/demo'), { headers: CORS }),
    },
    { secure: ['page.test'] },
  );
});

after(async () => {
  await world?.close();
  if (folder) await rm(folder, { recursive: true });
});

const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor(PATIENCE);

/** A page with an element that has these attributes, and its model loaded. */
async function open(origin, attributes) {
  const context = await world.browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://${origin}/page.html`);
  await page.evaluate(
    (attributes) => {
      const chat = document.createElement('inf-llava-chat');
      for (const [name, value] of Object.entries(attributes)) chat.setAttribute(name, value);
      document.body.append(chat);
    },
    { device: 'cpu', temperature: 0, 'max-new-tokens': 12, ...attributes },
  );
  return { context, page, ...parts(page) };
}

/** What the element is told of its model, whether it is kept, and on which page. */
const SOURCES = {
  'the package’s own model, kept': ['page.test', {}],
  'the package’s own model, where nothing can be kept': ['plain.test', {}],
  'a converted model, kept': ['page.test', { model: 'http://converted.test/' }],
  'a converted model that is not to be kept': ['page.test', { model: 'http://converted.test/', 'no-keep': '' }],
  'a converted model, where nothing can be kept': ['plain.test', { model: 'http://converted.test/' }],
  'a checkpoint on a server': ['page.test', { model: 'http://checkpoint.test/' }],
};

for (const [name, [origin, attributes]] of Object.entries(SOURCES)) {
  test(`${name}: nothing leaves while a picture is read and two questions are answered`, async () => {
    const p = await open(origin, attributes);
    await says(p.status, 'Ready on');
    await p.page.waitForLoadState('networkidle');
    const before = world.requests.length;
    await p.image.setInputFiles(SAMPLE);
    await says(p.status, 'Picture ready');
    for (const [at, question] of ['Read the white sign.', 'How many shapes are there?'].entries()) {
      await p.message.fill(question);
      await p.message.press('Enter');
      const answer = p.conversation.locator('article[data-state="done"]').nth(at);
      await answer.waitFor(PATIENCE);
      assert.notEqual((await answer.locator('.answer').innerText()).trim(), '');
    }
    const asked = world.requests.slice(before).map(({ method, url, headers }) => `${method} ${url} ${headers.range ?? ''}`);
    assert.deepEqual(asked, []);
    // The model's host was told which site asks, as CORS has it, and nothing else.
    for (const { url, headers } of world.requests.filter(({ url }) => /(converted|checkpoint)\.test/.test(url))) {
      assert.deepEqual([headers.referer, headers.cookie, headers.authorization], [undefined, undefined, undefined], url);
    }
    const kept = (await written(p.page)).filter((entry) => entry.startsWith('opfs'));
    const keeps = origin === 'page.test' && !('no-keep' in attributes);
    // A checkpoint has no hash by which it, or what it makes of a picture, could be kept.
    assert.equal(kept.length > 0, keeps && !attributes.model?.includes('checkpoint'), `${kept}`);
    await p.context.close();
  });
}

test('a checkpoint’s host that sends without end: the engine stops reading, and says so', async () => {
  const demo = filesOf(join(REPOSITORY, 'models/demo'), { headers: CORS });
  for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
    let sent = 0;
    world.named['endless.test'] = (request, response) => {
      if (request.url !== `/${file}`) return demo(request, response);
      response.writeHead(200, CORS);
      const chunk = Buffer.alloc(2 ** 20, ' ');
      const more = () => {
        while (sent < 400 * 2 ** 20 && !response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) return response.once('drain', more);
        }
        return response.end();
      };
      return more();
    };
    const p = await open('page.test', { model: 'http://endless.test/' });
    // 64 MiB, less what was fetched before.
    await says(p.page.getByRole('alert'), new RegExp(`${file}: the server sends more than 6[67]\\d{6} bytes`));
    assert.ok(sent < 130 * 2 ** 20, `${file}: ${sent} bytes`);
    await p.context.close();
  }
});
