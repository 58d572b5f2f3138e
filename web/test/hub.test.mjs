/**
 * Models on a hub, with stand-ins for the hub and for the engine: named, asked for, quantised while they come, kept, and never
 * downloaded twice, whatever the hub and the connection do.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { comes } from './hosts.mjs';
import { closeHubs, cutOff, hub, Repository } from './hub.mjs';
import { beside, licenceOf, manifestOf, quantised, shardName, spans } from './mock/hub.js';
import { closeHosts, model, noise, sha256 } from './models.mjs';
import { ask, browser, choose, open, openElement, p, says, server } from './stand-in.mjs';

after(closeHubs);
after(closeHosts);

const ID = 'owner/model';
const WEIGHTS = 'model.safetensors';
const MB = 1_000_000;
const button = (name) => p.page.getByRole('button', { name });
const alert = () => p.page.getByRole('alert');
const device = () => p.page.locator('#device');

/** A checkpoint whose weights have so many bytes. */
function checkpoint({ bytes = 10 * MB, seed = 1, license = 'apache-2.0' } = {}) {
  return new Repository(
    new Map([
      ['README.md', Buffer.from(`---\nlicense: ${license}\n---\n# A model\n`)],
      ['config.json', Buffer.from('{"model_type": "smolvlm"}')],
      [WEIGHTS, noise(bytes, seed)],
      ['tokenizer.json', Buffer.from('{}')],
    ]),
  );
}

/** What the engine says once it has read all that must be kept of a repository. */
function sayingOf({ files, commit }, name = ID) {
  const entry = (file, bytes) => ({ file, bytes: bytes.length, sha256: sha256(bytes), content: bytes });
  const weights = files.get(WEIGHTS);
  const shards = spans(weights.length).map(([start, end], index) => entry(shardName(index), Buffer.from(quantised(weights.subarray(start, end)))));
  const others = beside([...files.keys()]).map((file) => entry(file, files.get(file)));
  const listed = (entries) => entries.map(({ content, ...rest }) => rest);
  const about = { name, revision: commit, license: licenceOf(files.get('README.md').toString()) };
  const manifest = Buffer.from(manifestOf(about, listed(shards), listed(others)));
  return `read ${sha256(Buffer.concat([manifest, ...[...others, ...shards].map(({ content }) => content)])).slice(0, 12)}`;
}

const query = (on, name = ID) => `?model=${encodeURIComponent(name)}&hub=${encodeURIComponent(on.url)}`;
/** What was asked for of the weights, as `start-end`. */
const parts = ({ asked }) => asked.filter(({ host }) => host === 'files').map(({ start, end }) => [start, end]);
/** Without headers, which are read in front. */
const bodies = (on) => parts(on).filter(([start, end]) => end - start > 2 ** 18);

/** A tab with the headless API, that counts the progress of each phase. */
async function tab(context) {
  const page = await context.newPage();
  await page.goto(`${server.url}blank.html`);
  await page.evaluate(async () => {
    globalThis.api = await import('./inf-llava/index.js');
    globalThis.told = [];
  });
  return {
    page,
    load: (options) =>
      page.evaluate(async (options) => {
        const onProgress = ({ phase, done, total }) => told.push([phase, done, total]);
        try {
          globalThis.model = await api.load({ onProgress, ...options });
          return model.info().device;
        } catch ({ code, message, details }) {
          return { code, message, details };
        }
      }, options),
    kept: () => page.evaluate(async () => (await api.storage.list()).filter(({ kind }) => kind === 'model')),
    told: () => page.evaluate(() => told),
    unload: () => page.evaluate(() => model.unload()),
  };
}

test('a name is enough: what comes is quantised and kept, and needs no network afterwards', async () => {
  const repository = checkpoint();
  const on = await hub({ [ID]: repository });
  await open(query(on));
  await says(device(), sayingOf(repository));
  assert.deepEqual(bodies(on), spans(10 * MB), 'each part once, in order');
  await p.page.getByText('Settings', { exact: true }).click();
  await says(p.page.getByRole('list', { name: 'Kept in this browser' }), `${ID} · 2.5 MB`);
  await p.page.reload();
  await says(device(), sayingOf(repository));
  assert.equal(bodies(on).length, 3, 'nothing is downloaded twice');
  on.close();
  await p.page.reload();
  await says(device(), sayingOf(repository));
});

test('what is large is asked for first: name, what comes, what is kept, licence', async () => {
  const repository = checkpoint({ bytes: 24 * MB, seed: 2, license: 'mit' });
  const on = await hub({ [ID]: repository });
  await open(query(on));
  await says(alert(), `Download ${ID}?`);
  for (const words of ['Its size is 24 MB', 'to 6.0 MB', 'kept in this browser', 'Licence of the weights: mit']) await says(alert(), words);
  assert.deepEqual(bodies(on), [], 'nothing before the answer');
  await button('Download 24 MB').click();
  await says(device(), sayingOf(repository));
});

test('the same model by each of its names', async () => {
  const repository = checkpoint({ seed: 3 });
  repository.branches.push('v1.0');
  const on = await hub({ [ID]: repository });
  const context = await browser.newContext();
  const one = await tab(context);
  for (const name of [`hf:${ID}`, `${ID}@v1.0`, `hf:${ID}@${repository.commit}`]) {
    assert.equal(await one.load({ model: name, hub: on.url }), sayingOf(repository), name);
    await one.unload();
  }
  assert.equal(bodies(on).length, 3, 'one of the names has downloaded it');
  assert.equal((await one.kept()).length, 1);
  // A commit never means anything else: nothing is asked.
  const before = on.asked.length;
  assert.equal(await one.load({ model: `${ID}@${repository.commit}`, hub: on.url }), sayingOf(repository));
  assert.equal(on.asked.length, before);
  await context.close();
});

test('both are told: what is downloaded, and what is made of it', async () => {
  const repository = checkpoint({ seed: 4 });
  const on = await hub({ [ID]: repository });
  const context = await browser.newContext();
  const one = await tab(context);
  await one.load({ model: ID, hub: on.url });
  const told = await one.told();
  const small = [...repository.files]
    .filter(([name]) => beside([...repository.files.keys()]).includes(name))
    .reduce((bytes, [, { length }]) => bytes + length, 0);
  for (const [phase, total] of [
    ['download', 10 * MB + small],
    ['conversion', 2.5 * MB + small],
  ]) {
    const of = told.filter(([name]) => name === phase);
    assert.ok(of.length > 1, phase);
    assert.deepEqual(new Set(of.map(([, , all]) => all)), new Set([total]), phase);
    assert.deepEqual(of.at(-1), [phase, total, total]);
    assert.ok(
      of.every(([, done], at) => at === 0 || done >= of[at - 1][1]),
      phase,
    );
  }
  await context.close();
});

test('a connection that breaks off is made anew where it ended', async () => {
  const repository = checkpoint({ seed: 5 });
  let cuts = 0;
  const fault = (what) => what.end - what.start > MB && ++cuts <= 4 && cutOff(what, 700_000, { breaks: cuts === 3 });
  const on = await hub({ [ID]: repository }, { fault });
  await open(query(on));
  await says(device(), sayingOf(repository));
  // What came before the answer ended is not asked for again; what a browser does with it when the connection breaks is its own affair.
  const [first, second, third, fourth] = bodies(on);
  const end = 4 * MB;
  assert.deepEqual(
    [first, second, third],
    [
      [0, end],
      [700_000, end],
      [1_400_000, end],
    ],
    JSON.stringify(parts(on)),
  );
  assert.ok(fourth[0] >= 1_400_000 && fourth[1] === end, JSON.stringify(parts(on)));
});

test('a download that was paused, and a page that was closed: it goes on with the next shard', async () => {
  const repository = checkpoint({ bytes: 32 * MB, seed: 6 });
  let goOn;
  const held = new Promise((resolve) => (goOn = resolve));
  // The third shard waits.
  const fault = async ({ start }) => {
    if (start === 8 * MB) await held;
    return false;
  };
  const on = await hub({ [ID]: repository }, { fault });
  await open(query(on));
  await button('Download 32 MB').click();
  await says(p.status, 'Downloading and quantising model');
  await comes(p.page, async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava');
    for await (const folder of root.values()) for await (const name of folder.keys()) if (name === '.ok-shard-00002.bin') return true;
    return false;
  });
  await says(p.page.locator('.statusbar'), 'quantised: 2.0 MB of 8.0 MB');
  await button('Pause').click();
  await says(alert(), 'Download paused');
  goOn();
  await p.page.reload();
  await says(alert(), '24 MB of 32 MB are still missing');
  await button('Download 24 MB').click();
  await says(device(), sayingOf(repository));
  const again = bodies(on).filter(([start]) => start < 8 * MB);
  assert.deepEqual(again, spans(8 * MB), 'the first two shards were read once');
});

for (const [what, name, change, words] of [
  ['is gated', ID, (repository) => (repository.gated = true), ['gated', 'HF_TOKEN', 'inf-llava convert']],
  ['is not there', 'owner/nothing', () => {}, ['no such model', './folder/model/']],
  ['has no such revision', `${ID}@v2`, () => {}, ['no such revision']],
  ['has .bin files only', ID, ({ files }) => files.delete(WEIGHTS) && files.set('pytorch_model.bin', Buffer.alloc(10)), [WEIGHTS]],
  ['is no model', ID, ({ files }) => files.set('config.json', Buffer.from('{}')), ['not the configuration of a model']],
]) {
  test(`a model that ${what}: it is said, and nothing is kept`, async () => {
    const repository = checkpoint({ seed: 7 });
    change(repository);
    const on = await hub({ [ID]: repository });
    await open(query(on, name));
    for (const word of words) await says(alert(), word);
    assert.deepEqual(bodies(on), []);
    assert.deepEqual(
      await p.page.evaluate(async () => (await (await import('./inf-llava/index.js')).storage.list()).filter(({ kind }) => kind === 'model')),
      [],
    );
  });
}

test('a commit that changes the card only downloads nothing; other weights are asked about, and replace the old', async () => {
  const repository = checkpoint({ bytes: 24 * MB, seed: 8 });
  const on = await hub({ [ID]: repository });
  const context = await browser.newContext();
  const one = await tab(context);
  const first = await one.load({ model: ID, hub: on.url });
  assert.equal(first, sayingOf(repository));
  await one.unload();
  const count = bodies(on).length;
  repository.files.set('README.md', Buffer.from('---\nlicense: mit\n---\n'));
  assert.equal(await one.load({ model: ID, hub: on.url }), first);
  assert.equal(bodies(on).length, count);
  await one.unload();

  repository.files.set(WEIGHTS, noise(24 * MB, 9));
  const declined = await one.page.evaluate(
    async (hub) => api.load({ model: 'owner/model', hub, confirmDownload: () => false }).catch(({ code, details }) => ({ code, ...details })),
    on.url,
  );
  assert.deepEqual([declined.code, declined.kept], ['consent', true]);
  assert.ok(declined.bytes > declined.stored, JSON.stringify(declined));
  assert.equal((await one.kept()).filter(({ bytes }) => bytes > MB).length, 1, 'the old one is there until the new one is complete');
  assert.equal(await one.load({ model: ID, hub: on.url }), sayingOf(repository));
  assert.equal((await one.kept()).length, 1);
  await context.close();
});

test('a quantised model stays in use when a newer converter would make it otherwise', async () => {
  const repository = checkpoint({ seed: 10 });
  const on = await hub({ [ID]: repository });
  const context = await browser.newContext();
  const one = await tab(context);
  assert.equal(await one.load({ model: ID, hub: on.url }), sayingOf(repository));
  await one.unload();
  // As another converter would have called it.
  await one.page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava');
    const [[, from]] = await Array.fromAsync(root.entries());
    const to = await root.getDirectoryHandle(`hub-${'0'.repeat(64)}`, { create: true });
    for (const file of await Array.fromAsync(from.values())) await file.move(to);
    await root.removeEntry(from.name);
  });
  const before = bodies(on).length;
  assert.equal(await one.load({ model: ID, hub: on.url }), sayingOf(repository));
  assert.equal(bodies(on).length, before);
  await context.close();
});

test('no room: it is said, what came stays, and the model can be loaded without keeping it', async () => {
  const repository = checkpoint({ bytes: 40 * MB, seed: 11 });
  const on = await hub({ [ID]: repository });
  await open();
  const session = await p.context.newCDPSession(p.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 5 * MB });
  await p.page.goto(server.url + query(on));
  await button('Download 40 MB').click();
  await says(alert(), 'There is no room for this model');
  await button('Load without keeping it').click();
  await button('Download 40 MB').click();
  await says(device(), sayingOf(repository));
  const count = on.asked.length;
  await choose('a.png');
  await says(p.status, 'Picture ready');
  await ask('what is it?');
  await says(p.answers, 'you asked what is it?');
  assert.equal(on.asked.length, count, 'once the model is loaded, nothing is fetched');
});

test('what cannot be kept is held as a whole, and refused with its size where it is too large', async () => {
  const repository = checkpoint({ seed: 12 });
  const on = await hub({ [ID]: repository });
  const context = await browser.newContext();
  const one = await tab(context);
  assert.equal(await one.load({ model: ID, hub: on.url, keep: false }), sayingOf(repository));
  assert.deepEqual(await one.kept(), []);
  const count = on.asked.length;
  assert.match(await one.page.evaluate(async () => (await model.chat().ask('held?').answer).text), /you asked held/, 'its embeddings are held');
  assert.equal(on.asked.length, count);
  await one.unload();

  const [list, sizes] = [repository.list.bind(repository), 5 * 2 ** 30];
  repository.list = (...args) => list(...args).replace(`"size":${10 * MB},"blobId"`, `"size":${sizes},"blobId"`);
  const large = await hub({ [ID]: repository }, { tellsRanges: false });
  const refused = await one.load({ model: ID, hub: large.url, keep: false });
  assert.equal(refused.code, 'memory', JSON.stringify(refused));
  assert.ok(refused.details.needed > 2 ** 30 && refused.details.most === 2 ** 30 && refused.message.includes(String(refused.details.needed)));
  assert.deepEqual(bodies(large), []);
  await context.close();
});

test('two tabs share one conversion, and hear of one another', async () => {
  const repository = checkpoint({ seed: 13 });
  let goOn;
  const both = new Promise((resolve) => (goOn = resolve));
  const fault = async ({ start, end }) => {
    if (start === 0 && end > MB) await both;
    return false;
  };
  const on = await hub({ [ID]: repository }, { fault });
  await open(query(on));
  await says(p.status, 'Downloading');
  const other = await p.context.newPage();
  await other.goto(server.url + query(on));
  // It waits for the lock that the first one holds.
  await comes(other, async () => (await navigator.locks.query()).pending.some(({ name }) => name.startsWith('inf-llava hub-')));
  goOn();
  await says(device(), sayingOf(repository));
  await says(other.locator('#device'), sayingOf(repository));
  assert.deepEqual(bodies(on), spans(10 * MB));
});

for (const [what, options, head] of [
  ['another file in its place', {}, (start, end) => ({ 'Content-Range': `bytes ${start}-${end - 1}/123` })],
  ['another part of it', {}, (start, end, all) => ({ 'Content-Range': `bytes ${start + 1}-${end}/${all}` })],
]) {
  test(`a host that sends ${what} is refused`, async () => {
    const repository = checkpoint({ seed: 14 });
    const fault = ({ start, end, content, response }) => {
      const about = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Content-Range' };
      response.writeHead(206, { ...about, ...head(start, end, content.length), 'Content-Length': end - start }).end(content.subarray(start, end));
      return true;
    };
    const on = await hub({ [ID]: repository }, { fault, ...options });
    const context = await browser.newContext();
    const one = await tab(context);
    assert.equal((await one.load({ model: ID, hub: on.url })).code, 'damaged');
    await context.close();
  });
}

test('a host that hides Content-Range, and one whose list tells no sizes', async () => {
  const repository = checkpoint({ seed: 15 });
  const list = repository.list.bind(repository);
  repository.list = (id) => list(id, false);
  const on = await hub({ [ID]: repository }, { tellsRanges: false });
  const context = await browser.newContext();
  const one = await tab(context);
  assert.equal(await one.load({ model: ID, hub: on.url }), sayingOf(repository));
  await context.close();
});

test('a lost engine goes on from what is kept, and the hub hears nothing of it', async () => {
  const repository = checkpoint({ seed: 16 });
  const on = await hub({ [ID]: repository });
  await open(query(on));
  await says(device(), sayingOf(repository));
  const count = on.asked.length;
  await ask('lose once');
  await says(p.answers, 'you asked lose once');
  await says(p.status, 'Answer complete');
  assert.equal(on.asked.length, count);
});

test('a converted model on the hub is read as it is', async () => {
  const { files, says: read } = model({ seed: 17, bytes: 100_000 });
  const on = await hub({ [ID]: new Repository(files) });
  const context = await browser.newContext();
  const one = await tab(context);
  assert.equal(await one.load({ model: ID, hub: on.url }), read);
  await one.unload();
  on.close();
  assert.equal(await one.load({ model: ID, hub: on.url }), read, 'and needs no network afterwards');
  await context.close();
});

test('what is no name of a model is told apart, and never asked for', async () => {
  const on = await hub({});
  const context = await browser.newContext();
  const one = await tab(context);
  for (const name of ['hf:owner', 'hf:../name', 'hf:owner/name/more', 'hf:', 'hf:owner/..']) {
    const said = await one.load({ model: name, hub: on.url });
    assert.equal(said.code, 'option', name);
  }
  assert.equal((await one.load({ model: ID, hub: 'ftp://hub.example' })).code, 'option');
  assert.equal((await one.load({ model: ID, url: 'models/demo/' })).code, 'option');
  assert.deepEqual(on.asked, []);
  // With a slash at an end it is a folder of this site.
  for (const folder of ['models/other/', './models/other', '/models/other']) assert.match(await one.load({ model: folder }), /stand-in/, folder);
  await context.close();
});

test('the element: attributes, properties, and a page’s address that is pasted', async () => {
  const repository = checkpoint({ seed: 18 });
  const on = await hub({ [ID]: repository });
  const { page, done } = await openElement(`<inf-llava-chat model="${ID}" hub="${on.url}/" device="cpu"></inf-llava-chat>`);
  const chat = page.locator('inf-llava-chat');
  await says(chat.locator('#device'), sayingOf(repository));
  assert.deepEqual(await chat.evaluate(({ model, hub }) => [model, hub]), [ID, `${on.url}/`]);
  assert.equal(await chat.locator('.sample').count(), 0, 'the samples are the small model’s');
  await chat.evaluate((element) => (element.model = 'models/other/'));
  await says(chat.locator('#device'), 'CPU');
  await chat.getByText('Settings', { exact: true }).click();
  await chat.getByLabel('Address of a model folder').fill(`hf:${ID}`);
  await chat.getByLabel('Address of a model folder').press('Enter');
  await says(chat.locator('#device'), sayingOf(repository));
  await done();
});

test('German and Arabic say it too', async () => {
  const repository = checkpoint({ bytes: 24 * MB, seed: 19 });
  const on = await hub({ [ID]: repository });
  for (const [lang, words, name] of [
    ['de', 'auf diesem Gerät quantisiert, auf 6,0', 'Herunterladen'],
    ['ar', 'تُضغط أوزانه على هذا الجهاز', 'تنزيل'],
  ]) {
    await open(`${query(on)}&lang=${lang}`);
    await says(alert(), words);
    assert.ok(await p.page.getByRole('alert').getByRole('button').first().innerText(), name);
    await p.context.close();
  }
});
