/** Makes the page work without a network from its second visit on. */

const WORKER = new URL('../service-worker.js', import.meta.url).href;
/** Here the next app on this port would get the page's worker. A name may end with a dot. */
const LOOPBACK = /^(localhost\.?|.*\.localhost\.?|127(\.\d+){3}|\[::1\])$/;
/** Caches of this page's worker, in all its versions. */
const CACHES = /^inf-llava-(page-|shell$)/;

/** The Trusted Types policy for the page's own worker; the element has another one. */
const policy = globalThis.trustedTypes?.createPolicy('inf-llava-page', {
  createScriptURL(url) {
    if (url !== WORKER) throw new TypeError('not the worker of this page');
    return url;
  },
});

/**
 * Keeps the page's own files for visits without a network; not on loopback.
 * @param {Promise<unknown>} ready  settles when the page has loaded everything
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
    // Storage may be blocked, or the file missing: the page then needs the network.
  }
}

/**
 * Removes the worker that an earlier version registered on loopback. It stays active for the pages that it controls, and
 * would keep what they fetch: the newer worker, which removes itself and its caches, has to replace it first.
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
