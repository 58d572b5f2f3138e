/** What pages have as pictures: taken as it is, decoded by the browser where the engine does not, or refused by its name. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { openElement, says, server } from './stand-in.mjs';

const LIMIT = { timeout: 60_000 };
const AVIF = await readFile(join(REPOSITORY, 'web/test/small.avif'));

/** Runs `work(args)` on a page with a ready element, which `chat()` gives. */
async function withElement(work, args) {
  const { page, done } = await openElement('<inf-llava-chat></inf-llava-chat>');
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  await page.evaluate(() => {
    globalThis.chat = () => document.querySelector('inf-llava-chat');
    /** A canvas with one colour. */
    globalThis.painted = (width = 40, height = 20) => {
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      const context = canvas.getContext('2d');
      context.fillStyle = 'rgb(200 30 30)';
      context.fillRect(0, 0, width, height);
      return canvas;
    };
    globalThis.blobOf = (canvas) => new Promise((resolve) => canvas.toBlob(resolve));
    globalThis.told = [];
    document.addEventListener('inf-llava-error', ({ detail }) => told.push(detail));
  });
  const said = await page.evaluate(work, args);
  await done();
  return said;
}

test('a picture as any page has it is read, by the element and by the API', LIMIT, async () => {
  const said = await withElement(async () => {
    const canvas = painted();
    const blob = await blobOf(canvas);
    const bytes = await blob.arrayBuffer();
    const url = canvas.toDataURL();
    const image = Object.assign(new Image(), { src: url });
    const loading = Object.assign(new Image(), { src: `${url}#` });
    await image.decode();
    const offscreen = new OffscreenCanvas(40, 20);
    offscreen.getContext('2d').drawImage(canvas, 0, 0);
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.innerHTML = `<image width="40" height="20" href="${url}"/>`;
    document.body.append(svg);
    const data = new DataTransfer();
    data.items.add(new File([blob], 'mine.png'));
    const frame = document.createElement('iframe');
    document.body.append(frame);
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer;
    new Uint8Array(shared).set(new Uint8Array(bytes));
    const given = {
      File: new File([blob], 'mine.png'),
      Blob: blob,
      ArrayBuffer: bytes,
      Uint8Array: new Uint8Array(bytes),
      DataView: new DataView(bytes),
      SharedArrayBuffer: shared,
      'data: URL': url,
      'URL of data:': new URL(url),
      'DATA: in capitals': url.replace('data', 'DATA'),
      HTMLImageElement: image,
      'an image that loads': loading,
      HTMLCanvasElement: canvas,
      OffscreenCanvas: offscreen,
      ImageBitmap: await createImageBitmap(canvas),
      ImageData: canvas.getContext('2d').getImageData(0, 0, 40, 20),
      VideoFrame: new VideoFrame(canvas, { timestamp: 0 }),
      SVGImageElement: svg.querySelector('image'),
      FileList: data.files,
      'a list of one': [blob],
      "another frame's Blob": new frame.contentWindow.Blob([bytes]),
    };
    const failed = [];
    const headless = chat().engine.chat();
    for (const [kind, image] of Object.entries(given)) {
      await chat()
        .setImage(image)
        .catch(({ code, message }) => failed.push([kind, code, message]));
      await headless.setImage(image).catch(({ code, message }) => failed.push([`${kind}, API`, code, message]));
    }
    // Addresses are the element's alone: the API fetches nothing.
    for (const address of ['models/demo/samples/1.png', new URL('models/demo/samples/2.png', location.href), URL.createObjectURL(blob)]) {
      await chat()
        .setImage(address)
        .catch(({ code, message }) => failed.push([String(address), code, message]));
    }
    const refused = await headless.setImage('models/demo/samples/1.png').catch(({ code }) => code);
    return { failed, refused, told };
  });
  assert.deepEqual(said, { failed: [], refused: 'image-url', told: [] });
});

test('what is no picture is refused by its name, as a rejection and as an event', LIMIT, async () => {
  const said = await withElement(
    async (foreign) => {
      const tainted = document.createElement('img');
      tainted.src = foreign;
      await tainted.decode();
      const canvas = painted();
      canvas.getContext('2d').drawImage(tainted, 0, 0);
      const given = {
        undefined: undefined,
        number: 5,
        true: true,
        object: {},
        function: () => {},
        symbol: Symbol('x'),
        date: new Date(),
        div: document.createElement('div'),
        'empty list': [],
        'two files': [new Blob([]), new Blob([])],
        'list of numbers': [137, 80, 78, 71],
        promise: Promise.resolve(),
        map: new Map(),
        response: new Response(),
        'empty image': new Image(),
        'empty canvas': document.createElement('canvas'),
        video: document.createElement('video'),
        'tainted canvas': canvas,
        'tainted image': tainted,
        'text blob': new Blob(['<p>no picture</p>']),
        'empty file': new File([], 'broken.png'),
        'damaged data: URL': 'data:image/png;base64,%%%',
        'bad address': 'http://[bad/',
        'missing address': 'not-there.png',
        'empty text': '',
      };
      const outcomes = {};
      for (const [kind, image] of Object.entries(given)) {
        const before = told.length;
        const api =
          kind.includes('address') || kind === 'empty text'
            ? null
            : await chat()
                .engine.chat()
                .setImage(image)
                .then(
                  () => 'read',
                  ({ name, code }) => name === 'InfLlavaError' && code,
                );
        outcomes[kind] = await chat()
          .setImage(image)
          .then(
            () => 'read',
            ({ name, code, message }) => `${name === 'InfLlavaError' && code}: ${message}`,
          );
        const event = told[before];
        if (told.length !== before + 1 || !outcomes[kind].startsWith(`${event.code}: `)) outcomes[kind] = `not told as an event: ${outcomes[kind]}`;
        if (api !== null && !outcomes[kind].startsWith(`${api}: `)) outcomes[kind] = `the API says ${api}: ${outcomes[kind]}`;
      }
      // Nobody waits for this one, and nothing is uncaught all the same.
      chat().setImage(7);
      return outcomes;
    },
    `${server.url.replace('127.0.0.1', 'localhost')}models/demo/samples/1.png`,
  );
  const wanted = {
    undefined: /^option: .*undefined/,
    number: /^option: .*from 5/,
    true: /^option: .*true/,
    object: /^option: .*an Object/,
    function: /^option: .*a Function/,
    symbol: /^option: .*a Symbol/,
    date: /^option: .*a Date/,
    div: /^option: .*HTMLDivElement/,
    'empty list': /^option: .*has 0/,
    'two files': /^option: .*has 2/,
    'list of numbers': /^option: .*has 4/,
    promise: /^option: .*a Promise/,
    map: /^option: .*a Map/,
    response: /^option: .*a Response/,
    'empty image': /^image-damaged: .*HTMLImageElement/,
    'empty canvas': /^(image-damaged|read)/,
    video: /^image-damaged: .*HTMLVideoElement/,
    'tainted canvas': /^image-url: .*HTMLCanvasElement/,
    'tainted image': /^image-url: .*HTMLImageElement/,
    'text blob': /^image-format: /,
    'empty file': /^image-format: /,
    'damaged data: URL': /^image-url: /,
    'bad address': /^image-url: http:\/\/\[bad\//,
    'missing address': /^network: not-there\.png.*404/,
    'empty text': /^image-url: /,
  };
  delete said['empty canvas']; // a canvas of the usual size, with nothing on it, is a picture
  for (const [kind, outcome] of Object.entries(said)) assert.match(outcome, wanted[kind], kind);
});

test('`src` that names no picture is an event, whatever it says', LIMIT, async () => {
  const said = await withElement(async () => {
    const outcomes = [];
    for (const src of [
      'http://[bad/',
      '/50%.png',
      'javascript:alert(1)',
      'data:image/png;base64,%%%',
      'not there.png',
      'http://127.0.0.1:1/x.png',
      '//',
      'file:///etc/hostname',
    ]) {
      const event = new Promise((resolve) => chat().addEventListener('inf-llava-error', ({ detail }) => resolve(detail), { once: true }));
      chat().setAttribute('src', src);
      const { code, message } = await event;
      outcomes.push([src, code, message.includes(src)]);
    }
    return outcomes;
  });
  assert.deepEqual(
    said.map(([, code]) => code),
    ['image-url', 'network', 'network', 'network', 'network', 'network', 'image-url', 'network'],
  );
  assert.deepEqual(
    said.filter(([, , named]) => !named),
    [],
  );
});

test('a name with a percent sign is a name', LIMIT, async () => {
  const { page, done } = await openElement('<main></main>');
  await page.route('**/50%*.png', (route) => route.fulfill({ body: 'picture', contentType: 'image/png' }));
  await page.evaluate(() => {
    document.querySelector('main').innerHTML = '<inf-llava-chat src="/50%.png"></inf-llava-chat>';
  });
  await says(page.locator('#picture-name'), '50%.png');
  await says(page.getByRole('status', { name: 'Status' }), 'Picture ready');
  await done();
});

test('what the browser decodes and the engine does not is scaled by the browser, which is said', LIMIT, async () => {
  const said = await withElement(async (avif) => {
    const read = async (file) => {
      await chat().setImage(file);
      const { width, height, by_browser } = chat().chat.picture;
      const remarks = [...chat().shadowRoot.querySelectorAll('#picture-remarks li')].map(({ textContent }) => textContent);
      return {
        size: [width, height],
        by_browser,
        said: remarks.some((text) => text.includes('browser')),
        preview: !chat().shadowRoot.getElementById('preview').hidden,
      };
    };
    const svg = (attributes) =>
      new File(
        [`\ufeff<?xml version="1.0"?><!-- drawn --><svg xmlns="http://www.w3.org/2000/svg" ${attributes}><rect width="9" height="9" fill="red"/></svg>`],
        'drawn.svg',
      );
    const large = painted(7000, 5000);
    const seen = {
      small: await read(await blobOf(painted())),
      large: await read(await blobOf(large)),
      avif: await read(new File([Uint8Array.from(atob(avif), (character) => character.charCodeAt(0))], 'a.avif')),
      svg: await read(svg('width="40" height="20"')),
      'svg without a size': await read(svg('viewBox="0 0 40 40"')),
    };
    // The API alone, and with a picture in a request.
    const headless = await chat()
      .engine.chat()
      .setImage(await blobOf(large));
    const url = `data:image/avif;base64,${avif}`;
    const { choices } = await chat().engine.chat.completions.create({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: url },
            { type: 'text', text: 'q' },
          ],
        },
      ],
    });
    return { seen, headless: [headless.width, headless.height, headless.by_browser], completion: choices[0].message.content };
  }, AVIF.toString('base64'));
  const { small, large, avif, svg, 'svg without a size': unsized } = said.seen;
  assert.deepEqual(small, { size: [1200, 800], by_browser: undefined, said: false, preview: true });
  assert.deepEqual(large, { size: [7000, 5000], by_browser: true, said: true, preview: true });
  assert.deepEqual(avif, { size: [16, 8], by_browser: true, said: true, preview: true });
  assert.deepEqual(svg, { size: [40, 20], by_browser: true, said: true, preview: true });
  assert.equal(unsized.by_browser, true);
  assert.deepEqual(said.headless, [7000, 5000, true]);
  assert.match(said.completion, /^About .*: you asked q/);
});

test('a worker decodes AVIF as well, where there is no page', LIMIT, async () => {
  const said = await withElement(async (avif) => {
    const script = `
      const api = await import(${JSON.stringify(new URL('inf-llava/index.js', location.href).href)});
      const bytes = Uint8Array.from(atob(${JSON.stringify(avif)}), (character) => character.charCodeAt(0));
      const model = await api.load();
      const info = await model.chat().setImage(bytes);
      const svg = await model.chat().setImage(new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>'])).catch(({ code }) => code);
      postMessage([info.width, info.height, info.by_browser, svg]);`;
    const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), { type: 'module' });
    return new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => resolve(message);
    });
  }, AVIF.toString('base64'));
  assert.deepEqual(said, [16, 8, true, 'image-format']);
});

test('a bomb stays refused: its size is looked at before anything is decoded', LIMIT, async () => {
  const said = await withElement(async (avif) => {
    let decoded = 0;
    const original = globalThis.createImageBitmap;
    globalThis.createImageBitmap = (...args) => {
      decoded += 1;
      return original(...args);
    };
    // Headers that promise more than any device has.
    const png = new Uint8Array(await (await blobOf(painted())).arrayBuffer());
    new DataView(png.buffer).setUint32(16, 60_000);
    new DataView(png.buffer).setUint32(20, 60_000);
    const bytes = Uint8Array.from(atob(avif), (character) => character.charCodeAt(0));
    const at = String.fromCharCode(...bytes).indexOf('ispe');
    new DataView(bytes.buffer).setUint32(at + 8, 60_000);
    new DataView(bytes.buffer).setUint32(at + 12, 60_000);
    const codes = [];
    for (const file of [png, bytes])
      codes.push(
        await chat()
          .setImage(file)
          .catch(({ code }) => code),
      );
    return { codes, decoded };
  }, AVIF.toString('base64'));
  assert.deepEqual(said, { codes: ['image-too-large', 'image-format'], decoded: 0 });
});

test('pixels and bytes are taken at the moment that they are given', LIMIT, async () => {
  const said = await withElement(async () => {
    const key = async (change) => {
      const canvas = painted();
      const context = canvas.getContext('2d');
      const bitmap = await createImageBitmap(canvas);
      const files = [];
      const original = chat().chat.setImage.bind(chat().chat);
      chat().chat.setImage = (file, ...rest) => {
        files.push(file);
        return original(file, ...rest);
      };
      const read = [chat().setImage(canvas)];
      if (change) context.clearRect(0, 0, 40, 20);
      await Promise.all(read);
      const closed = chat().setImage(bitmap);
      bitmap.close();
      await closed;
      delete chat().chat.setImage;
      const bytesOf = async (file) => {
        await createImageBitmap(file);
        return new Uint8Array(await file.arrayBuffer()).join();
      };
      return Promise.all(files.map(bytesOf));
    };
    const [still, changed] = [await key(false), await key(true)];
    return still.join() === changed.join();
  });
  assert.equal(said, true);
});

test('data: URLs as browsers take them, lazy pictures, and what shows nothing', LIMIT, async () => {
  const said = await withElement(async () => {
    const svg = "<svg xmlns='http://www.w3.org/2000/svg' width='100%' height='9'><text>ä</text></svg>";
    const png = painted().toDataURL().split(',')[1];
    const lazy = Object.assign(document.createElement('img'), { loading: 'lazy', src: `data:image/png;base64,${png}` });
    const detached = new ArrayBuffer(8);
    structuredClone(detached, { transfer: [detached] });
    const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    drawing.innerHTML = '<image width="40" height="20" href="not-there.png"/>';
    document.body.append(drawing);
    const given = [
      `data:image/svg+xml;utf8,${svg}`,
      `data:image/png;charset="utf-8"; base64,${png}`,
      lazy,
      ['models/demo/samples/1.png'],
      detached,
      drawing.firstChild,
    ];
    const outcomes = [];
    for (const image of given)
      outcomes.push(
        await chat()
          .setImage(image)
          .then(
            () => 'read',
            ({ code }) => code,
          ),
      );
    const advice = new Promise((resolve) =>
      chat().addEventListener('inf-llava-error', () => resolve(chat().shadowRoot.querySelector('.notice:not([hidden])').textContent), { once: true }),
    );
    await chat()
      .setImage('not-there.png')
      .catch(() => {});
    return { outcomes, advice: await advice };
  });
  assert.deepEqual(said.outcomes, ['read', 'read', 'read', 'read', 'option', 'image-damaged']);
  assert.match(said.advice, /the picture’s address/);
});
