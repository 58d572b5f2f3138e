/** What the tests of the layout share: a place with a picture in it, and whether one box is within another. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY } from './harness.mjs';
import { openPlace } from './places.mjs';
import { browser, says, server } from './stand-in.mjs';

export const PICTURE = { name: 'own.png', mimeType: 'image/png', buffer: await readFile(join(REPOSITORY, 'models/demo/samples/1.png')) };

/** A place with a sample in it. */
export async function placeWithPicture(place, options) {
  const { page, context } = await openPlace(browser, server.url, place, { attributes: { model: 'models/drawn/' }, ...options });
  await page.locator('.sample').nth(1).click();
  await says(page.locator('#status'), 'Picture ready');
  return { page, context };
}

/** All that is in `inner` is in `outer`, but for a rounding. */
export function assertWithin(inner, outer, what) {
  const beyond = Math.max(outer.left - inner.left, outer.top - inner.top, inner.right - outer.right, inner.bottom - outer.bottom);
  assert.ok(beyond <= 1, `${what} ends ${Math.round(beyond)} px outside: ${JSON.stringify({ inner, outer })}`);
}
