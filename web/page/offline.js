/** Makes the page work without a network from its second visit on. */

const WORKER = new URL('../service-worker.js', import.meta.url).href;

/** The page's own policy for its own worker; the element has one of its own. */
const policy = globalThis.trustedTypes?.createPolicy('inf-llava-page', {
  createScriptURL(url) {
    if (url !== WORKER) throw new TypeError('not the worker of this page');
    return url;
  },
});

/** Longer than this the page does not wait: it works without. */
const PATIENCE_MS = 1000;

/**
 * Done when what is fetched from now on is kept for a visit without a network, or when that cannot be had soon.
 * @param {Promise<unknown>} fetched  when the page has all that it is made of
 */
export function workOffline(fetched) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // no HTTPS, or a browser without it
  // Storage may be blocked, or the site lack the file.
  const controlled = control(serviceWorker, fetched).catch(() => {});
  return Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/** @param {ServiceWorkerContainer} container @param {Promise<unknown>} fetched */
async function control(container, fetched) {
  const first = !container.controller;
  const controlled = new Promise((resolve) => container.addEventListener('controllerchange', resolve, { once: true }));
  const registration = await container.register(policy?.createScriptURL(WORKER) ?? WORKER);
  if (!first) return;
  // A page that was loaded past its caches is never controlled.
  if (!registration.active) await controlled;
  await fetched;
  const worker = registration.active ?? container.controller;
  worker?.postMessage({ files: files() });
}

/** What the page was made of before anything was kept. The browser does not count the icon. */
function files() {
  const fetched = performance.getEntriesByType('resource').map(({ name }) => name);
  const icon = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel="icon"]'));
  return [location.href, icon.href, ...fetched];
}
