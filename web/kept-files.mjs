/** Lists the files of the page and the package for the page's service worker, by path and hash. */

import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The folders of the page. The package itself keeps the small model. */
const KEPT = /^(index\.html|page\.css|icon\.svg|page\/[\w-]+\.js|inf-llava\/[\w.-]+\.(js|wasm|png))$/;
const WORKER = 'service-worker.js';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Writes the list of files into the service worker of the built page in `folder`. */
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
