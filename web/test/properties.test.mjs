/** Properties as frameworks use them: before the element is defined, again and again, with nothing, and with nonsense. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openElement, says } from './stand-in.mjs';

/** What never comes must not hold the others up. */
const LIMIT = { timeout: 60_000 };
const status = (page) => page.getByRole('status', { name: 'Status' });

test('what is assigned before the element is defined is taken over, whichever property', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat start="interaction"></inf-llava-chat>', {
    before: () => {
      const chat = document.querySelector('inf-llava-chat');
      Object.assign(chat, {
        models: [{ name: 'Drawings', url: new URL('models/drawn/', location.href) }],
        strings: { choosePicture: 'Mine' },
        model: new URL('models/other/', location.href),
        device: 'cpu',
        context: 1024,
        src: 'models/demo/samples/2.png',
        temperature: 0.5,
        maxNewTokens: 7,
        seed: 3,
        pageWide: true,
        noKeep: true,
        lang: 'en',
        state: 'mine',
        unknown: 5,
      });
    },
  });
  await says(status(page), 'Picture ready');
  const said = await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const own = Object.getOwnPropertyNames(chat);
    const text = (selector) => chat.shadowRoot.querySelector(selector).textContent;
    return {
      own,
      state: chat.state,
      title: text('.drop-title'),
      models: chat.models,
      strings: chat.strings,
      said: ['model', 'device', 'context', 'src', 'temperature', 'maxNewTokens', 'seed', 'pageWide', 'noKeep'].map((name) => chat[name]),
      attributes: ['max-new-tokens', 'page-wide', 'no-keep'].map((name) => chat.getAttribute(name)),
      context: chat.engine.info().context_tokens,
      offered: [...chat.shadowRoot.querySelectorAll('.offered li')].map((item) => item.textContent),
    };
  });
  const { origin } = new URL(page.url());
  assert.deepEqual(said.own, ['unknown']);
  assert.deepEqual([said.state, said.title, said.context], ['ready', 'Mine', 1024]);
  assert.deepEqual(said.models, [{ name: 'Drawings', url: `${origin}/models/drawn/` }]);
  assert.deepEqual(said.said, [`${origin}/models/other/`, 'cpu', 1024, 'models/demo/samples/2.png', 0.5, 7, 3, true, true]);
  assert.deepEqual(said.attributes, ['7', '', '']);
  assert.equal(said.offered.length, 2);
  await done();
});

test('`model` and its neighbours can be assigned, changed and taken away, and the engine follows once', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  await says(status(page), 'Ready on');
  const said = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const names = [];
    const ready = () =>
      new Promise((resolve) =>
        chat.addEventListener('inf-llava-ready', ({ detail }) => resolve([detail.name, detail.device, detail.context_tokens]), { once: true }),
      );
    const states = [];
    chat.addEventListener('inf-llava-state', ({ detail }) => states.push(detail.state));
    const first = ready();
    // As a framework assigns: one after another.
    chat.model = 'models/named-a/';
    chat.device = 'cpu';
    chat.context = 2048;
    names.push(await first);
    const loads = states.splice(0).join();
    const second = ready();
    chat.models = [{ name: 'B', url: 'models/named-b/' }];
    chat.model = chat.models[0];
    names.push(await second);
    const pressed = chat.shadowRoot.querySelector('.offered [aria-pressed=true]').getAttribute('aria-label');
    const third = ready();
    chat.model = undefined;
    chat.device = null;
    chat.context = undefined;
    names.push(await third);
    const attributes = chat.getAttributeNames();
    const engine = chat.engine;
    chat.model = null;
    chat.model = '';
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { names, loads, pressed, attributes, same: chat.engine === engine, model: chat.model };
  });
  assert.match(said.names[0][0], /named-a/);
  assert.deepEqual(said.names[0].slice(1), ['CPU (WebAssembly)', 2048]);
  assert.match(said.names[1][0], /named-b/);
  assert.deepEqual(said.names[2], ['stand-in', 'WebGPU: stand-in', 4096]);
  assert.deepEqual([said.loads, said.pressed, said.attributes, said.same, said.model], ['loading,ready', 'Use: B', [], true, null]);
  await done();
});

test('an element that goes and comes again, with its properties set meanwhile', LIMIT, async () => {
  const { page, done } = await openElement('<main></main>');
  const said = await page.evaluate(async () => {
    const main = document.querySelector('main');
    const names = [];
    for (const model of ['models/named-a/', 'models/named-b/']) {
      const chat = document.createElement('inf-llava-chat');
      chat.model = model;
      const ready = new Promise((resolve) => chat.addEventListener('inf-llava-ready', ({ detail }) => resolve(detail.name), { once: true }));
      main.replaceChildren(chat);
      names.push(await ready);
    }
    const chat = main.firstChild;
    chat.remove();
    await new Promise((resolve) => setTimeout(resolve));
    const gone = [chat.state, chat.engine];
    chat.model = 'models/named-c/';
    const ready = new Promise((resolve) => chat.addEventListener('inf-llava-ready', ({ detail }) => resolve(detail.name), { once: true }));
    main.append(chat);
    names.push(await ready);
    return { names, gone };
  });
  assert.deepEqual(
    said.names.map((name) => /named-(.)/.exec(name)[1]),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(said.gone, ['idle', null]);
  await done();
});

test('boolean and number attributes as frameworks write them: camel case, false as text, changed and taken away', LIMIT, async () => {
  const { page, done } = await openElement(
    '<inf-llava-chat start="interaction" maxNewTokens="7" pageWide="false" no-keep="false" temperature=""></inf-llava-chat>',
  );
  const set = (properties) =>
    page.evaluate((properties) => {
      const chat = document.querySelector('inf-llava-chat');
      Object.assign(chat, properties);
      const [temperature, tokens, seed] = [...chat.shadowRoot.querySelectorAll('.panel input[type=number]')].map(({ value }) => value);
      return {
        shown: [temperature, tokens, seed],
        flags: [chat.pageWide, chat.noKeep],
        tokens: chat.maxNewTokens,
        names: chat.getAttributeNames().filter((name) => name !== 'start' && name !== 'temperature'),
      };
    }, properties);
  assert.deepEqual(await set({}), { shown: ['', '7', ''], flags: [false, false], tokens: 7, names: ['maxnewtokens', 'pagewide', 'no-keep'] });
  assert.deepEqual(await set({ maxNewTokens: '9', pageWide: '', noKeep: true, temperature: 0, seed: 5 }), {
    shown: ['0', '9', '5'],
    flags: [true, true],
    tokens: 9,
    names: ['no-keep', 'max-new-tokens', 'page-wide', 'seed'],
  });
  // Anywhere on the page from now on.
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.of(1)], 'dropped.png', { type: 'image/png' }));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await says(page.locator('#picture-name'), 'dropped.png');
  assert.deepEqual(await set({ maxNewTokens: null, pageWide: false, noKeep: 'false', temperature: null, seed: undefined }), {
    shown: ['', '', ''],
    flags: [false, false],
    tokens: null,
    names: [],
  });
  await done();
});

test('the same texts and models given anew, as frameworks do, change nothing', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  await page.evaluate(() => {
    globalThis.give = () =>
      Object.assign(document.querySelector('inf-llava-chat'), {
        strings: { you: 'Me:', ready: ({ device }) => `Here on ${device}`, failure: { load: 'No' } },
        models: [{ name: 'Drawings', url: 'models/drawn/' }],
      });
    give();
  });
  await says(status(page), 'Here on');
  await page.evaluate(() => document.querySelector('inf-llava-chat').ask('one'));
  await says(page.locator('.answer'), 'you asked one');
  const kept = await page.evaluate(() => {
    const { shadowRoot } = document.querySelector('inf-llava-chat');
    const before = shadowRoot.querySelector('.offered').firstChild;
    give();
    return [before === shadowRoot.querySelector('.offered').firstChild, shadowRoot.querySelectorAll('.turn').length];
  });
  assert.deepEqual(kept, [true, 1]);
  await done();
});

test('what makes no sense as a property is told as an event, and changes nothing', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat start="interaction"></inf-llava-chat>');
  const said = await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const told = [];
    chat.addEventListener('inf-llava-error', ({ detail }) => told.push(detail));
    const wrong = [
      ['model', 5],
      ['model', {}],
      ['model', { url: 7 }],
      ['model', Symbol('x')],
      ['model', () => {}],
      ['model', chat],
      ['src', []],
      ['src', 5],
      ['device', 5],
      ['start', {}],
      ['lang', 5],
      ['context', 'many'],
      ['context', NaN],
      ['context', {}],
      ['temperature', 'hot'],
      ['seed', Infinity],
      ['maxNewTokens', []],
      ['models', 'x'],
      ['models', 5],
      ['models', {}],
      ['models', [null]],
      ['models', [{ name: 'x' }]],
      ['models', [{ url: 'x' }]],
      ['strings', 'x'],
      ['strings', []],
      ['strings', { ready: 'text' }],
      ['strings', { you: () => '' }],
      ['strings', { failure: 'x' }],
      ['wasmUrl', 5],
      ['workerUrl', {}],
    ];
    const silent = [];
    for (const [name, value] of wrong) {
      const before = told.length;
      chat[name] = value;
      if (told.length !== before + 1) silent.push([name, String(value)]);
    }
    return {
      silent,
      codes: [...new Set(told.map(({ code }) => code))],
      unnamed: told.filter(
        ({ message }, at) => !message.includes(wrong[at][0]) && !message.includes(wrong[at][0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)),
      ),
      attributes: chat.getAttributeNames(),
      models: chat.models,
      strings: Object.keys(chat.strings),
    };
  });
  assert.deepEqual(said, { silent: [], codes: ['option'], unnamed: [], attributes: ['start'], models: [], strings: [] });
  await done();
});

test('texts that make no sense in a group, or fail, are told; what is given last counts, in copies', LIMIT, async () => {
  const { page, done } = await openElement('<inf-llava-chat start="interaction"></inf-llava-chat>');
  const said = await page.evaluate(async () => {
    const chat = document.querySelector('inf-llava-chat');
    const told = [];
    chat.addEventListener('inf-llava-error', ({ detail }) => told.push(detail.message));
    for (const strings of [{ starters: { any: 'x' } }, { starters: { any: [5] } }, { failure: { load: 5 } }, { advice: { network: {} } }])
      chat.strings = strings;
    const wrong = [told.length, Object.keys(chat.strings), chat.shadowRoot.querySelector('.widget') !== null];
    const texts = chat.strings;
    texts.you = 'Me:';
    chat.strings = texts;
    const given = chat.models;
    given.push({ name: 'More', url: 'more/' });
    chat.models = given;
    const { shadowRoot } = chat;
    const mutated = [chat.strings.you, chat.models.length, shadowRoot.querySelectorAll('.offered li').length];
    const made = (name) => ({
      ready: () => `Here, ${name}`,
      pictureName: () => {
        throw new Error('mine');
      },
    });
    chat.strings = made('A');
    chat.strings = made('B');
    const ready = new Promise((resolve) => chat.addEventListener('inf-llava-ready', resolve, { once: true }));
    chat.load();
    await ready;
    const status = chat.shadowRoot.querySelector('[role=status]').textContent;
    await chat.setImage(new File([new Uint8Array(9)], 'own.png'));
    return {
      wrong,
      mutated,
      status,
      name: chat.shadowRoot.getElementById('picture-name').textContent,
      failed: told.some((message) => message.includes('pictureName failed')),
    };
  });
  assert.deepEqual(said.wrong, [4, [], true]);
  assert.deepEqual(said.mutated, ['Me:', 1, 2]);
  assert.match(said.status, /Here, B/);
  assert.deepEqual([said.name, said.failed], ['own.png', true]);
  await done();
});

test('an element in another document, and within other languages, looks and speaks as its place', LIMIT, async () => {
  const { page, done } = await openElement('<main></main>');
  const said = await page.evaluate(async () => {
    const frame = document.createElement('iframe');
    const main = document.querySelector('main');
    main.append(frame);
    const chat = document.createElement('inf-llava-chat');
    chat.setAttribute('start', 'interaction');
    const styled = () => chat.shadowRoot.adoptedStyleSheets.length;
    frame.contentDocument.body.append(chat);
    const styles = [styled()];
    main.append(chat);
    styles.push(styled());
    const words = [];
    /** Texts come when they are needed: until there are others than before. */
    const spoken = async () => {
      for (;;) {
        const title = chat.shadowRoot?.querySelector('.talk-title')?.textContent;
        if (title && !words.includes(title)) return title;
        await new Promise(requestAnimationFrame);
      }
    };
    words.push(await spoken());
    document.documentElement.lang = 'de';
    const host = document.createElement('div');
    host.attachShadow({ mode: 'open' }).append(chat);
    main.append(host);
    words.push(await spoken());
    main.lang = 'ar';
    chat.lang = '';
    main.append(chat);
    words.push(await spoken());
    return { styles, words };
  });
  assert.deepEqual(said.styles, [1, 1]);
  assert.deepEqual(said.words, ['Conversation', 'Unterhaltung', 'المحادثة']);
  await done();
});
