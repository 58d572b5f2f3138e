/** What is meant to run, and must not: markup in answers, questions, names and model cards; pages that allow little. */

import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { assembleWithMock, REPOSITORY } from './harness.mjs';
import { browser, clean, open, p, ready, says, server, site } from './stand-in.mjs';
import { serve } from './server.mjs';

const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mM4YaMBRAwQCgAjXgSxhgLRkwAAAABJRU5ErkJggg==', 'base64');

/** Each would run, or fetch something of another host, where it became markup. */
const CORPUS = [
  '<script>hit()</script>',
  '<img src=x onerror=hit()>',
  '<img src=https://evil.example/x.png>',
  '<svg/onload=hit()>',
  '<svg><script href="https://evil.example/x.js" /></svg>',
  '<iframe srcdoc="<script>parent.hit()</script>"></iframe>',
  '<iframe src="https://evil.example/"></iframe>',
  '<body onload=hit()><input autofocus onfocus=hit()>',
  '<details open ontoggle=hit()>x</details>',
  '<video><source onerror=hit()></video>',
  '<math><mtext></form><form><mglyph><style></math><img src onerror=hit()>',
  '<noscript><p title="</noscript><img src=x onerror=hit()>">',
  '<style>@import url(https://evil.example/x.css); body { background: url(https://evil.example/b.png) }</style>',
  '<link rel=stylesheet href=https://evil.example/x.css>',
  '<base href=https://evil.example/>',
  '<meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<form action=https://evil.example/><button autofocus onfocus=hit()>',
  '<a href="javascript:hit()">click</a>',
  '[click](javascript:hit())',
  '[click](JaVaScRiPt:hit() "x")',
  '[click](data:text/html,<script>hit()</script>)',
  '![x](https://evil.example/x.png)',
  '![x](x "onerror=hit()")',
  '[x]: javascript:hit()\n\n[x]',
  '<https://evil.example/>',
  '<javascript:hit()>',
  '`<img src=x onerror=hit()>`',
  '```html\n<img src=x onerror=hit()>\n```',
  '| <img src=x onerror=hit()> |\n|---|\n| <script>hit()</script> |',
  '> <img src=x onerror=hit()>\n\n- <svg/onload=hit()>\n  - <script>hit()</script>',
  '# <img src=x onerror=hit()>',
  '**<img src=x onerror=hit()>** *<svg/onload=hit()>* ~~<script>hit()</script>~~',
  '&lt;img src=x onerror=hit()&gt; &#60;script&#62;hit()&#60;/script&#62;',
  '\u0000<script>hit()</script>',
  '<scr\u0000ipt>hit()</script>',
  '"><script>hit()</script>',
  "';hit();//",
  '{{constructor.constructor("hit()")()}} ${hit()}',
  '<!--<img src="--><img src=x onerror=hit()>',
  '<![CDATA[<img src=x onerror=hit()>]]>',
  '<template><script>hit()</script></template>',
  '<inf-llava-chat src="https://evil.example/x.png"></inf-llava-chat>',
  '<slot name="header"><img src=x onerror=hit()></slot>',
];

const ALLOWED = new Set([
  'P',
  'UL',
  'OL',
  'LI',
  'STRONG',
  'EM',
  'DEL',
  'CODE',
  'PRE',
  'BLOCKQUOTE',
  'TABLE',
  'THEAD',
  'TBODY',
  'TR',
  'TH',
  'TD',
  'HR',
  'BR',
  'DIV',
  'SPAN',
]);

/** Counts what runs, and what an answer is made of. */
async function watch() {
  await p.page.evaluate(() => {
    window.hits = 0;
    window.hit = () => (window.hits += 1);
  });
}

async function harmless() {
  const { hits, tags, attributes } = await p.page.evaluate(() => {
    const root = document.querySelector('inf-llava-chat').shadowRoot;
    const nodes = [
      ...root.querySelectorAll('.answer *, .question *:not(bdi), .entry *:not(canvas), #picture-name *, .notice-title *, .notice-message *, .kept bdi *'),
    ];
    return {
      hits: window.hits,
      tags: [...new Set(nodes.map(({ tagName }) => tagName))],
      attributes: [...new Set(nodes.flatMap((node) => node.getAttributeNames()))],
    };
  });
  assert.equal(hits, 0);
  assert.deepEqual(
    tags.filter((tag) => !ALLOWED.has(tag) && tag !== 'BDI'),
    [],
  );
  assert.deepEqual(
    attributes.filter((name) => !['class', 'tabindex', 'start'].includes(name)),
    [],
  );
}

test('nothing in an answer runs or fetches, and its text is there', async () => {
  await ready();
  await watch();
  for (const [at, text] of CORPUS.entries()) {
    await p.message.fill(`say: ${text}`);
    await p.message.press('Enter');
    await p.conversation.locator('article[data-state="done"]').nth(at).waitFor();
  }
  await harmless();
  // What was taken for markup stands there as it was typed.
  assert.equal((await p.answers.nth(0).innerText()).trim(), CORPUS[0]);
  assert.equal(await p.page.evaluate(() => document.querySelector('inf-llava-chat').shadowRoot.querySelectorAll('.answer a').length), 0);
  await p.page.waitForTimeout(300);
  await harmless();
  clean();
});

test('nor in an answer all at once, in pieces, or nested beyond measure', async () => {
  await ready();
  await watch();
  const deep = [
    `${'> '.repeat(3000)}x`,
    `${'- '.repeat(2000)}x`,
    `${'*'.repeat(5000)}x${'*'.repeat(5000)}`,
    `${'['.repeat(4000)}](x)`,
    '`'.repeat(3001),
    `${'|a'.repeat(1000)}\n${'|-'.repeat(1000)}`,
  ];
  for (const text of [CORPUS.join('\n\n'), CORPUS.join(' '), ...deep]) {
    await p.message.fill(`say: ${text}`);
    await p.message.press('Enter');
    await p.status.filter({ hasText: 'Answer complete' }).waitFor();
    await p.newChat.click();
    await says(p.status, 'New chat');
  }
  await harmless();
  clean();
});

test('an answer beyond measure is shown as the text that it is', async () => {
  await ready();
  await watch();
  const text = `**not bold** ${'a_'.repeat(15_000)}\n\n<img src=x onerror=hit()> the end`;
  await p.message.fill(`say: ${text}`);
  await p.message.press('Enter');
  await p.status.filter({ hasText: 'Answer complete' }).waitFor();
  assert.equal((await p.answers.innerText()).trim(), text);
  await harmless();
  clean();
});

test('nor in a file’s name, a sample’s words, or a model’s card', async () => {
  const evil = CORPUS.slice(0, 6).join('');
  await mkdir(join(site.folder, 'models/evil/samples'), { recursive: true });
  await writeFile(join(site.folder, 'models/evil/samples/1.png'), PNG);
  await writeFile(join(site.folder, 'models/evil/samples.json'), JSON.stringify([{ image: 'samples/1.png', alt: evil, questions: [{ text: evil }] }]));
  const manifest = { format: 'inf-llava', version: 1, name: evil, license: evil, files: [], shards: [{ file: 'a.bin', bytes: 60e6, sha256: '0'.repeat(64) }] };
  await writeFile(join(site.folder, 'models/evil/manifest.json'), JSON.stringify(manifest));
  await open('?model=models/evil/');
  await watch();
  await says(p.page.getByRole('alert'), 'Download <script>hit()</script>');
  await says(p.page.getByRole('alert'), 'Licence of the weights: <script>');
  await p.page.locator('.sample').waitFor();
  await harmless();
  await p.context.close();

  await ready();
  await watch();
  await p.image.setInputFiles({ name: `${evil.replaceAll('/', '∕')}.png`, mimeType: 'image/png', buffer: PNG });
  await says(p.status, 'Picture ready');
  await p.image.setInputFiles({ name: 'broken <img src=x onerror=hit()>.png', mimeType: 'image/png', buffer: PNG.subarray(0, 9) });
  await says(p.page.getByRole('alert'), 'onerror=hit()');
  await harmless();
  clean();
});

/** What a strict page allows, self-hosted: nothing more. */
const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'";

test('a strict page: everything works, and only the model’s host is asked', async () => {
  const model = await serve(site.folder, { headers: { 'Access-Control-Allow-Origin': '*' } });
  const policy = `${STRICT}; connect-src 'self' ${model.url}; require-trusted-types-for 'script'; trusted-types inf-llava`;
  const strict = await serve(site.folder, { headers: { 'Content-Security-Policy': policy } });
  const context = await browser.newContext();
  const page = await context.newPage();
  const [asked, complaints] = [new Set(), []];
  context.on('request', (request) => asked.add(new URL(request.url()).origin));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  // Before any script: a page's own scripts are files, too.
  await writeFile(
    join(site.folder, 'strict.js'),
    "document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`)); await import('./inf-llava/define.js');",
  );
  await writeFile(
    join(site.folder, 'strict.html'),
    `<!doctype html><html lang="en"><link rel="icon" href="icon.svg"><title>strict</title><script type="module" src="strict.js"></script><inf-llava-chat model="${model.url}models/drawn/"></inf-llava-chat>`,
  );
  await page.goto(`${strict.url}strict.html`);
  const status = page.getByRole('status', { name: 'Status' });
  await says(status, 'Ready on');
  await page.locator('.sample').first().click();
  await says(status, 'Picture ready');
  await page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button').first().click();
  await says(page.locator('.answer'), 'About Sample 1');
  await page.getByLabel('What it looks at').check();
  await says(page.locator('.looking-word'), '1 of');
  await page.getByText('Settings', { exact: true }).click();
  await page.getByText('Export', { exact: true }).click();
  await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'As JSON' }).click()]);
  assert.deepEqual(complaints, []);
  assert.deepEqual([...asked].sort(), [new URL(strict.url).origin, new URL(model.url).origin].sort());
  await context.close();
  await strict.close();
  await model.close();
});

test('a stranger’s markup does not choose what runs: only a script may say where the engine is', async () => {
  const policy = `${STRICT}; require-trusted-types-for 'script'; trusted-types inf-llava`;
  const strict = await serve(site.folder, { headers: { 'Content-Security-Policy': policy } });
  // Any script of the origin would do: an upload, a JSONP answer. It would be the page's own as far as its policy can tell.
  await writeFile(join(site.folder, 'upload.js'), "new BroadcastChannel('ran').postMessage('ran');");
  await writeFile(join(site.folder, 'upload.wasm'), '');
  const page = await browser.newPage();
  const warnings = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  const markup = '<inf-llava-chat worker-url="upload.js" wasm-url="upload.wasm" workerurl="upload.js" workerUrl="upload.js"></inf-llava-chat>';
  await writeFile(
    join(site.folder, 'comments.html'),
    `<!doctype html><html lang="en"><link rel="icon" href="icon.svg"><title>comments</title><script type="module" src="strict.js"></script>${markup}`,
  );
  await page.goto(`${strict.url}comments.html`);
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  assert.deepEqual(
    page.workers().map((worker) => worker.url()),
    [`${strict.url}inf-llava/worker.js`],
  );
  assert.deepEqual(
    strict.requests.filter((path) => path.startsWith('/upload')),
    [],
  );
  for (const name of ['worker-url', 'wasm-url'])
    assert.ok(
      warnings.some((text) => text.includes(`the attribute ${name} is ignored`)),
      `${warnings}`,
    );
  await page.close();

  // What a script sets holds, also before the element is defined.
  for (const early of [true, false]) {
    const own = await browser.newPage();
    await own.goto(`${strict.url}blank.html`);
    await writeFile(join(site.folder, 'elsewhere.js'), "import './inf-llava/worker.js';");
    await own.evaluate(async (early) => {
      if (!early) await import('./inf-llava/define.js');
      const chat = Object.assign(document.createElement('inf-llava-chat'), { workerUrl: 'elsewhere.js' });
      document.body.append(chat);
      await import('./inf-llava/define.js');
      chat.load();
    }, early);
    await says(own.getByRole('status', { name: 'Status' }), 'Ready on');
    assert.deepEqual(
      own.workers().map((worker) => worker.url()),
      [`${strict.url}elsewhere.js`],
    );
    await own.close();
  }
  await strict.close();
});

test('nor does a stranger’s <base>, or an element that is named like what a document has', async () => {
  await mkdir(join(site.folder, 'uploads'), { recursive: true });
  for (const name of ['own.js', 'own.wasm']) await writeFile(join(site.folder, 'uploads', name), "new BroadcastChannel('ran').postMessage('ran');");
  await writeFile(join(site.folder, 'own.js'), "import './inf-llava/worker.js';");
  await cp(join(site.folder, 'inf-llava/inf-llava.wasm'), join(site.folder, 'own.wasm'));
  await cp(join(site.folder, 'models/demo/samples/1.png'), join(site.folder, 'uploads/50%.png'));
  await writeFile(
    join(site.folder, 'based.html'),
    '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>based</title><img name="baseURI" alt=""><base href="/uploads/">',
  );
  const own = await serve(site.folder);
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${own.url}based.html`);
  // As a page's own script does it; the picture and the model are read, so they may be the base's.
  await page.evaluate(async () => {
    await import('/inf-llava/define.js');
    const chat = Object.assign(document.createElement('inf-llava-chat'), { workerUrl: 'own.js', wasmUrl: 'own.wasm' });
    chat.setAttribute('src', '50%25.png');
    chat.setAttribute('model', '../models/demo/');
    document.body.append(chat);
  });
  await says(page.getByRole('status', { name: 'Status' }), 'Picture ready');
  assert.deepEqual(
    page.workers().map((worker) => worker.url()),
    [`${own.url}own.js`],
  );
  assert.deepEqual(
    own.requests.filter((path) => path.startsWith('/uploads/')),
    ['/uploads/50%.png'],
  );
  assert.ok(own.requests.includes('/own.wasm'));
  // No address at all, and one with a sign that means nothing.
  await page.evaluate(() => document.querySelector('inf-llava-chat').setAttribute('src', 'http://['));
  await says(page.getByRole('alert'), 'http://[');
  await page.evaluate(() => document.querySelector('inf-llava-chat').setAttribute('src', '50%.png'));
  await page.getByRole('alert').filter({ hasText: 'http://[' }).waitFor({ state: 'hidden' });
  await says(page.locator('#picture-name'), '50%.png');
  assert.equal(own.requests.filter((path) => path === '/uploads/50%.png').length, 2);
  assert.deepEqual(errors, []);
  await page.close();
  await own.close();
});

test('names stay one line of text in an export', async () => {
  const name = 'x\n\n# Another heading\r![p](https://evil.example/p.png) <img src="https://evil.example/i.png"> *a* \u202e`b`';
  await ready();
  const markdown = await p.page.evaluate(
    async ({ name, question }) => {
      const { load } = await import('./inf-llava/index.js');
      const model = await load({ url: `models/demo/named/${encodeURIComponent(name.replaceAll('/', '∕'))}/` });
      const chat = model.chat({ image: new File(['1'], name) });
      await chat.ask(question).answer;
      return chat.export('markdown');
    },
    { name, question: 'options?\r# two\r\n# three' },
  );
  const lines = markdown.split(/[\n\r]/);
  assert.deepEqual(lines.filter((line) => line.startsWith('#')).length, 2, markdown);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('> ')),
    ['> options?', '> # two', '> # three'],
  );
  for (const heading of lines.filter((line) => line.startsWith('#'))) {
    assert.ok(heading.includes('\\!\\[p\\]') && heading.includes('\\<img') && heading.includes('\\`b\\`') && !heading.includes('\u202e'), heading);
  }
});

test('nothing of an answer is fetched where its export is read', async () => {
  const { Lexer } = createRequire(join(REPOSITORY, 'web/package.json'))('marked');
  const evil = [
    '![x](https://evil.example/a.png)',
    '\\![x](https://evil.example/b.png)',
    '\\\\![x](https://evil.example/c.png)',
    '[![x](https://evil.example/d.png)](y)',
    '![x][r]\n\n[r]: https://evil.example/e.png',
    '<img src=https://evil.example/f.png>',
    '\\<img src=https://evil.example/g.png>',
    '<p\nstyle="background:url(https://evil.example/h.png)">',
    '<style>@import url(https://evil.example/i.css)</style>',
    '<svg/onload=hit()>',
    '- ```\n![x](https://evil.example/j.png)',
    '> ```\n\n![x](https://evil.example/k.png)',
    '```\ncode ![x](y) <img src=z>\n   ````\n![x](https://evil.example/l.png)',
    '``` `\n![x](https://evil.example/m.png)',
    'a\r![x](https://evil.example/n.png)',
    '~~~\n```\n~~~\n<img src=https://evil.example/o.png>',
    // Where readers differ about the end of code, or about its beginning.
    '```\n```\u00a0\n```\n![x](https://evil.example/p.png)',
    '~~~\n~~~`\n![x](https://evil.example/q.png)',
    '<div>\n```\n<img src=https://evil.example/r.png>',
    '<pre>\n```\n</pre>\n![x](https://evil.example/s.png)',
    '<!--\n```\n-->\n![x](https://evil.example/t.png)',
    '[a[![x](https://evil.example/u.png) ![x](https://evil.example/v.png)',
    '<?\n~~~\n?>\n<img src=https://evil.example/w.png>',
    '<IMG src=https://evil.example/x.png>',
  ];
  await ready();
  for (const text of evil) {
    const markdown = await p.page.evaluate(async (text) => {
      const { load } = await import('./inf-llava/index.js');
      const chat = (await load()).chat();
      await chat.ask('say: ```\nnever closed').answer;
      await chat.ask(`say: ${text}`).answer;
      await chat.ask('say: ```\n![x](https://evil.example/z.png)').answer;
      return chat.export('markdown');
    }, text);
    const kinds = [];
    const walk = (tokens) =>
      tokens.forEach((token) => {
        if (token.type !== 'html' || /<[a-z]/i.test(token.raw)) kinds.push(token.type);
        walk([...(token.tokens ?? []), ...(token.items ?? [])]);
      });
    walk(new Lexer({ gfm: true }).lex(markdown));
    assert.deepEqual(
      kinds.filter((kind) => kind === 'image' || kind === 'html'),
      [],
      markdown,
    );
  }
  const code = 'before\n\n```html\n<img src="x"> ![x](y)\n```\n\nVec<u8>, 1 < 2, **bold**';
  const kept = await p.page.evaluate(async (code) => {
    const { load } = await import('./inf-llava/index.js');
    const chat = (await load()).chat();
    await chat.ask(`say: ${code}`).answer;
    return chat.export('markdown');
  }, code);
  // Between fences that nothing in it can end, and what looked like a tag as a reader shows it.
  const shown = code.replaceAll('```', '````').replace('Vec<', 'Vec&lt;');
  assert.ok(kept.endsWith(`${shown}\n`), kept);
});

test('a strict page that does not name the policy is told what is missing', async () => {
  const policy = `${STRICT}; require-trusted-types-for 'script'; trusted-types something-else`;
  const strict = await serve(site.folder, { headers: { 'Content-Security-Policy': policy } });
  const page = await browser.newPage();
  await page.goto(`${strict.url}strict.html`);
  await says(page.getByRole('alert'), 'Trusted Types policy inf-llava');
  await page.close();
  await strict.close();
});

test('one line from another origin: the worker starts through a blob', async () => {
  const cdn = await serve(site.folder, { headers: { 'Access-Control-Allow-Origin': '*' } });
  const own = await assembleWithMock();
  await writeFile(
    join(own.folder, 'one-line.html'),
    `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>one line</title><script type="module" src="${cdn.url}inf-llava/define.js"></script><inf-llava-chat></inf-llava-chat>`,
  );
  const pageServer = await serve(own.folder);
  const page = await browser.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(`${pageServer.url}one-line.html`);
  await says(page.getByRole('status', { name: 'Status' }), 'Ready on');
  assert.match(page.workers()[0].url(), /^blob:/);
  await page.locator('.sample').first().click();
  await page.getByRole('list', { name: 'Questions about this sample' }).getByRole('button').first().click();
  await says(page.locator('.answer'), 'About Sample 1, turn 1');
  assert.deepEqual(complaints, []);
  assert.deepEqual(pageServer.requests, ['/one-line.html'], 'nothing else is the page’s own');
  await page.close();
  await pageServer.close();
  await cdn.close();
  await own.remove();
});

test('self-hosted, no blob is used', async () => {
  await ready();
  assert.match(p.page.workers()[0].url(), new RegExp(`^${server.url}inf-llava/worker\\.js$`));
  clean();
});
