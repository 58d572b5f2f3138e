/**
 * Hosts that send more than they should: without end, without a length, or packed. Reading stops at the cap of each kind of
 * file, the connection is let go, and the error has the numbers.
 */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { model } from './models.mjs';
import { browser, server } from './stand-in.mjs';

const MIB = 2 ** 20;
/** What a host has in store; it stops by itself there. */
const MOST_SENT = 400 * MIB;
/** On the way when the reader stops: what Linux lets both sockets buffer (32 and 4 MiB), and what the browser has read. */
const UNDER_WAY = 48 * MIB;
const BOMB = gzipSync(Buffer.alloc(MOST_SENT));

const servers = [];
after(() =>
  servers.forEach((one) => {
    one.close();
    one.closeAllConnections();
  }),
);

/** @returns a host that answers with `files`, and `name` in the way of `how`; and how much of it was taken */
async function host(files, name, how) {
  let sent = 0;
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  const listener = createServer((request, response) => {
    const asked = new URL(request.url, 'http://host').pathname.slice(1);
    const headers = { 'Access-Control-Allow-Origin': '*' };
    if (asked !== name) {
      const content = files.get(asked);
      response.writeHead(content ? 200 : 404, headers).end(content);
      return;
    }
    response.on('close', () => closed());
    if (how === 'packed') {
      response.writeHead(200, { ...headers, 'Content-Encoding': 'gzip' }).end(BOMB);
      return;
    }
    response.writeHead(200, { ...headers, ...(how === 'declared' && { 'Content-Length': MOST_SENT }) });
    const chunk = Buffer.alloc(MIB, ' ');
    const more = () => {
      while (sent < MOST_SENT && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return response.once('drain', more);
      }
      return response.end();
    };
    more();
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  servers.push(listener);
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    /** Bytes that were sent until the connection was let go. */
    taken: async () => {
      await gone;
      return sent;
    },
  };
}

/** Loads a model without an element. @returns the error */
async function load(url, { keep = true } = {}) {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  try {
    return await page.evaluate(
      async ({ url, keep }) =>
        (await import('./inf-llava/index.js')).load({ url, keep }).then(
          () => null,
          ({ code, message, details }) => ({ code, message, details }),
        ),
      { url, keep },
    );
  } finally {
    await page.close();
  }
}

for (const how of ['endless', 'declared', 'packed']) {
  test(`a manifest, ${how}: 16 MiB are read, and no more`, async () => {
    const away = await host(new Map(), 'manifest.json', how);
    const error = await load(away.url);
    assert.equal(error.code, 'file-too-large');
    assert.deepEqual(error.details.most, 16 * MIB);
    assert.match(error.message, /manifest\.json sends more than the 16777216 bytes/);
    assert.ok((await away.taken()) < 16 * MIB + UNDER_WAY);
  });

  for (const keep of [true, false]) {
    test(`a shard, ${how}, ${keep ? 'kept' : 'not kept'}: as many bytes as the manifest says`, async () => {
      const { files } = model({ bytes: 2 * MIB, seed: 300 });
      const away = await host(files, 'shard-00002.bin', how);
      const error = await load(away.url, { keep });
      assert.ok(['damaged', 'file-too-large'].includes(error.code), JSON.stringify(error));
      assert.match(error.message, /shard-00002\.bin.* sends more than the 2097152 bytes/);
      assert.ok((await away.taken()) < 2 * MIB + UNDER_WAY);
    });
  }

  test(`config.json, ${how}: that it is there is enough`, async () => {
    // Beside a manifest of another kind, which says nothing of it.
    const away = await host(new Map([['manifest.json', '{"name": "an app"}']]), 'config.json', how);
    assert.equal(await load(away.url), null, 'the stand-in for the engine reads nothing of it');
    assert.ok((await away.taken()) < UNDER_WAY);
  });

  test(`samples.json, ${how}: it is left out`, async () => {
    const away = await host(new Map([['config.json', '{}']]), 'samples.json', how);
    const page = await browser.newPage();
    await page.goto(`${server.url}blank.html`);
    const samples = await page.evaluate(async (url) => (await (await import('./inf-llava/index.js')).load({ url })).samples(), away.url);
    assert.deepEqual(samples, []);
    assert.ok((await away.taken()) < UNDER_WAY);
    await page.close();
  });

  test(`the picture of the attribute src, ${how}: 128 MB at most`, async () => {
    const away = await host(new Map(), 'picture.png', how);
    const page = await browser.newPage();
    await page.goto(`${server.url}blank.html`);
    await page.evaluate(async (src) => {
      await import('./inf-llava/define.js');
      document.body.append(Object.assign(document.createElement('inf-llava-chat'), { id: 'chat' }));
      document.getElementById('chat').setAttribute('src', src);
    }, `${away.url}picture.png`);
    await page.getByRole('alert').filter({ hasText: 'sends more than the 128000000 bytes' }).waitFor();
    assert.ok((await away.taken()) < 128e6 + UNDER_WAY);
    await page.close();
  });
}
