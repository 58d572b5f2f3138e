/** The headless API in Chromium, with a stand-in for the engine, on a page that has nothing else. */

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { browser, server, site } from './stand-in.mjs';
import { withApi } from './with-api.mjs';

test('load, ask, ask again, regenerate, edit, export', async () => {
  const said = await withApi(async ({ load }, { picture, texts }) => {
    const phases = new Set();
    const model = await load({ onProgress: ({ phase }) => phases.add(phase) });
    const chat = model.chat({ image: picture('chart.png') });
    const passes = [];
    const first = await texts(chat.ask('what?', { temperature: 0, onProgress: ({ phase }) => passes.push(phase) }));
    const second = await chat.ask('and then?').answer;
    const again = await texts(chat.regenerate());
    const edited = await texts(chat.edit(0, 'rather this?'));
    const turns = chat.turns.map(({ question, text }) => [question, text]);
    const { name, context_tokens } = model.info();
    return {
      phases: [...phases],
      first,
      second: { text: second.text, passes: second.vision_passes },
      again,
      edited,
      turns,
      name,
      context_tokens,
      picture: chat.picture.width,
      json: chat.export(),
      markdown: chat.export('markdown'),
    };
  });
  assert.deepEqual(said.phases, ['engine', 'download', 'weights']);
  assert.equal(said.first, 'About chart.png, turn 1: you asked what?');
  assert.deepEqual(said.second, { text: 'About chart.png, turn 2: you asked and then?', passes: 0 });
  assert.equal(said.again, 'About chart.png, turn 2: you asked and then? (again)');
  assert.equal(said.edited, 'About chart.png, turn 1: you asked rather this?');
  assert.deepEqual(said.turns, [['rather this?', said.edited]]);
  assert.deepEqual([said.name, said.context_tokens, said.picture], ['stand-in', 4096, 1200]);
  assert.deepEqual(said.json.topics, [{ picture: 'chart.png', turns: [{ question: 'rather this?', text: said.edited, stop_reason: 'stop' }] }]);
  assert.match(said.markdown, /^# Conversation with stand-in\n\n## chart\.png\n\n> rather this\?\n\nAbout chart\.png/);
});

test('a conversation is taken up again from its export', async () => {
  const said = await withApi(async ({ load }, { picture, texts, refused }) => {
    const model = await load();
    const chat = model.chat({ image: picture('chart.png') });
    await chat.ask('one').answer;
    const transcript = JSON.parse(JSON.stringify(chat.export()));
    const takenUp = model.chat({ transcript, image: picture('chart.png') });
    const answer = await texts(takenUp.ask('two'));
    const wrong = [7, null, undefined, { question: 7, text: 'x' }].map((turn) => ({ ...transcript, topics: [{ turns: [turn] }] }));
    return { answer, turns: takenUp.turns.length, refused: await Promise.all(wrong.map((transcript) => refused((async () => model.chat({ transcript }))()))) };
  });
  assert.equal(said.answer, 'About chart.png, turn 2: you asked two');
  assert.equal(said.turns, 2);
  assert.deepEqual(
    said.refused.map(({ code }) => code),
    ['transcript', 'transcript', 'transcript', 'transcript'],
  );
});

test('several pictures, one after another; one that fails leaves the one before', async () => {
  const said = await withApi(async ({ load }, { picture, texts, refused }) => {
    const model = await load();
    const chat = model.chat({ image: picture('one.png') });
    const answers = [await texts(chat.ask('a'))];
    await chat.setImage(picture('two.png'));
    answers.push(await texts(chat.ask('b')));
    const failure = await refused(chat.setImage(picture('broken.png')));
    answers.push(await texts(chat.ask('c')));
    await chat.setImage(null);
    answers.push(await texts(chat.ask('d')));
    return { answers, failure, turns: chat.turns.length, remembered: chat.remembered };
  });
  assert.deepEqual(said.answers, [
    'About one.png, turn 1: you asked a',
    'About two.png, turn 1: you asked b',
    'About two.png, turn 2: you asked c',
    'Without a picture, turn 1: you asked d',
  ]);
  assert.deepEqual([said.failure.name, said.failure.code], ['InfLlavaError', 'image-format']);
  assert.deepEqual([said.turns, said.remembered], [4, 1]);
});

test('several pictures side by side: each stays with the question that showed it', async () => {
  const said = await withApi(async ({ load }, { picture, texts, refused }) => {
    const model = await load();
    const chat = model.chat({ image: picture('one.png'), system: 'Be brief.' });
    // Both are read before the question is asked, in their order.
    void chat.addImage(picture('two.png'), { detail: 'low' });
    const first = await texts(chat.ask('what?'));
    await chat.addImage(picture('three.png'), { detail: 64 });
    await chat.addImage(picture('four.png'));
    chat.removeImage(2);
    const waiting = chat.pictures.map(({ name, asked }) => [name, asked]);
    const again = await texts(chat.regenerate());
    const second = await texts(chat.ask('and now?'));
    const names = () => chat.pictures.map(({ name }) => name);
    const after = names();
    const turns = chat.turns.map(({ pictures }) => pictures);
    const exported = chat.export();
    const markdown = chat.export('markdown');
    const takenUp = model.chat({ transcript: JSON.parse(JSON.stringify(exported)) });
    const edited = await texts(chat.edit(0, 'rather?'));
    const rest = names();
    return {
      first,
      waiting,
      again,
      second,
      after,
      turns,
      exported: exported.topics,
      markdown,
      takenUp: [takenUp.turns.map(({ pictures }) => pictures), takenUp.export().topics],
      edited,
      rest,
      asked: await refused((async () => chat.removeImage(0))()),
      none: await refused((async () => chat.removeImage(7))()),
      detail: await refused(chat.addImage(picture('five.png'), { detail: 'finest' })),
    };
  });
  assert.equal(said.first, 'About one.png and two.png, turn 1: you asked what?');
  assert.deepEqual(said.waiting, [
    ['one.png', true],
    ['two.png', true],
    ['four.png', false],
  ]);
  assert.equal(said.again, 'About one.png and two.png, turn 1: you asked what? (again)');
  assert.equal(said.second, 'About one.png and two.png and four.png, turn 2: you asked and now?');
  assert.deepEqual(said.after, ['one.png', 'two.png', 'four.png']);
  assert.deepEqual(said.turns, [['one.png', 'two.png'], ['four.png']]);
  assert.deepEqual(
    said.exported.map(({ picture, turns }) => [picture, turns.map(({ pictures }) => pictures)]),
    [['one.png', [['two.png'], ['four.png']]]],
  );
  assert.match(said.markdown, /## one\.png\n\nPicture: two\.png\n\n> what\?/);
  assert.deepEqual(said.takenUp, [said.turns, said.exported]);
  assert.equal(said.edited, 'About one.png and two.png, turn 1: you asked rather?');
  assert.deepEqual(said.rest, ['one.png', 'two.png']);
  for (const refusal of [said.asked, said.none, said.detail]) assert.equal(refusal?.code, 'option');
});

test('a model for one picture says so, and begins anew with another', async () => {
  const said = await withApi(async ({ load }, { picture, texts, refused }) => {
    const chat = (await load({ url: './drawn/' })).chat({ image: picture('one.png') });
    const more = await refused(chat.addImage(picture('two.png')));
    const still = await texts(chat.ask('what?'));
    await chat.setImage(picture('two.png'));
    return { more, still, next: await texts(chat.ask('what?')) };
  });
  assert.equal(said.more.code, 'option');
  assert.match(said.more.message, /at most 1 in a conversation/);
  assert.equal(said.still, 'About one.png, turn 1: you asked what?');
  assert.equal(said.next, 'About two.png, turn 1: you asked what?');
});

test('an answer is stopped by its signal, by leaving the loop, and before it began', async () => {
  const said = await withApi(async ({ load }, { texts, refused }) => {
    const model = await load();
    const chat = model.chat();
    const stopping = new AbortController();
    const reply = chat.ask('slow please', { signal: stopping.signal });
    let pieces = 0;
    for await (const _ of reply) if (++pieces === 3) stopping.abort();
    const bySignal = await reply.answer;
    const left = chat.ask('slow again');
    for await (const _ of left) break;
    const byLeaving = await left.answer;
    const early = await refused(chat.ask('never', { signal: AbortSignal.abort() }).answer);
    const after = await texts(chat.ask('after'));
    return { bySignal, byLeaving, early, after, turns: chat.turns.map(({ stop_reason }) => stop_reason) };
  });
  assert.equal(said.bySignal.stop_reason, 'stopped');
  assert.ok(said.bySignal.answer_tokens >= 3 && said.bySignal.answer_tokens < 200);
  assert.equal(said.byLeaving.stop_reason, 'stopped');
  assert.equal(said.early.code, 'stopped');
  assert.equal(said.after, 'Without a picture, turn 3: you asked after');
  assert.deepEqual(said.turns, ['stopped', 'stopped', 'stop']);
});

test('one engine for all who load the same model; each conversation is its own', async () => {
  const workers = [];
  const context = await browser.newContext();
  context.on('page', (page) => page.on('worker', (worker) => workers.push(worker.url())));
  const said = await withApi(
    async ({ load }, { picture, texts }) => {
      const [one, other] = await Promise.all([load(), load()]);
      const chats = [one.chat({ image: picture('a.png') }), other.chat({ image: picture('b.png') }), other.chat()];
      const answers = await Promise.all(chats.map((chat, at) => texts(chat.ask(`question ${at}`))));
      answers.push(...(await Promise.all(chats.map((chat, at) => texts(chat.ask(`more ${at}`))))));
      one.unload();
      answers.push(await texts(chats[1].ask('still there?')));
      const state = one.state;
      other.unload();
      return { answers, states: [state, other.state] };
    },
    {},
    context,
  );
  assert.deepEqual(said.answers, [
    'About a.png, turn 1: you asked question 0',
    'About b.png, turn 1: you asked question 1',
    'Without a picture, turn 1: you asked question 2',
    'About a.png, turn 2: you asked more 0',
    'About b.png, turn 2: you asked more 1',
    'Without a picture, turn 2: you asked more 2',
    'About b.png, turn 3: you asked still there?',
  ]);
  assert.deepEqual(said.states, ['unloaded', 'unloaded']);
  assert.equal(workers.length, 1);
  await context.close();
});

test('more pictures than the engine holds: those that it let go are read again', async () => {
  const said = await withApi(async ({ load }, { picture, texts }) => {
    const model = await load({ url: 'models/other/' });
    const chats = Array.from({ length: 10 }, (_, at) => model.chat({ image: picture(`${at}.png`) }));
    for (const chat of chats) await chat.ask('first').answer;
    return texts(chats[0].ask('second'));
  });
  assert.equal(said, 'About 0.png, turn 2: you asked second');
});

test('a picture is read once: its features are kept by content, across reloads', async () => {
  const context = await browser.newContext();
  const read = (args) =>
    withApi(
      async ({ load, storage }, { args: { name }, picture, texts }) => {
        const model = await load();
        const chat = model.chat();
        const info = await chat.setImage(picture(name));
        return { passes: info.vision_passes, text: await texts(chat.ask('what?')), kept: await storage.list() };
      },
      args,
      context,
    );
  const first = await read({ name: 'chart.png' });
  assert.equal(first.passes, 10);
  const second = await read({ name: 'chart.png' });
  assert.deepEqual([second.passes, second.text], [0, 'About chart.png, turn 1: you asked what?']);
  assert.equal((await read({ name: 'other.png' })).passes, 10);
  const pictures = second.kept.find(({ kind }) => kind === 'pictures');
  assert.equal(pictures.count, 1);
  assert.ok(second.kept.some(({ kind, name }) => kind === 'model' && name === 'INF-LLaVA demo'));

  const left = await withApi(
    async ({ storage }) => {
      for (const { id } of await storage.list()) await storage.remove(id);
      return storage.list();
    },
    {},
    context,
  );
  assert.deepEqual(left, []);
  assert.equal((await read({ name: 'chart.png' })).passes, 10);
  await context.close();
});

test('what a model looks at', async () => {
  const said = await withApi(async ({ load }, { picture, refused }) => {
    const model = await load();
    const chat = model.chat({ image: picture('chart.png') });
    await chat.ask('what?').answer;
    const at = (shares) => shares.indexOf(1);
    const tokens = await Promise.all([0, 3].map((token) => chat.attention(0, token)));
    const beyond = await refused(chat.attention(0, 99));
    const { detail } = await chat.enhancementAttention();
    return { tokens: tokens.map(at), beyond, detail: at(detail), texts: chat.turns[0].token_texts.slice(0, 3) };
  });
  assert.deepEqual(said.tokens, [0, 3]);
  assert.equal(said.beyond.code, 'option');
  assert.equal(said.detail, 143);
  assert.deepEqual(said.texts, ['About ', 'chart.png, ', 'turn ']);
});

test('OpenAI’s shape: whole, streamed, with a picture, and what it cannot do', async () => {
  const said = await withApi(async ({ load }) => {
    const model = await load();
    const { completions } = model.chat;
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } };
    const text = (content) => ({ type: 'text', text: content });
    const messages = [
      { role: 'user', content: 'of long ago' },
      { role: 'assistant', content: 'indeed' },
      { role: 'user', content: [text('look'), image] },
      { role: 'assistant', content: 'a picture' },
      { role: 'user', content: 'what?' },
    ];
    const whole = await completions.create({ model: 'any', messages, max_tokens: 100, temperature: 0 });
    const chunks = [];
    for await (const chunk of await completions.create({ messages, stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
    const options = await completions.create({ messages: [{ role: 'user', content: 'options' }], max_tokens: 9, seed: 3, top_p: 0.5 });
    const short = await completions.create({ messages: [{ role: 'user', content: 'slow please' }], max_completion_tokens: 2 });
    const counted = (stop, stream) => completions.create({ messages: [{ role: 'user', content: 'say: one two three two four' }], stop, stream });
    const stopped = [];
    for (const stop of ['two t', ['four', 'o th'], 'never', 'one', null]) {
      const { message, finish_reason } = (await counted(stop, false)).choices[0];
      let joined = '';
      for await (const { choices } of await counted(stop, true)) joined += choices[0]?.delta.content ?? '';
      stopped.push([message.content, finish_reason, joined === message.content]);
    }
    const file = { role: 'user', content: [{ type: 'file', file: {} }] };
    const bad = [{ messages, n: 2 }, { messages: [file] }];
    return {
      whole,
      chunks,
      options: options.choices[0].message.content,
      short: short.choices[0],
      stopped,
      refusals: await Promise.all(bad.map((request) => completions.create(request).catch(({ name, code, details }) => [name, code, details.param]))),
    };
  });
  const { message, finish_reason } = said.whole.choices[0];
  assert.deepEqual([said.whole.object, message.role, finish_reason], ['chat.completion', 'assistant', 'stop']);
  assert.match(message.content, /^About picture, turn 3: you asked what\?/);
  assert.deepEqual(said.whole.usage, {
    prompt_tokens: 144,
    completion_tokens: 7,
    total_tokens: 151,
    prompt_tokens_details: { cached_tokens: 104, image_tokens: 16 },
  });
  assert.deepEqual(said.chunks[0].choices[0].delta, { role: 'assistant', content: '' });
  const streamed = said.chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
  assert.equal(streamed, `${message.content} (again)`);
  assert.equal(said.chunks.at(-2).choices[0].finish_reason, 'stop');
  assert.deepEqual(said.chunks.at(-1).choices, []);
  assert.equal(said.chunks.at(-1).usage.total_tokens, 152);
  assert.deepEqual(JSON.parse(said.options), { max_new_tokens: 9, stop: [], top_p: 0.5, seed: 3 });
  assert.deepEqual([said.short.message.content, said.short.finish_reason], ['word word ', 'length']);
  const all = 'one two three two four';
  assert.deepEqual(said.stopped, [
    ['one ', 'stop', true],
    ['one tw', 'stop', true],
    [all, 'stop', true],
    ['', 'stop', true],
    [all, 'stop', true],
  ]);
  assert.deepEqual(
    said.refusals,
    ['n', 'messages[0].content[0].type'].map((param) => ['InfLlavaError', 'unsupported', param]),
  );
});

test('a request that is wrong is refused before a model is there, and while another is answered', async () => {
  const said = await withApi(async ({ load, Model }, { refused }) => {
    const request = { messages: [{ role: 'user', content: 'slow' }] };
    const wrong = { ...request, n: 2 };
    const early = new Model();
    const before = [await refused(early.chat.completions.create(wrong)), await refused(early.chat.completions.create(request))];
    early.unload();
    const after = await refused(early.chat.completions.create(wrong));
    const model = await load();
    const stream = await model.chat.completions.create({ ...request, stream: true });
    const chunks = stream[Symbol.asyncIterator]();
    await chunks.next();
    await chunks.next();
    const meanwhile = await refused(model.chat.completions.create(wrong));
    const working = model.atWork;
    await chunks.return();
    return { codes: [...before, after, meanwhile].map(({ code }) => code), working };
  });
  assert.deepEqual(said, { codes: ['unsupported', 'not-loaded', 'unloaded', 'unsupported'], working: 1 });
});

test('a picture is a file, its bytes, or a data: URL, and nothing is fetched for it', async () => {
  const requests = server.requests.length;
  const said = await withApi(async ({ load }, { texts, refused }) => {
    const model = await load();
    const answers = [];
    for (const image of [new Blob([Uint8Array.of(9)]), Uint8Array.of(8), Uint8Array.of(7).buffer, 'data:image/png;base64,Bg==', 'data:,%05']) {
      const chat = model.chat();
      await chat.setImage(image, { name: 'p' });
      answers.push(await texts(chat.ask(`${answers.length}`)));
    }
    const refusals = await Promise.all(
      ['https://example.com/a.png', '/page.css', 'data:image/png;base64,%%%'].map((url) => refused(model.chat().setImage(url))),
    );
    return { answers, refusals: refusals.map(({ code }) => code) };
  });
  assert.deepEqual(
    said.answers.map((text) => text.split(',')[0]),
    Array(5).fill('About p'),
  );
  assert.deepEqual(said.refusals, ['image-url', 'image-url', 'image-url']);
  assert.ok(!server.requests.slice(requests).includes('/page.css'));
});

test('consent: who loads a large model agrees, or is asked', async () => {
  const manifest = {
    format: 'inf-llava',
    version: 1,
    name: 'large',
    license: 'llama3',
    files: [],
    shards: [{ file: 'a.bin', bytes: 60e6, sha256: '0'.repeat(64) }],
  };
  await mkdir(join(site.folder, 'models/large'), { recursive: true });
  await writeFile(join(site.folder, 'models/large/manifest.json'), JSON.stringify(manifest));
  const before = server.requests.length;
  const said = await withApi(async ({ load }, { refused }) => {
    const asked = [];
    const confirmDownload = (agrees) => (details) => {
      asked.push(details);
      return agrees;
    };
    const declined = await refused(load({ url: 'models/large/', confirmDownload: confirmDownload(false) }));
    const agreed = await refused(load({ url: 'models/large/', confirmDownload: confirmDownload(true) }));
    return { asked, declined, agreed };
  });
  const details = { name: 'large', license: 'llama3', bytes: 60e6, total: 60e6, kept: true };
  assert.deepEqual(said.asked, [details, details]);
  assert.equal(said.declined.code, 'consent');
  assert.equal(said.agreed.code, 'file-missing', 'that shard is not there');
  assert.equal(server.requests.slice(before).filter((path) => path.endsWith('a.bin')).length, 1);
});

test('capabilities say where a model would run, and why', async () => {
  const { device, reasons, webgpu, wasm_simd, storage } = await withApi(({ capabilities }) => capabilities());
  assert.deepEqual([device, reasons, wasm_simd, storage.keeps], ['wgpu', [], true, true]);
  assert.ok(webgpu.adapter && webgpu.max_buffer_bytes > 2 ** 27 && storage.quota_bytes > 0);
});

test('wrong options are refused before anything is fetched', async () => {
  const before = server.requests.filter((path) => path.endsWith('worker.js')).length;
  const said = await withApi(async ({ load }, { refused }) => {
    const wrong = [{ device: 'abacus' }, { url: 'javascript:alert(1)' }, { url: 'file:///etc/' }];
    return Promise.all(wrong.map((options) => refused(load(options))));
  });
  assert.deepEqual(
    said.map(({ code }) => code),
    ['option', 'option', 'option'],
  );
  assert.equal(server.requests.filter((path) => path.endsWith('worker.js')).length, before);
});

test('options that are not known, or of another type, are refused; a stream that is left is stopped', { timeout: 60_000 }, async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  const said = await page.evaluate(async () => {
    const { load } = await import('./inf-llava/index.js');
    const codeOf = async (run) =>
      Promise.resolve()
        .then(run)
        .then(
          () => 'done',
          ({ name, code }) => (name === 'InfLlavaError' ? code : name),
        );
    /** How answers of the worker ended. */
    const reasons = [];
    globalThis.Worker = class extends Worker {
      constructor(...given) {
        super(...given);
        this.addEventListener('message', ({ data }) => data.value?.stop_reason && reasons.push(data.value.stop_reason));
      }
    };
    const model = await load(null);
    const chat = model.chat();
    const request = { messages: [{ role: 'user', content: 'slow' }], stream: true };
    const { completions } = model.chat;
    const refused = [];
    for (const options of ['/models/mine/', 5, { modell: 'x' }, { signal: 5 }]) refused.push(await codeOf(() => load(options)));
    for (const options of [{ max_tokens: 1 }, { maxNewTokens: 1 }, { temperature: '0.5' }, { seed: 1.5 }, 'x', { signal: {} }])
      refused.push(await codeOf(() => chat.ask('q', options).answer));
    refused.push(await codeOf(() => completions.create(request, { signal: {} })));
    const none = await codeOf(() => chat.ask('q', { temperature: null, signal: null }).answer);
    const left = await completions.create(request, null);
    for await (const chunk of left) if (chunk) break;
    const never = await completions.create(request);
    await never[Symbol.asyncIterator]().return();
    const again = await codeOf(async () => {
      for await (const chunk of left) void chunk;
    });
    while (model.atWork > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    return { refused, none, again, reasons };
  });
  // One was begun, and stopped; the other never came to its turn, or hardly.
  const [whole, ...left] = said.reasons;
  assert.deepEqual({ ...said, reasons: undefined }, { refused: Array(11).fill('option'), none: 'done', again: 'option', reasons: undefined });
  assert.equal(whole, 'stop');
  assert.ok(left.length >= 1 && left.every((reason) => reason === 'stopped'), left.join());
  await page.close();
});
