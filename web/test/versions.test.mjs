/**
 * A model that is renewed while it is in use, with a stand-in for the engine that says what it reads: one answer is never
 * made of two versions, whatever another tab fetches, removes or damages meanwhile.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { comes } from './hosts.mjs';
import { closeHosts, gets, host, model, sha256 } from './models.mjs';
import { browser, server } from './stand-in.mjs';

after(closeHosts);

/** A tab with the headless API. */
async function tab(context) {
  const page = await context.newPage();
  await page.goto(`${server.url}blank.html`);
  await page.evaluate(async () => {
    globalThis.api = await import('./inf-llava/index.js');
    globalThis.refused = ({ code, message }) => `${code}: ${message}`;
  });
  return {
    page,
    load: (url) =>
      page
        .evaluate(async (url) => {
          globalThis.model = await api.load({ url });
          return model.info().device;
        }, url)
        .catch((error) => error.message),
    ask: (question) =>
      page.evaluate(
        async (question) =>
          model
            .chat()
            .ask(question)
            .answer.then(({ text }) => text, refused),
        question,
      ),
    unload: () => page.evaluate(() => model.unload()),
    kept: () => page.evaluate(() => api.storage.list()),
  };
}

const clear = (files, next) => {
  files.clear();
  for (const [name, content] of next) files.set(name, content);
};
const folderOf = ({ files }) => `manifest-${sha256(files.get('manifest.json'))}`;
const READ = 'read again what there is';

test('a tab goes on with its version while another fetches the next; then the older one goes', async () => {
  const [first, second] = [model({ seed: 200 }), model({ seed: 201 })];
  const served = new Map(first.files);
  const away = await host(served);
  const context = await browser.newContext();
  const one = await tab(context);
  assert.equal(await one.load(away.url), first.says);
  clear(served, second.files);
  const other = await tab(context);
  assert.equal(await other.load(away.url), second.says);
  assert.equal(await one.ask(READ), first.says, 'what it reads is what it loaded');
  assert.equal(await other.ask(READ), second.says);
  const ids = async () =>
    (await other.kept())
      .filter(({ kind }) => kind === 'model')
      .map(({ id }) => id)
      .sort();
  assert.deepEqual(await ids(), [folderOf(first), folderOf(second)].sort(), 'both are there, and listed');
  // Without a network the newest is taken.
  await away.close();
  const offline = await tab(context);
  assert.equal(await offline.load(away.url), second.says);
  // Whoever used the older one has gone: it goes when its place is met again. A tab is closed before its worker has ended.
  await one.page.close();
  await comes(other.page, async (name) => !(await navigator.locks.query()).held.some((lock) => lock.name === name), `inf-llava model ${folderOf(first)}`);
  await offline.unload();
  assert.equal(await offline.load(away.url), second.says);
  assert.deepEqual(await ids(), [folderOf(second)]);
  await context.close();
});

test('what two versions have in common is taken over, and not fetched again', async () => {
  const first = model({ seed: 210 });
  const second = model({ seed: 210 });
  second.files.set('shard-00003.bin', model({ seed: 211 }).files.get('shard-00003.bin'));
  const manifest = JSON.parse(second.files.get('manifest.json'));
  manifest.shards[2].sha256 = sha256(second.files.get('shard-00003.bin'));
  second.files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  const served = new Map(first.files);
  const away = await host(served);
  for (const used of [false, true]) {
    clear(served, first.files);
    const context = await browser.newContext();
    const one = await tab(context);
    assert.equal(await one.load(away.url), first.says);
    if (!used) await one.page.close();
    clear(served, second.files);
    const before = [gets(away, 'shard-00001.bin').length, gets(away, 'shard-00003.bin').length];
    const other = await tab(context);
    const said = await other.load(away.url);
    assert.ok(said.startsWith('read ') && said !== first.says, said);
    assert.deepEqual([gets(away, 'shard-00001.bin').length, gets(away, 'shard-00003.bin').length], [before[0], before[1] + 1], `in use: ${used}`);
    if (used) assert.equal(await one.ask(READ), first.says);
    await context.close();
  }
});

/** Does something to a file of every kept model, as another tab or a tool of the browser could. */
const meddle = (page, work) =>
  page.evaluate(`(async () => {
  const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava');
  for await (const [id, folder] of models.entries()) if (folder.kind === 'directory') await (${work})(folder, id, models);
})()`);

for (const [what, work, reason] of [
  [
    'cut off',
    "async (folder) => { const writer = await (await folder.getFileHandle('shard-00002.bin')).createWritable({ keepExistingData: true }); await writer.truncate(1000); await writer.close(); }",
    '1000 bytes and had 3000000',
  ],
  ['removed', 'async (folder, id, models) => { await models.removeEntry(id, { recursive: true }); }', 'removed'],
]) {
  test(`a kept model that is ${what} while it is in use: the change is named, and no question is answered`, async () => {
    const { files, says } = model({ seed: 220 });
    const away = await host(files);
    const context = await browser.newContext();
    const one = await tab(context);
    assert.equal(await one.load(away.url), says);
    assert.match(await one.ask('before?'), /turn 1/);
    const asked = away.asked.length;
    const other = await tab(context);
    await meddle(other.page, work);
    const said = await one.ask('after?');
    assert.match(said, /^model-changed: /);
    assert.ok(said.includes(reason) && said.includes('load the model again'), said);
    assert.equal(away.asked.length, asked, 'nor is anything fetched for it');
    // Loaded again, it is whole.
    await one.unload();
    assert.equal(await one.load(away.url), says);
    assert.match(await one.ask('again?'), /turn 1/);
    await context.close();
  });
}

test('a folder from disk that changes while it is in use: the change is named', async () => {
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const { files, says } = model({ seed: 230 });
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-picked-'));
  for (const [name, content] of files) await writeFile(join(folder, name), content);
  const context = await browser.newContext();
  const { page, ask } = await tab(context);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', webkitdirectory: true, id: 'folder' })));
  await page.locator('#folder').setInputFiles(folder);
  const device = await page.evaluate(async () => {
    globalThis.model = await api.load({ files: document.getElementById('folder').files });
    return model.info().device;
  });
  assert.equal(device, says);
  assert.match(await ask('before?'), /turn 1/);
  await writeFile(join(folder, 'shard-00002.bin'), Buffer.alloc(10));
  assert.match(await ask('after?'), /^model-changed: shard-00002\.bin is not what was picked/);
  await context.close();
  await rm(folder, { recursive: true });
});

test('what earlier versions of the package kept is taken over without a download', async () => {
  const { files, says } = model({ seed: 240 });
  const away = await host(files);
  const context = await browser.newContext();
  const old = await tab(context);
  // A folder called after the address, without a note of where it came from.
  await old.page.evaluate(
    async ({ url, files }) => {
      const sha256 = async (bytes) =>
        Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');
      const id = (await sha256(new TextEncoder().encode(url))).slice(0, 32);
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava', { create: true });
      const folder = await root.getDirectoryHandle(id, { create: true });
      const write = async (name, content) => {
        const writer = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await writer.write(content);
        await writer.close();
      };
      for (const [name, base64] of files) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        await write(name, bytes);
        if (name !== 'manifest.json') await write(`.ok-${name}`, await sha256(bytes));
      }
    },
    { url: away.url, files: [...files].map(([name, content]) => [name, content.toString('base64')]) },
  );
  const now = await tab(context);
  assert.equal(await now.load(away.url), says);
  assert.deepEqual(gets(away, 'shard-00001.bin'), []);
  assert.deepEqual(
    (await now.kept()).map(({ id }) => id),
    [folderOf({ files })],
  );
  await context.close();
});

test('a picked folder with another model’s manifest: what it makes of a picture is not taken for that model’s', async () => {
  const { files, says } = model({ bytes: 100_000, seed: 250 });
  const away = await host(files);
  const context = await browser.newContext();
  const one = await tab(context);
  const listed = [...files].map(([name, content]) => [name, content.toString('base64')]);
  const answers = await one.page.evaluate(async (listed) => {
    const folder = listed.map(
      ([name, base64]) =>
        new File([name === 'shard-00001.bin' ? 'not what the manifest says' : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], name),
    );
    const picked = await api.load({ files: folder });
    const said = await picked.chat({ image: new File(['a picture'], 'a lie') }).ask('what?').answer;
    picked.unload();
    return said.text;
  }, listed);
  assert.match(answers, /a lie/);
  assert.equal(await one.load(away.url), says);
  const said = await one.page.evaluate(async () => (await model.chat({ image: new File(['a picture'], 'the truth') }).ask('what?').answer).text);
  assert.match(said, /the truth/);
  await context.close();
});

test('who waits for a folder that another tab holds can stop', async () => {
  const { files, says } = model({ bytes: 100_000, seed: 260 });
  const away = await host(files);
  const context = await browser.newContext();
  const [one, other] = [await tab(context), await tab(context)];
  await other.page.evaluate(
    (name) =>
      new Promise((held) => {
        const until = (end) => {
          globalThis.end = end;
          held();
        };
        navigator.locks.request(name, () => new Promise(until));
      }),
    `inf-llava model ${folderOf({ files })}`,
  );
  const said = await one.page.evaluate(async (url) => {
    const stop = new AbortController();
    const loading = api.load({ url, signal: stop.signal, onProgress: () => {} }).then(() => 'loaded', refused);
    // The manifest has come when somebody waits for the lock.
    while (!(await navigator.locks.query()).pending.some(({ name }) => name.startsWith('inf-llava model '))) await new Promise((next) => setTimeout(next, 20));
    stop.abort();
    return Promise.race([loading, new Promise((late) => setTimeout(late, 20_000, 'it was not heard'))]);
  }, away.url);
  assert.match(said, /^stopped: /);
  await other.page.evaluate(() => globalThis.end());
  assert.equal(await one.load(away.url), says);
  await context.close();
});
