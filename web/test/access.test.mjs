/** For everybody: axe-core in each state and both themes, and a whole conversation by keyboard alone. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { open, p, ready, says } from './stand-in.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mM4YaMBRAwQCgAjXgSxhgLRkwAAAABJRU5ErkJggg==', 'base64');
const file = (name) => ({ name, mimeType: 'image/png', buffer: Buffer.concat([PNG, Buffer.from(name)]) });
const choose = (name) => p.image.setInputFiles(file(name));

async function ask(text) {
  await p.message.fill(text);
  await p.message.press('Enter');
}

/** What axe-core finds wrong. */
async function violations() {
  await p.page.evaluate(AXE);
  const result = await p.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'passes'] }));
  assert.ok(result.passes.length > 15, `${result.passes.length} rules had something to look at`);
  return result.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.flat().at(-1)} ${failureSummary}`).join(' | ')}`,
  );
}

/** Nothing, in light and in dark. */
async function check() {
  for (const colorScheme of ['light', 'dark']) {
    await p.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(), [], colorScheme);
  }
}

test('axe sees into the element', async () => {
  await ready();
  await p.page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    chat.style.setProperty('--inf-llava-soft', '#d8d8d8');
    chat.shadowRoot.getElementById('message').previousElementSibling.remove(); // its label: only a description is left
  });
  const found = (await violations()).map((line) => line.split(':')[0]);
  assert.deepEqual(found.sort(), ['color-contrast', 'label-title-only']);
});

/** States of the element, each with what leads to it. */
const STATES = {
  'nothing yet': async () => ready('?model=models/drawn/'),
  loading: async () => {
    await open('?model=models/slow/');
    await says(p.status, 'Loading model');
  },
  'a picture, and its grid': async () => {
    await ready();
    await choose('chart.png');
    await says(p.status, 'Picture ready');
  },
  'a sample and its questions': async () => {
    await ready('?model=models/drawn/');
    await p.page.locator('.sample').first().click();
    await says(p.status, 'Picture ready');
  },
  'a picture that the model does not know': async () => {
    await ready('?model=models/drawn/');
    await choose('photo.png');
    await says(p.page.getByRole('alert'), 'knows only drawings');
  },
  'an answer on its way': async () => {
    await ready();
    await ask('slow please');
    await says(p.answers, 'word');
  },
  'an answer with all kinds of Markdown': async () => {
    await ready();
    await ask('markdown');
    await says(p.status, 'Answer complete');
    await ask('say: | a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\n- [x] done\n\n---\n\n~~gone~~');
    await says(p.answers.nth(1), 'quoted');
  },
  'a question that is being changed': async () => {
    await ready();
    await ask('one');
    await says(p.status, 'Answer complete');
    await p.page.getByRole('button', { name: 'Edit' }).click();
  },
  'what the model looks at': async () => {
    await ready();
    await choose('chart.png');
    await ask('what?');
    await says(p.status, 'Answer complete');
    await p.page.getByLabel('What it looks at').check();
    await says(p.page.locator('.looking-word'), '1 of');
  },
  'the settings': async () => {
    await ready();
    await p.page.getByText('Settings', { exact: true }).click();
    await says(p.page.getByRole('list', { name: 'Kept in this browser' }), 'INF-LLaVA demo');
  },
  'the export menu': async () => {
    await ready();
    await p.page.getByText('Export', { exact: true }).click();
  },
  'a failure': async () => {
    await open('?model=models/broken/');
    await says(p.page.getByRole('alert'), 'missing');
  },
  'a lost engine': async () => {
    await ready();
    await ask('panic');
    await says(p.page.getByRole('alert'), 'The engine crashed');
  },
  Arabic: async () => {
    await open('?lang=ar');
    await p.page.locator('.widget[dir="rtl"]').waitFor();
    await p.page.locator('.sample').first().waitFor();
  },
};

for (const [state, reach] of Object.entries(STATES)) {
  test(`axe finds nothing wrong: ${state}`, async () => {
    await reach();
    await check();
  });
}

for (const width of [320, 700]) {
  test(`axe finds nothing wrong: ${width} px wide`, async () => {
    await ready('?model=models/drawn/', { viewport: { width, height: 720 } });
    await p.page.locator('.sample').first().click();
    await says(p.status, 'Picture ready');
    await ask('markdown');
    await says(p.status, 'Answer complete');
    await check();
  });
}

test('a whole conversation by keyboard alone', async () => {
  await ready('?model=models/drawn/');
  await p.page.locator('.sample').first().waitFor();
  const { keyboard } = p.page;
  /** Tabs forward until something of this name has the focus. */
  const tabTo = async (name, key = 'Tab') => {
    const seen = [];
    for (let i = 0; i < 40; i += 1) {
      const found = await p.page.evaluate(() => {
        const inner = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
        if (!inner || inner === document.body) return '';
        const labelled = inner.querySelector?.('[aria-label]')?.getAttribute('aria-label');
        return inner.getAttribute('aria-label') ?? inner.labels?.[0]?.textContent.trim() ?? labelled ?? inner.textContent.trim();
      });
      if (found.startsWith(name)) return;
      seen.push(found);
      await keyboard.press(key);
    }
    assert.fail(`Tab never reached ${name}; it passed ${seen.join(', ')}`);
  };
  const announced = p.status;

  await tabTo('Sample 1');
  await keyboard.press('Enter');
  await says(announced, 'Picture ready');
  await tabTo('What it looks at', 'Shift+Tab');
  await keyboard.press('Space');
  await tabTo('Read the white sign.');
  await keyboard.press('Enter');
  await says(announced, 'Answer complete');
  await says(p.answers, 'About Sample 1, turn 1: you asked Read the white sign.');

  // What it looked at, word by word.
  await tabTo('Word of the last answer', 'Shift+Tab');
  await keyboard.press('ArrowRight');
  await says(p.page.locator('.looking-word'), '2 of');

  await tabTo('Message');
  await keyboard.type('slow second question');
  await keyboard.press('Enter');
  await says(p.answers.nth(1), 'word');
  await keyboard.press('Escape');
  await says(announced, 'Stopped after');

  await tabTo('Edit', 'Shift+Tab');
  await keyboard.press('Enter');
  assert.equal(await p.message.inputValue(), 'slow second question');
  await keyboard.press('Control+A');
  await keyboard.type('a quick one');
  await keyboard.press('Enter');
  await says(p.answers.nth(1), 'turn 2: you asked a quick one');
  await says(announced, 'Answer complete');

  await tabTo('Regenerate', 'Shift+Tab');
  await keyboard.press('Enter');
  await says(p.answers.nth(1), 'a quick one (again)');
  await says(announced, 'Answer complete');

  await tabTo('Export', 'Shift+Tab');
  await keyboard.press('Enter');
  await tabTo('As Markdown');
  const [download] = await Promise.all([p.page.waitForEvent('download'), keyboard.press('Enter')]);
  assert.equal(download.suggestedFilename(), 'conversation.md');

  await tabTo('New chat');
  await keyboard.press('Enter');
  await says(announced, 'New chat');
  assert.equal(await p.answers.count(), 0);
});

test('an answer’s end is announced, and its words are not, one by one', async () => {
  await ready();
  await p.page.evaluate(() => {
    const root = document.querySelector('inf-llava-chat').shadowRoot;
    window.spoken = [];
    const live = (node) => node.closest?.('[aria-live], [role="status"], [role="log"], [role="alert"]');
    new MutationObserver((records) => {
      for (const { target } of records) {
        const region = live(target.nodeType === 1 ? target : target.parentElement);
        if (!region || region.getAttribute('aria-live') === 'off') continue;
        window.spoken.push(`${region.getAttribute('role')}: ${region.id === 'log' ? 'log' : region.textContent}`);
      }
    }).observe(root, { subtree: true, childList: true, characterData: true });
  });
  await ask('slow please');
  await says(p.answers, 'word word word');
  await p.stop.click();
  await says(p.status, 'Stopped after');
  const spoken = await p.page.evaluate(() => window.spoken);
  const status = spoken.filter((line) => line.startsWith('status'));
  assert.ok(
    status.some((line) => /Stopped after \d+ tokens/.test(line)),
    spoken.join('\n'),
  );
  assert.ok(status.length < 8, `${status.length} announcements`);
});
