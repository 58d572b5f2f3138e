/** What the element leaves to the page around it, and how it takes what the page says in a way of its own. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { openElement, says } from './stand-in.mjs';

const LIMIT = { timeout: 60_000 };
const PNG = await readFile(join(REPOSITORY, 'models/demo/samples/2.png'));
const status = (page) => page.getByRole('status', { name: 'Status' });

/** A page whose element is ready, with `given(type, {text, html, name})`, as a clipboard or a hand gives it. */
async function ready(html) {
  const opened = await openElement(html);
  await says(status(opened.page), 'Ready on');
  await opened.page.evaluate((png) => {
    const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
    const previewed = [];
    const original = globalThis.createImageBitmap;
    globalThis.createImageBitmap = (image, ...rest) => {
      if (image instanceof File) previewed.push(image.name);
      return original(image, ...rest);
    };
    Object.assign(globalThis, {
      previewed,
      chat: () => document.querySelector('inf-llava-chat'),
      picture: (name) => new File([bytes, name], name, { type: 'image/png' }),
      /** @returns whether it was taken from the page */
      given(target, type, { text, html, name }) {
        const data = new DataTransfer();
        if (text) data.setData('text/plain', text);
        if (html) data.setData('text/html', html);
        if (name) data.items.add(picture(name));
        const init = { bubbles: true, cancelable: true, composed: true };
        const event = type === 'paste' ? new ClipboardEvent(type, { ...init, clipboardData: data }) : new DragEvent(type, { ...init, dataTransfer: data });
        return !target.dispatchEvent(event);
      },
    });
  }, PNG.toString('base64'));
  return opened;
}

test('text that is pasted with a picture of it goes where the cursor is; a picture alone is the element’s', LIMIT, async () => {
  const { page, done } = await ready(
    '<input id="own"><div id="edited" contenteditable><p>Note</p></div><div id="component"></div><inf-llava-chat page-wide></inf-llava-chat>',
  );
  const said = await page.evaluate(async () => {
    const component = document.getElementById('component').attachShadow({ mode: 'open' });
    component.innerHTML = '<textarea></textarea>';
    const targets = {
      message: chat().shadowRoot.getElementById('message'),
      input: document.getElementById('own'),
      edited: document.querySelector('#edited p'),
      component: component.querySelector('textarea'),
      element: chat(),
      page: document.body,
    };
    const pasted = (what) =>
      Object.entries(targets)
        .filter(([name, target]) => given(target, 'paste', { ...what, name: `${name}.png` }))
        .map(([name]) => name);
    const taken = {
      office: pasted({ text: 'A table', html: '<table></table>' }),
      picture: pasted({}),
      copied: pasted({ html: '<img src="x.png">' }),
    };
    await chat().setImage(picture('last.png'));
    return { taken, previewed };
  });
  const all = ['message', 'input', 'edited', 'component', 'element', 'page'];
  assert.deepEqual(said.taken, { office: ['element', 'page'], picture: all, copied: all });
  assert.equal(said.previewed.filter((name) => name === 'message.png').length, 2, 'with text it was left alone');
  assert.equal(said.previewed.at(-1), 'last.png');
  await done();
});

test('what the page has dealt with itself is not the element’s too: a paste, a drop, a key', LIMIT, async () => {
  const { page, done } = await ready('<div id="own"></div><inf-llava-chat page-wide></inf-llava-chat>');
  const said = await page.evaluate(async () => {
    const own = document.getElementById('own');
    for (const type of ['paste', 'dragover', 'drop', 'keydown']) own.addEventListener(type, (event) => event.preventDefault());
    for (const type of ['paste', 'dragover', 'drop']) given(own, type, { name: `own-${type}.png` });
    const target = chat().shadowRoot.querySelector('.target') !== null;
    const answering = new Promise((resolve) => chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.stop_reason), { once: true }));
    chat().ask('slow please');
    while (!chat().shadowRoot.querySelector('.turn[data-state="streaming"]')) await new Promise(requestAnimationFrame);
    own.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, cancelable: true }));
    const going = chat().shadowRoot.getElementById('status').textContent;
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, cancelable: true }));
    const reason = await answering;
    given(document.body, 'drop', { name: 'dropped.png' });
    await new Promise((resolve) => chat().addEventListener('inf-llava-picture', resolve, { once: true }));
    return { target, going, reason, previewed };
  });
  assert.match(said.going, /Answering/);
  assert.deepEqual([said.target, said.reason, said.previewed], [false, 'stopped', ['dropped.png']]);
  await done();
});

test('in a dialog of the page Escape goes back by one step in the element, and closes the dialog only when there is none', LIMIT, async () => {
  const { page, done } = await ready('<dialog open><inf-llava-chat style="width: 60rem; height: 30rem"></inf-llava-chat></dialog>');
  await page.evaluate(() => {
    const dialog = document.querySelector('dialog');
    dialog.close();
    dialog.showModal();
  });
  const message = page.getByRole('textbox', { name: 'Message' });
  const pressEscape = async (what) => {
    await page.keyboard.press('Escape');
    assert.equal(
      await page
        .locator('dialog')
        .first()
        .evaluate((dialog) => dialog.open),
      true,
      what,
    );
  };
  const open = (selector) => page.locator(selector).evaluate((details) => details.open);
  await page.getByText('Export', { exact: true }).click();
  await pressEscape('a menu');
  assert.equal(await open('.menu'), false);
  await page.locator('.settings summary').click();
  await page.getByLabel('Seed').focus();
  await pressEscape('the settings');
  assert.equal(await open('.settings'), false);
  await message.fill('one');
  await message.press('Enter');
  await says(status(page), 'Answer complete');
  await page.getByRole('button', { name: 'Edit' }).click();
  await pressEscape('a change');
  assert.equal(await page.locator('.editing').isVisible(), false);
  await message.fill('slow please');
  await message.press('Enter');
  await says(page.locator('.answer').last(), 'word');
  await pressEscape('an answer');
  await says(status(page), 'Stopped after');
  await page.keyboard.press('Escape');
  assert.equal(
    await page
      .locator('dialog')
      .first()
      .evaluate((dialog) => dialog.open),
    false,
  );
  await done();
});

test('attributes as people write them: capitals, spaces, 0, and what there is none of', LIMIT, async () => {
  const { page, done } = await openElement('<main></main>');
  const said = await page.evaluate(async () => {
    const told = [];
    document.addEventListener('inf-llava-error', ({ detail }) => told.push(`${detail.code}: ${detail.message}`));
    const add = (attributes) => {
      told.length = 0;
      document.querySelector('main').innerHTML = `<inf-llava-chat ${attributes}></inf-llava-chat>`;
      return document.querySelector('inf-llava-chat');
    };
    const comes = (chat, name) => new Promise((resolve) => chat.addEventListener(`inf-llava-${name}`, resolve, { once: true }));
    /** What the element says of itself when it would have begun. */
    const waits = async (chat) => {
      for (let frames = 0; frames < 3; frames += 1) await new Promise(requestAnimationFrame);
      return [chat.state, chat.shadowRoot.getElementById('status').textContent !== '', told.length];
    };
    const found = {};
    for (const start of ['Interaction', ' INTERACTION ']) found[start] = await waits(add(`start="${start}"`));
    let chat = add('start="lazy"');
    await comes(chat, 'ready');
    found.lazy = told.map((text) => text.includes('lazy'));
    chat = add('context="0"');
    if (told.length === 0) await comes(chat, 'error');
    found.context = [...new Set(told.map((text) => /^option: .*context/.test(text)))];
    chat = add('start="interaction" temperature=" " max-new-tokens=" " seed=""');
    found.numbers = [
      chat.temperature,
      chat.maxNewTokens,
      chat.seed,
      ...[...chat.shadowRoot.querySelectorAll('.panel input[type=number]')].map(({ value }) => value),
      told.length,
    ];
    for (const value of ['False', 'FALSE', 'false', false, null, undefined, 0]) {
      Object.assign(chat, { pageWide: true, noKeep: true });
      Object.assign(chat, { pageWide: value, noKeep: value });
      found[`flag ${value}`] = [chat.pageWide, chat.noKeep, chat.hasAttribute('page-wide')];
    }
    chat.setAttribute('page-wide', 'False');
    found.written = chat.pageWide;
    return found;
  });
  assert.deepEqual(said, {
    Interaction: ['idle', true, 0],
    ' INTERACTION ': ['idle', true, 0],
    lazy: [true],
    context: [true],
    numbers: [null, null, null, '', '', '', 0],
    'flag False': [false, false, false],
    'flag FALSE': [false, false, false],
    'flag false': [false, false, false],
    'flag null': [false, false, false],
    'flag undefined': [false, false, false],
    'flag 0': [false, false, false],
    written: false,
  });
  await done();
});

test('the address that `src` had is a picture again, where the picture was taken away', LIMIT, async () => {
  const { page, done } = await ready('<inf-llava-chat></inf-llava-chat>');
  const names = await page.evaluate(async () => {
    const read = () =>
      new Promise((resolve) =>
        chat().addEventListener('inf-llava-picture', () => resolve(chat().shadowRoot.getElementById('picture-name').textContent), { once: true }),
      );
    const names = [];
    const address = 'models/demo/samples/1.png';
    const ways = [() => (chat().src = address), () => chat().setAttribute('src', address), () => (chat().src = new URL(address, location.href))];
    for (const give of ways.flatMap((way) => [way, way])) {
      const reading = read();
      give();
      names.push(await reading);
      await chat().setImage(null);
    }
    return names;
  });
  assert.deepEqual(names, Array(6).fill('1.png'));
  await done();
});

test('the model in use is marked among those that are offered, however its address is written', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat start="interaction"></inf-llava-chat>');
  const said = await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const entries = ['models/drawn/', './models/other', new URL('models/named-x/', location.href).href];
    const marked = () =>
      [...chat.shadowRoot.querySelectorAll('.offered li')].flatMap((item, at) =>
        item.querySelector('.in-use').textContent && item.querySelector('[aria-pressed="true"]') ? [at] : [],
      );
    const found = {};
    for (const [at, url] of entries.entries()) {
      const plain = new URL(url, location.href);
      for (const written of [
        plain.href,
        plain.pathname,
        `.${plain.pathname}`,
        plain.pathname.slice(1),
        plain.href.replace(/\/$/, ''),
        `models/../models/${plain.pathname.split('/')[2]}/`,
      ]) {
        for (const first of ['model', 'models']) {
          Object.assign(chat, { model: null, models: [] });
          const given = [
            ['model', written],
            ['models', entries.map((url) => ({ name: url, url }))],
          ];
          for (const [name, value] of first === 'model' ? given : given.reverse()) chat[name] = value;
          if (marked().join() !== String(at + 1)) found[`${written}, ${first} first`] = marked();
        }
      }
    }
    chat.model = 'models/none/';
    const none = marked();
    chat.model = null;
    return { found, none, own: marked() };
  });
  assert.deepEqual(said, { found: {}, none: [], own: [0] });
  await done();
});

test('a worker that is not there is `worker`, with its address', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat start="interaction"></inf-llava-chat>');
  const said = await page.evaluate(async () => {
    const { load } = await import('./inf-llava/index.js');
    const failing = (options) =>
      load(options).then(
        () => null,
        ({ code, message }) => ({ code, message }),
      );
    const codes = [await failing({ workerUrl: 'nope.js' })];
    const chat = document.querySelector('inf-llava-chat');
    const told = new Promise((resolve) => chat.addEventListener('inf-llava-error', ({ detail }) => resolve(detail), { once: true }));
    chat.workerUrl = 'nope-2.js';
    chat.load();
    codes.push(await told);
    return codes;
  });
  assert.deepEqual(
    said.map(({ code }) => code),
    ['worker', 'worker'],
  );
  for (const [at, name] of ['nope.js', 'nope-2.js'].entries()) assert.ok(said[at].message.includes(name), said[at].message);
  await done();
});

test('a picture that is still to come when its element is taken away fails with that reason', LIMIT, async () => {
  const { page, done } = await ready('<inf-llava-chat></inf-llava-chat>');
  let asked;
  const requested = new Promise((resolve) => (asked = resolve));
  await page.route('**/held.png', () => asked()); // it never comes
  const said = page.evaluate(async () => {
    globalThis.told = [];
    document.addEventListener('inf-llava-error', ({ detail }) => told.push(detail.code));
    const failed = (promise) =>
      promise.then(
        () => null,
        ({ code, message }) => `${code}: ${message}`,
      );
    const fetched = failed(chat().setImage('held.png'));
    const removed = [await fetched];
    const anew = document.createElement('inf-llava-chat');
    anew.setAttribute('start', 'interaction');
    document.body.append(anew);
    const read = failed(anew.setImage(picture('slow.png')));
    anew.remove();
    removed.push(await read);
    return { removed, told };
  });
  await requested;
  await page.evaluate(() => chat().remove());
  assert.deepEqual(await said, { removed: Array(2).fill('stopped: the element was taken off the page'), told: [] });
  await done();
});
