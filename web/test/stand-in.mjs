/** The page with a stand-in for the engine, for a file of tests: importing this starts it and closes it. */

import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { assembleWithMock, launchBrowser, openPage } from './harness.mjs';
import { serve } from './server.mjs';

export let browser;
export let site;
export let server;
/** The page that `open` opened last. @type {Awaited<ReturnType<typeof openPage>>} */
export let p;

before(async () => {
  site = await assembleWithMock();
  server = await serve(site.folder);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  await site?.remove();
});

afterEach(async () => {
  await p?.context.close();
  p = undefined;
});

export async function open(path = '', { url = server.url, ...options } = {}) {
  p = await openPage(browser, url, { path, ...options });
  return p;
}

/** Waits until an element's text contains, or matches, what is given: long, for a loaded machine. */
export async function says(locator, expected) {
  await locator.filter({ hasText: expected }).first().waitFor({ timeout: 30_000 });
}

export async function ready(path, options) {
  await open(path, options);
  await says(p.status, 'Ready on');
}

export function clean() {
  assert.deepEqual(p.foreign, [], 'no request leaves the site');
  assert.deepEqual(p.complaints, [], 'no policy violation and no error');
}

/**
 * A page with nothing but what `html` says and the element defined.
 *
 * @param {object} [options]
 * @param {() => void} [options.before]  runs on the page in front of that
 * @returns the page, and `done`, which fails if anything was thrown that nobody caught
 */
export async function openElement(html, { before = () => {}, launched = browser, ...options } = {}) {
  const context = await launched.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const uncaught = [];
  page.on('pageerror', (error) => uncaught.push(String(error)));
  await page.goto(`${server.url}blank.html`);
  await page.evaluate((html) => {
    globalThis.uncaught = [];
    for (const type of ['error', 'unhandledrejection']) addEventListener(type, (event) => globalThis.uncaught.push(String(event.reason ?? event.message)));
    document.body.innerHTML = html;
  }, html);
  await page.evaluate(before);
  await page.evaluate(() => import('./inf-llava/define.js'));
  const done = async () => {
    uncaught.push(...(await page.evaluate(() => globalThis.uncaught)));
    assert.deepEqual(uncaught, [], 'nothing is thrown that nobody catches');
    await context.close();
  };
  return { context, page, done };
}

/** A picture of 2 x 2 pixels, all rgb(200 60 40). */
export const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mM4YaMBRAwQCgAjXgSxhgLRkwAAAABJRU5ErkJggg==', 'base64');
/** Pictures of other names are other pictures: what stands behind the end of a PNG is not looked at, but counts. */
export const file = (name, buffer = Buffer.concat([PNG, Buffer.from(name)])) => ({ name, mimeType: 'image/png', buffer });

export async function choose(name, buffer) {
  await p.image.setInputFiles(file(name, buffer));
}

export async function ask(text) {
  await p.message.fill(text);
  await p.message.press('Enter');
}
