/** Engines that are lost, end or have no room, and come back: the headless API in Chromium, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withApi } from './with-api.mjs';

test('an engine that is lost is replaced once by itself, then by restart and resume', async () => {
  const said = await withApi(async ({ load }, { picture, texts, refused }) => {
    const model = await load();
    const states = [];
    model.addEventListener('state', () => states.push(model.state));
    const chat = model.chat({ image: picture('chart.png') });
    const once = await texts(chat.ask('lose once yourself'));
    const pieces = [];
    const reply = chat.ask('lose always yourself, as long as there are words');
    const failure = await refused(
      (async () => {
        for await (const piece of reply) pieces.push(piece);
      })(),
    );
    const lost = { state: model.state, trouble: model.trouble.code, waiting: await refused(model.chat().ask('anything').answer) };
    await model.restart();
    // It loses itself every three words.
    const resumed = await refused(chat.resume().answer);
    await model.restart();
    const whole = await chat.resume().answer;
    return {
      once,
      states,
      pieces: pieces.join(''),
      failure,
      lost,
      resumed,
      whole: whole.text,
      nothing: chat.resume(),
      turns: chat.turns.map(({ text }) => text),
    };
  });
  assert.equal(said.once, 'About chart.png, turn 1: you asked lose once yourself');
  assert.deepEqual(said.states.slice(0, 2), ['recovering', 'ready']);
  assert.equal(said.pieces, 'About chart.png, turn 2: you asked ');
  assert.equal(said.failure.code, 'crashed');
  assert.deepEqual([said.lost.state, said.lost.trouble, said.lost.waiting.code], ['lost', 'crashed', 'crashed']);
  assert.equal(said.resumed.code, 'crashed');
  assert.equal(said.whole, 'About chart.png, turn 2: you asked lose always yourself, as long as there are words');
  assert.equal(said.nothing, null);
  assert.deepEqual(said.turns, [said.once, said.whole]);
});

test('a worker that is ended from outside is noticed, and replaced', async () => {
  const said = await withApi(async ({ load }, { texts }) => {
    const workers = [];
    window.Worker = class extends window.Worker {
      constructor(...args) {
        super(...args);
        workers.push(this);
      }
    };
    const model = await load();
    const chat = model.chat();
    const reply = chat.ask('slow please');
    let pieces = 0;
    for await (const _ of reply) {
      pieces += 1;
      if (pieces === 3) workers[0].terminate();
      if (pieces === 10) break;
    }
    const { answer_tokens } = await reply.answer;
    const after = await texts(chat.ask('after'));
    model.unload();
    return { workers: workers.length, answer_tokens, after };
  });
  assert.equal(said.workers, 2);
  assert.ok(said.answer_tokens >= 10);
  assert.equal(said.after, 'Without a picture, turn 2: you asked after');
});

test('where the device has no room it is not tried again, but with a smaller context', async () => {
  const said = await withApi(async ({ load }, { refused }) => {
    const model = await load();
    const failure = await refused(model.chat().ask('no room').answer);
    const smaller = model.smallerContext;
    const info = await model.restart({ context: smaller });
    return { failure, smaller, context: info.context_tokens };
  });
  assert.deepEqual(said, { failure: { name: 'InfLlavaError', code: 'out-of-memory', message: 'no room for 4096 tokens' }, smaller: 2048, context: 2048 });
});
