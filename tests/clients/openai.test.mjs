/**
 * OpenAI's client, unmodified, against `inf-llava serve` with the demo model.
 *
 * INF_LLAVA names the program (default: ../../target/release/inf-llava); with BASE_URL a server that runs already is asked.
 * The client is the newest that runs on Node 20.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const samples = JSON.parse(await readFile(at('models/demo/samples.json'), 'utf8'));
const picture = async (sample) =>
  `data:image/png;base64,${(await readFile(at(`models/demo/${sample.image}`))).toString('base64')}`;
const looked = async (sample, text) => ({
  role: 'user',
  content: [{ type: 'text', text }, { type: 'image_url', image_url: { url: await picture(sample) } }],
});

let server;
let client;

before(async () => {
  let baseURL = process.env.BASE_URL;
  if (!baseURL) {
    const program = process.env.INF_LLAVA ?? at('target/release/inf-llava');
    const args = ['serve', at('models/demo'), '--device', 'cpu', '--port', '0'];
    server = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(server, 'spawn');
    const [line] = await once(createInterface(server.stdout), 'line');
    baseURL = `${line}v1`;
  }
  client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
});

after(() => server?.kill());

/** In the model's own words, or it would not be asked; more than its context holds. */
const LONG = 'red '.repeat(20_000);

test('the model is listed, and can be asked for', async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  assert.deepEqual(models.map((model) => [model.id, model.object]), [['demo', 'model']]);
  assert.deepEqual(await client.models.retrieve('demo'), models[0]);
  await assert.rejects(client.models.retrieve('gpt-4o'), OpenAI.NotFoundError);
});

test('every sample is answered right, turn after turn', async () => {
  for (const sample of samples) {
    for (const { text, answer } of sample.questions) {
      const messages = [await looked(sample, text)];
      const completion = await client.chat.completions.create({ model: 'demo', temperature: 0, messages });
      assert.equal(completion.choices[0].message.content, answer, text);
      assert.equal(completion.choices[0].finish_reason, 'stop');
      const { prompt_tokens, completion_tokens, total_tokens } = completion.usage;
      assert.equal(total_tokens, prompt_tokens + completion_tokens);
    }
    const [first, second] = sample.questions;
    const messages = [
      await looked(sample, first.text),
      { role: 'assistant', content: first.answer },
      { role: 'user', content: second.text },
    ];
    const next = await client.chat.completions.create({ model: 'demo', temperature: 0, messages });
    assert.equal(next.choices[0].message.content, second.answer, second.text);
    assert.ok(next.usage.prompt_tokens_details.cached_tokens > 0);
  }
});

test('a stream joins to the same answer', async () => {
  const [sample] = samples;
  const { text, answer } = sample.questions[2];
  const request = { model: 'demo', temperature: 0, messages: [await looked(sample, text)], stream: true };
  const chunks = [];
  const options = { stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create({ ...request, ...options })) chunks.push(chunk);
  const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '');
  assert.equal(pieces.join(''), answer);
  assert.ok(pieces.filter(Boolean).length > 1, 'more than one piece');
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  // The helper that puts the answer together.
  const completion = await client.chat.completions.stream(request).finalChatCompletion();
  assert.equal(completion.choices[0].message.content, answer);
  assert.equal(completion.choices[0].finish_reason, 'stop');
});

test('a stream that is aborted leaves the server free for the next question', async () => {
  const messages = [await looked(samples[0], 'Is there a circle?')]; // random tokens, as long as it is let
  const stream = await client.chat.completions.create({ model: 'demo', messages, temperature: 100, stream: true });
  for await (const _ of stream) break; // which aborts it
  const [sample] = samples;
  const [{ text, answer }] = sample.questions;
  const request = { model: 'demo', temperature: 0, messages: [await looked(sample, text)] };
  const completion = await client.chat.completions.create(request);
  assert.equal(completion.choices[0].message.content, answer);
});

test('what is refused comes as the client’s own errors', async () => {
  const ask = (more) =>
    client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content: 'Hello' }], ...more });
  const url = (url) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }];
  const long = [await looked(samples[0], LONG)];
  const { BadRequestError, NotFoundError } = OpenAI;
  for (const [more, kind, code, param] of [
    [{ n: 2 }, BadRequestError, 'unsupported', 'n'],
    [{ messages: [{ role: 'system', content: 'Be brief.' }] }, BadRequestError, 'bad-value', 'messages'],
    [{ messages: url('https://example.com/a.png') }, BadRequestError, 'unsupported', 'messages[0].content[0].image_url.url'],
    [{ messages: url('data:image/png;base64,AAAA') }, BadRequestError, 'image-format', 'messages'],
    [{ messages: url('data:image/png;base64,AAAA'), stream: true }, BadRequestError, 'image-format', 'messages'],
    [{ model: 'gpt-4o' }, NotFoundError, 'model_not_found', 'model'],
    [{ min_p: 0.1 }, BadRequestError, 'unsupported', 'min_p'],
    [{ messages: long }, BadRequestError, 'context_length_exceeded', 'messages'],
  ]) {
    await assert.rejects(ask(more), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.deepEqual([error.code, error.param, error.type], [code, param, 'invalid_request_error']);
      return true;
    });
  }
});

/** Natively `cli::serve_early` holds the head of a stream that waits for seconds; this model is too quick for that. */
test('a stream that waits is answered, and one that fails, before its head or behind it, is the client’s own error', async () => {
  const ask = async (text, more) =>
    client.chat.completions.create({ model: 'demo', messages: [await looked(samples[0], text)], stream: true, ...more });
  // The first one is answered for as long as it is heard.
  const first = await ask('Is there a circle?', { temperature: 100 });
  const speaking = first[Symbol.asyncIterator]();
  await speaking.next();
  const failing = ask(LONG);
  failing.catch(() => {}); // looked at below
  const waiting = await ask('Is there a circle?', { max_tokens: 1 });
  await speaking.return();
  const chunks = [];
  for await (const chunk of waiting) chunks.push(chunk);
  assert.ok(['length', 'stop'].includes(chunks.at(-1).choices[0].finish_reason));
  await assert.rejects(
    async () => {
      for await (const chunk of await failing) assert.fail(JSON.stringify(chunk));
    },
    (error) => {
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.deepEqual([error.code, error.param], ['context_length_exceeded', 'messages']);
      return true;
    },
  );
});

test('a base URL without /v1 is told what to set', async () => {
  const { baseURL } = client;
  const wrong = new OpenAI({ baseURL: baseURL.replace(/\/v1$/, ''), apiKey: 'none', maxRetries: 0 });
  await assert.rejects(wrong.models.list(), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError && error.message.includes(baseURL), String(error));
    return true;
  });
});

test('a large body to a wrong path is refused, again and again, by words that are read', async () => {
  const body = 'a'.repeat(16 << 20);
  for (let index = 0; index < 4; index += 1) {
    const answer = await fetch(`${client.baseURL}/nothing`, { method: 'POST', body });
    assert.equal(answer.status, 404);
    assert.equal((await answer.json()).error.code, 'not-found');
  }
});
