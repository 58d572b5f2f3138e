/**
 * Privacy: every request that leaves the browser, of whatever page or worker, and everything that it writes, from opening
 * the page to the second answer, with a stand-in for the engine that reads what the engine reads. Nothing leaves between
 * choosing a picture and the second answer; all that is asked for and written before has a form that is listed here, and
 * is the same for other pictures and other questions.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assembleWithMock, parts } from './harness.mjs';
import { comes, hosts, written } from './hosts.mjs';
import { answering, model } from './models.mjs';
import { filesOf } from './server.mjs';

/** One that may keep, one that came without HTTPS and may not, and the model's. */
const [PAGE, PLAIN, MODEL] = ['page.test', 'plain.test', 'model.test'];
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mM4YaMBRAwQCgAjXgSxhgLRkwAAAABJRU5ErkJggg==', 'base64');
/** Two visits that have nothing in common but the model. */
const VISITS = [
  { picture: { name: 'passport.png', mimeType: 'image/png', buffer: PNG }, questions: ['Who is this?', 'When was she born?'] },
  {
    picture: { name: 'a.png', mimeType: 'image/png', buffer: Buffer.concat([PNG, Buffer.from('x')]) },
    questions: ['zzz 123 ÄÖ', 'How much does he owe to the bank in total, and since when?'],
  },
];
const HEX = '[0-9a-f]';
/** Whatever the page may ever ask for. */
const REQUESTS = [
  /^GET http:\/\/(page|plain)\.test\/(no-keep\.html)?(\?model=[\w%./-]+)?$/,
  /^GET http:\/\/(page|plain)\.test\/(page\.css|icon\.svg|service-worker\.js|page\/[\w-]+\.js|inf-llava\/[\w.-]+\.(js|wasm|png|pack))$/,
  new RegExp(`^GET http://model\\.test/m/(config\\.json|manifest\\.json|samples\\.json|(tokenizer\\.json|shard-\\d{5}\\.bin)\\?sha256=${HEX}{64})$`),
  /^GET http:\/\/page\.test\/models\/drawn\/(config\.json|manifest\.json|samples\.json|samples\/\d\.png)$/,
];
/** Whatever it may write: a model by its bytes, what it made of a picture, the page's own files. */
const FEATURES = new RegExp(`^opfs inf-llava-pictures/${HEX}{16}-${HEX}{48}$`);
const WRITES = [
  new RegExp(`^opfs inf-llava/pack-${HEX}{64}/(\\.name|\\.from|(\\.ok-)?model\\.pack)$`),
  new RegExp(`^opfs inf-llava/manifest-${HEX}{64}/(\\.name|\\.from|manifest\\.json|(\\.ok-)?(tokenizer\\.json|shard-\\d{5}\\.bin))$`),
  FEATURES,
  new RegExp(`^cache inf-llava-page-%2F:${HEX}{16} http://page\\.test/(page\\.css|icon\\.svg|page/[\\w-]+\\.js|inf-llava/[\\w.-]+\\.(js|wasm|png))?$`),
];

let site;
let world;
let picked;
const converted = model({ bytes: 100_000 });

before(async () => {
  site = await assembleWithMock();
  await writeFile(
    join(site.folder, 'no-keep.html'),
    `<!doctype html><html lang="en"><link rel="icon" href="icon.svg"><title>no-keep</title><script type="module" src="inf-llava/define.js"></script><inf-llava-chat no-keep model="http://${MODEL}/m/"></inf-llava-chat>`,
  );
  picked = await mkdtemp(join(tmpdir(), 'inf-llava-picked-'));
  for (const [name, content] of converted.files) await writeFile(join(picked, name), content);
  const files = filesOf(site.folder, { headers: { 'Cache-Control': 'no-cache' } });
  world = await hosts({ [PAGE]: files, [PLAIN]: files, [MODEL]: answering(converted.files) }, { secure: [PAGE] });
});

after(async () => {
  await world?.close();
  await site?.remove();
  if (picked) await rm(picked, { recursive: true });
});

/** As text: all that a host learns. */
const said = ({ method, url, headers, body }) => {
  const told = ['range', 'cookie', 'referer', 'origin', 'authorization', 'if-range']
    .filter((name) => name in headers)
    .map((name) => `${name}=${headers[name]}`);
  return { line: `${method} ${url}`, told: told.join(' '), body };
};

/** A visit to the second answer. @returns what left before there was a picture, what left after it, and what was written */
async function visit(url, { picture, questions }, { picks = false } = {}) {
  const context = await world.browser.newContext();
  const page = await context.newPage();
  const start = world.requests.length;
  await page.goto(url);
  const p = parts(page);
  const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor({ timeout: 30_000 });
  await says(p.status, 'Ready on');
  if (picks) {
    await page.getByText('Settings', { exact: true }).click();
    await page.getByLabel('Open a model folder').setInputFiles(picked);
    await says(page.locator('#device'), converted.says);
    await says(p.status, 'Ready on');
  }
  // What a page without a network needs is kept as soon as there is a model, whatever is asked then.
  const keepsPage = url.startsWith(`http://${PAGE}/`) && !url.includes('no-keep');
  if (keepsPage) {
    await comes(page, async () => {
      const [name] = (await caches.keys()).filter((name) => name.startsWith('inf-llava-page'));
      const kept = name ? (await (await caches.open(name)).keys()).length : 0;
      const worker = await (await fetch('service-worker.js', { cache: 'no-store' })).text();
      return kept === Object.keys(JSON.parse(/const FILES = (.*);/.exec(worker)[1])).length;
    });
  }
  await page.waitForLoadState('networkidle');
  const asking = world.requests.length;
  await p.image.setInputFiles(picture);
  await says(p.status, 'Picture ready');
  for (const [at, question] of questions.entries()) {
    await p.message.fill(question);
    await p.message.press('Enter');
    await says(p.conversation.locator('article[data-state="done"]').nth(at).locator('.answer'), `turn ${at + 1}`);
  }
  await page.getByLabel('What it looks at').check();
  await says(page.locator('.looking-word'), 'of');
  const everything = await written(page);
  const after = world.requests.slice(asking).map(said);
  await context.close();
  // The test itself has looked into the worker's script.
  const own = (request) =>
    !(request.url.endsWith('/service-worker.js') && request.headers['cache-control']?.includes('no-cache') && request.headers['sec-fetch-dest'] === 'empty');
  return { before: world.requests.slice(start, asking).filter(own).map(said), after, everything };
}

const MODEL_ADDRESS = `?model=${encodeURIComponent(`http://${MODEL}/m/`)}`;
/** Each source of a model, and whether it and what it makes of a picture are kept. */
const SOURCES = {
  'the package’s own model, kept': { url: `http://${PAGE}/`, keeps: true },
  'the package’s own model, where nothing can be kept': { url: `http://${PLAIN}/`, keeps: false },
  'a converted model, kept': { url: `http://${PAGE}/${MODEL_ADDRESS}`, keeps: true },
  'a converted model, where nothing can be kept': { url: `http://${PLAIN}/${MODEL_ADDRESS}`, keeps: false },
  'a converted model that is not to be kept': { url: `http://${PAGE}/no-keep.html`, keeps: false },
  'a checkpoint on a server': { url: `http://${PAGE}/?model=models/drawn/`, keeps: null },
  'a folder from disk': { url: `http://${PAGE}/?model=models/drawn/`, keeps: null, picks: true },
};

for (const [name, { url, keeps, picks }] of Object.entries(SOURCES)) {
  test(`${name}: nothing that depends on picture, question or answer leaves`, async () => {
    const visits = [];
    for (const about of VISITS) visits.push(await visit(url, about, { picks }));
    for (const { before, after, everything } of visits) {
      assert.deepEqual(after, [], 'not one request from the picture to the second answer');
      for (const { line, told, body } of before) {
        assert.ok(
          REQUESTS.some((form) => form.test(line)),
          `${line} is not listed`,
        );
        assert.equal(body, '', line);
        // The model's host is told which site asks, as CORS has it, and nothing else: no range, no referrer, no cookie.
        const own = line.includes(` ${new URL(url).origin}/`);
        const allowed = own ? /^((origin|referer)=http:\/\/(page|plain)\.test[\w/.-]* ?)*$/ : new RegExp(`^origin=${new URL(url).origin}$`);
        assert.match(told, allowed, line);
      }
      for (const entry of everything)
        assert.ok(
          WRITES.some((form) => form.test(entry)),
          `${entry} is not listed`,
        );
      const features = everything.filter((entry) => FEATURES.test(entry)).length;
      if (keeps === true) assert.equal(features, 1, 'of the one picture');
      if (keeps === false)
        assert.deepEqual(
          everything.filter((entry) => entry.startsWith('opfs')),
          [],
          'nothing is kept of model or picture',
        );
    }
    const [one, other] = visits;
    const requests = ({ before }) => before.map(({ line, told }) => `${line} ${told}`).sort();
    assert.deepEqual(requests(one), requests(other), 'another picture and other questions ask for the same');
    const names = ({ everything }) => everything.filter((entry) => !FEATURES.test(entry));
    assert.deepEqual(names(one), names(other), 'and write the same, but for what was made of the picture');
  });
}

for (const [name, url, comesBack] of [
  ['kept', `http://${PAGE}/${MODEL_ADDRESS}`, true],
  ['not kept', `http://${PAGE}/no-keep.html`, false],
  ['on an insecure origin', `http://${PLAIN}/${MODEL_ADDRESS}`, false],
]) {
  test(`a question that ends the engine, of a model ${name}: its host does not hear of it`, async () => {
    const page = await world.browser.newPage();
    await page.goto(url);
    const p = parts(page);
    const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor({ timeout: 30_000 });
    await says(p.status, 'Ready on');
    await page.waitForLoadState('networkidle');
    const asked = () => world.requests.filter(({ url }) => new URL(url).hostname === MODEL).length;
    const before = asked();
    await p.message.fill('lose once');
    await p.message.press('Enter');
    if (!comesBack) {
      await says(page.getByRole('alert'), 'The engine crashed');
      assert.equal(asked(), before);
      // Somebody wants it again: then it is fetched, and goes on where it was.
      await page.getByRole('button', { name: 'Restart engine' }).click();
    }
    await says(p.conversation.locator('article[data-state="done"]'), 'you asked lose once');
    assert.equal(asked() === before, comesBack);
    await page.close();
  });
}

for (const [name, keep] of [
  ['kept', true],
  ['not kept', false],
]) {
  test(`a question that ends the engine, of a model of this site that is ${name}: a redirect tells no other host of it`, async () => {
    let moved = false;
    const [files, own] = [world.named[PAGE], answering(converted.files)];
    world.named[PAGE] = (request, response) => {
      if (!request.url.startsWith('/moved/')) return files(request, response);
      return moved ? response.writeHead(302, { Location: `http://${MODEL}/m/${request.url.slice('/moved/'.length)}` }).end() : own(request, response);
    };
    const context = await world.browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://${PAGE}/blank.html`);
    await page.evaluate(async (keep) => {
      globalThis.model = await (await import('./inf-llava/index.js')).load({ url: 'moved/', keep });
    }, keep);
    moved = true;
    const asked = () => world.requests.filter(({ url }) => new URL(url).hostname === MODEL).map(({ url }) => url);
    const before = asked();
    const said = await page.evaluate(() =>
      model
        .chat()
        .ask('lose once')
        .answer.then(
          ({ text }) => text,
          ({ code }) => code,
        ),
    );
    assert.deepEqual(asked(), before);
    assert.match(said, keep ? /you asked lose once/ : /^(crashed|network)$/);
    world.named[PAGE] = files;
    await context.close();
  });
}

test('a question that ends the engine of a package from another host, where nothing is kept: that is not asked for the model', async () => {
  const files = filesOf(site.folder, { headers: { 'Cache-Control': 'max-age=3600', 'Access-Control-Allow-Origin': '*' } });
  world.named['package.test'] = files;
  const context = await world.browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://${PAGE}/blank.html`);
  const asked = () => world.requests.filter(({ url }) => new URL(url).hostname === 'package.test').map(({ url }) => url);
  await page.evaluate(async () => {
    globalThis.model = await (await import('http://package.test/inf-llava/index.js')).load({ keep: false });
  });
  const before = asked();
  assert.ok(before.includes('http://package.test/inf-llava/demo-model.pack'));
  const said = await page.evaluate(() =>
    model
      .chat()
      .ask('lose once')
      .answer.then(
        ({ text }) => text,
        ({ code }) => code,
      ),
  );
  assert.deepEqual(asked(), before);
  assert.equal(said, 'crashed');
  // Somebody wants it again.
  assert.match(await page.evaluate(() => model.restart().then(({ device }) => device)), /./);
  await context.close();
});

test('a host that refuses, or fails, hears no more than which site asks', async () => {
  world.named['refuses.test'] = answering(converted.files, { cors: false });
  const start = world.requests.length;
  const page = await world.browser.newPage();
  await page.goto(`http://${PAGE}/blank.html?note=secret`);
  const messages = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noDocumentCookie: whether it is ever sent is what is tested
    document.cookie = 'site=secret';
    const { load } = await import('./inf-llava/index.js');
    const refused = (url) =>
      load({ url }).then(
        () => null,
        ({ code, message }) => [code, message],
      );
    return [await refused('http://refuses.test/m/'), await refused('http://nowhere.test/m/')];
  });
  assert.deepEqual(
    messages.map(([code]) => code),
    ['network', 'network'],
  );
  assert.match(messages[0][1], /answers, but does not let this page read it/);
  assert.match(messages[1][1], /no answer/);
  const asked = world.requests
    .slice(start)
    .filter(({ url }) => /refuses|nowhere/.test(url))
    .map(said);
  assert.ok(asked.some(({ line }) => line.startsWith('HEAD http://refuses.test/')) && asked.some(({ line }) => line.startsWith('HEAD http://nowhere.test/')));
  for (const { line, told, body } of asked) {
    assert.match(told, new RegExp(`^(origin=http://${PAGE})?$`), line);
    assert.equal(body, '');
  }
  await page.close();
});

test('embeddings that cannot be held are refused before anything is downloaded, and it is said what to do', async () => {
  const manifest = JSON.parse(converted.files.get('manifest.json'));
  const shards = Array.from({ length: 17 }, (_, at) => ({ file: `shard-1${at}.bin`, bytes: 64 * 2 ** 20, sha256: '0'.repeat(64) }));
  manifest.shards = shards;
  manifest.tensors['model.embed_tokens.weight'].pieces = shards.map((_, shard) => ({ shard, offset: 0, rows: 1 }));
  const large = new Map([['manifest.json', Buffer.from(JSON.stringify(manifest))]]);
  const asked = [];
  world.named['large.test'] = answering(large, { asked });
  const page = await world.browser.newPage();
  await page.goto(`http://${PLAIN}/blank.html`);
  const error = await page.evaluate(async () => {
    const { load } = await import('./inf-llava/index.js');
    return load({ url: 'http://large.test/m/' }).then(
      () => null,
      ({ code, message, details }) => ({ code, message, details }),
    );
  });
  assert.deepEqual([error.code, error.details], ['memory', { needed: 17 * 64 * 2 ** 20, most: 2 ** 30 }]);
  assert.match(error.message, /Let the model be kept/);
  assert.deepEqual(
    asked.filter(({ name }) => name.startsWith('shard')),
    [],
  );
  await page.close();
});

test('what is made of pictures is listed, and goes with its model', async () => {
  const context = await world.browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://${PAGE}/blank.html`);
  const ask = (url, name) =>
    page.evaluate(
      async ({ url, name }) => {
        const { load } = await import('./inf-llava/index.js');
        const model = await load(url ? { url } : {});
        await model.chat({ image: new File([name], name) }).ask('what?').answer;
        model.unload();
      },
      { url, name },
    );
  await ask('', 'one.png');
  await ask('', 'two.png');
  await ask(`http://${MODEL}/m/`, 'one.png');
  const list = () => page.evaluate(async () => (await import('./inf-llava/index.js')).storage.list());
  const remove = (id) => page.evaluate(async (id) => (await import('./inf-llava/index.js')).storage.remove(id), id);
  const kept = await list();
  assert.equal(kept.find(({ kind }) => kind === 'pictures').count, 3);
  const pack = kept.find(({ id }) => id.startsWith('pack-'));
  await remove(pack.id);
  assert.equal((await list()).find(({ kind }) => kind === 'pictures').count, 1, 'that of the other model');
  for (const { id } of await list()) await remove(id);
  assert.deepEqual(await written(page), []);
  await context.close();
});
