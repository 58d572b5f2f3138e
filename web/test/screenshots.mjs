/**
 * Pictures of the element to be looked at: in its states, in windows from a phone's to a large screen's, as a page, in an
 * app's shell and in a box, light and dark. `node screenshots.mjs FOLDER`; a second argument is the address of a running
 * page, which is shown with its own engine instead of the stand-in. `sizes.md` in the folder tells the picture's side.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assembleWithMock, launchBrowser, openPage } from './harness.mjs';
import { openPlace, PLACES, sideOf } from './places.mjs';
import { serve } from './server.mjs';

const [folder, address] = process.argv.slice(2);
if (!folder) throw new Error('usage: node screenshots.mjs FOLDER [URL]');
await mkdir(folder, { recursive: true });

const SIZES = [
  [390, 844],
  [1280, 720],
  [1440, 900],
  [2560, 1440],
];
const MODEL = 'models/drawn/';
const browser = await launchBrowser();
const site = address ? null : await assembleWithMock();
const server = address ? null : await serve(site.folder);
const url = address ?? server.url;

/** What is done to come to a state, each from the one before. */
const STATES = {
  '1-empty': async () => {},
  '2-picture': async (page, says) => {
    await page.locator('.sample').nth(1).click();
    await says('Picture ready');
    await page.waitForTimeout(400); // the last crops come to light
  },
  '3-answer': async (page, says) => {
    await ask(page, address ? 'What colour is the tallest bar?' : 'What does this harbour picture show, and what is on the sign?');
    await says('Answer complete');
  },
};

/** Further ones, with the stand-in and on the page only. */
const MORE = {
  '4-markdown': async (page, says) => {
    await ask(page, 'Say it in markdown.');
    await says('Answer complete');
    await page.locator('.turn summary').last().click();
  },
  '5-looking': async (page) => {
    await page.getByLabel('What it looks at').check();
    await page.waitForTimeout(500);
  },
  '6-streaming': async (page) => {
    await page.getByLabel('What it looks at').uncheck();
    await ask(page, 'Tell me more in a slow way.');
    await page.waitForTimeout(1500);
  },
  '7-settings': async (page, says) => {
    await page.getByRole('button', { name: 'Stop' }).click();
    await says('Stopped');
    await page.locator('.settings summary').click();
    await page.waitForTimeout(300);
  },
  '8-photograph': async (page, says) => {
    await page.locator('.settings summary').click();
    await page.getByRole('button', { name: 'New chat' }).click();
    await choose(page, 'photo.png');
    await page.locator('#outside-scope').filter({ hasText: 'knows only drawings' }).waitFor({ state: 'attached' });
    await says('Picture ready');
  },
  '9-errors': async (page) => {
    await choose(page, 'broken.png');
    await page.getByRole('alert').filter({ hasText: 'could not be used' }).waitFor();
    await ask(page, 'Why did it panic?');
    await page.getByRole('button', { name: 'Restart engine' }).waitFor();
  },
};

const scene = await drawScene();
const sides = [];

for (const [width, height] of SIZES) {
  for (const colorScheme of ['light', 'dark']) {
    const options = { viewport: { width, height }, colorScheme, ...(width < 500 && { hasTouch: true, isMobile: true, deviceScaleFactor: 2 }) };
    const name = (where, state) => join(folder, `${width}x${height}-${colorScheme}-${where}-${state}.png`);
    const onPage = await openPage(browser, url, { path: address ? '' : `?model=${MODEL}`, ...options });
    await shoot(onPage, 'page', { ...STATES, ...(!address && MORE) }, name);
    if (address) continue;
    for (const [where, place] of [
      ['shell', 'a grid app shell'],
      ['box', 'a box of 600 px'],
    ]) {
      await shoot(await openPlace(browser, url, PLACES[place], { attributes: { model: MODEL }, ...options }), where, STATES, name);
    }
  }
}
if (!address) {
  const p = await openPage(browser, url, { path: '?model=models/slow/', viewport: { width: 1280, height: 720 } });
  await p.status.filter({ hasText: 'Loading model' }).waitFor();
  await p.page.screenshot({ path: join(folder, '1280x720-light-page-0-loading.png') });
  await p.context.close();
  for (const [lang, state] of [
    ['ar', 'arabic'],
    ['de', 'german'],
  ]) {
    const p = await openPage(browser, url, { path: `?model=${MODEL}&lang=${lang}`, viewport: { width: 1280, height: 720 } });
    await shoot(
      p,
      'page',
      {
        [state]: async (page) => {
          await page.locator('.sample').nth(1).click();
          await page.locator('#picture-facts').filter({ hasText: '1200' }).waitFor();
          await ask(page, 'say: RG');
          await page.locator('.turn[data-state="done"]').waitFor();
        },
      },
      (where, state) => join(folder, `1280x720-light-${where}-${state}.png`),
    );
  }
}
await writeFile(join(folder, 'sizes.md'), `| window | where | side of the picture, px |\n| --- | --- | --- |\n${sides.join('\n')}\n`);
await browser.close();
await server?.close();
await site?.remove();

/** Goes through the states, and takes a picture of each. */
async function shoot({ page, context }, where, states, name) {
  const says = (text) => page.locator('#status').filter({ hasText: text }).first().waitFor({ timeout: 120_000 });
  await page
    .locator('#model')
    .filter({ hasText: /parameters|Parameter|معامل/ })
    .waitFor({ state: 'attached', timeout: 120_000 });
  await page.locator('.sample').first().waitFor();
  for (const [state, reach] of Object.entries(states)) {
    await reach(page, says);
    await page.mouse.move(0, 0);
    await page.screenshot({ path: name(where, state) });
    if (state === '2-picture' && name(where, state).includes('light')) {
      const { width, height } = page.viewportSize();
      sides.push(`| ${width} x ${height} | ${where} | ${await sideOf(page)} |`);
    }
  }
  await context.close();
}

async function ask(page, text) {
  await page.locator('#message').fill(text);
  await page.locator('#message').press('Enter');
}

/** Another file each time: what is known by its content is not read again. */
async function choose(page, name) {
  await page.locator('#image').setInputFiles({ name, mimeType: 'image/png', buffer: Buffer.concat([scene, Buffer.from(name)]) });
}

/** The drawing as a PNG. */
async function drawScene() {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  await page.setContent(`<style>body{margin:0}svg{display:block}</style>${await readFile(new URL('scene.svg', import.meta.url), 'utf8')}`);
  const png = await page.screenshot();
  await page.close();
  return png;
}
