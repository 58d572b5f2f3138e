/**
 * The page without a network. A worker like this one controls its whole origin, where other apps may live, too; on
 * loopback even the next one that somebody starts on the same port. So it keeps and answers nothing but the files of
 * this page, which the build names below with their hashes; and on loopback it goes away. A model has a place of its own.
 *
 * The network is asked first. Files are kept in one go, each after its hash was checked; only when all of a version are
 * there does the version before go.
 */

/** Paths below this worker's folder ('': the page itself), with the SHA-256 of what is there. `web/kept-files.mjs` writes it. */
const FILES = {};
/** Changes with every file. */
const VERSION = 'none';

const SCOPE = self.registration.scope;
const PREFIX = 'inf-llava-page-';
/** Of this copy of the page: another one may live beside it. */
const OWN = `${PREFIX}${encodeURIComponent(new URL(SCOPE).pathname)}:`;
const CACHE = `${OWN}${VERSION}`;
/** An earlier version of this worker kept in it whatever came from its origin. */
const EARLIER_CACHE = 'inf-llava-shell';
/** Also with the dot that ends a name. */
const LOOPBACK = /^(localhost\.?|.*\.localhost\.?|127(\.\d+){3}|\[::1\])$/;

self.addEventListener('install', (event) => {
  self.skipWaiting();
  if (!isLoopback()) event.waitUntil(keep());
});

self.addEventListener('activate', (event) => {
  event.waitUntil(isLoopback() ? goAway() : Promise.all([caches.delete(EARLIER_CACHE), self.clients.claim()]));
});

if (!isLoopback()) {
  // What was removed, or did not come, is kept with the next visit.
  self.addEventListener('message', (event) => event.data === 'keep' && event.waitUntil(keep()));
  self.addEventListener('fetch', (event) => {
    const url = keyOf(event.request);
    if (url) event.respondWith(answer(event.request, url));
  });
}

function isLoopback() {
  return LOOPBACK.test(self.location.hostname);
}

async function goAway() {
  for (const name of await caches.keys()) if (await isOurs(name)) await caches.delete(name);
  await self.registration.unregister();
}

/** Of any version of this copy. Earlier ones did not say of which it was; what they hold does. */
async function isOurs(name) {
  if (name === EARLIER_CACHE || name.startsWith(OWN)) return true;
  if (!name.startsWith(PREFIX) || name.includes(':')) return false;
  return (await (await caches.open(name)).keys()).every(({ url }) => url.startsWith(SCOPE));
}

/** Under which address a file of this page is kept; null for everything else. */
function keyOf({ url, method, mode, cache, headers }) {
  if (method !== 'GET' || cache === 'no-store' || headers.has('Range') || !url.startsWith(SCOPE)) return null;
  const { search } = new URL(url);
  const path = url.slice(SCOPE.length).replace(/[?#].*$/s, '');
  // The page is one file, whatever model its address names. Only a visit asks for it.
  const isPage = (path === '' || path === 'index.html') && mode === 'navigate';
  if (isPage) return SCOPE;
  return path && !search && Object.hasOwn(FILES, path) ? url.replace(/#.*$/s, '') : null;
}

async function answer(request, url) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = (await (await caches.open(CACHE)).match(url)) ?? (await olderOf(url));
    if (kept) return kept;
    throw error;
  }
}

/** Where a version was not kept whole, the one before it still is. */
async function olderOf(url) {
  for (const name of await caches.keys()) {
    const kept = name.startsWith(PREFIX) && (await (await caches.open(name)).match(url));
    if (kept) return kept;
  }
  return undefined;
}

async function keep() {
  try {
    const cache = await caches.open(CACHE);
    let whole = true;
    for (const [path, sha256] of Object.entries(FILES)) {
      const url = new URL(path, SCOPE).href;
      if (await cache.match(url)) continue;
      const response = await fetched(url, sha256);
      if (response) await cache.put(url, response);
      else whole = false;
    }
    if (!whole) return;
    for (const name of await caches.keys()) if (name !== CACHE && (await isOurs(name))) await caches.delete(name);
  } catch {
    // No room, or no network: the page goes on, and needs its network the next time.
  }
}

/** A file as this version has it; null where the site has another, or says that it must not be kept. */
async function fetched(url, sha256) {
  // What the browser has of an earlier visit may be older than this.
  for (const cache of ['default', 'reload']) {
    const response = await fetch(url, { cache, redirect: 'error' });
    if (response.status !== 200 || /no-store/i.test(response.headers.get('Cache-Control') ?? '')) {
      await response.body?.cancel();
      return null;
    }
    const bytes = await response.arrayBuffer();
    if ((await hashOf(bytes)) !== sha256) continue;
    const headers = new Headers(response.headers);
    for (const name of ['Content-Encoding', 'Content-Length']) headers.delete(name); // of how it travelled
    return new Response(bytes, { headers });
  }
  return null;
}

async function hashOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
