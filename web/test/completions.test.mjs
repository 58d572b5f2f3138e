/**
 * Requests in OpenAI's shape: the page understands or refuses them as `inf-llava serve` does, by the one table of cases
 * that the server's tests read too.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { browser, server } from './stand-in.mjs';

const { build } = createRequire(join(REPOSITORY, 'web/package.json'))('esbuild');
const [{ pictures }, ...CASES] = JSON.parse(await readFile(join(REPOSITORY, 'tests/cases/completions.json'), 'utf8'));

/** The part of the package that reads requests, by itself. */
async function reader() {
  const { outputFiles } = await build({ entryPoints: [join(REPOSITORY, 'web/src/api/request.ts')], bundle: true, format: 'esm', write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

/** A request of the table as a program sends it. */
function sent({ request }) {
  const text = JSON.stringify({ messages: [{ role: 'user', content: 'q' }], ...request });
  return JSON.parse(text.replace(/"picture:(\w+)"/g, (whole, name) => JSON.stringify(pictures[name] ?? whole)));
}

async function pictureName(blob) {
  const base64 = Buffer.from(await blob.arrayBuffer()).toString('base64');
  return Object.keys(pictures).find((name) => pictures[name].endsWith(base64)) ?? 'another';
}

/** What was read, in the table's words. */
async function understood({ picture, before, question, options, stop, stream, includeUsage }, wanted) {
  const all = { max_new_tokens: null, ...options, stop, stream, include_usage: includeUsage };
  return {
    question,
    ...(before.length > 0 && { before: before.map((one) => [one.question, one.text]) }),
    ...(picture && { picture: await pictureName(picture) }),
    ...(wanted?.options && { options: Object.fromEntries(Object.keys(wanted.options).map((name) => [name, all[name] ?? null])) }),
  };
}

test('requests are understood or refused by name as the table of cases says', async () => {
  const { readRequest } = await reader();
  assert.ok(CASES.length > 300, `${CASES.length} cases`);
  const wrong = [];
  for (const one of CASES) {
    let found;
    try {
      found = { understood: await understood(readRequest(sent(one)), one.understood) };
    } catch (error) {
      const { name, code, message, details } = error;
      assert.equal(name, 'InfLlavaError', `${one.name}: ${error.stack}`);
      assert.ok(message.includes(details.param), `${one.name}: ${message}`);
      found = { refused: { code, param: details.param } };
    }
    const kind = one.refused ? 'refused' : 'understood';
    try {
      assert.deepEqual(found, { [kind]: one[kind] });
    } catch {
      wrong.push(`${one.name}: ${JSON.stringify(found)}, and not ${JSON.stringify(one[kind])}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('what no JSON holds is refused in words as well, and what is undefined is not there', async () => {
  const { readRequest } = await reader();
  const messages = [{ role: 'user', content: 'q' }];
  const refusal = (request) => {
    try {
      return readRequest(request) && null;
    } catch ({ code, details }) {
      return [code, details?.param];
    }
  };
  for (const given of [undefined, null, 'q', 5, [], () => {}]) assert.deepEqual(refusal(given), ['bad-value', ''], String(given));
  assert.deepEqual(refusal({ messages, temperature: NaN }), ['option', 'temperature']);
  assert.deepEqual(refusal({ messages, max_tokens: 1n }), ['bad-value', 'max_tokens']);
  assert.deepEqual(refusal({ messages, tools: () => {} }), ['unsupported', 'tools']);
  assert.equal(refusal({ messages, tools: undefined, temprature: undefined, stop: undefined }), null);
  assert.equal(readRequest({ messages, seed: -2 }).options.seed, 2 ** 53 - 2);
  assert.equal(readRequest({ messages, seed: -1 }).options.seed, undefined);
});

test('a picture in any of the shapes that are understood reaches the engine with its question', async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  const said = await page.evaluate(async (url) => {
    const { load } = await import('./inf-llava/index.js');
    const { chat } = await load();
    const shapes = [
      { type: 'image_url', image_url: { url } },
      { type: 'image_url', image_url: url },
      { type: 'input_image', image_url: url },
    ];
    const answers = [];
    for (const shape of shapes) {
      const content = [shape, { type: 'text', text: 'one' }, { type: 'input_text', text: 'two' }];
      const { choices } = await chat.completions.create({ messages: [{ role: 'user', content }], seed: answers.length });
      answers.push(choices[0].message.content);
    }
    const refused = await chat.completions
      .create({ messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] })
      .catch(({ name, code, details }) => [name, code, details.param]);
    return { answers, refused };
  }, pictures.one);
  assert.deepEqual(
    said.answers.map((text) => text.replace(' (again)', '')),
    Array(3).fill('About picture, turn 1: you asked one\ntwo'),
  );
  assert.deepEqual(said.refused, ['InfLlavaError', 'unsupported', 'messages[0].content[0].type']);
  await page.close();
});
