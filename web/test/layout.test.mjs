/** Where things stand, in places of all kinds and windows of all sizes: measured in px, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { boxesOf, openPlace, PLACES, sideOf } from './places.mjs';
import { browser, clean, open, p, ready, says, server } from './stand-in.mjs';

const DRAWN = '?model=models/drawn/';
const PICTURE = { name: 'own.png', mimeType: 'image/png', buffer: await readFile(join(REPOSITORY, 'models/demo/samples/1.png')) };

/** A place with a sample in it. */
async function placeWithPicture(place, options) {
  const { page, context } = await openPlace(browser, server.url, place, { attributes: { model: 'models/drawn/' }, ...options });
  await page.locator('.sample').nth(1).click();
  await says(page.locator('#status'), 'Picture ready');
  return { page, context };
}

/** The page with a sample in it. */
async function pageWithPicture(options) {
  await ready(DRAWN, options);
  await p.page.locator('.sample').nth(1).click();
  await says(p.status, 'Picture ready');
}

async function ask(text) {
  await p.message.fill(text);
  await p.message.press('Enter');
  await says(p.status, 'Answer complete');
}

/** All that is in `inner` is in `outer`, but for a rounding. */
function assertWithin(inner, outer, what) {
  const beyond = Math.max(outer.left - inner.left, outer.top - inner.top, inner.right - outer.right, inner.bottom - outer.bottom);
  assert.ok(beyond <= 1, `${what} ends ${Math.round(beyond)} px outside: ${JSON.stringify({ inner, outer })}`);
}

function assertFits(boxes, height) {
  assert.ok(Math.abs(boxes.chat.height - height) <= 2, `${boxes.chat.height} px high, not ${height}`);
  for (const part of ['composer', 'message', 'send']) assertWithin(boxes[part], boxes.chat, part);
  if (boxes.after) assert.ok(boxes.after.top >= boxes.chat.bottom - 1, 'what follows lies below');
  assert.equal(boxes.sideways, 0, 'nothing is scrolled sideways');
  assert.ok(
    boxes.insideSideways.every((px) => px <= 1),
    `inside: ${boxes.insideSideways}`,
  );
}

for (const [name, place] of Object.entries(PLACES)) {
  test(`it has the height that its place gives it: ${name}`, async () => {
    const { page, context } = await placeWithPicture(place);
    assertFits(await boxesOf(page), place.height);
    // A long conversation scrolls inside.
    await page.evaluate(() => document.querySelector('inf-llava-chat').ask(`say: ${'A long answer. '.repeat(400)}`));
    await says(page.locator('#status'), 'Answer complete');
    await page.locator('.settings summary').click();
    const boxes = await boxesOf(page);
    assert.ok(Math.abs(boxes.chat.height - place.height) <= 2, `${boxes.chat.height} px high, not ${place.height}`);
    assertWithin(boxes.send, boxes.chat, 'send');
    await context.close();
  });
}

test('it follows a place that changes', async () => {
  const { page, context } = await placeWithPicture(PLACES['a resizable box']);
  for (const [width, height] of [
    [1100, 640],
    [360, 700],
    [900, 400],
  ]) {
    await page.evaluate(
      ([width, height]) => Object.assign(document.querySelector('main').style, { width: `${width}px`, height: `${height}px` }),
      [width, height],
    );
    const boxes = await boxesOf(page);
    assertFits(boxes, height);
    assertWithin(boxes.frame, boxes.chat, `the picture at ${width} x ${height}`);
  }
  await context.close();
});

test('in a place that asks how wide it would be, it has a width', async () => {
  for (const style of ['main { width: fit-content }', 'inf-llava-chat { display: inline-block }', 'inf-llava-chat { float: left }', 'main { display: flex }']) {
    const { page, context } = await placeWithPicture({ style, html: '<main><inf-llava-chat></inf-llava-chat></main>' });
    const { chat, sideways } = await boxesOf(page);
    assert.ok(chat.width > 900 && chat.width <= 1280, `${style}: ${chat.width} px`);
    assert.equal(sideways, 0, style);
    await context.close();
  }
});

/** The least side of the picture, in px: by window, and by where the element is. */
const LEAST_SIDES = [
  [
    { width: 390, height: 844 },
    { page: 280, shell: 100, box: 180 },
  ],
  [
    { width: 1280, height: 720 },
    { page: 480, shell: 470, box: 440 },
  ],
  [
    { width: 1440, height: 900 },
    { page: 640, shell: 640, box: 440 },
  ],
  [
    { width: 2560, height: 1440 },
    { page: 1100, shell: 1100, box: 440 },
  ],
];

for (const [viewport, { page: onPage, shell, box }] of LEAST_SIDES) {
  test(`the picture has the place that there is: ${viewport.width} x ${viewport.height}`, async () => {
    await pageWithPicture({ viewport });
    const side = await sideOf(p.page);
    assert.ok(side >= onPage, `on the page: ${side} px`);
    const boxes = await boxesOf(p.page);
    assertWithin(boxes.frame, { left: 0, top: 0, right: viewport.width, bottom: viewport.height }, 'the picture');
    for (const [name, least] of [
      ['a grid app shell', shell],
      ['a box of 600 px', box],
    ]) {
      const { page, context } = await placeWithPicture(PLACES[name], { viewport });
      const found = await sideOf(page);
      assert.ok(found >= least, `${name}: ${found} px`);
      assertWithin((await boxesOf(page)).frame, (await boxesOf(page)).chat, name);
      await context.close();
    }
    clean();
  });
}

test('tools stand in one row and say what they are; facts are whole', async () => {
  for (const viewport of [
    { width: 390, height: 844 },
    { width: 640, height: 360 },
    { width: 1280, height: 720 },
  ]) {
    await pageWithPicture({ viewport });
    const tools = await p.page.locator('.caption .tools').evaluate((row) =>
      [...row.querySelectorAll('.tool')].map((tool) => ({
        name: tool.getAttribute('aria-label') ?? tool.querySelector('input')?.getAttribute('aria-label') ?? tool.textContent,
        tip: tool.title,
        top: tool.getBoundingClientRect().top,
      })),
    );
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['Crop grid', 'What it looks at', 'Camera', 'Replace', 'Remove'],
    );
    for (const { name, tip, top } of tools) {
      assert.equal(tip, name);
      assert.equal(top, tools[0].top, `${name} at ${viewport.width} px`);
    }
    await p.context.close();
  }
  await pageWithPicture();
  for (const id of ['#device', '#model', '#picture-facts']) {
    const cut = await p.page.locator(id).evaluate((node) => [node.scrollWidth - node.clientWidth, getComputedStyle(node).textOverflow]);
    assert.deepEqual(cut, [0, 'clip'], id);
  }
});

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

for (const viewport of [PHONE.viewport, { width: 360, height: 640 }]) {
  test(`phone: Send is within reach, whatever is chosen: ${viewport.width} x ${viewport.height}`, async () => {
    await pageWithPicture({ ...PHONE, viewport });
    const windowBox = { left: 0, top: 0, right: viewport.width, bottom: viewport.height };
    for (const part of ['composer', 'message', 'send']) assertWithin((await boxesOf(p.page))[part], windowBox, part);
    await ask('markdown');
    for (const part of ['composer', 'message', 'send']) assertWithin((await boxesOf(p.page))[part], windowBox, `${part} after an answer`);
    assert.equal(await p.page.evaluate(() => document.documentElement.scrollHeight - innerHeight), 0, 'the page itself does not scroll');
  });
}

test('phone: while questions are asked the picture stays as a thumbnail, and is enlarged at a touch', async () => {
  await pageWithPicture(PHONE);
  const large = await sideOf(p.page);
  await ask(`say: ${'A long answer. '.repeat(300)}`);
  const boxes = await boxesOf(p.page);
  assert.ok(boxes.frame.width >= 80 && boxes.frame.width <= 120, `${boxes.frame.width} px`);
  assertWithin(boxes.frame, { left: 0, top: 0, right: 390, bottom: 300 }, 'the thumbnail');
  const whole = await p.page
    .locator('#preview')
    .evaluate((canvas) => [canvas.clientWidth - canvas.clientHeight, canvas.clientWidth - canvas.parentElement.clientWidth]);
  assert.deepEqual(whole, [0, 0], 'all of it');
  await p.message.blur();
  const enlarge = p.page.getByRole('button', { name: 'Enlarge the picture' });
  assert.equal(await enlarge.getAttribute('aria-expanded'), 'false');
  await enlarge.tap();
  assert.equal(await enlarge.getAttribute('aria-expanded'), 'true');
  assert.equal(await sideOf(p.page), large);
  await enlarge.tap();
  assert.equal(await sideOf(p.page), boxes.frame.width);
});

test('phone: with the keyboard open the line to type in is seen, and the picture', async () => {
  await pageWithPicture(PHONE);
  await p.message.tap();
  await p.page.setViewportSize({ width: 390, height: 420 }); // what interactive-widget=resizes-content does
  await p.page.locator('inf-llava-chat').evaluate((chat) => chat.scrollIntoView({ block: 'end' }));
  const boxes = await boxesOf(p.page);
  for (const part of ['message', 'send', 'frame']) assertWithin(boxes[part], { left: 0, top: 0, right: 390, bottom: 420 }, part);
  assert.match(await p.page.locator('meta[name="viewport"]').getAttribute('content'), /interactive-widget=resizes-content/);
});

test('phone: a keyboard that lies over the page leaves the line to type in above it', async () => {
  await open(DRAWN, PHONE);
  await p.page.addInitScript(() => {
    const seen = Object.assign(new EventTarget(), { scale: 1, height: innerHeight });
    Object.defineProperty(window, 'visualViewport', { value: seen });
  });
  await p.page.reload();
  await says(p.status, 'Ready on');
  const see = (height, scale = 1) =>
    p.page.evaluate(
      ([height, scale]) => {
        Object.assign(window.visualViewport, { height, scale });
        window.visualViewport.dispatchEvent(new Event('resize'));
      },
      [height, scale],
    );
  await see(500);
  assertWithin((await boxesOf(p.page)).send, { left: 0, top: 0, right: 390, bottom: 500 }, 'send');
  await see(844);
  assert.ok((await boxesOf(p.page)).send.bottom > 700, 'and all of the window without it');
  await see(422, 2); // two fingers
  assert.ok((await boxesOf(p.page)).send.bottom > 700, 'what is magnified is not moved');
});

test('phone: what is touched is 44 px large, and nothing is to be dropped', async () => {
  await ready(DRAWN, PHONE);
  assert.equal(await p.page.getByText('drop it here').isVisible(), false);
  await says(p.page.locator('#image-hint'), 'It stays on this device');
  const small = () =>
    p.page.evaluate(() => {
      const places = [document, document.querySelector('inf-llava-chat').shadowRoot];
      return places
        .flatMap((root) => [...root.querySelectorAll('a, button, .settings summary, .menu summary, label.button, textarea, .panel input:not(.unseen)')])
        .filter((node) => node.checkVisibility())
        .map((node) => ({ name: node.title || node.textContent || node.id, ...node.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => Math.min(width, height) < 43.5)
        .map(({ name, width, height }) => `${name}: ${Math.round(width)} x ${Math.round(height)}`);
    });
  assert.deepEqual(await small(), []);
  await p.page.locator('.sample').nth(1).click();
  await says(p.status, 'Picture ready');
  await ask('what?');
  assert.deepEqual(await small(), []);
  await p.message.blur();
  await p.page.getByText('Export', { exact: true }).tap();
  await p.page.locator('.settings summary').tap();
  assert.deepEqual(await small(), []);
  await p.context.close();
  await ready(DRAWN);
  assert.equal(await p.page.getByText('drop it here').isVisible(), true, 'with a mouse it can be');
});

for (const [zoom, viewport] of [
  ['200 %', { width: 640, height: 360 }],
  ['400 %', { width: 320, height: 180 }],
  ['a phone on its side', { width: 844, height: 390 }],
]) {
  test(`${zoom}: the line to type in leaves most of the window, and nothing scrolls sideways`, async () => {
    await ready(DRAWN, { viewport });
    for (const prepare of [() => {}, () => p.page.locator('.sample').nth(1).click(), () => ask('markdown')]) {
      await prepare();
      await p.page.locator('inf-llava-chat').evaluate((chat) => chat.scrollIntoView({ block: 'end' }));
      const boxes = await boxesOf(p.page);
      assert.ok(boxes.composer.height < 0.48 * viewport.height, `${boxes.composer.height} of ${viewport.height} px`);
      assert.equal(boxes.sideways, 0);
      assert.ok(
        boxes.insideSideways.every((px) => px <= 1),
        `inside: ${boxes.insideSideways}`,
      );
      assertWithin(boxes.send, { left: 0, top: 0, right: viewport.width, bottom: viewport.height }, 'send');
    }
  });
}

test('partly in sight, the line to type in covers nothing', async () => {
  const { page, context } = await placeWithPicture({
    style: 'p { height: 500px }',
    html: '<p>Before</p><inf-llava-chat></inf-llava-chat><p id="after">After</p>',
  });
  for (const y of [0, 100, 200, 300, 500]) {
    await page.evaluate((y) => scrollTo(0, y), y);
    const { head, log, composer } = await boxesOf(page);
    assert.ok(composer.top >= log.bottom - 1 && log.top >= head.bottom - 1, `scrolled by ${y}: ${JSON.stringify({ head, log, composer })}`);
  }
  await context.close();
});

test('in Arabic, question and answer begin at the right, and the picture is at the right', async () => {
  await open(`${DRAWN}&lang=ar`);
  await p.page.locator('.sample').nth(1).click();
  await says(p.page.locator('#picture-facts'), '1200');
  await p.page.locator('#message').fill('say: RG');
  await p.page.locator('#message').press('Enter');
  await p.page.locator('.turn[data-state="done"]').waitFor();
  const box = (selector) =>
    p.page
      .locator(selector)
      .first()
      .evaluate((node) => node.getBoundingClientRect().toJSON());
  const [log, question, answer, stage, talk] = await Promise.all(['.log', '.question bdi', '.answer p', '.stage', '.talk'].map(box));
  assert.ok(log.right - question.right < 60, `the question ends ${log.right - question.right} px before the edge`);
  assert.ok(log.right - answer.right < 60, `the answer ends ${log.right - answer.right} px before the edge`);
  assert.ok(stage.left > talk.right);
  const [width, height] = await p.page.locator('#picture-facts').evaluate((facts) => {
    const text = facts.ownerDocument.createTreeWalker(facts, NodeFilter.SHOW_TEXT).nextNode();
    return ['1200', '800'].map((number) => {
      const range = document.createRange();
      range.setStart(text, text.data.indexOf(number));
      range.setEnd(text, text.data.indexOf(number) + number.length);
      return range.getBoundingClientRect().left;
    });
  });
  assert.ok(width < height, 'width before height');
  // What is longer than a line keeps its own direction.
  assert.equal(await p.page.locator('.answer').evaluate((node) => getComputedStyle(node).direction), 'ltr');
});

test('a picture of one’s own has no strip and no lead beside it', async () => {
  await ready('?model=models/drawn-bare/');
  await p.image.setInputFiles(PICTURE);
  await says(p.status, 'Picture ready');
  const boxes = await boxesOf(p.page);
  assert.ok(boxes.frame.left - boxes.chat.left < 60, 'it begins where the element begins, after its rule');
});

/** Everything at once: the caution, a notice on either side, a question of many lines, and the settings. */
async function crowd(page, { lang = 'en' } = {}) {
  await page.locator('.sample').nth(1).click();
  await page.locator('#picture-facts').filter({ hasText: '1200' }).waitFor({ state: 'attached' });
  await page.locator('#message').fill('say: RG');
  await page.locator('#message').press('Enter');
  await page.locator('.turn[data-state="done"]').waitFor();
  await page.locator('#image').setInputFiles({ ...PICTURE, name: 'broken.png', buffer: Buffer.concat([PICTURE.buffer, Buffer.from(lang)]) });
  await page.locator('.stage .notice').filter({ hasText: 'broken.png' }).waitFor();
  await page.locator('#message').fill('Why did it panic?');
  await page.locator('#message').press('Enter');
  await page.locator('.talk .notice button').first().waitFor();
  await page.locator('#message').fill('A line of the question.\n'.repeat(12));
}

/** How far what can be seen of each part ends outside the element, in px; a scrolling part shows what is within it. */
const beyond = (page) =>
  page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const { right, bottom } = chat.getBoundingClientRect();
    const shown = (node) => {
      const box = node.getBoundingClientRect().toJSON();
      for (let outer = node.parentElement; outer; outer = outer.parentElement) {
        if (getComputedStyle(outer).overflowY === 'visible') continue;
        const cut = outer.getBoundingClientRect();
        [box.bottom, box.right] = [Math.min(box.bottom, cut.bottom), Math.min(box.right, cut.right)];
      }
      return box;
    };
    return ['.desk', '.talk', '.log', '.composer', '#message', '.panel', '.talk .notice']
      .map((selector) => [selector, chat.shadowRoot.querySelector(selector)])
      .filter(([, node]) => node.checkVisibility())
      .map(([selector, node]) => [selector, Math.round(Math.max(shown(node).bottom - bottom, shown(node).right - right - 6))])
      .filter(([, px]) => px > 1);
  });

for (const [width, height, lang, text] of [
  [360, 480, 'en', 1],
  [500, 400, 'en', 1],
  [320, 320, 'de', 1],
  [320, 640, 'de', 1],
  [700, 420, 'de', 1],
  [1200, 300, 'de', 1],
  [390, 844, 'de', 2],
  [1000, 700, 'de', 2],
]) {
  for (const model of ['models/demo/', 'models/drawn/']) {
    test(`whatever is said in it stays in it, and Send is reached: ${width} x ${height}, ${lang}, text x ${text}, ${model}`, async () => {
      const place = {
        style: `html { font-size: ${text * 100}% } inf-llava-chat { width: ${width}px; height: ${height}px }`,
        html: '<inf-llava-chat></inf-llava-chat><p id="after">What follows</p>',
      };
      const { page, context } = await openPlace(browser, server.url, place, {
        attributes: { model, lang },
        viewport: { width: Math.max(width, 320), height: height + 40 },
      });
      await page.locator('.sample').first().waitFor();
      await crowd(page, { lang });
      for (const settings of [false, true]) {
        if (settings) await page.locator('.settings summary').click();
        assert.deepEqual(await beyond(page), [], `settings ${settings}`);
        await page.locator('.composer .primary').scrollIntoViewIfNeeded();
        const { send, chat, log, sideways, insideSideways } = await boxesOf(page);
        assertWithin(send, chat, 'send');
        assert.ok(log.height >= 60, `${log.height} px of the conversation`);
        assert.deepEqual([sideways, insideSideways.filter((px) => px > 1)], [0, []]);
        // What is at Send's place is Send.
        const hit = await page.evaluate(
          ({ left, top, width, height }) => document.querySelector('inf-llava-chat').shadowRoot.elementFromPoint(left + width / 2, top + height / 2)?.className,
          send,
        );
        assert.match(hit, /primary/);
      }
      // A notice is seen by whole lines.
      const notice = await page.locator('.talk .notice').evaluate((node) => [node.clientHeight, node.scrollHeight]);
      assert.ok(notice[0] >= Math.min(notice[1], 0.39 * height), `${notice} px of the notice`);
      await context.close();
    });
  }
}

/** The rows that what can be seen of `selectors` stands in. */
const rowsOf = (page, ...selectors) =>
  page.evaluate((selectors) => {
    const seen = [...document.querySelector('inf-llava-chat').shadowRoot.querySelectorAll(selectors)].filter(
      (node) => node.checkVisibility() && node.getBoundingClientRect().width > 1,
    );
    const middles = seen.map((node) => node.getBoundingClientRect()).map(({ top, bottom }) => (top + bottom) / 2);
    const rows = middles.sort((one, other) => one - other).filter((middle, at) => at === 0 || middle - middles[at - 1] > 8);
    return { parts: seen.length, rows: rows.length };
  }, selectors.join());

for (const lang of ['en', 'de', 'ar']) {
  for (const width of [296, 320, 360, 390]) {
    test(`narrow: what belongs together stands in one row, and nothing of a text is cut or covered: ${width}, ${lang}`, async () => {
      const { page, context } = await openPlace(browser, server.url, PLACES['a box of 600 px'], {
        attributes: { model: 'models/drawn/', lang },
        viewport: { width, height: 640 },
      });
      await page.locator('.sample').first().waitFor();
      const covered = await page.evaluate(() => {
        const { shadowRoot } = document.querySelector('inf-llava-chat');
        const [hint, camera] = ['.drop-hint', '.without .button'].map((selector) => shadowRoot.querySelector(selector));
        const text = document.createRange();
        text.selectNodeContents(hint);
        const there = camera.getBoundingClientRect();
        return [...text.getClientRects()].some(
          ({ left, right, top, bottom }) => right > there.left && left < there.right && bottom > there.top && top < there.bottom,
        );
      });
      assert.equal(covered, false, 'the camera covers what is said of dropping');
      const whole = () => page.locator('#message').evaluate((box) => [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight]);
      const line = ['.settings summary', '#message', '.actions > .button'];
      const assertLine = async (when) => {
        assert.deepEqual(await rowsOf(page, ...line), { parts: 3, rows: 1 }, `to type in, ${when}`);
        assert.ok(
          (await whole()).every((px) => px <= 1),
          `${await whole()} px of what stands in the empty box are cut, ${when}`,
        );
      };
      await assertLine('at first');
      await page.locator('.sample').nth(1).click();
      await page
        .locator('#picture-facts')
        .filter({ hasText: '1200' })
        .or(page.locator('#picture-facts').filter({ hasText: '800' }))
        .first()
        .waitFor({ state: 'attached' });
      assert.deepEqual(await rowsOf(page, '.caption .tools .tool'), { parts: 5, rows: 1 }, 'tools');
      await page.evaluate(() => document.querySelector('inf-llava-chat').ask('say: RG'));
      await page.locator('.turn[data-state="done"]').waitFor();
      assert.deepEqual(await rowsOf(page, '.caption .tools .tool'), { parts: 5, rows: 1 }, 'tools beside the small picture');
      assert.deepEqual(await rowsOf(page, '.talk-head .menu > summary', '.talk-head > .button'), { parts: 2, rows: 1 }, 'above the conversation');
      assert.deepEqual(await rowsOf(page, '.turn footer .button'), { parts: 3, rows: 1 }, 'below an answer');
      await assertLine('after an answer');
      await page.evaluate(() => document.querySelector('inf-llava-chat').ask('slow'));
      await page.locator('.stop:enabled').waitFor();
      await assertLine('while it answers');
      await context.close();
    });
  }
}

test('the strip of samples has the same space on both sides', async () => {
  const { page, context } = await placeWithPicture(PLACES['a grid app shell'], { colorScheme: 'dark' });
  const [before, after] = await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const box = (selector) => chat.shadowRoot.querySelector(selector).getBoundingClientRect();
    return [box('.sample').left - chat.getBoundingClientRect().left, box('.samples').right - box('.sample').right];
  });
  assert.ok(before >= 11 && Math.abs(before - after) <= 1, `${before} px before it, ${after} px after it`);
  await context.close();
});

test('how the page sets its own text changes nothing in it', async () => {
  const TEXT = `font-style: italic; font-weight: 900; font-variant: small-caps; line-height: 3; letter-spacing: 0.3em; word-spacing: 1em; word-break: break-all;
    overflow-wrap: anywhere; hyphens: auto; white-space: nowrap; text-align: right; text-indent: 3em; text-shadow: 1px 1px red; text-transform: uppercase`;
  const measured = async (style) => {
    const { page, context } = await placeWithPicture({
      style: `main { ${style} } inf-llava-chat { height: 600px }`,
      html: '<main><inf-llava-chat></inf-llava-chat></main>',
    });
    const found = await page.evaluate(() =>
      ['.talk-title', '.drop-title', '.caption-name', '.entry-text', '#picture-facts', '#status', '.keys', '.button', '#message'].map((selector) => {
        const node = document.querySelector('inf-llava-chat').shadowRoot.querySelector(selector);
        const style = getComputedStyle(node);
        const { left, top, width, height } = node.getBoundingClientRect();
        const text = [
          'fontStyle',
          'fontWeight',
          'fontVariant',
          'lineHeight',
          'letterSpacing',
          'wordSpacing',
          'wordBreak',
          'overflowWrap',
          'hyphens',
          'whiteSpace',
          'textAlign',
          'textIndent',
          'textShadow',
          'textTransform',
        ];
        return [selector, ...[left, top, width, height].map(Math.round), ...text.map((name) => style[name])].join(' ');
      }),
    );
    await context.close();
    return found;
  };
  const plain = await measured('');
  assert.deepEqual(await measured(TEXT), plain);
});

/** Where the widget is, between what stands before and after it. */
const placed = (page) =>
  page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const box = (node) => node.getBoundingClientRect().toJSON();
    const part = (selector) => box(chat.shadowRoot.querySelector(selector));
    return {
      ...{ main: box(document.querySelector('main')), before: box(document.getElementById('before')), after: box(document.getElementById('after')) },
      ...{ widget: part('.widget'), composer: part('.composer'), send: part('.composer .primary') },
      color: getComputedStyle(chat.shadowRoot.querySelector('.talk-title')).color,
    };
  });

const AROUND = '<main><p id="before">Before</p><inf-llava-chat model="models/drawn/"></inf-llava-chat><p id="after">After</p></main>';

function assertPlaced({ main, before, after, widget, composer, send }, { height = 0.92 * 720, width = [900, 1280], beside = false } = {}) {
  assert.ok(Math.abs(widget.height - height) <= 2, `${widget.height} px high, not ${height}`);
  assert.ok(widget.width >= width[0] && widget.width <= width[1], `${widget.width} px wide, not ${width}`);
  if (!beside) assert.ok(before.bottom <= widget.top + 1 && widget.bottom <= after.top + 1, 'what stands around it is not covered');
  if (main.width) assert.ok(widget.right <= main.right + 1, `${widget.right - main.right} px beyond its place`);
  for (const [name, part] of Object.entries({ composer, send })) assertWithin(part, widget, name);
}

for (const [style, expected] of [
  ...['block', 'flow-root', 'flex', 'grid', 'inline-block', 'inline-flex', 'inline-grid', 'list-item', 'inline', 'contents'].flatMap((display) => [
    [`inf-llava-chat { display: ${display} }`],
    [`inf-llava-chat { display: ${display}; width: 640px; height: 480px }`, { width: [640, 640], height: 480 }],
  ]),
  ['inf-llava-chat { display: table }'],
  ['main { display: table } inf-llava-chat { display: table-cell }', { beside: true }],
  ['main { display: table; width: 100% } inf-llava-chat { display: table-cell; height: 480px }', { beside: true, height: 480 }],
  ['* { all: unset }'],
  ['inf-llava-chat { all: unset }'],
  ['inf-llava-chat { all: initial; display: block }'],
  ['inf-llava-chat { all: revert; display: inline-block; height: 500px }', { height: 500 }],
  ['inf-llava-chat { position: static; contain: none }'],
  [
    'main { display: flex; flex-direction: column; height: 700px } p { margin: 0; flex: none; height: 20px } inf-llava-chat { display: contents; flex: 1 }',
    { height: 660 },
  ],
  ['main { display: grid; grid-template-rows: 20px 1fr 20px; height: 700px } p { margin: 0 } inf-llava-chat { display: contents }', { height: 660 }],
]) {
  test(`however the page shows it, it has a box of its own: ${style}`, async () => {
    const { page, context } = await openPlace(browser, server.url, { style, html: AROUND });
    await says(page.locator('#status'), 'Ready on'); // it was seen
    const found = await placed(page);
    assertPlaced(found, expected);
    assert.equal(found.color, 'rgb(29, 31, 30)');
    await context.close();
  });
}

test('a page that changes how it is shown is followed, and what it hides is hidden', async () => {
  const { page, context } = await openPlace(browser, server.url, { style: '.away { display: none }', html: AROUND });
  await says(page.locator('#status'), 'Ready on');
  const show = (change) =>
    page.evaluate(async (change) => {
      const chat = document.querySelector('inf-llava-chat');
      Object.assign(chat, { hidden: false, className: '' }, change);
      chat.style.display = change.display ?? '';
      for (let frames = 0; frames < 2; frames += 1) await new Promise(requestAnimationFrame);
      return chat.shadowRoot.querySelector('.widget').checkVisibility();
    }, change);
  for (const display of [
    'contents',
    'block',
    'inline',
    'contents',
    'none',
    'contents',
    'none',
    'inline',
    'flex',
    'none',
    'table',
    'contents',
    'table',
    'grid',
    '',
  ]) {
    assert.equal(await show({ display }), display !== 'none', display);
    if (display !== 'none') assertPlaced(await placed(page));
  }
  assert.equal(await show({ className: 'away' }), false);
  for (const display of ['', 'flex', 'contents', 'inline']) assert.equal(await show({ display, hidden: true }), false, `hidden, ${display}`);
  assert.equal(await show({}), true);
  await context.close();
});
