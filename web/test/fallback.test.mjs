/**
 * Models on servers that answer every path with a page and status 200, as single-page apps and Vite's `public/` do, or with
 * something else than what was asked for.
 */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { model } from './models.mjs';
import { browser, server } from './stand-in.mjs';

const PAGE = '<!doctype html><html lang="en"><title>An app</title><div id="app"></div></html>';

const servers = [];
after(() =>
  servers.forEach((one) => {
    one.close();
    one.closeAllConnections();
  }),
);

/** @returns the address of a host that has `files`, and answers all else with `rest`. */
async function host(files, rest = PAGE, status = 200) {
  const listener = createServer((request, response) => {
    const content = files.get(new URL(request.url, 'http://host').pathname.slice(1));
    const headers = { 'Access-Control-Allow-Origin': '*', ...(content === undefined && { 'Content-Type': 'text/html' }) };
    response.writeHead(content === undefined ? status : 200, headers).end(content ?? rest);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  servers.push(listener);
  return `http://127.0.0.1:${listener.address().port}/`;
}

/** @returns the error of loading a model, or what the stand-in says that it has read (nothing of a checkpoint) */
async function load(url) {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  try {
    return await page.evaluate(
      async (url) =>
        (await import('./inf-llava/index.js')).load({ url, keep: false }).then(
          (model) => model.info().device,
          ({ code, message }) => ({ code, message }),
        ),
      url,
    );
  } finally {
    await page.close();
  }
}

const { files: convertedFiles, says: convertedSays } = model({ bytes: 20_000, seed: 77 });
const converted = () => new Map(convertedFiles);

test('a converted model is one though its host has a page for every path', async () => {
  assert.equal(await load(await host(converted())), convertedSays);
  // Nor does a config.json beside it make it a checkpoint.
  assert.equal(await load(await host(new Map([...converted(), ['config.json', '{}']]))), convertedSays);
});

test('a checkpoint is one though its host has a page, or a refusal, for every other path', async () => {
  const checkpoint = new Map([['config.json', '{}']]);
  const isCheckpoint = async (url) => assert.doesNotMatch(String(await load(url)), /^read|object/);
  await isCheckpoint(await host(checkpoint));
  await isCheckpoint(await host(checkpoint, 'AccessDenied', 403));
  // A manifest of another kind says nothing of the model.
  await isCheckpoint(await host(new Map([...checkpoint, ['manifest.json', '{"name": "An app", "start_url": "/"}']])));
});

test('a folder that is none is told by what its host answers', async () => {
  const error = await load(await host(new Map()));
  assert.equal(error.code, 'network');
  assert.match(error.message, /manifest\.json: the server answers with a web page \(HTML\)/);
  const alone = await load(await host(new Map([['manifest.json', '{"name": "An app"}']]), '', 404));
  assert.equal(alone.code, 'manifest');
  assert.match(alone.message, /format undefined/);
});

for (const [what, content, words] of [
  ['a page', PAGE, /web page \(HTML\)/],
  ['a pointer of Git LFS', `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 20000\n`, /pointer of Git LFS.*git lfs pull/],
  [
    'a storage’s refusal',
    '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>',
    /XML document that says "The key does not exist\."/,
  ],
]) {
  test(`${what} in a shard's place is named`, async () => {
    const files = converted();
    files.set('shard-00001.bin', content);
    const error = await load(await host(files));
    assert.equal(error.code, 'damaged');
    assert.match(error.message, /shard-00001\.bin/);
    assert.match(error.message, words);
  });
}

test('a manifest behind a byte-order mark is read', async () => {
  const files = converted();
  files.set('manifest.json', Buffer.concat([Buffer.from('\ufeff'), files.get('manifest.json')]));
  assert.match(await load(await host(files)), /^read /);
});
