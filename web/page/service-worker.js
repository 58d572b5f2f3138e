/**
 * The page without a network. What came from the page's own site is answered from there, and where the network fails
 * from a cache of what came before. Models that the browser keeps are no part of it: they have a place of their own.
 */

const CACHE = 'inf-llava-shell';
/** Beyond this a file is no part of a page. */
const LARGEST_BYTES = 64 * 2 ** 20;

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** The page names the files that it had before it had this worker. */
self.addEventListener('message', (event) => {
  const urls = [].concat(event.data.files).filter((url) => isOwn(new URL(url)));
  event.waitUntil(Promise.all(urls.map((url) => fetchAndStore(new Request(url)).catch(() => {}))));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const whole = request.method === 'GET' && !request.headers.has('Range');
  if (!whole || request.cache === 'no-store' || !isOwn(new URL(request.url))) return;
  event.respondWith(answer(event));
});

const isOwn = (url) => url.href.startsWith(self.registration.scope);

async function answer(event) {
  try {
    return await fetchAndStore(event.request, event);
  } catch (error) {
    const kept = await caches.match(key(event.request), { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

/** The page is one file, whatever model its address names. */
function key(request) {
  const url = new URL(request.url);
  url.pathname = url.pathname.replace(/\/index\.html$/, '/');
  if (url.pathname.endsWith('/')) url.search = '';
  url.hash = '';
  return url.href;
}

/** @param {Request} request @param {FetchEvent} [event]  which goes on until the file is stored */
async function fetchAndStore(request, event) {
  const response = await fetch(request);
  if (response.status === 200) {
    const stored = store(key(request), response.clone());
    if (event) event.waitUntil(stored);
    else await stored;
  }
  return response;
}

async function store(url, response) {
  try {
    const cache = await caches.open(CACHE);
    const tag = response.headers.get('ETag');
    const known = tag && (await cache.match(url))?.headers.get('ETag') === tag;
    const bytes = Number(response.headers.get('Content-Length') ?? 0);
    if (known || bytes > LARGEST_BYTES) await response.body?.cancel();
    else await cache.put(url, response);
  } catch {
    // No room: the page goes on, and needs its network the next time.
  }
}
