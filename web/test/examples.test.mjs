/**
 * The examples as somebody who copies them has them: built with the packed package, served, and asked about a sample.
 * Slow, and they fetch bundlers: EXAMPLES=1, which `cargo xtask test browser --all` sets.
 */

import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { installed, packed, run, started } from './packed.mjs';
import { serve } from './server.mjs';

const SLOW = process.env.EXAMPLES ? {} : { skip: 'slow: cargo xtask test browser --all' };
const PATIENCE = { timeout: 120_000 };
const [sample] = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));
const [{ text: QUESTION, answer: ANSWER }] = sample.questions;
/** What README.md says that a page needs. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self'; require-trusted-types-for 'script'; trusted-types inf-llava";

let browser;
let tarball;
const cleanUp = [];

if (process.env.EXAMPLES) {
  before(async () => {
    const archive = await packed();
    cleanUp.push(archive.remove);
    tarball = archive.tarball;
    // Without WebGPU, which is slow in software: the package takes the processor by itself.
    browser = await launchBrowser([]);
    cleanUp.push(() => browser.close());
  });
  after(async () => {
    for (const remove of cleanUp.reverse()) await remove();
  });
}

/** Runs `use` with a copy of an example that has the package installed. */
async function withExample(name, use) {
  const { folder, remove } = await installed(name, tarball);
  try {
    await use(folder);
  } finally {
    await remove();
  }
}

/** Serves something while `use` runs. */
async function whileServed(serving, use) {
  const server = await serving;
  try {
    await use(server.url, server);
  } finally {
    await server.close();
  }
}

const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);

/** Opens a page with the element, and asks about the first sample as a visitor does. */
async function askElement(url, { path = '', others = [] } = {}) {
  const p = await openPage(browser, url, { path });
  await askSample(p);
  await quiet(p, others);
}

async function askSample(p) {
  await says(p.status, 'Ready on CPU');
  await p.page.getByRole('button', { name: 'Sample 1', exact: true }).click();
  await p.page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button', { name: QUESTION }).click();
  await p.conversation.locator('article[data-state="done"]').waitFor(PATIENCE);
  assert.equal((await p.answers.last().innerText()).trim(), ANSWER);
}

/** A framework's page: asks, goes over to the model of the list, and has the element go and come again. */
async function askFramework(url) {
  const p = await openPage(browser, url);
  const { page } = p;
  const element = page.locator('inf-llava-chat');
  const seen = () => element.evaluate((chat) => [chat.model, chat.models.map(({ name }) => name), chat.pageWide, chat.maxNewTokens]);
  await askSample(p);
  await says(page.locator('p[slot=footer]'), 'Answers: 1');
  assert.deepEqual(await seen(), [null, ['In the folder model/'], false, 200]);
  const before = await element.evaluateHandle((chat) => chat.engine);
  await page.getByRole('combobox').selectOption('In the folder model/');
  const changed = element.evaluate(async (chat, before) => {
    for (;;) {
      if (chat.engine !== before && chat.state !== 'loading') return [chat.state, chat.shadowRoot.querySelector('.talk .notice').textContent];
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }, before);
  assert.deepEqual(await changed, ['ready', '']);
  await page.getByRole('button', { name: 'Hide' }).click();
  await element.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Show' }).click();
  await says(p.status, 'Ready on CPU');
  assert.deepEqual(await seen(), ['model/', ['In the folder model/'], false, 200]);
  await page.getByRole('combobox').selectOption('The small one');
  await askSample(p);
  await says(page.locator('p[slot=footer]'), 'Answers: 2');
  // What a folder of a model lacks is looked for in vain.
  p.complaints.splice(0, Infinity, ...p.complaints.filter((complaint) => !complaint.includes('404')));
  await quiet(p);
}

/** Puts the demo model where the frameworks' examples look for another. */
const withModel = (folder) => cp(join(REPOSITORY, 'models/demo'), join(folder, 'model'), { recursive: true });

/** The same of a page that uses the API. */
async function askApi(url) {
  const p = await openPage(browser, url);
  const status = p.page.getByRole('status').first();
  await says(status, 'Ready on');
  await p.page.getByRole('button', { name: 'Sample 1', exact: true }).click();
  assert.equal(await p.page.getByLabel('Question').inputValue(), QUESTION);
  await p.page.getByRole('button', { name: 'Ask' }).click();
  await says(status, 'tokens');
  assert.equal(await p.page.locator('#answer').innerText(), ANSWER);
  await quiet(p);
}

async function quiet({ context, foreign, complaints }, others = []) {
  assert.deepEqual(
    foreign.filter((address) => !others.some((other) => address.startsWith(other))),
    [],
    'no request leaves the site',
  );
  assert.deepEqual(complaints, [], 'no policy violation and no error');
  await context.close();
}

test('plain HTML, with the package beside it and a strict policy', SLOW, () =>
  withExample('html', async (folder) => {
    await cp(join(folder, 'node_modules/inf-llava/dist'), join(folder, 'inf-llava'), { recursive: true });
    await whileServed(serve(folder, { headers: { 'Content-Security-Policy': POLICY } }), (url) => askElement(url));
  }),
);

test('plain HTML, with the package from another origin', SLOW, () =>
  withExample('html', (folder) =>
    whileServed(serve(join(folder, 'node_modules/inf-llava/dist'), { headers: { 'Access-Control-Allow-Origin': '*' } }), async (cdn, { requests }) => {
      const page = join(folder, 'cdn.html');
      const html = await readFile(page, 'utf8');
      const here = html.replace(/https:\/\/[^"]+\/dist\//, cdn);
      assert.notEqual(here, html, 'cdn.html names a CDN');
      await writeFile(page, here);
      const origin = cdn.slice(0, -1);
      const policy = `default-src 'none'; script-src 'self' ${origin} 'wasm-unsafe-eval'; worker-src blob: ${origin}; connect-src ${origin}; img-src 'self'; require-trusted-types-for 'script'; trusted-types inf-llava`;
      await whileServed(serve(folder, { headers: { 'Content-Security-Policy': policy } }), (url) => askElement(url, { path: 'cdn.html', others: [cdn] }));
      assert.ok(requests.includes('/worker.js'), 'the worker is the CDN’s');
    }),
  ),
);

test('Vite with the API, built and in its dev server', SLOW, () =>
  withExample('vite', async (folder) => {
    await run(folder, 'npm', 'run', 'build');
    await whileServed(serve(join(folder, 'dist')), askApi);
    // The optimizer is on, as a newcomer has it.
    await whileServed(started(folder, 'node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', '{port}', '--strictPort'), askApi);
  }),
);

for (const [framework, name] of [
  ['React', 'react'],
  ['Vue', 'vue'],
  ['Svelte', 'svelte'],
  ['Lit', 'lit'],
]) {
  test(`${framework} with Vite, built and in its dev server: a changed model, a list, events, and gone and back`, SLOW, () =>
    withExample(name, async (folder) => {
      await withModel(join(folder, 'public'));
      await run(folder, 'npm', 'run', 'build');
      await whileServed(serve(join(folder, 'dist')), (url) => askFramework(url));
      await whileServed(started(folder, 'node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', '{port}', '--strictPort'), (url) =>
        askFramework(url),
      );
    }),
  );
}

test('Angular, built: a changed model, a list, events, and gone and back', SLOW, () =>
  withExample('angular', async (folder) => {
    await withModel(join(folder, 'public'));
    await run(folder, 'npm', 'run', 'build');
    await whileServed(serve(join(folder, 'dist')), (url) => askFramework(url));
  }),
);

test('webpack with the element', SLOW, () =>
  withExample('webpack', async (folder) => {
    await run(folder, 'npm', 'run', 'build');
    await whileServed(serve(join(folder, 'public')), (url) => askElement(url));
  }),
);

for (const [bundler, flags] of [
  ['Turbopack', []],
  ['webpack', ['--webpack']],
]) {
  test(`Next.js with ${bundler}: rendered by the server, filled by the browser`, SLOW, () =>
    withExample('next', async (folder) => {
      const next = 'node_modules/next/dist/bin/next';
      await run(folder, process.execPath, next, 'build', ...flags);
      await whileServed(started(folder, next, 'start', '--hostname', '127.0.0.1', '--port', '{port}'), async (url) => {
        assert.match(await (await fetch(url)).text(), /<inf-llava-chat>/);
        await askElement(url);
      });
    }),
  );
}
