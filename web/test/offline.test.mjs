/** The page without a network, with a stand-in for the engine: what was there once goes on being there. */

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assembleWithMock, launchBrowser } from './harness.mjs';
import { serve } from './server.mjs';

let browser;
let site;

before(async () => {
  browser = await launchBrowser();
  site = await assembleWithMock();
});

after(async () => {
  await browser?.close();
  await site?.remove();
});

/** A visit in `context`, until the page has an engine. */
async function visit(context, url) {
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const failed = message.text().includes('ERR_CONNECTION_REFUSED');
    if (message.type() === 'error' && !failed) complaints.push(`${message.text()} ${message.location().url}`);
  });
  await page.goto(url);
  await page.getByRole('status', { name: 'Status' }).filter({ hasText: 'Ready on' }).waitFor();
  assert.deepEqual(complaints, []);
  return page;
}

test('the first visit is enough for one without a network', async () => {
  const server = await serve(site.folder);
  const context = await browser.newContext();
  const first = await visit(context, `${server.url}?device=cpu`);
  // Samples are part of what is there later.
  await first.getByText('sample', { exact: false }).first().waitFor();
  await first.waitForLoadState('networkidle');
  await first.close();
  await server.close();

  for (const path of ['', '?device=cpu', 'index.html']) {
    const page = await visit(context, `${server.url}${path}`);
    await page.getByRole('textbox', { name: 'Message' }).fill('still there?');
    await page.getByRole('textbox', { name: 'Message' }).press('Enter');
    await page.locator('article[data-state="done"]').filter({ hasText: 'still there?' }).waitFor();
    await page.close();
  }
  await context.close();
});

test('with a network the newest page is shown', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-offline-'));
  await cp(site.folder, folder, { recursive: true });
  const server = await serve(folder);
  const context = await browser.newContext();
  await (await visit(context, server.url)).close();
  await writeFile(join(folder, 'page.css'), 'body { color: rgb(1, 2, 3); }');
  const colour = (page) => page.evaluate(() => getComputedStyle(document.body).color);
  const online = await visit(context, server.url);
  assert.equal(await colour(online), 'rgb(1, 2, 3)');
  await online.waitForLoadState('networkidle');
  await server.close();
  await online.close();
  // And that one is what is kept.
  assert.equal(await colour(await visit(context, server.url)), 'rgb(1, 2, 3)');
  await context.close();
  await rm(folder, { recursive: true });
});

test('a site without the worker still serves its page', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-offline-'));
  await cp(site.folder, folder, { recursive: true });
  await rm(join(folder, 'service-worker.js'));
  const server = await serve(folder);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.url);
  await page.getByRole('status', { name: 'Status' }).filter({ hasText: 'Ready on' }).waitFor();
  await context.close();
  await server.close();
  await rm(folder, { recursive: true });
});
