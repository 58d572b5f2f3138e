/**
 * Hosts by name for a browser that knows no other network: it sends every request, of whatever page or worker, to the
 * proxy that is here, which writes it down and answers in the host's place. What is written down is all that left.
 */

import { createServer } from 'node:http';
import { launchBrowser, WEBGPU } from './harness.mjs';

/** Chromium asks its maker for this and that, whatever page is open; no page of these tests knows these hosts. */
const BROWSERS_OWN = /(^|\.)google(apis)?\.com(:\d+)?$/;

/**
 * @param {Object<string, (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => unknown>} named
 *   what answers for a host; a handler sees the path alone, as a server of that name would
 * @param {object} [options]
 * @param {string[]} [options.secure]  hosts that the browser takes for HTTPS's
 */
export async function hosts(named, { secure = Object.keys(named) } = {}) {
  const requests = [];
  const proxy = createServer(async (request, response) => {
    const { method, headers } = request;
    const entry = { method, url: request.url, headers, body: '' };
    if (!BROWSERS_OWN.test(new URL(request.url, 'http://proxy.invalid').host)) requests.push(entry);
    for await (const chunk of request) entry.body += chunk.toString('latin1');
    const url = new URL(request.url, 'http://proxy.invalid');
    const handler = named[url.hostname];
    if (!handler) {
      request.socket.destroy(); // no such host, or it is down
      return;
    }
    request.url = url.pathname + url.search;
    await handler(request, response);
  });
  // HTTPS, WebSockets.
  proxy.on('connect', ({ url }, socket) => {
    if (!BROWSERS_OWN.test(url)) requests.push({ method: 'CONNECT', url, headers: {}, body: '' });
    socket.destroy();
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const origins = secure.map((name) => `http://${name}`).join(',');
  const browser = await launchBrowser([
    ...WEBGPU,
    `--proxy-server=127.0.0.1:${proxy.address().port}`,
    // Loopback too.
    '--proxy-bypass-list=<-loopback>',
    // No requests of the browser's own.
    '--disable-features=AutofillServerCommunication',
    '--disable-component-extensions-with-background-pages',
    '--disable-default-apps',
    `--unsafely-treat-insecure-origin-as-secure=${origins}`,
  ]);
  return {
    browser,
    requests,
    named,
    async close() {
      await browser.close();
      await new Promise((resolve) => {
        proxy.close(resolve);
        proxy.closeAllConnections();
      });
    },
  };
}

/** Everything that the origin of `page` has written, by exact name: `opfs path (bytes)`, `cache name url`, and so on. */
export function written(page) {
  return page.evaluate(async () => {
    const found = [];
    const walk = async (directory, path) => {
      for await (const [name, handle] of directory.entries()) {
        if (handle.kind === 'directory') await walk(handle, `${path}${name}/`);
        else found.push(`opfs ${path}${name}`);
      }
    };
    if (navigator.storage?.getDirectory) await walk(await navigator.storage.getDirectory(), '');
    for (const name of (await globalThis.caches?.keys()) ?? []) {
      for (const request of await (await caches.open(name)).keys()) found.push(`cache ${name} ${request.url}`);
    }
    for (const { name } of (await globalThis.indexedDB?.databases()) ?? []) found.push(`indexeddb ${name}`);
    for (const [kind, storage] of Object.entries({ localStorage, sessionStorage })) {
      for (const key of Object.keys(storage)) found.push(`${kind} ${key}`);
    }
    for (const cookie of document.cookie.split(';')) if (cookie) found.push(`cookie ${cookie.trim()}`);
    return found.sort();
  });
}

/** Waits until `condition`, run in the page, is true: for as long as a loaded machine may take. */
export async function comes(page, condition, argument) {
  for (const until = Date.now() + 30_000; ; ) {
    if (await page.evaluate(condition, argument)) return;
    if (Date.now() > until) throw new Error(`it never came: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
