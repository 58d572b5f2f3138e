/**
 * Requests in OpenAI's shape, as the engine that is shipped reads them: the page understands or refuses them as `inf-llava
 * serve` does, by the one table of cases that the server's tests read too.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DIST, REPOSITORY } from './harness.mjs';
import { browser, server } from './stand-in.mjs';

const { build } = createRequire(join(REPOSITORY, 'web/package.json'))('esbuild');
const [{ pictures }, ...CASES] = JSON.parse(await readFile(join(REPOSITORY, 'tests/cases/completions.json'), 'utf8'));

/** What a worker does with a request. @type {(request: unknown) => object} */
let readRequest;

before(async () => {
  const options = { entryPoints: [join(REPOSITORY, 'web/src/api/json.ts')], bundle: true, format: 'esm', write: false };
  const { outputFiles } = await build(options);
  const { jsonOf } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  const engine = await import(pathToFileURL(join(REPOSITORY, 'web/bindings/inf-llava.js')).href);
  await engine.default({ module_or_path: await readFile(join(DIST, 'inf-llava/inf-llava.wasm')) });
  readRequest = (request, mostPictures = 1) => engine.read_completion(jsonOf(request), 'loaded', mostPictures);
});

/** A request of the table as a program sends it. */
function sent({ request }) {
  const text = JSON.stringify({ messages: [{ role: 'user', content: 'q' }], ...request });
  return JSON.parse(text.replace(/"picture:(\w+)"/g, (whole, name) => JSON.stringify(pictures[name] ?? whole)));
}

function pictureName({ bytes }) {
  const base64 = Buffer.from(bytes).toString('base64');
  return Object.keys(pictures).find((name) => pictures[name].endsWith(base64)) ?? 'another';
}

/** Options are 32-bit numbers in the engine. */
const same = (found, wanted) => (typeof found === 'number' && Math.fround(found) === Math.fround(wanted) ? wanted : found);

/** What was read, in the table's words. */
function understood({ asked, pictures: [picture], head, stream }, wanted) {
  const { question, system, before, options } = asked;
  // No limit was stated.
  const limit = options.max_new_tokens === 2 ** 32 - 1 ? null : options.max_new_tokens;
  const all = { ...options, max_new_tokens: limit, stream, include_usage: head.include_usage };
  const named = Object.entries(wanted?.options ?? {}).map(([name, value]) => [name, same(all[name] ?? null, value)]);
  return {
    question,
    ...(system && { system }),
    ...(before.length > 0 && { before: before.map((one) => [one.question, one.text]) }),
    ...(picture && { picture: pictureName(picture) }),
    ...(wanted?.options && { options: Object.fromEntries(named) }),
  };
}

test('requests are understood or refused by name as the table of cases says', () => {
  assert.ok(CASES.length > 300, `${CASES.length} cases`);
  const wrong = [];
  for (const one of CASES) {
    let found;
    try {
      found = { understood: understood(readRequest(sent(one)), one.understood) };
    } catch (error) {
      const { code, message, details } = error;
      assert.equal(typeof code, 'string', `${one.name}: ${error.stack}`);
      assert.ok(message.includes(details.param) || code === 'empty-question', `${one.name}: ${message}`);
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

test('what no JSON holds is refused in words as well, and what is undefined is not there', () => {
  const messages = [{ role: 'user', content: 'q' }];
  const refusal = (request) => {
    try {
      return readRequest(request) && null;
    } catch ({ code, details }) {
      return [code, details?.param];
    }
  };
  const circle = { messages };
  circle.self = circle;
  for (const given of [undefined, null, 'q', 5, [], () => {}, circle]) assert.deepEqual(refusal(given), ['bad-value', ''], String(given));
  assert.deepEqual(refusal({ messages, temperature: NaN }), ['bad-value', 'temperature']);
  assert.deepEqual(refusal({ messages, top_p: Infinity }), ['bad-value', 'top_p']);
  assert.deepEqual(refusal({ messages, max_tokens: 1n }), ['bad-value', 'max_tokens']);
  assert.deepEqual(refusal({ messages, tools: () => {} }), ['unsupported', 'tools']);
  assert.equal(refusal({ messages, tools: undefined, temprature: undefined, stop: undefined }), null);
  // Half of a character.
  assert.equal(readRequest({ messages: [{ role: 'user', content: 'a\ud83d' }] }).asked.question, 'a\ufffd');
});

test('what is not stated is the model’s or chance’s to choose', () => {
  const messages = [{ role: 'user', content: 'q' }];
  const seedOf = (seed) => readRequest({ messages, seed }).asked.options.seed;
  assert.equal(seedOf(-2), 2 ** 53 - 2);
  assert.notEqual(seedOf(undefined), seedOf(undefined));
  assert.notEqual(seedOf(-1), seedOf(-1));
  assert.equal(readRequest({ messages }).states_temperature, false);
  assert.equal(readRequest({ messages, temperature: 0 }).states_temperature, true);
  const [one, two] = [readRequest({ messages, model: 'mine' }), readRequest({ messages })];
  assert.equal(one.head.model, 'loaded');
  assert.notEqual(one.head.id, two.head.id);
  assert.ok(one.head.created > 1.7e9);
});

test('a picture of a type that only the browser decodes is taken', () => {
  const url = 'data:image/avif;base64,AAEC';
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'q' },
  ];
  const { pictures } = readRequest({ messages: [{ role: 'user', content }] });
  const [picture] = pictures;
  assert.deepEqual([picture.media_type, [...picture.bytes]], ['image/avif', [0, 1, 2]]);
});

test('several pictures keep their places and details, where the model knows several', () => {
  const picture = (byte, detail) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${btoa(byte)}`, ...(detail && { detail }) } });
  const messages = [
    { role: 'user', content: [picture('a'), picture('b', 'low'), { type: 'text', text: 'q' }] },
    { role: 'assistant', content: 'x' },
    { role: 'user', content: [picture('c', 'high'), { type: 'text', text: 'r' }] },
  ];
  const { asked, pictures } = readRequest({ messages }, null);
  const keys = pictures.map(({ key }) => key);
  const [a, b, c] = keys;
  assert.equal(new Set(keys).size, 3);
  const shown = (list) => list.map(({ key, detail }) => [key, detail]);
  assert.deepEqual(
    asked.before.map(({ pictures }) => shown(pictures)),
    [
      [
        [a, 'auto'],
        [b, 'low'],
      ],
    ],
  );
  assert.deepEqual(shown(asked.pictures), [[c, 'high']]);
  assert.deepEqual(
    pictures.map(({ bytes }) => String.fromCharCode(...bytes)),
    ['a', 'b', 'c'],
  );
  // A model for one picture is asked about the last.
  const one = readRequest({ messages });
  assert.deepEqual([one.asked.before.length, one.pictures.length], [0, 1]);
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
