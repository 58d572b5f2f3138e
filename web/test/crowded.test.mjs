/** A small element with everything in it at once, and pages that style it in their own ways: measured in px, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertWithin, PICTURE, placeWithPicture } from './placed.mjs';
import { boxesOf, openPlace, PLACES } from './places.mjs';
import { browser, says, server } from './stand-in.mjs';

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
