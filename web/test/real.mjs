/**
 * The page as it was built, with the real engine, for a file of tests: importing this starts it and closes it.
 * EXPECT_TEXT is what the command line answers to QUESTION about IMAGE, greedily and with as many tokens.
 */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { join } from 'node:path';
import { DIST, launchBrowser, openPage, REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';

export const IMAGE = process.env.IMAGE ?? join(REPOSITORY, 'models/demo/samples/1.png');
export const QUESTION = process.env.QUESTION ?? 'What is in the picture?';
export const { EXPECT_TEXT } = process.env;
export const MAX_NEW_TOKENS = 24;
/** A software adapter compiles its pipelines slowly. */
export const PATIENCE = { timeout: 180_000 };

export let browser;
export let server;

before(async () => {
  assert.notEqual(EXPECT_TEXT, undefined, 'EXPECT_TEXT: what the command line answers');
  server = await serve(DIST);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
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
