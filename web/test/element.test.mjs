/** The element in Chromium, with a stand-in for the engine: what the demo page does not show. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from './harness.mjs';
import { comes } from './hosts.mjs';
import { browser, clean, p, ready, says, server } from './stand-in.mjs';

const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mM4YaMBRAwQCgAjXgSxhgLRkwAAAABJRU5ErkJggg==', 'base64');
const choose = (name) => p.image.setInputFiles({ name, mimeType: 'image/png', buffer: Buffer.concat([PNG, Buffer.from(name)]) });

async function ask(text) {
  await p.message.fill(text);
  await p.message.press('Enter');
}

async function complete(text) {
  await ask(text);
  await says(p.status, 'Answer complete');
}

const button = (name) => p.page.getByRole('button', { name, exact: true });

/** A page with nothing but what `html` says and the element defined. */
async function openHtml(html, { launched = browser, ...options } = {}) {
  const context = await launched.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${server.url}blank.html`);
  await page.evaluate(async (html) => {
    document.body.innerHTML = html;
    await import('./inf-llava/define.js');
  }, html);
  return { context, page, complaints };
}

test('a question is changed: it takes its own place, and what came after is forgotten', async () => {
  await ready();
  await choose('chart.png');
  await complete('one');
  await complete('two');
  await complete('three');
  await button('Edit').nth(1).click();
  assert.equal(await p.message.inputValue(), 'two');
  await says(p.page.locator('.editing'), 'What came after it is forgotten');
  await button('Cancel').click();
  assert.equal(await p.message.inputValue(), '');
  await button('Edit').nth(1).click();
  await p.message.fill('two, rather');
  await button('Send again').click();
  await says(p.answers.nth(1), 'About chart.png, turn 2: you asked two, rather');
  assert.equal(await p.answers.count(), 2);
  await complete('and now');
  await says(p.answers.nth(2), 'turn 3');
  clean();
});

test('a changed question that fails leaves everything as it was', async () => {
  await ready();
  await complete('one');
  await complete('two');
  await button('Edit').first().click();
  await p.message.fill('beyond the context');
  await p.message.press('Enter');
  await says(p.page.getByRole('alert'), 'the context holds 4096');
  assert.deepEqual(await p.page.locator('.question').allTextContents(), ['You: one', 'You: two']);
  assert.equal(await p.message.inputValue(), 'beyond the context');
  await p.message.fill('');
  await complete('three');
  await says(p.answers.last(), 'turn 3');
});

test('the conversation is exported, as Markdown and as JSON', async () => {
  await ready();
  await choose('chart.png');
  await complete('what?');
  const exported = async (name) => {
    await p.page.getByText('Export', { exact: true }).click();
    const [download] = await Promise.all([p.page.waitForEvent('download'), button(name).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return [download.suggestedFilename(), Buffer.concat(chunks).toString()];
  };
  const [name, markdown] = await exported('As Markdown');
  assert.equal(name, 'conversation.md');
  assert.match(markdown, /## chart\.png\n\n> what\?\n\nAbout chart\.png, turn 1/);
  const [jsonName, json] = await exported('As JSON');
  assert.equal(jsonName, 'conversation.json');
  assert.equal(JSON.parse(json).topics[0].turns[0].question, 'what?');
  clean();
});

test('what the model looks at: word by word, and when it read the picture', async () => {
  await ready();
  await choose('chart.png');
  await says(p.status, 'Picture ready');
  await p.page.getByLabel('What it looks at').check();
  const panel = p.page.getByRole('region', { name: 'What the model looks at' });
  await says(panel, 'Ask something first');
  await complete('what is it?');
  await says(panel, '1 of 9: About');
  /** Until the map that lies over the picture has so many places, and this one is the brightest. */
  const brightest = (...expected) =>
    comes(
      p.page,
      (expected) => {
        const canvas = document.querySelector('inf-llava-chat').shadowRoot.querySelector('canvas.heat');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const veils = Array.from({ length: data.length / 4 }, (_, at) => data[at * 4 + 3]);
        return [veils.length, veils.indexOf(Math.min(...veils))].join() === expected;
      },
      expected.join(),
    );
  await brightest(16, 0);
  const slider = panel.getByRole('slider', { name: 'Word of the last answer' });
  await slider.press('ArrowRight');
  await slider.press('ArrowRight');
  await says(panel, '3 of 9: turn');
  assert.equal(await slider.getAttribute('aria-valuetext'), '3 of 9: turn');
  await brightest(16, 2);
  await panel.getByLabel('for the picture').check();
  await says(panel, 'when the two views of the picture were put together');
  await brightest(144, 143);
  await p.page.getByLabel('What it looks at').uncheck();
  assert.equal(await panel.isVisible(), false);
  assert.equal(await p.page.locator('canvas.heat').isVisible(), false);
  clean();
});

test('a picture from the camera, and a camera that is not to be had', async () => {
  const launched = await launchBrowser(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
  const { page, context, complaints } = await openHtml('<inf-llava-chat model="models/other/"></inf-llava-chat>', { launched });
  await page.getByRole('button', { name: 'Camera' }).click();
  const dialog = page.getByRole('dialog', { name: 'Camera' });
  await dialog.waitFor();
  await page.waitForFunction(() => document.querySelector('inf-llava-chat').shadowRoot.querySelector('video').videoWidth > 0);
  await dialog.getByRole('button', { name: 'Take the picture' }).click();
  await says(page.getByRole('status', { name: 'Status' }), 'Picture ready');
  await says(page.locator('#picture-name'), 'camera.png');
  assert.equal(await page.evaluate(() => document.querySelector('inf-llava-chat').shadowRoot.querySelector('video').srcObject), null, 'the camera is off');
  assert.deepEqual(complaints, []);
  await context.close();
  await launched.close();

  const without = await openHtml('<inf-llava-chat model="models/other/"></inf-llava-chat>');
  await without.page.getByRole('button', { name: 'Camera' }).click();
  await says(without.page.getByRole('alert'), 'There is no camera, or this page may not use it');
  await without.context.close();
});

test('several widgets on a page: one engine, and each its own conversation', async () => {
  const workers = [];
  const two = '<inf-llava-chat id="a"></inf-llava-chat><inf-llava-chat id="b"></inf-llava-chat>';
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('worker', (worker) => workers.push(worker.url()));
  await page.goto(`${server.url}blank.html`);
  await page.evaluate(async (html) => {
    document.body.innerHTML = html;
    await import('./inf-llava/define.js');
    for (const chat of document.querySelectorAll('inf-llava-chat')) chat.load();
  }, two);
  const widget = (id) => page.locator(id);
  for (const id of ['#a', '#b']) await says(widget(id).getByRole('status', { name: 'Status' }), 'Ready on');
  assert.equal(workers.length, 1);
  const typed = async (id, text) => {
    await widget(id).getByRole('textbox', { name: 'Message' }).fill(text);
    await widget(id).getByRole('textbox', { name: 'Message' }).press('Enter');
  };
  await typed('#a', 'slow please');
  await says(widget('#a').locator('.answer'), 'word');
  await typed('#b', 'and me?');
  await says(widget('#b').getByRole('status', { name: 'Status' }), 'waits for another conversation');
  await widget('#a').getByRole('button', { name: 'Stop' }).click();
  await says(widget('#b').locator('.answer'), 'Without a picture, turn 1: you asked and me?');
  await typed('#a', 'me again');
  await says(widget('#a').locator('.answer').nth(1), 'turn 2: you asked me again');
  // One of them goes; the other goes on.
  await page.evaluate(() => document.getElementById('a').remove());
  await typed('#b', 'still there?');
  await says(widget('#b').locator('.answer').nth(1), 'turn 2');
  // The last one ends the engine.
  const ended = page.workers()[0].waitForEvent('close');
  await page.evaluate(() => document.getElementById('b').remove());
  await ended;
  assert.equal(page.workers().length, 0);
  await context.close();
});

test('moved within the page, it keeps its conversation', async () => {
  const { page, context } = await openHtml('<div id="from"><inf-llava-chat></inf-llava-chat></div><div id="to"></div>');
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  await page.evaluate(() => document.querySelector('inf-llava-chat').ask('before'));
  await says(page.locator('.answer'), 'you asked before');
  await page.evaluate(() => document.getElementById('to').append(document.querySelector('inf-llava-chat')));
  await page.waitForTimeout(50);
  await says(page.locator('.answer'), 'you asked before');
  await context.close();
});

test('properties, methods and events', async () => {
  const { page, context } = await openHtml('<inf-llava-chat start="interaction" model="models/other/"></inf-llava-chat>');
  const said = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const events = [];
    const names = ['state', 'progress', 'ready', 'picture', 'answer', 'error'];
    for (const name of names) document.addEventListener(`inf-llava-${name}`, ({ detail }) => events.push([name, detail]));
    const next = (name) => new Promise((resolve) => document.addEventListener(`inf-llava-${name}`, ({ detail }) => resolve(detail), { once: true }));
    const idle = [chat.state, chat.engine, chat.export()];
    const isReady = next('ready');
    chat.load();
    const { name } = await isReady;
    const isRead = next('picture');
    await chat.setImage(new Blob([Uint8Array.of(1, 2)]), { name: 'mine.png' });
    const { width } = await isRead;
    const isAnswered = next('answer');
    chat.ask('what?');
    const { question, answer } = await isAnswered;
    const failed = next('error');
    const rejected = await chat.setImage(new Blob([]), { name: 'broken.png' }).catch(({ code }) => code);
    const { code } = await failed;
    await chat.newChat();
    return {
      idle,
      rejected,
      name,
      width,
      question,
      text: answer.text,
      code,
      state: chat.state,
      turns: chat.chat.turns.length,
      kinds: [...new Set(events.map(([kind]) => kind))],
      markdown: chat.export('markdown'),
    };
  });
  assert.deepEqual(said.idle, ['idle', null, null]);
  assert.deepEqual(
    [said.name, said.width, said.question, said.text, said.code],
    ['stand-in', 1200, 'what?', 'About mine.png, turn 1: you asked what?', 'image-format'],
  );
  assert.equal(said.rejected, 'image-format');
  assert.deepEqual([said.state, said.turns], ['ready', 0]);
  assert.deepEqual(said.kinds.sort(), ['answer', 'error', 'picture', 'progress', 'ready', 'state']);
  assert.match(said.markdown, /^# Conversation with stand-in/);
  await context.close();
});

test('a picture of the page’s, and models to choose from', async () => {
  const { page, context } = await openHtml('<inf-llava-chat src="models/demo/samples/2.png" device="cpu"></inf-llava-chat>');
  const status = page.getByRole('status', { name: 'Status' });
  await says(status, 'Picture ready');
  await says(page.locator('#picture-name'), '2.png');
  await page.evaluate(() => {
    document.querySelector('inf-llava-chat').models = [
      { name: 'Drawings', url: 'models/drawn/' },
      { name: 'Broken', url: 'models/broken/' },
    ];
  });
  await page.evaluate(() => document.querySelector('inf-llava-chat').ask('one'));
  await says(page.locator('.answer'), 'About 2.png, turn 1');
  await page.getByText('Settings', { exact: true }).click();
  await page.getByRole('button', { name: 'Use: Drawings' }).click();
  await says(page.locator('#samples-lead'), 'drawings like these');
  await says(status, 'Picture ready');
  assert.equal(await page.getByRole('button', { name: 'Use: Drawings' }).getAttribute('aria-pressed'), 'true');
  await says(page.locator('article.past'), 'About 2.png');
  await page.evaluate(() => document.querySelector('inf-llava-chat').ask('two'));
  await says(page.locator('.answer').last(), 'About 2.png, turn 1: you asked two');
  await page.getByRole('button', { name: 'Use: Broken' }).click();
  await says(page.getByRole('alert'), 'tensor model.norm.weight is missing');
  await page.getByRole('button', { name: 'Use: Small demo model' }).click();
  await says(status, 'Picture ready');
  await context.close();
});

test('in German, in Arabic from right to left, and in a page’s own words', async () => {
  const { page, context } = await openHtml(
    '<inf-llava-chat lang="de-AT" start="interaction"></inf-llava-chat><div lang="ar"><inf-llava-chat start="interaction"></inf-llava-chat></div><inf-llava-chat start="interaction" lang="tlh"></inf-llava-chat>',
  );
  const text = (at, selector) => page.locator('inf-llava-chat').nth(at).locator(selector).first().innerText();
  assert.equal(await text(0, '.drop-title'), 'Bild auswählen');
  assert.equal(await page.locator('inf-llava-chat').nth(1).locator('.widget').getAttribute('dir'), 'rtl');
  assert.match(await text(1, '.drop-title'), /[\u0600-\u06ff]/);
  // A picture's left is left all the same.
  assert.equal(
    await page
      .locator('inf-llava-chat')
      .nth(1)
      .locator('.rule-x')
      .evaluate((node) => getComputedStyle(node).direction),
    'ltr',
  );
  assert.equal(await text(2, '.drop-title'), 'Choose a picture');
  await page.evaluate(() => {
    document.querySelectorAll('inf-llava-chat')[2].strings = { choosePicture: 'yIDel!' };
  });
  assert.equal(await text(2, '.drop-title'), 'yIDel!');
  await page.evaluate(() => document.querySelectorAll('inf-llava-chat')[0].setAttribute('lang', 'en'));
  assert.equal(await text(0, '.drop-title'), 'Choose a picture');
  await context.close();
});

test('colours by custom properties, parts and slots', async () => {
  const { page, context } = await openHtml('<inf-llava-chat start="interaction"><p slot="header">Mine</p><p slot="opening">Begin here</p></inf-llava-chat>');
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('inf-llava-chat { --inf-llava-mark: rgb(1, 2, 3); } inf-llava-chat::part(send) { border-radius: 20px; }');
    document.adoptedStyleSheets = [sheet];
  });
  const send = page.getByRole('button', { name: 'Send' });
  assert.equal(await send.evaluate((node) => getComputedStyle(node).backgroundColor), 'rgb(1, 2, 3)');
  assert.equal(await send.evaluate((node) => getComputedStyle(node).borderRadius), '20px');
  for (const text of ['Mine', 'Begin here']) assert.equal(await page.getByText(text).isVisible(), true);
  await context.close();
});

test('nothing is fetched before it is seen, or before it is used', async () => {
  const { page, context } = await openHtml('<div style="height: 300vh"></div><inf-llava-chat></inf-llava-chat>');
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => document.querySelector('inf-llava-chat').state), 'idle');
  assert.equal(page.workers().length, 0);
  await page.locator('inf-llava-chat').scrollIntoViewIfNeeded();
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  await context.close();
});

test('without HTTPS it runs, keeps nothing, and names the cause', async () => {
  const launched = await launchBrowser(['--host-resolver-rules=MAP insecure.example 127.0.0.1']);
  const page = await launched.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(server.url.replace('127.0.0.1', 'insecure.example'));
  assert.deepEqual(await page.evaluate(() => [isSecureContext, 'gpu' in navigator, 'subtle' in crypto]), [false, false, false]);
  const status = page.getByRole('status', { name: 'Status' });
  await says(status, 'Ready on');
  await says(page.locator('#random-weights'), 'did not come over HTTPS');
  await page.locator('.sample').first().click();
  await page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button').first().click();
  await says(page.locator('.answer'), 'About Sample 1, turn 1');
  const { reasons, storage } = await page.evaluate(async () => (await import('./inf-llava/index.js')).capabilities());
  assert.deepEqual([reasons, storage.keeps], [['insecure-origin'], false]);
  assert.deepEqual(complaints, []);
  await launched.close();
});

test('a hidden tab goes on', async () => {
  await ready();
  await ask('slow please');
  await says(p.answers, 'word');
  const other = await p.context.newPage();
  await other.bringToFront();
  const words = () => p.page.evaluate(() => document.querySelector('inf-llava-chat').shadowRoot.querySelector('.answer').textContent.split(' ').length);
  await comes(
    p.page,
    (more) => document.querySelector('inf-llava-chat').shadowRoot.querySelector('.answer').textContent.split(' ').length > more,
    (await words()) + 15,
  );
  assert.match(await p.page.evaluate(() => document.querySelector('inf-llava-chat').shadowRoot.getElementById('status').textContent), /Answering/);
  await p.page.bringToFront();
  await p.stop.click();
  await says(p.status, /Stopped after [1-9]\d+ tokens/);
});
