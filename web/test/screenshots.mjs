/**
 * Pictures of the page in its states, light and dark, wide and narrow, to be looked at:
 * `node screenshots.mjs FOLDER`. With a second argument, the address of a running page, that page
 * is shown with its own engine instead of the stand-in.
 */

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assembleWithMock, launchBrowser, openPage } from './harness.mjs';
import { serve } from './server.mjs';

const [folder, address] = process.argv.slice(2);
if (!folder) throw new Error('usage: node screenshots.mjs FOLDER [URL]');
await mkdir(folder, { recursive: true });

const SIZES = { wide: { width: 1360, height: 850 }, narrow: { width: 390, height: 844 } };
const browser = await launchBrowser();
const site = address ? null : await assembleWithMock();
const server = address ? null : await serve(site.folder);

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const p = await openPage(browser, address ?? server.url, { viewport, colorScheme, deviceScaleFactor: size === 'narrow' ? 2 : 1.5 });
    const shot = (state) => p.page.screenshot({ path: join(folder, `${size}-${colorScheme}-${state}.png`) });
    const says = (text) => p.status.filter({ hasText: text }).waitFor({ timeout: 120_000 });
    const picture = { name: 'harbour.png', mimeType: 'image/png', buffer: await scene() };

    await says('Ready on');
    await shot('1-empty');
    if (!address) {
      await p.image.setInputFiles({ ...picture, name: 'slow harbour.png', buffer: Buffer.concat([picture.buffer, Buffer.from('slow')]) });
      await p.page.waitForTimeout(1100);
      await shot('2-reading');
      await says('Picture ready');
    }
    await p.image.setInputFiles(picture);
    await p.page.locator('#picture-name').filter({ hasText: /^harbour/ }).waitFor();
    await says('Picture ready');
    await p.page.locator('#picture-facts').filter({ hasText: 'seen at' }).waitFor();
    await shot('3-picture');
    await p.message.fill('What does this harbour picture show, and what is on the sign?');
    await p.message.press('Enter');
    await says('Answer complete');
    await shot('4-answer');
    await p.page.getByLabel('What it looks at').check();
    await p.page.waitForTimeout(1000);
    await shot('5-looking');
    await p.page.getByLabel('What it looks at').uncheck();
    if (!address) {
      await p.message.fill('Tell me more in a slow way.');
      await p.message.press('Enter');
      await p.page.waitForTimeout(1500);
      await shot('6-streaming');
      await p.stop.click();
      await says('Stopped');
      // Another file: what is known by its content is not read again.
      await p.image.setInputFiles({ ...picture, name: 'broken.png', buffer: Buffer.from('no picture') });
      await p.page.getByRole('alert').waitFor();
      await p.message.fill('Why did it panic?');
      await p.message.press('Enter');
      await p.page.getByRole('button', { name: 'Restart engine' }).waitFor();
      await p.page.getByText('Settings', { exact: true }).click();
      await shot('7-errors');
    }
    await p.context.close();
  }
}
await browser.close();
await server?.close();
await site?.remove();

/** The drawing as a PNG. */
async function scene() {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  await page.setContent(`<style>body{margin:0}svg{display:block}</style>${await readFile(new URL('scene.svg', import.meta.url), 'utf8')}`);
  const png = await page.screenshot();
  await page.close();
  return png;
}
