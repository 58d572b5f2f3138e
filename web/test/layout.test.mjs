/** Where things stand, in places of all kinds and windows of all sizes: measured in px, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertWithin, PICTURE, placeWithPicture } from './placed.mjs';
import { boxesOf, PLACES, sideOf } from './places.mjs';
import { clean, open, p, ready, says } from './stand-in.mjs';

const DRAWN = '?model=models/drawn/';

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
