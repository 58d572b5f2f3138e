/** Called by Trunk after it has built the engine: builds the package from it, for the page and in `dist/`, for packing. */

import { execFileSync } from 'node:child_process';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nameKeptFiles } from './kept-files.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error('TRUNK_STAGING_DIR: Trunk calls this script');

// For tests and benchmarks, which call the engine without the package.
const kept = join(HERE, 'bindings');
await rm(kept, { recursive: true, force: true });
for (const name of ['inf-llava.js', 'snippets']) await cp(join(staging, name), join(kept, name), { recursive: true });

const bindings = join(kept, 'inf-llava.js');
const wasm = join(staging, 'inf-llava_bg.wasm');
execFileSync(process.execPath, [join(HERE, 'build.mjs'), '--bindings', bindings, '--wasm', wasm], { stdio: 'inherit' });
await cp(join(HERE, 'dist'), join(staging, 'inf-llava'), { recursive: true });
// They are part of the package now.
for (const name of await readdir(staging)) {
  if (/^inf-llava(_bg)?\.(js|wasm|d\.ts|wasm\.d\.ts)$/.test(name) || name === 'snippets') await rm(join(staging, name), { recursive: true });
}
// Trunk leaves its own marker where the engine would be.
const page = join(staging, 'index.html');
await writeFile(page, (await readFile(page, 'utf8')).replace(/ *<link data-trunk [^>]*>\n?/g, ''));
await nameKeptFiles(staging);
