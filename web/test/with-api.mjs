/** The headless API on a page that has nothing else. */

import { browser, server } from './stand-in.mjs';

/** Runs `work(api, args)` on a fresh page, where `api` is the package. */
export async function withApi(work, args = {}, context = null) {
  const page = await (context ?? browser).newPage();
  await page.goto(`${server.url}blank.html`);
  const code = `async ({ args }) => {
    const api = await import('./inf-llava/index.js');
    const picture = (name) => new File([Uint8Array.of(1, 2, 3), name], name);
    const texts = async (reply) => { const all = []; for await (const piece of reply) all.push(piece); return all.join(''); };
    const refused = (promise) => Promise.resolve(promise).then(() => null, ({ name, code, message }) => ({ name, code, message }));
    return (${work})(api, { args, picture, texts, refused });
  }`;
  try {
    return await page.evaluate(`(${code})(${JSON.stringify({ args })})`);
  } finally {
    await page.close();
  }
}
