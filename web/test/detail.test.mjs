/** How closely pictures are looked at, and what the model is told before anything is asked. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openElement, says } from './stand-in.mjs';

/** Asks what the engine is asked with. */
async function asked(page) {
  const before = await page.locator('.answer').count();
  await page.locator('#message').fill('request');
  await page.locator('#message').press('Enter');
  const answer = page.locator('.answer').nth(before);
  await answer.filter({ hasText: '}' }).waitFor({ timeout: 30_000 });
  return JSON.parse(await answer.textContent());
}

test('the visitor’s choice holds for the picture about which nothing was asked yet, and for further ones', async () => {
  const { page, done } = await openElement('<inf-llava-chat detail="low" system="Be brief."></inf-llava-chat>');
  const show = (name) => page.evaluate(([name]) => document.querySelector('inf-llava-chat').setImage(new File([name], name)), [name]);
  await show('one.png');
  await page.locator('.settings summary').click();
  const choice = page.getByLabel('Detail of the picture');
  assert.equal(await choice.inputValue(), 'low');
  await choice.selectOption('high');
  await says(page.locator('[role="status"]'), 'Picture');
  assert.deepEqual(await asked(page), { system: 'Be brief.', details: ['high'] });
  // It was asked about: it stays as it was looked at.
  await choice.selectOption('auto');
  assert.deepEqual((await asked(page)).details, ['high']);
  await show('two.png');
  assert.deepEqual((await asked(page)).details, ['auto']);
  await page.evaluate(() => Object.assign(document.querySelector('inf-llava-chat'), { detail: 256, system: null }));
  assert.equal(await choice.locator('option:checked').textContent(), 'at most 256 tokens');
  await show('three.png');
  assert.deepEqual(await asked(page), { system: '', details: [256] });
  await done();
});

test('a model without a choice shows none, and a detail that makes no sense is reported', async () => {
  const { page, done } = await openElement('<inf-llava-chat model="./drawn/"></inf-llava-chat>');
  await says(page.locator('[role="status"]'), 'Ready');
  await page.locator('.settings summary').click();
  assert.equal(await page.getByLabel('Detail of the picture').isVisible(), false);
  const reported = await page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const codes = [];
    chat.addEventListener('inf-llava-error', ({ detail }) => codes.push([detail.code, detail.message]));
    chat.setAttribute('detail', 'finest');
    chat.detail = -3;
    return codes;
  });
  assert.deepEqual(
    reported.map(([code]) => code),
    ['option', 'option'],
  );
  await done();
});
