/** The one policy of the page's Trusted Types: it makes the addresses of the page's two workers, and nothing else. */

const ENGINE = new URL('./worker.js', import.meta.url).href;
const OFFLINE = new URL('../service-worker.js', import.meta.url).href;

const policy = globalThis.trustedTypes?.createPolicy('workers', {
  createScriptURL(url) {
    if (url !== ENGINE && url !== OFFLINE) throw new TypeError('not a worker of this page');
    return url;
  },
});

const trusted = (url) => policy?.createScriptURL(url) ?? url;

export const engineUrl = () => trusted(ENGINE);
export const offlineUrl = () => trusted(OFFLINE);
