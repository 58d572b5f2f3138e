/**
 * The page as it was built, in Firefox, on the tier that it has there: `DIST=… node --test firefox.test.mjs`.
 * FIREFOX names the browser. Puppeteer drives it: playwright-core wants a Firefox of its own making.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { DIST, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

const timeout = 180_000;
const [sample] = JSON.parse(await readFile(join(REPOSITORY, 'models/demo/samples.json'), 'utf8'));

test('Firefox opens the page, and answers right', async (t) => {
  const server = await serve(DIST);
  const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
  const page = await browser.newPage();
  const [foreign, complaints] = [[], []];
  page.on('request', (request) => request.url().startsWith(server.url) || request.url().startsWith('data:') || foreign.push(request.url()));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));

  /** Waits until a part of the element says this. */
  const says = (selector, text) =>
    page.waitForFunction(
      (selector, text) => document.querySelector('inf-llava-chat').shadowRoot?.querySelector(selector)?.textContent.includes(text),
      { timeout },
      selector,
      text,
    );
  const click = (selector, at) =>
    page.evaluate((selector, at) => document.querySelector('inf-llava-chat').shadowRoot.querySelectorAll(selector)[at].click(), selector, at);
  const text = (selector) => page.evaluate((selector) => document.querySelector('inf-llava-chat').shadowRoot.querySelector(selector).textContent, selector);

  await page.setViewport({ width: 1280, height: 720 });
  await page.goto(`${server.url}?temperature=0`);
  await says('#status', 'Ready on');
  t.diagnostic(`${await browser.version()}: ${await text('#status')}`);
  await click('.sample', 0);
  await says('#status', 'Picture ready');
  const sideOf = (selector) =>
    page.evaluate((selector) => document.querySelector('inf-llava-chat').shadowRoot.querySelector(selector).getBoundingClientRect().width, selector);
  assert.ok((await sideOf('.frame')) >= 480, `the picture's side is ${await sideOf('.frame')} px`);
  for (const [at, { answer }] of sample.questions.entries()) {
    await click('#suggestions button', at);
    await says(`article:nth-of-type(${at + 1})[data-state="done"] .answer`, answer);
    assert.equal((await text(`article:nth-of-type(${at + 1}) .answer`)).trim(), answer);
  }
  // And a second time from what was kept.
  await page.reload();
  await says('#status', 'Ready on');
  await click('.sample', 0);
  await says('#status', 'Picture ready: it was read before');
  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
  await browser.close();
  await server.close();
});
