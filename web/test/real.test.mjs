/**
 * The page as Trunk built it, with the real engine, in Chromium:
 * `DIST=… EXPECT_TEXT=… node --test real.test.mjs`. EXPECT_TEXT is what the command line answers to
 * the same question about the same picture, greedily and with as many tokens.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { join } from 'node:path';
import { launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { answer, ask, browser, EXPECT_TEXT, IMAGE, MAX_NEW_TOKENS, PATIENCE, QUESTION, ready, says, server, UNBOUNDED } from './real.mjs';

const samples = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));

/** Stops an answer midway: descriptions are the longest, and how long is for the weights to say. */
async function stopMidway(p) {
  for (const question of ['Describe the picture.', 'What is in the picture?', 'What can you see?', 'Describe this picture.']) {
    const turns = await p.answers.count();
    await ask(p, question);
    const turn = p.conversation.locator('article').nth(turns);
    await turn.and(p.page.locator('[data-state="streaming"], [data-state="done"]')).waitFor(PATIENCE);
    await p.page.keyboard.press('Escape');
    await turn.and(p.page.locator('[data-state="done"]')).waitFor(PATIENCE);
    if ((await p.status.innerText()).startsWith('Stopped after')) return;
  }
  assert.fail('every answer was complete before it could be stopped');
}

test('the same answer as the command line, again, stopped, and anew', async () => {
  const p = await ready(`?device=wgpu&temperature=0&max_new_tokens=${MAX_NEW_TOKENS}&${UNBOUNDED}`);
  await says(p.page.locator('#device'), 'WebGPU');

  await p.image.setInputFiles(IMAGE);
  await says(p.status, 'Picture ready');
  await ask(p, QUESTION);
  assert.equal(await answer(p), EXPECT_TEXT);

  // A second turn runs no vision pass.
  await ask(p, 'How many red shapes are there?');
  await says(p.conversation.locator('article[data-state="done"]').nth(1), '0 passes');

  await p.page.getByText('Settings', { exact: true }).click();
  await p.page.getByLabel('Max new tokens').fill('400');
  await stopMidway(p);
  assert.equal(await p.stop.isDisabled(), true);

  // After a stop and a new chat, the first question gets its first answer.
  await p.newChat.click();
  await says(p.status, 'New chat');
  assert.equal(await p.answers.count(), 0);
  await p.page.getByLabel('Max new tokens').fill(String(MAX_NEW_TOKENS));
  await ask(p, QUESTION);
  assert.equal(await answer(p), EXPECT_TEXT);

  await p.page.getByRole('button', { name: 'Regenerate' }).click();
  assert.equal(await answer(p), EXPECT_TEXT);

  assert.deepEqual(p.foreign, [], 'no request leaves the site');
  assert.deepEqual(p.complaints, [], 'no policy violation and no error');
  await p.context.close();
});

test('the same answer on the CPU', async () => {
  const p = await ready(`?device=cpu&temperature=0&max_new_tokens=${MAX_NEW_TOKENS}`);
  await says(p.page.locator('#device'), 'CPU');
  await p.image.setInputFiles(IMAGE);
  await ask(p, QUESTION); // waits for the picture
  assert.equal(await answer(p), EXPECT_TEXT);
  await p.context.close();
});

test('the same answer in OpenAI’s shape: whole, streamed, and up to a stop text', async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}?start=never`);
  const url = `data:image/png;base64,${(await readFile(IMAGE)).toString('base64')}`;
  const stop = EXPECT_TEXT.slice(1, 3);
  const said = await page.evaluate(
    async ([url, text, stop, most]) => {
      const { load } = await import('./inf-llava/index.js');
      const model = await load({ device: 'cpu' });
      const request = {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image_url', image_url: { url } },
              { type: 'text', text },
            ],
          },
        ],
        max_tokens: most,
      };
      const whole = await model.chat.completions.create(request);
      const chunks = [];
      const options = { stream: true, stream_options: { include_usage: true } };
      for await (const chunk of await model.chat.completions.create({ ...request, ...options })) chunks.push(chunk);
      const cut = await model.chat.completions.create({ ...request, stop });
      const refused = await model.chat.completions.create({ ...request, n: 2 }).catch(({ name, code, details }) => [name, code, details.param]);
      return { whole, chunks, cut, refused };
    },
    [url, QUESTION, stop, MAX_NEW_TOKENS],
  );
  await page.close();
  const { whole, chunks, cut } = said;
  assert.equal(whole.choices[0].message.content, EXPECT_TEXT);
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), EXPECT_TEXT);
  assert.equal(cut.choices[0].message.content, EXPECT_TEXT.slice(0, EXPECT_TEXT.indexOf(stop)));
  assert.deepEqual(
    [whole, cut].map(({ choices }) => choices[0].finish_reason),
    ['stop', 'stop'],
  );
  assert.ok(whole.usage.prompt_tokens_details.image_tokens > 0);
  // What was asked before was not computed again.
  const { usage } = chunks.at(-1);
  assert.ok(usage.prompt_tokens_details.cached_tokens > whole.usage.prompt_tokens_details.cached_tokens);
  assert.deepEqual({ ...usage, prompt_tokens_details: 0 }, { ...whole.usage, prompt_tokens_details: 0 });
  assert.deepEqual([chunks[0].choices[0].delta, chunks[0].usage, chunks.at(-1).choices], [{ role: 'assistant', content: '' }, null, []]);
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.deepEqual(said.refused, ['InfLlavaError', 'unsupported', 'n']);
});

test('the samples are offered, and their questions answered right', async () => {
  const p = await ready('?device=cpu&temperature=0&max_new_tokens=24');
  assert.equal(await p.page.locator('#random-weights').isVisible(), false);
  const wrong = [];
  for (const [at, { questions }] of samples.entries()) {
    await p.page.getByRole('button', { name: `Sample ${at + 1}`, exact: true }).click();
    await says(p.page.locator('#picture-facts'), 'seen at');
    assert.equal(await p.page.getByRole('alert').count(), 0, 'a sample is what the model knows');
    for (const { text, answer: expected } of questions) {
      await p.page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button', { name: text }).click();
      const given = await answer(p);
      if (given !== expected) wrong.push({ text, expected, given });
      await p.newChat.click();
      await says(p.status, 'New chat');
    }
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(p.complaints, []);
  await p.context.close();
});

test('a photograph is warned about where the model knows drawings only', async () => {
  const p = await openPage(browser, server.url);
  await p.page.goto(`${server.url}?device=cpu`);
  await says(p.page.locator('#samples-lead'), 'drawings like these');
  await p.image.setInputFiles(join(REPOSITORY, 'tests/fixtures/photographs/chelsea.jpg'));
  await says(p.page.getByRole('alert'), 'knows only drawings');
  await p.page.locator('.sample').first().click();
  await says(p.page.locator('#picture-facts'), '336 × 336 px');
  assert.equal(await p.page.getByRole('alert').count(), 0);
  assert.deepEqual(p.complaints, []);
  await p.context.close();
});

test('what is no picture is said to be none, and the conversation goes on', async () => {
  const p = await ready('?device=cpu&temperature=0&max_new_tokens=4');
  await p.image.setInputFiles(IMAGE);
  await says(p.status, 'Picture ready');
  const named = (name, text) => ({ name, mimeType: 'image/png', buffer: Buffer.from(text) });
  for (const file of [named('note.png', 'no picture at all'), named('cut.png', '\x89PNG\r\n\x1a\n'), named('empty.png', '')]) {
    await p.image.setInputFiles(file);
    await says(p.page.getByRole('alert'), file.name);
    await says(p.page.locator('#picture-name'), '1.png');
  }
  await ask(p, QUESTION);
  await p.conversation.locator('article[data-state="done"]').waitFor(PATIENCE);
  assert.deepEqual(p.complaints, []);
  await p.context.close();
});

test('a model folder that is not there is said, with its address', async () => {
  const p = await openPage(browser, server.url, { path: '?model=models/nowhere/' });
  await says(p.page.getByRole('alert'), 'models/nowhere/');
  await p.page.getByRole('button', { name: 'Load again' }).waitFor();
  await p.context.close();
});

test('a model too large for the device is refused before its weights are fetched', async () => {
  // The released sizes, as their config.json states them.
  const config = {
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128257,
    mm_vision_tower: 'openai/clip-vit-large-patch14-336',
  };
  // The names tell models apart whose config.json is the same.
  const index = { weight_map: { 'model.spatial_embed.norm.weight': 'model-00001-of-00004.safetensors' } };
  for (const device of ['cpu', 'wgpu']) {
    const p = await openPage(browser, server.url);
    const asked = [];
    await p.context.route('**/models/huge/*', (route) => {
      const { pathname } = new URL(route.request().url());
      asked.push(pathname);
      if (pathname.endsWith('/config.json')) return route.fulfill({ json: config });
      if (pathname.endsWith('.index.json')) return route.fulfill({ json: index });
      return route.fulfill({ status: 404 });
    });
    await p.page.goto(`${server.url}?model=models/huge/&device=${device}`);
    await says(p.page.getByRole('alert'), /needs about \d+ MiB and \d+ MiB are available/);
    assert.deepEqual(
      asked.filter((path) => path.endsWith('.safetensors')),
      [],
    );
    await p.context.close();
  }
});

test('without WebGPU the page runs on the CPU by itself', async () => {
  const plain = await launchBrowser([]);
  const p = await ready(`?temperature=0&max_new_tokens=${MAX_NEW_TOKENS}`, { launched: plain });
  assert.equal(await p.page.evaluate(async () => !(await navigator.gpu?.requestAdapter())), true, 'this browser has WebGPU');
  assert.match(await p.status.innerText(), /^Ready on CPU \(WebAssembly\) \(this browser has no WebGPU adapter\)/);
  await says(p.page.locator('#device'), 'CPU');
  await p.image.setInputFiles(IMAGE);
  await ask(p, QUESTION);
  assert.equal(await answer(p), EXPECT_TEXT);
  await plain.close();
});

test('stopped at any token, the next greedy answer is that of a fresh run', async () => {
  const page = await browser.newPage();
  await page.goto(server.url);
  const bytes = [...(await readFile(IMAGE))];
  const said = await page.evaluate(
    async ({ bytes, question }) => {
      const { load } = await import('./inf-llava/index.js');
      const model = await load({ device: 'cpu' });
      const image = Uint8Array.from(bytes);
      const greedy = { temperature: 0, max_new_tokens: 40, anyway: true };
      const fresh = async (transcript) => (await model.chat({ image, ...(transcript && { transcript }) }).ask(question, greedy).answer).text;
      const expected = await fresh();
      const found = [];
      // As good as random, and the same each time.
      for (let k = 0, state = 7; k < 12; k += 1) {
        state = (state * 1103515245 + 12345) % 2 ** 31;
        const after = 1 + (state % 30);
        const chat = model.chat({ image });
        const reply = chat.ask('Describe the picture.', greedy);
        let pieces = 0;
        for await (const _ of reply) if (++pieces === after) break;
        const stopped = await reply.answer;
        // Behind what was stopped, as an engine that has never heard of it; and from the beginning.
        const next = (await chat.ask(question, greedy).answer).text;
        const same = (await chat.regenerate(greedy).answer).text;
        chat.clear();
        const again = (await chat.ask(question, greedy).answer).text;
        found.push({ after, stopped: stopped.stop_reason, next: next === same, again: again === expected });
      }
      return found;
    },
    { bytes, question: QUESTION },
  );
  assert.ok(said.filter(({ stopped }) => stopped === 'stopped').length >= 8, JSON.stringify(said));
  assert.deepEqual(
    said.filter(({ next, again }) => !next || !again),
    [],
  );
  await page.close();
});
