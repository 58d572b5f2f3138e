/**
 * The page as it was built, with the real engine, for a file of tests: importing this starts it and closes it.
 * EXPECT_TEXT is what the command line answers to QUESTION about IMAGE, greedily and with as many tokens.
 */

import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { DIST, launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

export const IMAGE = process.env.IMAGE ?? join(REPOSITORY, 'models/demo/samples/1.png');
export const QUESTION = process.env.QUESTION ?? 'Read the white sign.';
export const { EXPECT_TEXT } = process.env;
export const MAX_NEW_TOKENS = 24;
/** A software adapter compiles its pipelines slowly. */
export const PATIENCE = { timeout: 180_000 };
/**
 * The small model as one that answers everything, however badly: its own questions it answers in a word or two, and what
 * is stopped midway must be long.
 */
export const UNBOUNDED = 'model=models/unbounded/';

export let browser;
export let server;
let site;

before(async () => {
  assert.notEqual(EXPECT_TEXT, undefined, 'EXPECT_TEXT: what the command line answers');
  site = await mkdtemp(join(tmpdir(), 'inf-llava-real-'));
  await cp(DIST, site, { recursive: true });
  const folder = join(site, 'models/unbounded');
  await cp(join(REPOSITORY, 'models/demo'), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  delete config.inf_llava.scope;
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  server = await serve(site);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  if (site) await rm(site, { recursive: true });
});

export const says = (locator, expected) => locator.filter({ hasText: expected }).first().waitFor(PATIENCE);

export async function ready(path, { launched = browser, ...options } = {}) {
  const p = await openPage(launched, server.url, { path, permissions: ['clipboard-read', 'clipboard-write'], ...options });
  await says(p.status, 'Ready on');
  return p;
}

export async function ask(p, text) {
  await p.message.fill(text);
  await p.send.click();
}

/** What the last answer says, once it is complete: the text itself, as copied, not as it is laid out. */
export async function answer(p) {
  const turn = p.conversation.locator('article').last();
  await turn.and(p.page.locator('[data-state="done"]')).waitFor(PATIENCE);
  await turn.getByRole('button', { name: 'Copy' }).click();
  await says(p.status, 'Copied');
  return p.page.evaluate(() => navigator.clipboard.readText());
}
