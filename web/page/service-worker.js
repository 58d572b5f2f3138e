/**
 * Lets the page work without a network. A service worker controls its whole origin, where other apps may live too; on
 * loopback even the next app that is started on the same port. So it keeps and serves nothing but the files of this page,
 * which the build lists below with their hashes, and on loopback it removes itself. Models are kept elsewhere.
 *
 * The network comes first. All files of a version are kept together, each after its hash was checked; only when all are
 * there is the previous version removed.
 */

/** Paths below this worker's folder ('': the page itself), with the SHA-256 of each file. `web/kept-files.mjs` writes it. */
const FILES = {};
/** Changes with any of the files. */
const VERSION = 'none';

const SCOPE = self.registration.scope;
const PREFIX = 'inf-llava-page-';
/** Caches of this copy of the page; another copy may be beside it. */
const OWN = `${PREFIX}${encodeURIComponent(new URL(SCOPE).pathname)}:`;
const CACHE = `${OWN}${VERSION}`;
/** The cache of an earlier version of this worker, which kept everything of its origin. */
const EARLIER_CACHE = 'inf-llava-shell';
/** A host name may end with a dot. */
const LOOPBACK = /^(localhost\.?|.*\.localhost\.?|127(\.\d+){3}|\[::1\])$/;

self.addEventListener('install', (event) => {
  self.skipWaiting();
  if (!isLoopback()) event.waitUntil(keep());
});

self.addEventListener('activate', (event) => {
  event.waitUntil(isLoopback() ? goAway() : Promise.all([caches.delete(EARLIER_CACHE), self.clients.claim()]));
});

if (!isLoopback()) {
  // Files that were removed or could not be fetched are kept at the next visit.
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

/** Whether a cache is of any version of this copy. Earlier versions did not name the copy: their content tells. */
async function isOurs(name) {
  if (name === EARLIER_CACHE || name.startsWith(OWN)) return true;
  if (!name.startsWith(PREFIX) || name.includes(':')) return false;
  return (await (await caches.open(name)).keys()).every(({ url }) => url.startsWith(SCOPE));
}

/** The address under which a file of this page is kept; null for everything else. */
function keyOf({ url, method, mode, cache, headers }) {
  if (method !== 'GET' || cache === 'no-store' || headers.has('Range') || !url.startsWith(SCOPE)) return null;
  const { search } = new URL(url);
  const path = url.slice(SCOPE.length).replace(/[?#].*$/s, '');
  // The page is one file, whatever its query says. Only a navigation requests it.
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

/** The previous version is still there if this one was not kept completely. */
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
    // No room, or no network: the page works, and needs the network the next time.
  }
}

/** A file of this version; null if the site has another version, or forbids keeping it. */
async function fetched(url, sha256) {
  // The browser's cache may hold an older file.
  for (const cache of ['default', 'reload']) {
    const response = await fetch(url, { cache, redirect: 'error' });
    if (response.status !== 200 || /no-store/i.test(response.headers.get('Cache-Control') ?? '')) {
      await response.body?.cancel();
      return null;
    }
    const bytes = await response.arrayBuffer();
    if ((await hashOf(bytes)) !== sha256) continue;
    const headers = new Headers(response.headers);
    for (const name of ['Content-Encoding', 'Content-Length']) headers.delete(name); // describe the transfer, not the content
    return new Response(bytes, { headers });
  }
  return null;
}

async function hashOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
