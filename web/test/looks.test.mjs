/** What is told, and by what: words, marks that are no colours, names for those who do not see. With a stand-in for the engine. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { clean, open, p, ready, says } from './stand-in.mjs';

const DRAWN = '?model=models/drawn/';
const samples = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));
const png = await readFile(join(REPOSITORY, 'models/demo/samples/1.png'));
const choose = (name) => p.image.setInputFiles({ name, mimeType: 'image/png', buffer: Buffer.concat([png, Buffer.from(name)]) });

async function ask(text) {
  await p.message.fill(text);
  await p.message.press('Enter');
  await p.page.locator('.turn[data-state="done"]').last().waitFor();
}

test('names are short: the file button says what it does, a sample its number, the picture what is on it', async () => {
  await ready(DRAWN);
  await p.page.getByRole('button', { name: 'Sample 4', exact: true }).waitFor();
  assert.equal(await p.page.locator('#image').getAttribute('aria-label'), 'Choose a picture');
  const names = await p.page.locator('.sample').evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-label')));
  assert.deepEqual(names, ['Sample 1', 'Sample 2', 'Sample 3', 'Sample 4']);
  await p.page.getByRole('button', { name: 'Sample 2', exact: true }).click();
  await p.page.getByRole('img', { name: `Picture preview: ${samples[1].alt}` }).waitFor();
  await says(p.status, 'Picture ready');
  await choose('own.png');
  await says(p.page.locator('#picture-name'), 'own.png');
  assert.equal(await p.page.locator('#preview').getAttribute('aria-label'), 'Picture preview');
});

test('seconds first, figures for those who ask; no rate of a few tokens', async () => {
  await ready(DRAWN);
  await p.page.locator('.sample').first().click();
  await says(p.status, 'Picture ready, read in 840 ms');
  await ask('say: RG');
  const turn = p.page.locator('.turn').last();
  assert.match(await turn.locator('footer .data').innerText(), /^[\d.]+ (ms|sec)$/);
  await turn.locator('footer summary').click();
  assert.match(await turn.locator('footer .data').innerText(), /^[\d.]+ (ms|sec)\s+10 passes of the vision tower · 1 token · 64 prompt tokens, 40 new$/);
  await ask('say: one two three four five six seven eight nine');
  const longer = p.page.locator('.turn').last();
  await longer.locator('footer summary').click();
  assert.match(await longer.locator('footer .data').innerText(), /9 tokens · 11\.3 tokens\/s/);
  for (const jargon of [/passes/, /token/]) assert.doesNotMatch(await p.status.innerText(), jargon);
  clean();
});

test('formats are told once', async () => {
  await ready();
  await choose('broken.png');
  const notice = p.page.getByRole('alert');
  await says(notice, 'this is no picture');
  assert.equal((await notice.innerText()).match(/WebP/g).length, 1);
});

for (const [language, said, advice] of [
  ['de', 'Das ist kein Bild, das hier gelesen werden kann.', 'Bitte ein anderes Bild wählen.'],
  ['ar', 'هذا الملف ليس صورة يمكن قراءتها هنا.', 'اختر صورة أخرى.'],
]) {
  test(`what the engine says is said in the element’s language, with its own words below: ${language}`, async () => {
    await open(`?lang=${language}`);
    await p.page.locator('#image').setInputFiles({ name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    const notice = p.page.getByRole('alert');
    await says(notice, said);
    await says(notice, advice);
    const detail = notice.locator('.notice-detail');
    assert.match(await detail.innerText(), /^broken\.png: this is no picture/);
    assert.deepEqual(await detail.evaluate((node) => [node.lang, getComputedStyle(node).direction]), ['en', 'ltr']);
    await p.context.close();
    await open(`?lang=${language}&model=models/broken/`);
    await says(p.page.getByRole('alert').locator('.notice-detail'), 'tensor model.norm.weight is missing');
  });
}

test('every code of an error that can reach the element has words in every language', async () => {
  const readme = await readFile(join(REPOSITORY, 'web/README.md'), 'utf8');
  const rows = readme
    .split('## Errors')[1]
    .split('\n## ')[0]
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  /** Said by the element in its own words, or never seen in it. */
  const elsewhere = [
    'consent',
    'crashed',
    'stopped',
    'empty-question',
    'image-file-too-large',
    'image-url',
    'not-loaded',
    'not-running',
    'unloaded',
    'transcript',
    'page',
    'unsupported',
    'bad-value',
    'bad-json',
  ];
  const codes = rows
    .filter((row) => !row.includes('only in the command line'))
    .flatMap((row) => [...row.split('|')[1].matchAll(/`([\w-]+)`/g)].map(([, code]) => code))
    .filter((code) => !elsewhere.includes(code));
  assert.ok(codes.length > 20, `${codes.length} codes`);
  for (const language of ['de', 'ar']) {
    const source = await readFile(join(REPOSITORY, `web/src/element/strings/${language}.ts`), 'utf8');
    const table = source.split('  errors: {')[1].split('\n  },')[0];
    const told = [...table.matchAll(/^ {4}'?([\w-]+)'?: '/gm)].map(([, code]) => code);
    assert.deepEqual(
      codes.filter((code) => !told.includes(code)),
      [],
      language,
    );
  }
});

test('the model in use is marked in words, and not in the colour of what is live', async () => {
  await ready();
  await p.page.evaluate(() => {
    document.querySelector('inf-llava-chat').models = [{ name: 'Drawings', url: 'models/drawn/' }];
  });
  await p.page.getByText('Settings', { exact: true }).click();
  const items = p.page.getByRole('list', { name: 'Models' }).getByRole('listitem');
  await p.page.getByRole('button', { name: 'Use: Drawings' }).click();
  await says(items.nth(1), 'in use');
  assert.doesNotMatch(await items.nth(0).innerText(), /in use/);
  const border = (at) =>
    items
      .nth(at)
      .getByRole('button')
      .evaluate((button) => getComputedStyle(button).borderColor);
  await p.page.mouse.move(0, 0); // from the button
  assert.equal(await border(1), await border(0));
});

/** What can be seen of a button's state when all colours are the visitor's: its outline, and what is drawn after it. */
const marks = (locator) =>
  locator.evaluate((node) => ({ outline: getComputedStyle(node).outlineStyle, mark: getComputedStyle(node, '::after').content.replace(/ .*/, '') }));

test('with the visitor’s own colours, what is chosen is marked', async () => {
  await ready(DRAWN, { forcedColors: 'active' });
  await p.page.locator('.sample').nth(1).click();
  await says(p.status, 'Picture ready');
  await p.message.focus();
  assert.deepEqual(await marks(p.page.locator('.sample').nth(1)), { outline: 'solid', mark: '"✓"' });
  assert.deepEqual(await marks(p.page.locator('.sample').nth(0)), { outline: 'none', mark: 'none' });
  assert.equal((await marks(p.page.locator('.toggle').nth(0))).outline, 'solid', 'the grid is on');
  assert.equal((await marks(p.page.locator('.toggle').nth(1))).outline, 'none', 'the map is off');
  assert.equal(await p.stop.evaluate((button) => getComputedStyle(button).borderStyle), 'dashed', 'what cannot be used');
});

test('what is chosen is marked by more than a colour with all colours, too', async () => {
  await ready(DRAWN);
  await p.page.locator('.sample').nth(1).click();
  await says(p.status, 'Picture ready');
  assert.equal((await marks(p.page.locator('.sample').nth(1))).mark, '"✓"');
  assert.equal((await marks(p.page.locator('.sample').nth(0))).mark, 'none');
});

test('what is kept is deleted when that is asked for twice', async () => {
  await ready();
  await p.page.getByText('Settings', { exact: true }).click();
  const list = p.page.getByRole('list', { name: 'Kept in this browser' });
  await list.getByRole('button', { name: 'Delete: INF-LLaVA demo' }).click();
  await list.getByRole('button', { name: 'Delete for good: INF-LLaVA demo' }).waitFor();
  await p.message.focus(); // something else is done instead
  await list.getByRole('button', { name: 'Delete: INF-LLaVA demo' }).and(p.page.locator(':not(.surely)')).click();
  assert.match(await list.innerText(), /INF-LLaVA demo/);
  await list.getByRole('button', { name: 'Delete for good: INF-LLaVA demo' }).click();
  await says(p.status, 'Deleted');
  assert.doesNotMatch(await list.innerText(), /INF-LLaVA demo/);
});
