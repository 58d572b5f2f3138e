/** Makes the page work without a network from its second visit on. */

const WORKER = new URL('../service-worker.js', import.meta.url).href;
/** The next app on this port would find itself under the page's worker. A name may end with a dot. */
const LOOPBACK = /^(localhost\.?|.*\.localhost\.?|127(\.\d+){3}|\[::1\])$/;
/** Of this page's worker, and of what it was in earlier versions. */
const CACHES = /^inf-llava-(page-|shell$)/;

/** The page's own policy for its own worker; the element has one of its own. */
const policy = globalThis.trustedTypes?.createPolicy('inf-llava-page', {
  createScriptURL(url) {
    if (url !== WORKER) throw new TypeError('not the worker of this page');
    return url;
  },
});

/**
 * Keeps the page's own files for a visit without a network, once it has them all; not on loopback.
 * @param {Promise<unknown>} ready  when the page is at rest
 */
export async function workOffline(ready) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // no HTTPS, or a browser without it
  try {
    if (LOOPBACK.test(location.hostname)) {
      await forget(serviceWorker);
      return;
    }
    await ready;
    await serviceWorker.register(policy?.createScriptURL(WORKER) ?? WORKER);
    (await serviceWorker.ready).active?.postMessage('keep');
  } catch {
    // Storage may be blocked, or the site lack the file: the page works with its network.
  }
}

/**
 * Takes away what an earlier version registered here. Its worker goes on with the pages that it controls, and would go
 * on keeping what they fetch: the newer one, which removes itself and what was kept, has to take its place first.
 * @param {ServiceWorkerContainer} container
 */
async function forget(container) {
  for (const registration of await container.getRegistrations()) {
    const { scriptURL } = registration.active ?? registration.waiting ?? registration.installing ?? {};
    if (scriptURL !== WORKER) continue;
    const newer = await registration.update().catch(() => null);
    if (!newer?.installing && !newer?.waiting) await registration.unregister();
  }
  for (const name of await caches.keys()) if (CACHES.test(name)) await caches.delete(name);
}
