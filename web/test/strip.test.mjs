/** Several pictures in the element: added, looked at, taken away, and what the engine is asked with. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openElement, says } from './stand-in.mjs';

const TAG = '<inf-llava-chat></inf-llava-chat>';

/** Real pictures, so that there are previews. */
async function drawing(page, name, colour) {
  const base64 = await page.evaluate((colour) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
    const context = canvas.getContext('2d');
    context.fillStyle = colour;
    context.fillRect(0, 0, 64, 48);
    return canvas.toDataURL('image/png').split(',')[1];
  }, colour);
  return { name, mimeType: 'image/png', buffer: Buffer.from(base64, 'base64') };
}

async function ask(page, question) {
  await page.locator('#message').fill(question);
  await page.locator('#message').press('Enter');
  const answer = page
    .locator('.answer')
    .filter({ hasText: `you asked ${question}` })
    .last();
  await answer.waitFor({ timeout: 30_000 });
  return (await answer.textContent()).trim();
}

const names = (page) => page.locator('.strip-look').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')));
const read = (page) => page.locator('.strip:not(:has([aria-busy="true"]))').waitFor();

test('pictures are added, looked at, and taken away before they are asked about', async () => {
  const { page, done } = await openElement(TAG);
  await says(page.locator('[role="status"]'), 'Ready');
  assert.equal(await page.locator('.strip').isVisible(), false, 'there is nothing to add to');
  await page.locator('#image').setInputFiles(await drawing(page, 'red.png', '#c33'));
  await says(page.locator('[role="status"]'), 'Picture read');
  const more = page.getByLabel('Add a picture').first();
  await more.setInputFiles([await drawing(page, 'green.png', '#3a3'), await drawing(page, 'blue.png', '#33c')]);
  await page.locator('.strip-look').nth(2).waitFor();
  await read(page);
  assert.deepEqual(await names(page), ['red.png', 'green.png', 'blue.png']);
  await page.getByRole('button', { name: 'Remove green.png' }).click();
  assert.deepEqual(await names(page), ['red.png', 'blue.png']);
  assert.equal(await ask(page, 'what?'), 'About red.png and blue.png, turn 1: you asked what?');
  assert.equal(await page.getByRole('button', { name: 'Remove blue.png' }).count(), 0, 'it was asked about');
  await page.getByRole('button', { name: 'blue.png', exact: true }).click();
  assert.equal(await page.locator('#picture-name').textContent(), 'blue.png');
  await more.setInputFiles(await drawing(page, 'grey.png', '#888'));
  await page.locator('.strip-look').nth(2).waitFor();
  await read(page);
  assert.equal(await ask(page, 'and now?'), 'About red.png and blue.png and grey.png, turn 2: you asked and now?');
  if (process.env.SHOTS) {
    await mkdir(process.env.SHOTS, { recursive: true });
    await page.screenshot({ path: join(process.env.SHOTS, 'strip.png') });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.screenshot({ path: join(process.env.SHOTS, 'strip-narrow.png') });
  }
  // A changed question takes the pictures of later ones with it.
  await page.getByRole('button', { name: 'Edit' }).first().click();
  assert.equal(await ask(page, 'rather?'), 'About red.png and blue.png, turn 1: you asked rather?');
  assert.deepEqual(await names(page), ['red.png', 'blue.png']);
  // Another first picture begins anew.
  await page.locator('#image').setInputFiles(await drawing(page, 'white.png', '#eee'));
  await says(page.locator('#picture-name'), 'white.png');
  await says(page.locator('[role="status"]'), 'Picture read');
  assert.equal(await ask(page, 'this?'), 'About white.png, turn 1: you asked this?');
  await done();
});

test('a picture that cannot be read leaves the others, and a model for one picture takes no more', async () => {
  const { page, done } = await openElement(TAG);
  await says(page.locator('[role="status"]'), 'Ready');
  await page.locator('#image').setInputFiles(await drawing(page, 'red.png', '#c33'));
  await says(page.locator('[role="status"]'), 'Picture read');
  await page
    .getByLabel('Add a picture')
    .first()
    .setInputFiles(await drawing(page, 'broken.png', '#3a3'));
  await says(page.locator('.stage .notice'), 'broken.png');
  assert.equal(await ask(page, 'what?'), 'About red.png, turn 1: you asked what?');
  await page.evaluate(() => Object.assign(document.querySelector('inf-llava-chat'), { model: './drawn/' }));
  await says(page.locator('[role="status"]'), 'Picture read');
  assert.equal(await page.locator('.strip').isVisible(), false);
  await done();
});
