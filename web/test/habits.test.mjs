/** Habits: input methods, Escape and clicks beside a menu; and what programs do: odd calls, and listening to states. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openElement, says } from './stand-in.mjs';

const LIMIT = { timeout: 60_000 };
const status = (page) => page.getByRole('status', { name: 'Status' });

async function ready(html = '<inf-llava-chat></inf-llava-chat>', options) {
  const opened = await openElement(html, options);
  await says(status(opened.page).first(), 'Ready on');
  await opened.page.evaluate(() => {
    globalThis.chat = () => document.querySelector('inf-llava-chat');
    globalThis.inside = (selector) => chat().shadowRoot.querySelector(selector);
    globalThis.answered = () =>
      new Promise((resolve) => chat().addEventListener('inf-llava-answer', ({ detail }) => resolve(detail.answer.text), { once: true }));
    /** A key as an input method sends it while it composes, and as Safari does when it has. */
    globalThis.composed = (target, key) => {
      target.dispatchEvent(new KeyboardEvent('keydown', { key, keyCode: 229, isComposing: true, bubbles: true, composed: true, cancelable: true }));
      target.dispatchEvent(new CompositionEvent('compositionend', { bubbles: true, composed: true }));
      target.dispatchEvent(new KeyboardEvent('keydown', { key, keyCode: 229, isComposing: false, bubbles: true, composed: true, cancelable: true }));
    };
  });
  return opened;
}

test('a key that belongs to an input method does nothing else: Enter does not send, Escape does not stop', LIMIT, async () => {
  const { page, done } = await ready();
  await page.getByText('Settings', { exact: true }).click();
  const said = await page.evaluate(async () => {
    const box = inside('textarea');
    const asked = () => chat().shadowRoot.querySelectorAll('.turn').length;
    box.value = 'にほんご';
    composed(box, 'Enter');
    const typing = [asked(), box.value];
    const answer = answered();
    box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, bubbles: true, composed: true, cancelable: true }));
    const text = await answer;
    // A question that is being changed.
    [...inside('.turn').querySelectorAll('button')].find(({ textContent }) => textContent === 'Edit').click();
    composed(box, 'Enter');
    const editing = [asked(), inside('.answer').textContent, inside('.editing').hidden];
    composed(box, 'Escape');
    const edited = inside('.editing').hidden;
    // An address of a model.
    const address = inside('input[type=url]');
    address.value = 'models/named-x/';
    composed(address, 'Enter');
    const model = chat().model;
    // What an answer that comes hears of it.
    const slow = answered();
    chat().ask('slow please');
    while (!inside('.turn[data-state="streaming"]')) await new Promise(requestAnimationFrame);
    composed(box, 'Escape');
    const stopping = inside('#status').textContent;
    chat().stop();
    await slow;
    return { typing, text, editing, edited, model, stopping };
  });
  assert.deepEqual(said.typing, [0, 'にほんご']);
  assert.match(said.text, /you asked にほんご/);
  assert.deepEqual([said.editing[0], said.editing[2], said.edited, said.model], [1, false, false, null]);
  assert.match(said.stopping, /Answering/);
  await done();
});

test('Enter in a setting is no question', LIMIT, async () => {
  const { page, done } = await ready();
  await page.getByText('Settings', { exact: true }).click();
  await page.getByRole('textbox', { name: 'Message' }).fill('half written');
  await page.getByLabel('Seed').fill('5');
  await page.getByLabel('Seed').press('Enter');
  await page.getByLabel('Address of a model folder').fill('models/named-x/');
  await page.getByLabel('Address of a model folder').press('Enter');
  await says(page.locator('#model'), 'named-x');
  assert.deepEqual([await page.locator('.turn').count(), await page.getByRole('textbox', { name: 'Message' }).inputValue()], [0, 'half written']);
  await done();
});

test('Escape goes back by one step: out of a menu, out of a change, and only then it stops', LIMIT, async () => {
  const { page, done } = await ready();
  await page.evaluate(async () => {
    const answer = answered();
    chat().ask('one');
    await answer;
  });
  const message = page.getByRole('textbox', { name: 'Message' });
  await message.fill('a draft');
  await page.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await message.inputValue(), 'one');
  await message.press('Escape');
  assert.deepEqual([await page.locator('.editing').isVisible(), await message.inputValue()], [false, 'a draft']);
  await page.evaluate(() => chat().ask('slow please'));
  await says(page.locator('.answer').last(), 'word');
  const menu = page.locator('details.menu');
  await page.getByText('Export', { exact: true }).click();
  assert.equal(await menu.getAttribute('open'), '');
  await page.keyboard.press('Escape');
  assert.equal(await menu.getAttribute('open'), null);
  assert.match(await status(page).textContent(), /Answering/);
  assert.equal(await page.evaluate(() => chat().shadowRoot.activeElement?.textContent), 'Export', 'the focus goes back');
  await page.getByText('Settings', { exact: true }).click();
  await page.getByLabel('Seed').press('Escape');
  assert.equal(await page.locator('details.settings').getAttribute('open'), null);
  assert.match(await status(page).textContent(), /Answering/);
  await message.press('Escape');
  await says(status(page), 'Stopped after');
  await done();
});

test('a menu closes at a click beside it, wherever that is, and when something in it was chosen', LIMIT, async () => {
  const { page, done } = await ready('<p id="outside">Outside</p><inf-llava-chat></inf-llava-chat>');
  const menu = page.locator('details.menu');
  const open = async () => {
    await page.getByText('Export', { exact: true }).click();
    assert.equal(await menu.getAttribute('open'), '');
  };
  for (const beside of [page.locator('#outside'), page.getByRole('textbox', { name: 'Message' }), page.locator('#device')]) {
    await open();
    await beside.click();
    assert.equal(await menu.getAttribute('open'), null);
  }
  await open();
  await page.keyboard.press('Tab');
  assert.equal(await menu.getAttribute('open'), '', 'its own buttons are in it');
  await page.getByRole('textbox', { name: 'Message' }).focus();
  assert.equal(await menu.getAttribute('open'), null);
  await open();
  await page.getByRole('button', { name: 'As JSON' }).click();
  assert.equal(await menu.getAttribute('open'), null);
  // An element that goes with its menu open leaves nothing behind.
  await open();
  await page.evaluate(() => chat().remove());
  await page.locator('#outside').click();
  await done();
});

test('every element is told every state, whoever loads the engine that they share', LIMIT, async () => {
  const { page, done } = await openElement('<main></main>');
  const said = await page.evaluate(async () => {
    const told = {};
    const add = (id, attributes = {}) => {
      const chat = Object.assign(document.createElement('inf-llava-chat'), { id });
      for (const [name, value] of Object.entries(attributes)) chat.setAttribute(name, value);
      told[id] = [];
      chat.addEventListener('inf-llava-state', ({ detail }) =>
        told[id].push(detail.state === chat.state ? detail.state : `${detail.state}, not ${chat.state}`),
      );
      document.querySelector('main').append(chat);
      chat.load();
      return chat;
    };
    const ready = (chat) => new Promise((resolve) => chat.addEventListener('inf-llava-ready', resolve, { once: true }));
    const first = add('first');
    const second = add('second');
    await Promise.all([ready(first), ready(second)]);
    const third = add('third');
    await ready(third);
    const answer = new Promise((resolve) => second.addEventListener('inf-llava-answer', resolve, { once: true }));
    second.ask('lose once');
    await answer;
    const failing = add('failing', { model: 'models/broken/' });
    await new Promise((resolve) => failing.addEventListener('inf-llava-error', resolve, { once: true }));
    await Promise.resolve();
    failing.model = null;
    await ready(failing);
    const stopped = add('stopped', { model: 'models/slow/' });
    while (stopped.state !== 'loading') await new Promise(requestAnimationFrame);
    stopped.stop();
    while (stopped.state !== 'idle') await new Promise(requestAnimationFrame);
    return told;
  });
  const shared = ['loading', 'ready', 'recovering', 'ready'];
  assert.deepEqual(said, { first: shared, second: shared, third: shared, failing: ['loading', 'idle', 'loading', 'ready'], stopped: ['loading', 'idle'] });
  await done();
});

test('odd calls and odd attributes are events, and never errors that nobody caught', LIMIT, async () => {
  const { page, done } = await ready();
  const said = await page.evaluate(async () => {
    const told = [];
    document.addEventListener('inf-llava-error', ({ detail }) => told.push(detail.code));
    const codes = (run) => {
      told.length = 0;
      run();
      return told.join();
    };
    const odd = [undefined, null, 5, {}, [], Symbol('x'), () => {}];
    const asked = odd.map((value) => codes(() => chat().ask(value)));
    const empty = [codes(() => chat().ask('')), codes(() => chat().ask(' \n'))];
    const formats = ['xml', 5, null, {}].map((value) => [codes(() => (globalThis.exported = chat().export(value))), globalThis.exported]);
    const nothing = codes(() => {
      chat().setImage(null, null);
      chat().stop(5);
      chat().load(5);
      chat().newChat(5);
      chat().focus(null);
    });
    const loose = document.createElement('inf-llava-chat');
    const looseCodes = [];
    loose.addEventListener('inf-llava-error', ({ detail }) => looseCodes.push(detail.code));
    loose.ask('x');
    const rejected = await loose.setImage('data:,x').catch(({ name, code }) => [name, code]);
    loose.stop();
    await loose.newChat();
    const attributes = {};
    for (const [name, value] of [
      ['device', 'abacus'],
      ['context', 'many'],
      ['context', '-5'],
      ['context', '1.5'],
      ['model', 'http://[bad/'],
      ['model', 'javascript:alert(1)'],
      ['seed', 'x'],
      ['temperature', 'hot'],
      ['max-new-tokens', '…'],
    ]) {
      told.length = 0;
      chat().setAttribute(name, value);
      // What the engine refuses comes when it has been asked; then there would be time for more.
      while (told.length === 0) await new Promise(requestAnimationFrame);
      await new Promise((resolve) => setTimeout(resolve, 60));
      attributes[`${name}=${value}`] = told.join();
      chat().removeAttribute(name);
      do await new Promise(requestAnimationFrame);
      while (chat().state !== 'ready');
    }
    return { asked, empty, formats, nothing, loose: [looseCodes, rejected, loose.export(), loose.state], attributes };
  });
  assert.deepEqual(said.asked, Array(7).fill('option'));
  assert.deepEqual(said.empty, ['empty-question', 'empty-question']);
  assert.deepEqual(said.formats, Array(4).fill(['option', null]));
  assert.equal(said.nothing, '');
  assert.deepEqual(said.loose, [['not-loaded', 'not-loaded'], ['InfLlavaError', 'not-loaded'], null, 'idle']);
  assert.deepEqual(new Set(Object.values(said.attributes)), new Set(['option']), JSON.stringify(said.attributes));
  await done();
});

test('whatever the element says of a failure it tells as an event too: a folder, a copy, a look, a camera', LIMIT, async () => {
  const { page, done } = await ready();
  const said = await page.evaluate(async () => {
    const next = () => new Promise((resolve) => chat().addEventListener('inf-llava-error', ({ detail }) => resolve(detail.code), { once: true }));
    const codes = {};
    const data = new DataTransfer();
    data.items.add(new File(['x'], 'notes.txt'));
    const folder = inside('#model-folder');
    folder.removeAttribute('webkitdirectory');
    let code = next();
    folder.files = data.files;
    folder.dispatchEvent(new Event('change'));
    codes.folder = await code;
    const answer = answered();
    chat().ask('one');
    await answer;
    navigator.clipboard.writeText = () => Promise.reject(new Error('no'));
    document.execCommand = () => false;
    code = next();
    [...inside('.turn').querySelectorAll('button')].find(({ textContent }) => textContent === 'Copy').click();
    codes.copy = await code;
    await chat().setImage('data:image/png;base64,AQID');
    chat().chat.enhancementAttention = () => Promise.reject(new Error('no'));
    code = next();
    inside('input[value=reading]').click();
    inside('[title="What it looks at"] input').click();
    codes.look = await code;
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no'));
    code = next();
    inside('button[title="Camera"]').click();
    codes.camera = await code;
    return codes;
  });
  assert.deepEqual(said, { folder: 'file-missing', copy: 'page', look: 'page', camera: 'page' });
  await done();
});
