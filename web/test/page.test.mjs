/** The page's behaviour in Chromium, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { serve } from './server.mjs';
import { ask, browser, choose, clean, file, open, p, PNG, ready, says, site } from './stand-in.mjs';

const pixelAt = (x, y) => p.page.locator('#preview').evaluate((canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data], [x, y]);

/** The focused element's id, or its text: within the element, or on the page. */
const focused = () =>
  p.page.evaluate(() => {
    const { activeElement } = document;
    const inner = activeElement?.shadowRoot?.activeElement ?? activeElement;
    return inner?.id || inner?.textContent.trim();
  });

/** Drops or pastes a file on an element of the page. */
function transfer(type, target, name, bytes = [...PNG]) {
  return p.page.locator(target).evaluate(
    (node, [type, name, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], name, { type: 'image/png' }));
      const init = { bubbles: true, cancelable: true, composed: true };
      const event = type === 'paste' ? new ClipboardEvent(type, { ...init, clipboardData: data }) : new DragEvent(type, { ...init, dataTransfer: data });
      node.dispatchEvent(event);
    },
    [type, name, bytes],
  );
}

test('the shell is useful before the engine arrives', async () => {
  const slow = await serve(site.folder, { delayMs: (path) => (path === '/inf-llava/worker.js' ? 60_000 : 0) });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(slow.url, { waitUntil: 'commit' });
  await says(page.getByRole('status', { name: 'Status' }), 'Loading engine');
  await page.getByRole('textbox', { name: 'Message' }).fill('typed early');
  await page.getByText('Choose a picture').waitFor();
  await context.close();
  await slow.close();
});

test('loads, and says which model runs on which device', async () => {
  await ready();
  await says(p.status, 'Ready on WebGPU: stand-in');
  await says(p.page.locator('#device'), 'WebGPU: stand-in');
  await says(p.page.locator('#model'), '1.23M parameters');
  await says(p.page.locator('#random-weights'), 'random weights');
  assert.equal(await p.progress.count(), 0);
  clean();
});

test('?device= and ?model= reach the engine, and nonsense is refused', async () => {
  await ready('?device=cpu&model=./models/other');
  await says(p.status, 'Ready on CPU (WebAssembly)');
  await p.context.close();
  await open('?device=abacus');
  await says(p.page.getByRole('alert'), 'there is no device “abacus”');
  await p.context.close();
  await open('?model=javascript:alert(1)');
  await says(p.page.getByRole('alert'), 'no address of a model folder');
  clean();
});

test('a picture from the picker: preview, grid, facts', async () => {
  await ready();
  await choose('chart.png');
  await says(p.status, 'Picture ready, read in 840 ms');
  await p.page.getByRole('img', { name: 'Picture preview' }).waitFor();
  assert.equal(await p.page.locator('#grid span:visible').count(), 9);
  const facts = p.page.locator('#picture-facts');
  assert.equal(await facts.innerText(), '1200 × 800 px · read in 840 ms');
  await facts.locator('summary').click();
  await says(facts.getByText('seen at').and(p.page.locator(':visible')), 'seen at 1008 × 1008 px in 3 × 3 crops, by 10 passes of the vision tower');
  await p.page.getByLabel('Crop grid').uncheck();
  assert.equal(await p.page.locator('#grid').isVisible(), false);
  const pixel = await pixelAt(5, 5);
  assert.deepEqual(pixel, [200, 60, 40, 255]);
  clean();
});

test('the preview is padded with the model’s padding colour', async () => {
  await ready();
  await p.page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 40;
    canvas.height = 10;
    canvas.getContext('2d').fillRect(0, 0, 40, 10);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve));
    const data = new DataTransfer();
    data.items.add(new File([blob], 'wide.png', { type: 'image/png' }));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await says(p.status, 'Picture ready');
  assert.deepEqual(await pixelAt(500, 20), [122, 116, 104, 255]);
  assert.deepEqual(await pixelAt(500, 500), [0, 0, 0, 255]);
});

test('a picture dropped anywhere', async () => {
  await ready();
  await transfer('dragover', '#message', 'dropped.png');
  assert.equal(await p.page.locator('.mount.target').count(), 1);
  await transfer('drop', '#message', 'dropped.png');
  assert.equal(await p.page.locator('.mount.target').count(), 0);
  await says(p.page.locator('#picture-name'), 'dropped.png');
  await says(p.status, 'Picture ready');
  clean();
});

test('a picture pasted anywhere', async () => {
  await ready();
  await p.message.focus();
  await transfer('paste', '#message', 'pasted.png');
  await says(p.page.locator('#picture-name'), 'pasted.png');
  await says(p.status, 'Picture ready');
  assert.equal(await p.message.inputValue(), '');
  clean();
});

test('a question is answered, with its figures', async () => {
  await ready();
  await choose('chart.png');
  await ask('what is it?');
  await says(p.answers, 'About chart.png, turn 1: you asked what is it?');
  await says(p.status, /^Answer complete in [\d.]+ (ms|sec)$/);
  await says(p.conversation, '10 passes');
  await says(p.conversation, '11.3 tokens/s');
  assert.equal(await p.message.inputValue(), '');
  await ask('and then?');
  await says(p.answers.nth(1), 'turn 2');
  await says(p.conversation.locator('article').nth(1), '0 passes');
  clean();
});

test('a question asked before engine and picture are there waits for both', async () => {
  await open('?model=models/slow/');
  await choose('slow.png');
  // Progress is told in between: what stands there for a moment only counts as well.
  await p.status.evaluate((status) => {
    window.said = [];
    new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
  });
  await ask('early');
  await says(p.answers, 'About slow.png, turn 1: you asked early');
  const said = await p.page.evaluate(() => window.said.join('\n'));
  assert.match(said, /Your question waits for the engine[\s\S]*Your question waits for the picture/);
  clean();
});

test('the log is not read aloud while an answer streams', async () => {
  await ready();
  await ask('slow please');
  await says(p.answers, 'word');
  assert.equal(await p.conversation.getAttribute('aria-live'), 'off');
  assert.equal(await p.conversation.getAttribute('aria-busy'), 'true');
  await says(p.status, 'Answering');
  await p.stop.click();
  await says(p.status, /Stopped after \d+ tokens?/);
  assert.equal(await p.conversation.getAttribute('aria-live'), 'polite');
});

test('stop ends an answer and keeps what came', async () => {
  await ready();
  await ask('slow please');
  await says(p.answers, 'word word');
  await p.message.fill('next question');
  assert.equal(await p.send.isDisabled(), true);
  await p.stop.click();
  await says(p.conversation, 'stopped');
  assert.match(await p.answers.innerText(), /^(word ?)+$/);
  assert.equal(await p.message.inputValue(), 'next question');
  assert.equal(await p.stop.isDisabled(), true);
  assert.equal(await focused(), 'message');
  await p.send.click();
  await says(p.answers.nth(1), 'next question');
});

test('stop while the picture is read keeps the earlier one and returns the question', async () => {
  await ready();
  await choose('first.png');
  await says(p.status, 'Picture ready');
  await choose('slow second.png');
  await ask('about the second');
  await says(p.status, 'waits for the picture');
  await p.stop.click();
  await says(p.status, 'Your question is back in the box');
  assert.equal(await p.message.inputValue(), 'about the second');
  await says(p.page.locator('#picture-name'), 'first.png');
  await p.message.press('Enter');
  await says(p.answers, 'About first.png, turn 1');
  assert.equal(await p.conversation.locator('.picture-entry').count(), 1);
});

test('stop while the model loads offers to load again', async () => {
  await open('?model=models/slow/');
  await says(p.status, 'Loading model');
  await choose('kept.png');
  await p.stop.click();
  await says(p.status, 'Loading stopped');
  await p.page.getByRole('button', { name: 'Load again' }).click();
  await says(p.status, 'Picture ready');
  await says(p.page.locator('#picture-name'), 'kept.png');
  assert.equal(await p.conversation.locator('.picture-entry').count(), 1);
});

test('a new picture takes the place of one that is still being read', async () => {
  await ready();
  await choose('slow one.png');
  await says(p.status, 'Reading the picture');
  await choose('two.png');
  await says(p.status, 'Picture ready');
  await says(p.page.locator('#picture-name'), 'two.png');
  await ask('which?');
  await says(p.answers, 'About two.png');
  assert.equal(await p.conversation.locator('.picture-entry').count(), 1);
});

test('a picture chosen during an answer waits for it', async () => {
  await ready();
  await ask('slow please');
  await says(p.answers, 'word');
  await choose('later.png');
  await says(p.status, 'The picture waits for the answer to end');
  await p.stop.click();
  await says(p.status, 'Picture ready');
  await says(p.conversation.locator('article.past'), 'stopped');
  assert.equal(await p.page.getByRole('button', { name: 'Regenerate' }).isVisible(), false);
});

test('regenerate asks the last question again', async () => {
  await ready();
  await ask('once');
  await says(p.status, 'Answer complete');
  await p.page.getByRole('button', { name: 'Regenerate' }).click();
  await says(p.answers, 'once (again)');
  assert.equal(await p.answers.count(), 1);
  await says(p.status, 'Answer complete');
  await ask('twice');
  await says(p.answers.nth(1), 'turn 2');
  await says(p.status, 'Answer complete');
  assert.equal(await p.page.getByRole('button', { name: 'Regenerate' }).count(), 1);
});

test('copy puts the answer on the clipboard', async () => {
  await ready('', { permissions: ['clipboard-read', 'clipboard-write'] });
  await ask('something');
  await says(p.status, 'Answer complete');
  await p.page.getByRole('button', { name: 'Copy' }).click();
  await says(p.status, 'Copied');
  assert.match(await p.page.evaluate(() => navigator.clipboard.readText()), /you asked something$/);
});

test('new chat keeps the picture and forgets the rest', async () => {
  await ready();
  await choose('chart.png');
  await ask('one');
  await says(p.status, 'Answer complete');
  await ask('slow two');
  await says(p.answers.nth(1), 'word');
  await p.newChat.click();
  await says(p.status, 'New chat');
  assert.equal(await p.conversation.locator('article').count(), 0);
  await ask('three');
  await says(p.answers, 'About chart.png, turn 1: you asked three');
  clean();
});

test('new chat does not wait for a question that waits for a picture', async () => {
  await ready();
  await choose('slow one.png');
  await ask('waiting');
  await says(p.status, 'waits for the picture');
  await p.newChat.click();
  await says(p.conversation, 'slow one.png');
  assert.equal(await p.conversation.locator('article').count(), 0);
  assert.equal(await p.message.inputValue(), 'waiting');
});

test('without its picture, questions are answered from text alone', async () => {
  await ready();
  await choose('chart.png');
  await says(p.status, 'Picture ready');
  await p.page.getByRole('button', { name: 'Remove' }).click();
  await says(p.status, 'Picture removed');
  await ask('hello');
  await says(p.answers, 'Without a picture, turn 1');
  assert.equal(await p.page.locator('#preview').isVisible(), false);
});

test('several files: the first is taken, and that is said; notices are shown', async () => {
  await ready();
  await p.image.evaluate((input) => (input.multiple = true));
  await p.image.setInputFiles([file('animated a.png'), file('b.png')]);
  await says(p.status, 'Picture ready');
  await says(p.page.locator('#picture-remarks'), 'One picture at a time: animated a.png was taken.');
  await says(p.page.locator('#picture-remarks'), 'Animated: the first frame was taken.');
});

test('an empty question is refused kindly', async () => {
  await ready();
  await p.message.fill('  \n ');
  await p.send.click();
  await says(p.status, 'Type a question first');
  assert.equal(await p.answers.count(), 0);
});

test('nothing in an answer or in a file’s name becomes markup', async () => {
  await ready();
  await choose('<img src=x onerror=document.title=3>.png');
  await says(p.status, 'Picture ready');
  await ask('<b>markup</b>');
  await says(p.status, 'Answer complete');
  assert.equal(await p.answers.locator('img, script, a, b').count(), 0);
  assert.equal(await p.answers.locator('strong').innerText(), 'after');
  assert.equal(await p.page.locator('.question b, #picture-name img, .picture-entry img').count(), 0);
  await says(p.answers, '<script>document.title=2</script> [link](https://example.com/)');
  assert.match(await p.page.title(), /^INF-LLaVA/);
  clean();
});

test('the small Markdown: lists, bold, italic, code', async () => {
  await ready();
  await ask('markdown');
  await says(p.status, 'Answer complete');
  assert.deepEqual(await p.answers.locator('strong, em').allInnerTexts(), ['three boats', 'harbour']);
  assert.equal(await p.answers.locator('ul li').count(), 3);
  assert.equal(await p.answers.locator('ol li').count(), 2);
  assert.equal(await p.answers.locator('pre code').innerText(), 'let crops = 3 * 3;\n<b>not bold</b>');
});

test('settings reach the engine, from the address and from the page', async () => {
  await ready('?temperature=0&max_new_tokens=24');
  await ask('options');
  await says(p.answers, '{"temperature":0,"max_new_tokens":24}');
  await p.page.getByText('Settings', { exact: true }).click();
  await p.page.getByLabel('Seed').fill('7');
  await p.page.getByLabel('Temperature').fill('');
  await p.page.getByLabel('Max new tokens').fill('1');
  await ask('options');
  await says(p.answers.nth(1), '{"max_new_tokens":1,"seed":7}');
  await ask('and more words');
  await says(p.conversation, 'reached the token limit');
});

test('the keyboard does everything', async () => {
  await ready();
  p.page.on('filechooser', () => {}); // caught from here on: the wait below may begin after the key is pressed
  const tabTo = async (name) => {
    for (let i = 0; i < 25; i += 1) {
      if ((await focused()) === name) return;
      await p.page.keyboard.press('Tab');
    }
    assert.fail(`Tab never reached ${name}`);
  };
  await tabTo('image');
  const [chooser] = await Promise.all([p.page.waitForEvent('filechooser'), p.page.keyboard.press('Enter')]);
  await chooser.setFiles(file('by keyboard.png'));
  await says(p.status, 'Picture ready');
  await tabTo('message');
  await p.page.keyboard.type('first line');
  await p.page.keyboard.press('Shift+Enter');
  await p.page.keyboard.type('slow second');
  assert.equal(await p.message.inputValue(), 'first line\nslow second');
  await p.page.keyboard.press('Enter');
  await says(p.answers, 'word');
  assert.equal(await focused(), 'message');
  await p.page.keyboard.press('Escape');
  await says(p.status, 'Stopped after');
  assert.equal(await focused(), 'message');
  await p.page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Regenerate');
  await p.page.keyboard.press('Enter');
  await says(p.status, 'Answering');
  assert.equal(await focused(), 'message');
  await p.page.keyboard.press('Escape');
  await says(p.status, 'Stopped after');
  await p.page.keyboard.press('Tab');
  assert.equal(await focused(), 'Settings');
});

test('the page leads to the licences of what it is made of', async () => {
  await ready();
  const link = await p.page.getByRole('link', { name: 'Licences' }).evaluate((a) => a.href);
  const response = await p.page.request.get(link);
  assert.equal(response.status(), 200);
  const text = await response.text();
  const lock = JSON.parse(await readFile(join(REPOSITORY, 'web/package-lock.json'), 'utf8'));
  for (const name of [`marked ${lock.packages['node_modules/marked'].version}: MIT`, 'burn ', 'wasm-bindgen ', 'TERMS AND CONDITIONS FOR USE']) {
    assert.ok(text.includes(name), name);
  }
});

test('an input method’s Enter does not send', async () => {
  await ready();
  await p.message.fill('にほ');
  await p.message.evaluate((box) => box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await p.answers.count(), 0);
});

test('progress is a progress bar with words', async () => {
  await open('?model=models/slow/');
  const bar = p.page.locator('#progress');
  await bar.and(p.page.locator('[aria-valuetext*="of 9.6 MB"]')).waitFor();
  await p.progress.waitFor();
  await choose('slow.png');
  await bar.and(p.page.locator('[aria-valuetext="30%"]')).waitFor();
  await says(p.status, 'Picture ready');
  assert.equal(await p.progress.count(), 0);
});

test('a model on another host is within reach, and nothing else is', async () => {
  const other = await serve(site.folder, { headers: { 'Access-Control-Allow-Origin': '*' } });
  await open(`?model=${encodeURIComponent(`${other.url}fetched/`)}`);
  await says(p.page.getByRole('alert'), `${other.url}fetched/config.json is missing`);
  const requests = ['/fetched/config.json', '/fetched/manifest.json', '/fetched/samples.json'];
  assert.deepEqual([...other.requests].sort(), requests);
  const refused = await p.page.evaluate(
    (url) =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    `${other.url}index.html`,
  );
  assert.equal(refused, true);
  assert.equal(other.requests.length, requests.length);
  await other.close();
});

test('a host may set a policy as strict as the page’s own', async () => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; worker-src 'self'; connect-src 'self'";
  const strict = await serve(site.folder, { headers: { 'Content-Security-Policy': policy } });
  await open('', { url: strict.url });
  await choose('chart.png');
  await ask('strictly');
  await says(p.answers, 'About chart.png');
  clean();
  await strict.close();
});

for (const width of [320, 390, 700, 1024, 1600]) {
  test(`${width} px wide: nothing overflows, targets are large enough`, async () => {
    await ready('', { viewport: { width, height: 720 } });
    await choose(`${'a-very-long-file-name-'.repeat(6)}.png`);
    await ask('markdown and a-very-long-word-that-has-no-place-to-break-'.repeat(3));
    await says(p.status, 'Answer complete');
    await p.page.getByText('Settings', { exact: true }).click();
    const { overflow, small } = await p.page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      small: [
        ...document
          .querySelector('inf-llava-chat')
          .shadowRoot.querySelectorAll('button, summary, textarea, label.button, label.switch, .panel input:not(.unseen)'),
      ]
        .filter((node) => node.checkVisibility())
        .map((node) => ({ name: node.textContent || node.id, ...node.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => width < 24 || height < 24),
    }));
    assert.equal(overflow, 0);
    assert.deepEqual(small, []);
    clean();
  });
}
