/** Sample pictures, and a model that knows drawings only, in Chromium with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { browser, clean, open, p, ready, says, server, site } from './stand-in.mjs';

const DRAWN = '?model=models/drawn/';
const samples = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));
const samplePng = await readFile(join(REPOSITORY, 'models/demo/samples/1.png'));

const choose = (name, buffer = Buffer.concat([samplePng, Buffer.from(name)])) => p.image.setInputFiles({ name, mimeType: 'image/png', buffer });
const sample = (at) => p.page.getByRole('button', { name: `Sample ${at + 1}`, exact: true });
const questions = () => p.page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button');
const warning = () => p.page.getByRole('alert');

/** A model folder with this `samples.json`, beside one picture that could be named. */
async function folderWith(name, list) {
  const folder = join(site.folder, 'models', name);
  await mkdir(join(folder, 'samples'), { recursive: true });
  await cp(join(REPOSITORY, 'models/demo/samples/1.png'), join(folder, 'samples/1.png'));
  await writeFile(join(folder, 'samples.json'), typeof list === 'string' ? list : JSON.stringify(list));
  return `?model=models/${name}/`;
}

test('the samples are offered at once, with what the model knows; their answers are nowhere', async () => {
  await open('?model=models/slow-drawn/');
  await cp(join(site.folder, 'models/drawn'), join(site.folder, 'models/slow-drawn'), { recursive: true });
  await p.page.reload();
  for (const at of samples.keys()) await sample(at).waitFor();
  await says(p.status, 'Loading model'); // they do not wait for the model
  await says(p.status, 'Ready on');
  await says(p.page.locator('#samples-lead'), 'This small model answers questions about drawings like these: figures, signs, bar charts.');
  const pixels = await sample(0)
    .locator('canvas')
    .evaluate((canvas) => [...canvas.getContext('2d').getImageData(9, 9, 1, 1).data]);
  assert.ok(
    pixels.slice(0, 3).every((value) => value > 120 && value < 220),
    `a muted ground, not ${pixels}`,
  );
  await sample(0).click();
  await says(p.status, 'Picture ready');
  const page = await p.page.locator('body').innerText();
  for (const { answer } of samples.flatMap((entry) => entry.questions)) {
    if (/^[A-Z]{3,}$/.test(answer)) assert.equal(page.includes(answer), false, answer);
  }
  assert.equal(await p.page.locator('#random-weights').isVisible(), false);
});

test('a sample by mouse: its picture, its questions, asked at a click', async () => {
  await ready(DRAWN);
  assert.equal(await questions().count(), 0);
  await sample(1).click();
  await says(p.status, 'Picture ready');
  await says(p.page.locator('#picture-name'), 'Sample 2');
  assert.equal(await sample(1).getAttribute('aria-pressed'), 'true');
  assert.equal(await sample(0).getAttribute('aria-pressed'), 'false');
  assert.deepEqual(
    await questions().allInnerTexts(),
    samples[1].questions.map(({ text }) => text),
  );
  assert.equal(await p.page.locator('#starters button').count(), 0);
  assert.equal(await warning().count(), 0);
  await p.message.fill('half a thought');
  await questions().nth(1).click();
  await says(p.answers, `About Sample 2, turn 1: you asked ${samples[1].questions[1].text}`);
  assert.equal(await p.message.inputValue(), 'half a thought');
  await questions().nth(0).click();
  await says(p.answers.nth(1), 'turn 2');
  clean();
});

test('a sample by keyboard', async () => {
  await ready(DRAWN);
  await sample(3).waitFor();
  await p.image.focus();
  for (const _ of ['camera', 'first', 'second']) await p.page.keyboard.press('Tab');
  assert.equal(await sample(1).evaluate((button) => button === button.getRootNode().activeElement), true);
  await p.page.keyboard.press('Enter');
  await says(p.status, 'Picture ready');
  await says(p.page.locator('#picture-name'), 'Sample 2');
  assert.equal(await sample(1).evaluate((button) => button === button.getRootNode().activeElement), true, 'the focus stays');
  await p.message.focus();
  await p.page.keyboard.press('Shift+Tab');
  await p.page.keyboard.press('Enter');
  await says(p.answers, `you asked ${samples[1].questions.at(-1).text}`);
  assert.equal(await p.message.evaluate((box) => box === box.getRootNode().activeElement), true);
  clean();
});

test('another picture takes the questions away, and so does none', async () => {
  await ready(DRAWN);
  await sample(0).click();
  await says(p.status, 'Picture ready');
  await choose('own drawing.png');
  await says(p.page.locator('#picture-name'), 'own drawing.png');
  assert.equal(await questions().count(), 0);
  assert.equal(await sample(0).getAttribute('aria-pressed'), 'false');
  assert.equal(await p.page.locator('#starters button').first().innerText(), 'How many shapes are there?');
  await says(p.status, 'Picture ready');
  assert.equal(await warning().count(), 0, 'a drawing is not warned about');
  await sample(2).click();
  await says(p.page.locator('#picture-name'), 'Sample 3');
  await p.page.getByRole('button', { name: 'Remove' }).click();
  await says(p.status, 'Picture removed');
  assert.equal(await questions().count(), 0);
  clean();
});

test('a photograph: told before the answer, with the way to the full model', async () => {
  await ready(DRAWN);
  await p.page.evaluate(() => {
    window.order = [];
    const note = (what, seen) => seen && !window.order.includes(what) && window.order.push(what);
    const { shadowRoot } = document.querySelector('inf-llava-chat');
    new MutationObserver(() => {
      note('warned', shadowRoot.getElementById('outside-scope').checkVisibility());
      note('remarked', shadowRoot.querySelector('.entry-remark'));
      note('answered', shadowRoot.querySelector('.answer')?.textContent);
    }).observe(shadowRoot, { subtree: true, childList: true, attributes: true });
  });
  await choose('slow photo.png');
  await p.message.fill('what is it?');
  await p.message.press('Enter');
  await says(p.status, 'waits for the picture');
  await says(warning(), 'This small model knows only drawings like the samples');
  await says(p.conversation.locator('.picture-entry'), 'not the kind of drawing that this model knows');
  await says(p.answers, 'About slow photo.png, turn 1');
  assert.equal((await p.page.evaluate(() => window.order)).at(-1), 'answered');
  assert.equal(await warning().isVisible(), true, 'and stays');

  const help = p.page.locator('#full-model');
  assert.equal(await help.getByText('?model=URL').isVisible(), false);
  await p.page.getByRole('button', { name: 'About the full model' }).press('Enter');
  assert.equal(await help.getByText('?model=URL').isVisible(), true);
  assert.equal(await help.locator('summary').evaluate((node) => node === document.activeElement), true);

  await p.newChat.click();
  await says(p.conversation.locator('.picture-entry'), 'not the kind of drawing that this model knows');
  await sample(0).click();
  await says(p.status, 'Picture ready');
  assert.equal(await warning().count(), 0);
  clean();
});

test('a picture that fails leaves the warning about the one before it', async () => {
  await ready(DRAWN);
  await choose('photo.png');
  await says(warning(), 'knows only drawings');
  await choose('broken.png');
  await says(warning(), 'this is no picture');
  await says(warning(), 'knows only drawings');
  await says(p.page.locator('#picture-name'), 'photo.png');
});

test('a general model: no scope, no warning, no way to itself', async () => {
  await ready();
  await says(p.page.locator('#samples-lead'), 'Sample pictures, with questions to ask');
  await choose('photo.png');
  await says(p.status, 'Picture ready');
  assert.equal(await warning().count(), 0);
  assert.equal(await p.page.locator('#full-model').isVisible(), false);
  assert.equal(await p.page.locator('#starters button').first().innerText(), 'Describe this picture.');
  clean();
});

test('after a crash the samples are still there, and the one in use is read again', async () => {
  await ready(DRAWN);
  await sample(0).click();
  await says(p.status, 'Picture ready');
  await p.message.fill('lose once, please');
  await p.message.press('Enter');
  await says(p.answers, 'About Sample 1, turn 1: you asked lose once, please');
  await says(p.status, 'Answer complete');
  assert.equal(await sample(0).getAttribute('aria-pressed'), 'true');
  assert.equal(await questions().count(), 3);
  await questions().first().click();
  await says(p.answers.last(), 'About Sample 1, turn 2');
});

test('a model without samples has none, and its scope is said all the same', async () => {
  await mkdir(join(site.folder, 'models/drawn-bare'), { recursive: true });
  await ready('?model=models/drawn-bare/');
  await says(p.page.locator('#samples-lead'), 'This small model answers questions about drawings: figures');
  assert.equal(await p.page.locator('.sample').count(), 0);
});

test('hostile text in samples.json is text', async () => {
  const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await ready(
    await folderWith('evil-text', [
      { image: 'samples/1.png', alt: evil, questions: [{ text: evil, answer: evil }, { text: 'x'.repeat(5000) }, 'no question', { text: 7 }, null] },
    ]),
  );
  await p.page.locator('.sample').click();
  await says(p.status, 'Picture ready');
  assert.deepEqual(await questions().allInnerTexts(), [evil]);
  assert.equal(await p.page.locator('#preview').getAttribute('aria-label'), `Picture preview: ${evil}`);
  assert.equal(await p.page.locator('#samples img, #samples script, #suggestions img, #suggestions script').count(), 0);
  await questions().first().click();
  await says(p.answers, 'you asked <img src=x');
  assert.match(await p.page.title(), /^INF-LLaVA/);
  clean();
});

test('no name in samples.json leads out of the folder', async () => {
  const names = [
    '../demo/samples/1.png',
    'samples/../../demo/samples/1.png',
    '/models/demo/samples/1.png',
    '//localhost:1/1.png',
    'https://example.com/1.png',
    'data:image/png;base64,AAAA',
    'samples%2F..%2F..%2Fdemo%2Fsamples%2F1.png',
    '..\\1.png',
    'samples/1.png?x',
    'samples/1.png#x',
    './samples/1.png',
    'a/b/1.png',
    '.hidden.png',
    'samples/1.svg',
    'javascript:1.png',
    7,
    null,
    { a: 1 },
    ['samples/1.png'],
  ];
  const before = server.requests.length;
  await ready(
    await folderWith(
      'evil-names',
      [...names, 'samples/1.png'].map((image) => ({ image, alt: 'a drawing', questions: [] })),
    ),
  );
  await p.page.locator('.sample').first().waitFor();
  assert.equal(await p.page.locator('.sample').count(), 1, 'the one good name');
  const pictures = server.requests.slice(before).filter((path) => /^\/models\/.*\.(png|svg)/.test(path));
  assert.deepEqual(pictures, ['/models/evil-names/samples/1.png']);
  clean();
});

test('a thousand samples are six; a list or a picture beyond measure is none', async () => {
  const entry = { image: 'samples/1.png', alt: 'one', questions: Array(500).fill({ text: 'Why?' }) };
  await ready(await folderWith('many', Array(1000).fill({ image: entry.image, alt: 'one' })));
  await p.page.locator('.sample').nth(5).waitFor();
  assert.equal(await p.page.locator('.sample').count(), 6);
  await p.context.close();

  await ready(await folderWith('talkative', [entry]));
  await p.page.locator('.sample').click();
  await says(p.status, 'Picture ready');
  assert.equal(await questions().count(), 4);
  await p.context.close();

  const bytes = `[${' '.repeat(70_000)}${JSON.stringify(entry)}]`;
  for (const [name, list] of [
    ['long', bytes],
    ['no-json', '<!doctype html>'],
    ['no-list', { image: 'samples/1.png' }],
    ['null', 'null'],
  ]) {
    await ready(await folderWith(name, list));
    await p.page.waitForTimeout(200);
    assert.equal(await p.page.locator('.sample').count(), 0, name);
    clean();
    await p.context.close();
  }

  const path = await folderWith('heavy', [{ image: 'samples/heavy.png', alt: 'heavy' }, { image: 'samples/text.png', alt: 'no picture' }, entry]);
  await writeFile(join(site.folder, 'models/heavy/samples/heavy.png'), Buffer.concat([samplePng, Buffer.alloc(1_000_000)]));
  await writeFile(join(site.folder, 'models/heavy/samples/text.png'), 'no picture');
  await ready(path);
  await p.page.locator('.sample').first().waitFor();
  assert.equal(await p.page.locator('.sample').count(), 1);
});

for (const width of [320, 390, 1024]) {
  test(`${width} px wide: samples and warning fit, targets are large enough`, async () => {
    await open(DRAWN, { viewport: { width, height: 720 } });
    await says(p.status, 'Ready on');
    await sample(0).click();
    await says(p.status, 'Picture ready');
    await choose('photo.png');
    await says(warning(), 'knows only drawings');
    await p.page.getByRole('button', { name: 'About the full model' }).click();
    await sample(1).click();
    await says(p.page.locator('#picture-name'), 'Sample 2');
    const { overflow, small } = await p.page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      small: [...document.querySelector('inf-llava-chat').shadowRoot.querySelectorAll('button, summary'), ...document.querySelectorAll('button, summary')]
        .filter((node) => node.checkVisibility())
        .map((node) => ({ name: node.textContent || node.id, ...node.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => width < 24 || height < 24),
    }));
    assert.equal(overflow, 0);
    assert.deepEqual(small, []);
    clean();
  });
}

const LANGUAGES = {
  en: ['choose a picture first', 'ask in English', 'has not learnt to answer that', 'may be wrong'],
  de: ['zuerst ein Bild', 'auf Englisch fragen', 'nicht gelernt', 'kann falsch sein'],
  ar: ['اختيار صورة أولًا', 'السؤال بالإنجليزية', 'لم يتعلم', 'قد تكون الإجابة خاطئة'],
};
for (const [language, [picture, english, unlike, odd]] of Object.entries(LANGUAGES)) {
  test(`what a model of narrow scope has not learnt is told, in ${language}`, async () => {
    await ready(DRAWN);
    await p.page.evaluate((language) => (document.querySelector('inf-llava-chat').lang = language), language);
    const message = p.page.locator('textarea');
    const send = async (text) => {
      await message.fill(text);
      await message.press('Enter');
    };
    await send('Hello?');
    await says(p.answers.nth(0), picture);
    await says(p.answers.nth(0), 'Read the sign.');
    assert.equal((await p.answers.nth(0).innerText()).includes('remark:'), false, 'in the page’s language');
    await p.page.locator('.sample').first().click(); // its name is in the page's language
    await p.page.locator('#picture-name').getByText('1').waitFor();
    await send('wie viele?');
    await says(p.answers.nth(1), english);
    await send('unlike any');
    await says(p.answers.nth(2), unlike);
    assert.equal((await p.answers.nth(2).innerText()).includes('you asked'), false, 'nothing instead of an answer');
    await send('odd but in its words');
    await says(p.answers.nth(3), 'you asked odd but in its words');
    await says(p.page.getByRole('note').filter({ hasText: odd }), 'Read the sign.');
    await send('How many shapes are there?');
    await says(p.answers.nth(4), 'you asked How many shapes are there?');
    assert.equal(await p.page.locator('.turn').nth(4).getByRole('note').count(), 0);
    clean();
  });
}

test('completions carry the remark, whole and as a stream; who asks anyway is answered', async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}blank.html`);
  const said = await page.evaluate(async () => {
    const { load } = await import('./inf-llava/index.js');
    const model = await load({ url: 'models/drawn/', device: 'cpu' });
    const request = { messages: [{ role: 'user', content: 'Hello?' }] };
    const whole = await model.chat.completions.create(request);
    const chunks = [];
    for await (const chunk of await model.chat.completions.create({ ...request, stream: true })) chunks.push(chunk);
    return { whole, chunks, anyway: await model.chat().ask('Hello?', { anyway: true }).answer };
  });
  await page.close();
  const [choice] = said.whole.choices;
  assert.equal(said.whole.remark.code, 'needs_picture');
  assert.equal(said.whole.remark.answered, false);
  assert.equal(choice.message.content, said.whole.remark.text);
  assert.deepEqual(
    said.chunks.filter(({ remark }) => remark).map(({ choices }) => choices[0].finish_reason),
    ['stop'],
  );
  assert.equal(said.chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), said.whole.remark.text);
  assert.equal(said.anyway.remark, undefined);
  assert.match(said.anyway.text, /you asked Hello\?/);
});
