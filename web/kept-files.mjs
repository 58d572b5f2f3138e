/** Tells the page's service worker what it may keep: the files of the page and of the package, by path and hash. */

import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Of the folders that the page is made of; the small model has a place of its own, and is kept by the package. */
const KEPT = /^(index\.html|page\.css|icon\.svg|page\/[\w-]+\.js|inf-llava\/[\w.-]+\.(js|wasm|png))$/;
const WORKER = 'service-worker.js';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Writes into the service worker of `folder`, a page that is put together, which files are there. */
export async function nameKeptFiles(folder) {
  const found = await readdir(folder, { recursive: true });
  const names = found.map((name) => name.replaceAll('\\', '/')).filter((name) => KEPT.test(name) && !name.endsWith(WORKER));
  const files = {};
  for (const name of names.sort()) files[name === 'index.html' ? '' : name] = sha256(await readFile(join(folder, name)));
  if (!('' in files)) throw new Error(`${folder} holds no index.html: its service worker would keep a page without its beginning`);
  const list = JSON.stringify(files);
  const path = join(folder, WORKER);
  const worker = await readFile(path, 'utf8');
  const written = worker
    .replace('const FILES = {};', `const FILES = ${list};`)
    .replace("const VERSION = 'none';", `const VERSION = '${sha256(list).slice(0, 16)}';`);
  if (written.split(list).length !== 2 || written.includes("'none'")) throw new Error(`${path} has no place for the list of files`);
  await writeFile(path, written);
}
