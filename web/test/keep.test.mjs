/**
 * Converted models on the page: asked for before they are downloaded, kept, and never used damaged, whatever the server
 * does. The stand-in engine reads every file that it is given and says what it found.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeHosts, gets, host, model } from './models.mjs';
import { browser, open, p, says, server } from './stand-in.mjs';

after(closeHosts);

const openModel = (url, options) => open(`?model=${encodeURIComponent(url)}`, options);
const button = (name) => p.page.getByRole('button', { name });
const SHARD = 'shard-00002.bin';

test('what is small is downloaded at once, kept, and needs no network afterwards', async () => {
  const { files, says: read } = model();
  const away = await host(files);
  await openModel(away.url);
  await says(p.page.locator('#device'), read);
  assert.equal(gets(away, SHARD).length, 1);
  await p.page.reload();
  await says(p.page.locator('#device'), read);
  assert.equal(gets(away, SHARD).length, 1, 'a kept shard is not fetched again');
  await away.close();
  await p.page.reload();
  await says(p.page.locator('#device'), read);
});

test('what is large is asked for first: name, size, licence; and can be deleted', async () => {
  const { files, says: read } = model({ bytes: 8_000_000, name: 'INF-LLaVA, 4 bits', seed: 2 });
  const away = await host(files);
  await openModel(away.url);
  const question = p.page.getByRole('alert');
  await says(question, 'Download INF-LLaVA, 4 bits?');
  await says(question, '24 MB');
  await says(question, 'llama3');
  assert.equal(gets(away, SHARD).length, 0, 'nothing before the answer');
  await button('Download 24 MB').click();
  await says(p.page.locator('#device'), read);
  await p.page.getByText('Settings', { exact: true }).click();
  await says(p.page.getByRole('list', { name: 'Kept in this browser' }), 'INF-LLaVA, 4 bits · 24 MB');
  await button('Delete: INF-LLaVA').click();
  await button('Delete for good: INF-LLaVA').click();
  await says(p.page.getByRole('list', { name: 'Kept in this browser' }), 'Nothing is kept');
  await p.page.reload();
  await says(question, 'Download INF-LLaVA');
});

/** What a host has now in place of what it had. */
const renew = (served, { files }) => {
  served.clear();
  for (const [name, content] of files) served.set(name, content);
};

test('who agreed to a download has not agreed to a larger one', async () => {
  const [small, large] = [model({ bytes: 8_000_000, seed: 100 }), model({ bytes: 9_000_000, seed: 101 })];
  const served = new Map(small.files);
  let whole = false;
  const away = await host(served, {
    fault: ({ name, response, headers }) => name === 'shard-00001.bin' && !whole && Boolean(response.writeHead(404, headers).end()),
  });
  await open('blank.html');
  const load = () =>
    p.page.evaluate(async (url) => {
      globalThis.asked ??= [];
      globalThis.model ??= new (await import('./inf-llava/index.js')).Model({ url });
      const confirmDownload = ({ bytes }) => asked.push(bytes) === 1;
      return [
        await model.load({ confirmDownload }).then(
          ({ device }) => device,
          ({ code }) => code,
        ),
        asked,
      ];
    }, away.url);
  assert.deepEqual(await load(), ['file-missing', [24_000_002]]);
  assert.deepEqual(await load(), ['file-missing', [24_000_002]], 'the same is not asked for again');
  whole = true;
  renew(served, large);
  assert.deepEqual(await load(), ['consent', [24_000_002, 27_000_000]]);
  assert.deepEqual(gets(away, SHARD), []);
});

test('a restart downloads nothing large without being asked for', async () => {
  const [small, large] = [model({ bytes: 100_000, seed: 102 }), model({ bytes: 8_000_000, seed: 103 })];
  const served = new Map(small.files);
  const away = await host(served);
  await openModel(away.url);
  await says(p.status, 'Ready on');
  await p.message.fill('lose always');
  await p.send.click();
  await says(p.page.getByRole('alert'), 'The engine crashed');
  renew(served, large);
  const before = gets(away, SHARD).length;
  await button('Restart engine').click();
  await says(p.page.getByRole('alert'), 'Download a converted model?');
  assert.equal(gets(away, SHARD).length, before);
  // A stop is an answer too, and the question can be had again.
  await button('Pause').or(p.stop).first().click();
  await button('Restart engine').click();
  await button('Download 24 MB').click();
  await says(p.page.locator('#device'), large.says);
  await p.message.fill('and now?');
  await p.send.click();
  await says(p.answers.last(), 'you asked and now?');
});

test('a pause keeps what has come, and going on takes the rest', async () => {
  const { files, says: read } = model({ bytes: 4_000_000, seed: 3 });
  let slow = true;
  const fault = ({ name, content, start, response, headers }) => {
    if (name !== SHARD || !slow) return false;
    // Half of it, and then nothing for as long as the page likes.
    response.writeHead(start ? 206 : 200, { ...headers, 'Content-Length': content.length - start });
    response.write(content.subarray(start, 2_000_000));
    return true;
  };
  const away = await host(files, { fault });
  await openModel(away.url);
  await p.page.locator('#progress[aria-valuetext^="6.0 MB of 12 MB"]').waitFor({ state: 'attached' });
  await button('Pause').click();
  await says(p.page.getByRole('alert'), 'Download paused');
  slow = false;
  await button('Continue').click();
  await says(p.page.locator('#device'), read);
  assert.deepEqual(
    gets(away, SHARD).map(({ start }) => start),
    [0, 2_000_000],
  );
});

test('a tab that dies in the middle leaves a beginning, which the next one goes on with', async () => {
  const { files, says: read } = model({ bytes: 4_000_000, seed: 4 });
  let slow = true;
  const fault = ({ name, content, start, response, headers }) => {
    if (name !== SHARD || !slow) return false;
    response.writeHead(200, { ...headers, 'Content-Length': content.length - start });
    response.write(content.subarray(0, 1_500_000));
    return true;
  };
  const away = await host(files, { fault });
  await openModel(away.url);
  await p.page.locator('#progress[aria-valuetext^="5.5 MB of 12 MB"]').waitFor({ state: 'attached' });
  slow = false;
  await p.page.reload();
  await says(p.page.locator('#device'), read);
  const starts = gets(away, SHARD).map(({ start }) => start);
  assert.ok(starts.length === 2 && starts[1] > 0, `${starts}`);
});

/** Until the page has kept so much: what a server cuts off before that may never come. */
const taken = (megabytes) => p.page.locator(`#progress[aria-valuetext^="${megabytes} MB of"]`).waitFor({ state: 'attached' });

/** What a server may do to one shard, and how often it is then asked. */
const FAULTS = {
  'cuts the connection': {
    fault: async ({ name, content, start, times, response, headers }) => {
      if (name !== SHARD || times > 1) return false;
      response.writeHead(start ? 206 : 200, {
        ...headers,
        'Content-Length': content.length - start,
        'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}`,
      });
      response.write(content.subarray(start, start + 700_000));
      await taken(start ? '4.4' : '3.7');
      response.destroy();
      return true;
    },
    starts: (starts) => starts.join() === '0,700000,1400000',
  },
  'ends early as if that were all': {
    fault: ({ name, content, start, times, response, headers }) => {
      if (name !== SHARD || times > 0) return false;
      response.writeHead(200, headers); // chunked: no length to compare with
      response.end(content.subarray(start, 1_000_000));
      return true;
    },
    starts: (starts) => starts.length === 2 && starts[1] === 1_000_000,
  },
  'sends other bytes once': {
    fault: ({ name, content, times, response, headers }) => {
      if (name !== SHARD || times > 0) return false;
      response.writeHead(200, { ...headers, 'Content-Length': content.length });
      response.end(Buffer.from(content).fill(7, 1000, 2000));
      return true;
    },
    starts: (starts) => starts.join() === '0,0',
  },
  'answers 200 to a range, from the beginning': {
    ranges: false,
    fault: async ({ name, content, times, response, headers }) => {
      if (name !== SHARD || times > 0) return false;
      response.writeHead(200, { ...headers, 'Content-Length': content.length });
      response.write(content.subarray(0, 900_000));
      await taken('3.9');
      response.destroy();
      return true;
    },
    starts: (starts) => starts.length === 2,
  },
  'answers with another part than was asked for': {
    fault: async ({ name, content, start, times, response, headers }) => {
      if (name !== SHARD || times > 1) return false;
      if (times === 0) {
        response.writeHead(200, { ...headers, 'Content-Length': content.length });
        response.write(content.subarray(0, 900_000));
        await taken('3.9');
        response.destroy();
      } else {
        response.writeHead(206, { ...headers, 'Content-Range': `bytes 5-${content.length - 1}/${content.length}` });
        response.end(content.subarray(5));
      }
      assert.ok(times === 0 || start > 0);
      return true;
    },
    starts: (starts) => starts.length === 3 && starts[2] === 0,
  },
  'is busy for a moment': {
    fault: ({ name, times, response, headers }) => {
      if (name !== SHARD || times > 0) return false;
      response.writeHead(503, headers).end('later');
      return true;
    },
    starts: (starts) => starts.join() === '0,0',
  },
};

for (const [what, { starts, ...options }] of Object.entries(FAULTS)) {
  test(`a server that ${what}: the model is whole in the end`, async () => {
    const seed = 10 + Object.keys(FAULTS).indexOf(what);
    const { files, says: read } = model({ seed });
    const away = await host(files, options);
    await openModel(away.url);
    await says(p.page.locator('#device'), read);
    const found = gets(away, SHARD).map(({ start }) => start);
    assert.ok(starts(found), `${found}`);
  });
}

/** What no patience mends: said, with the file's name, and nothing of it is used. */
const REFUSALS = {
  'sends other bytes always': [
    { fault: ({ name, content, response, headers }) => name === SHARD && Boolean(response.writeHead(200, headers).end(Buffer.alloc(content.length, 7))) },
    [SHARD, 'other bytes'],
  ],
  'sends a page in place of a shard': [
    { fault: ({ name, response, headers }) => name === SHARD && Boolean(response.writeHead(200, headers).end('<!doctype html>'.repeat(300_000))) },
    [SHARD, 'more than'],
  ],
  'has lost a shard': [{ fault: ({ name, response, headers }) => name === SHARD && Boolean(response.writeHead(404, headers).end()) }, [SHARD]],
};

for (const [what, [options, words]] of Object.entries(REFUSALS)) {
  test(`a server that ${what}: it is said, and nothing is used`, async () => {
    const { files } = model({ seed: 30 + Object.keys(REFUSALS).indexOf(what) });
    const away = await host(files, options);
    await openModel(away.url);
    for (const word of words) await says(p.page.getByRole('alert'), word);
    assert.doesNotMatch(await p.page.locator('#device').innerText(), /read/);
  });
}

test('a host that does not allow it is told from one that is not there', async () => {
  const { files } = model({ seed: 40 });
  const away = await host(files, { cors: false });
  await openModel(away.url);
  await says(p.page.getByRole('alert'), 'Access-Control-Allow-Origin');
});

test('a model that has changed on the server is fetched anew, and the old one goes', async () => {
  const old = model({ seed: 50 });
  const away = await host(old.files);
  await openModel(away.url);
  await says(p.page.locator('#device'), old.says);
  const changed = model({ seed: 51, shards: 2 });
  old.files.clear();
  for (const [name, content] of changed.files) old.files.set(name, content);
  await p.page.reload();
  await says(p.page.locator('#device'), changed.says);
  const names = await p.page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('inf-llava');
    const found = [];
    for await (const folder of root.values()) for await (const name of folder.keys()) found.push(name);
    return found.sort();
  });
  assert.ok(!names.includes('shard-00003.bin') && names.includes('shard-00002.bin'), `${names}`);
});

test('two tabs share one download', async () => {
  const { files, says: read } = model({ seed: 60 });
  let goOn;
  const both = new Promise((resolve) => (goOn = resolve));
  const fault = async ({ name, times }) => {
    if (name === SHARD && times === 0) await both;
    return false;
  };
  const away = await host(files, { fault });
  await openModel(away.url);
  const other = await p.context.newPage();
  await other.goto(`${server.url}?model=${encodeURIComponent(away.url)}`);
  await says(other.locator('#status'), 'Downloading model');
  goOn();
  await says(p.page.locator('#device'), read);
  await says(other.locator('#device'), read);
  assert.equal(gets(away, SHARD).length, 1);
});

test('no room: it is said, what came stays, and the model can be loaded without keeping it', async () => {
  const { files, says: read } = model({ seed: 70, bytes: 6_000_000 });
  const away = await host(files);
  await open();
  const session = await p.context.newCDPSession(p.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 9_000_000 });
  await p.page.goto(`${server.url}?model=${encodeURIComponent(away.url)}`);
  await says(p.page.getByRole('alert'), 'There is no room for this model');
  assert.doesNotMatch(await p.page.locator('#device').innerText(), /read/);
  await button('Load without keeping it').click();
  await says(p.page.locator('#device'), read);
});

test('a folder picked from disk needs no server', async () => {
  const { files, says: read } = model({ seed: 80 });
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-picked-'));
  for (const [name, content] of files) await writeFile(join(folder, name), content);
  await open('?model=models/drawn/');
  await says(p.status, 'Ready');
  await p.page.getByText('Settings', { exact: true }).click();
  await p.page.getByLabel('Open a model folder').setInputFiles(folder);
  await says(p.page.locator('#device'), read);
  await rm(folder, { recursive: true });
});

test('a manifest that leads out of its folder is refused', async () => {
  const { files } = model({ seed: 90 });
  const manifest = JSON.parse(files.get('manifest.json'));
  manifest.shards[0].file = '../elsewhere.bin';
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  const away = await host(files);
  await openModel(away.url);
  await says(p.page.getByRole('alert'), 'is no file');
  assert.ok(browser);
});
