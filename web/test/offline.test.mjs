/**
 * The page without a network, with a stand-in for the engine: what was there once goes on being there, and nothing of
 * what else lives on the same origin is kept or answered.
 */

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assembleWithMock, launchBrowser } from './harness.mjs';
import { comes, hosts, written } from './hosts.mjs';
import { filesOf } from './server.mjs';

const HOST = 'page.test';
const URL_OF_PAGE = `http://${HOST}/`;
/** As plain hosts say it: ask again whether it has changed. */
const REVALIDATED = { headers: { 'Cache-Control': 'no-cache' } };
/** What an app keeps to itself, and a file that is none of the page's. */
const PRIVATE = { '/api/me.json': '{"name":"somebody","token":"hunter2"}', '/inf-llava/private.json': '{"also":"private"}' };

let site;

before(async () => {
  site = await assembleWithMock();
});

after(async () => {
  await site?.remove();
});

/** A host for a copy of the page, which a test may change. */
async function world(headers = REVALIDATED) {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-offline-'));
  await cp(site.folder, folder, { recursive: true });
  const files = filesOf(folder, headers);
  const online = (request, response) => {
    const found = PRIVATE[request.url];
    if (!found) return files(request, response);
    return response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=3600' }).end(found);
  };
  const all = await hosts({ [HOST]: online });
  return {
    ...all,
    folder,
    goOffline: () => delete all.named[HOST],
    goOnline: () => (all.named[HOST] = online),
    async close() {
      await all.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A visit in `context`, until the page has an engine. */
async function visit(context, url) {
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // Of what is tried without a network, or is not there.
    const failed = /ERR_(CONNECTION_REFUSED|EMPTY_RESPONSE)|bad HTTP response code \(404\)/.test(message.text());
    if (message.type() === 'error' && !failed) complaints.push(`${message.text()} ${message.location().url}`);
  });
  await page.goto(url);
  await page.getByRole('status', { name: 'Status' }).filter({ hasText: 'Ready on' }).waitFor();
  assert.deepEqual(complaints, []);
  return page;
}

/** Waits until the files of one version, and of no other, are kept. @returns what is kept */
async function kept(page) {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await comes(page, async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith('inf-llava-page'));
    const files = names.length === 1 ? await (await caches.open(names[0])).keys() : [];
    return files.some(({ url }) => url.endsWith('page.css')) && files.some(({ url }) => url.endsWith('page/page.js'));
  });
  return (await written(page)).filter((entry) => entry.startsWith('cache inf-llava-page')).map((entry) => entry.split(' ')[2]);
}

test('the first visit is enough for one without a network', async () => {
  const w = await world();
  const context = await w.browser.newContext();
  const first = await visit(context, `${URL_OF_PAGE}?device=cpu`);
  await kept(first);
  await first.close();
  w.goOffline();

  for (const path of ['', '?device=cpu', 'index.html']) {
    const page = await visit(context, `${URL_OF_PAGE}${path}`);
    await page.getByText('sample', { exact: false }).first().waitFor();
    await page.getByRole('textbox', { name: 'Message' }).fill('still there?');
    await page.getByRole('textbox', { name: 'Message' }).press('Enter');
    await page.locator('article[data-state="done"]').filter({ hasText: 'still there?' }).waitFor();
    await page.close();
  }
  await w.close();
});

test('with a network the newest page is shown, and a version is kept whole or not at all', async () => {
  const w = await world();
  const context = await w.browser.newContext();
  const first = await visit(context, URL_OF_PAGE);
  await kept(first);
  await first.close();
  // A file that the build did not name so: of no version.
  await writeFile(join(w.folder, 'page.css'), 'body { color: rgb(1, 2, 3); }');
  const colour = (page) => page.evaluate(() => getComputedStyle(document.body).color);
  const online = await visit(context, URL_OF_PAGE);
  assert.equal(await colour(online), 'rgb(1, 2, 3)');
  await online.close();
  w.goOffline();
  assert.notEqual(await colour(await visit(context, URL_OF_PAGE)), 'rgb(1, 2, 3)');
  await w.close();
});

test('a newer version takes the place of the one before, once it is there', async () => {
  const w = await world();
  const context = await w.browser.newContext();
  const first = await visit(context, URL_OF_PAGE);
  const before = await kept(first);
  const [old] = (await first.evaluate(() => caches.keys())).filter((name) => name.startsWith('inf-llava-page'));
  await first.close();
  const { nameKeptFiles } = await import('../kept-files.mjs');
  await writeFile(join(w.folder, 'page.css'), 'body { color: rgb(1, 2, 3); }');
  await cp(new URL('../page/service-worker.js', import.meta.url), join(w.folder, 'service-worker.js'));
  await nameKeptFiles(w.folder);
  const second = await visit(context, URL_OF_PAGE);
  await comes(
    second,
    async (old) => {
      const names = (await caches.keys()).filter((name) => name.startsWith('inf-llava-page'));
      return names.length === 1 && names[0] !== old;
    },
    old,
  );
  assert.deepEqual(await kept(second), before, 'the same files');
  await second.close();
  w.goOffline();
  const offline = await visit(context, URL_OF_PAGE);
  assert.equal(await offline.evaluate(() => getComputedStyle(document.body).color), 'rgb(1, 2, 3)');
  await w.close();
});

test('two copies of the page on one origin leave each other’s files alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-offline-'));
  const { nameKeptFiles } = await import('../kept-files.mjs');
  for (const copy of ['a', 'b']) await cp(site.folder, join(folder, copy), { recursive: true });
  // Another version.
  await writeFile(join(folder, 'b/page.css'), 'body { color: rgb(1, 2, 3); }');
  await cp(new URL('../page/service-worker.js', import.meta.url), join(folder, 'b/service-worker.js'));
  await nameKeptFiles(join(folder, 'b'));
  const w = await hosts({ [HOST]: filesOf(folder, REVALIDATED) });
  const context = await w.browser.newContext();
  // What an earlier version of each kept: the names did not say whose it was.
  const earlier = await context.newPage();
  await earlier.goto(`${URL_OF_PAGE}a/blank.html`);
  await earlier.evaluate(async (url) => {
    for (const copy of ['a', 'b']) await (await caches.open(`inf-llava-page-${copy.repeat(16)}`)).put(`${url}${copy}/icon.svg`, new Response('earlier'));
  }, URL_OF_PAGE);
  await earlier.close();
  for (const copy of ['a', 'b', 'b']) {
    const page = await visit(context, `${URL_OF_PAGE}${copy}/`);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await comes(
      page,
      async (copy) => {
        const names = await caches.keys();
        const own = names.find((name) => name.startsWith(`inf-llava-page-%2F${copy}%2F:`));
        const files = own ? await (await caches.open(own)).keys() : [];
        return files.some(({ url }) => url.endsWith(`/${copy}/page/page.js`)) && !names.includes(`inf-llava-page-${copy.repeat(16)}`);
      },
      copy,
    );
    const left = (await written(page)).filter((entry) => entry.startsWith('cache inf-llava-page-b') && entry.includes('/b/icon.svg')).length;
    assert.equal(left, copy === 'a' ? 1 : 0, 'what another copy kept is not this one’s to remove');
    await page.close();
  }
  delete w.named[HOST];
  for (const copy of ['a', 'b']) await visit(context, `${URL_OF_PAGE}${copy}/`);
  await w.close();
  await rm(folder, { recursive: true });
});

for (const name of ['localhost', 'localhost.', 'app.localhost.', '127.0.0.1']) {
  test(`no worker is registered on ${name}, which is loopback`, async () => {
    const w = await hosts({ [name]: filesOf(site.folder, REVALIDATED) });
    const page = await visit(await w.browser.newContext(), `http://${name}/`);
    await page.waitForLoadState('networkidle');
    assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
    assert.ok(w.requests.every(({ url }) => !url.endsWith('/service-worker.js')));
    await w.close();
  });
}

test('nothing of another app on the same origin is kept, or answered', async () => {
  const w = await world();
  const context = await w.browser.newContext();
  const page = await visit(context, URL_OF_PAGE);
  await kept(page);
  await page.close();
  // The page's worker controls this one too.
  const app = await visit(context, URL_OF_PAGE);
  assert.ok(await app.evaluate(() => navigator.serviceWorker.controller !== null));
  const read = (path) =>
    app.evaluate(
      (path) =>
        fetch(path).then(
          (response) => response.text(),
          () => 'refused',
        ),
      path,
    );
  for (const path of [...Object.keys(PRIVATE), '/', '/page.css?user=somebody']) assert.notEqual(await read(path), 'refused');
  const everything = await written(app);
  const allowed = /^cache inf-llava-page-%2F:[0-9a-f]{16} http:\/\/page\.test\/(page\.css|icon\.svg|page\/[\w-]+\.js|inf-llava\/[\w.-]+\.(js|wasm|png))?$/;
  assert.deepEqual(
    everything.filter((entry) => entry.startsWith('cache') && !allowed.test(entry)),
    [],
  );
  w.goOffline();
  for (const path of Object.keys(PRIVATE))
    assert.equal(
      await app.evaluate(
        (path) =>
          fetch(path, { cache: 'no-cache' }).then(
            (r) => r.text(),
            () => 'refused',
          ),
        path,
      ),
      'refused',
    );
  for (const path of ['/', '/page.css?user=somebody']) assert.equal(await read(path), 'refused', `${path} is asked for by a script`);
  assert.notEqual(await read('/page.css'), 'refused', 'the worker is there, and answers what is the page’s');
  await w.close();
});

test('what a site says must not be stored is not', async () => {
  const w = await world({ headers: { 'Cache-Control': 'no-cache' } });
  const files = w.named[HOST];
  w.named[HOST] = (request, response) => {
    return files(request, request.url === '/icon.svg' ? withNoStore(response) : response);
  };
  const context = await w.browser.newContext();
  const page = await visit(context, URL_OF_PAGE);
  const names = await kept(page);
  assert.ok(!names.some((url) => url.endsWith('icon.svg')), `${names}`);
  await w.close();
});

/** The same response, of which nothing may be stored. */
function withNoStore(response) {
  const { writeHead } = response;
  response.writeHead = (status, headers) => writeHead.call(response, status, { ...headers, 'Cache-Control': 'private, No-Store' });
  return response;
}

test('what is kept for a visit without a network is listed, and removed', async () => {
  const w = await world();
  const context = await w.browser.newContext();
  const page = await visit(context, URL_OF_PAGE);
  const names = await kept(page);
  const [entry] = await page.evaluate(async () => (await (await import('./inf-llava/index.js')).storage.list()).filter(({ kind }) => kind === 'page'));
  assert.ok(entry && entry.bytes > 10_000, JSON.stringify(entry));
  assert.equal(entry.count, names.length);
  await page.getByText('Settings', { exact: true }).click();
  await page.getByRole('list', { name: 'Kept in this browser' }).filter({ hasText: 'without a network' }).waitFor();
  await page.evaluate(async (id) => (await import('./inf-llava/index.js')).storage.remove(id), entry.id);
  assert.deepEqual(
    (await written(page)).filter((entry) => entry.startsWith('cache inf-llava-page')),
    [],
  );
  await w.close();
});

test('a site without the worker still serves its page', async () => {
  const w = await world();
  await rm(join(w.folder, 'service-worker.js'));
  const context = await w.browser.newContext();
  await visit(context, URL_OF_PAGE);
  await w.close();
});

/** A server on one port, whatever it serves: as one app after another would have it. */
async function port() {
  let handler;
  const server = createServer((request, response) => handler(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    serve: (next) => (handler = next),
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** The next app on the port. */
const app = (request, response) =>
  request.url.startsWith('/api/')
    ? response.writeHead(200, { 'Content-Type': 'application/json' }).end(PRIVATE['/api/me.json'])
    : response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><link rel="icon" href="data:,"><title>another app</title>');

test('on loopback no worker is registered, and the next app on the port is alone', async () => {
  const browser = await launchBrowser();
  const context = await browser.newContext();
  const own = await port();
  own.serve(filesOf(site.folder, REVALIDATED));
  const page = await visit(context, own.url);
  await page.waitForLoadState('networkidle');
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
  await page.close();
  own.serve(app);
  const other = await context.newPage();
  await other.goto(own.url);
  assert.equal(await other.title(), 'another app');
  assert.equal(await other.evaluate(() => fetch('/api/me.json').then((response) => response.text())), PRIVATE['/api/me.json']);
  assert.deepEqual(
    (await written(other)).filter((entry) => entry.startsWith('cache')),
    [],
  );
  await own.close();
  assert.equal(
    await other.evaluate(() =>
      fetch('/api/me.json').then(
        (response) => response.text(),
        () => 'refused',
      ),
    ),
    'refused',
  );
  await browser.close();
});

/** What earlier versions of the page had there: it kept whatever came. */
const EARLIER_WORKER = `
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => event.respondWith(answer(event)));
async function answer({ request }) {
  const response = await fetch(request);
  await (await caches.open('inf-llava-shell')).put(request, response.clone());
  return response;
}`;

for (const visited of [true, false]) {
  test(`on loopback a worker of an earlier version goes, ${visited ? 'when the page is visited' : 'also when the browser looks for a newer one by itself'}`, async () => {
    const browser = await launchBrowser();
    const context = await browser.newContext();
    const own = await port();
    own.serve((request, response) => {
      if (request.url !== '/service-worker.js') return app(request, response);
      return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(EARLIER_WORKER);
    });
    const before = await context.newPage();
    await before.goto(own.url);
    await before.evaluate(async () => {
      await navigator.serviceWorker.register('/service-worker.js');
      await navigator.serviceWorker.ready;
    });
    await before.waitForFunction(() => navigator.serviceWorker.controller !== null);
    await before.evaluate(() => fetch('/api/me.json').then((response) => response.text()));
    assert.deepEqual(
      (await written(before)).filter((entry) => entry.startsWith('cache')),
      [`cache inf-llava-shell ${own.url}api/me.json`],
    );
    // The new version of the page.
    const files = filesOf(site.folder, REVALIDATED);
    own.serve((request, response) => (request.url.startsWith('/api/') ? app(request, response) : files(request, response)));
    if (visited) await visit(context, own.url);
    else await before.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    await comes(before, async () => (await navigator.serviceWorker.getRegistrations()).length === 0 && (await caches.keys()).length === 0);
    await browser.close();
    await own.close();
  });
}

test('where nothing may be stored, nothing is', async () => {
  // As the plain server of the other tests has it.
  const w = await hosts({ [HOST]: filesOf(site.folder) });
  const page = await visit(await w.browser.newContext(), URL_OF_PAGE);
  await page.evaluate(() => navigator.serviceWorker.ready);
  // The worker's every file has been asked for by then, once by it and once by the page.
  const asked = () => w.requests.filter(({ url }) => url === `${URL_OF_PAGE}page/page.js`).length;
  for (const until = Date.now() + 30_000; asked() < 2 && Date.now() < until; ) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(asked() >= 2);
  assert.deepEqual(
    (await written(page)).filter((entry) => entry.startsWith('cache inf-llava-page')),
    [],
  );
  await w.close();
});
