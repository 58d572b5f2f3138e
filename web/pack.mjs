/**
 * Makes the npm package from the page's build in `dist/`: types, the element's manifest and the tarball, then checks the
 * tarball as users get it. `node pack.mjs [--out DIR]`; `cargo xtask npm` builds the page first.
 */

import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { elementManifest } from './manifest.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const DIST = join(HERE, 'dist');
/** The limit of what a visitor downloads before the model: the engine and all scripts, compressed as by a CDN. */
const MOST_TRANSFER_BYTES = 3.7e6;
/** The limit of what a page loads before the element is shown. */
const MOST_SHELL_BYTES = 47e3;

/** Files that must be in the tarball, besides the scripts. */
const NEEDED = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/THIRD-PARTY.txt',
  'dist/custom-elements.json',
  'dist/inf-llava.wasm',
  'dist/worker.js',
  'dist/attention.png',
  'dist/demo-model.pack',
  'dist/types/index.d.ts',
  'dist/types/vue.d.ts',
];

/** Completes `dist/` and packs it. @returns {Promise<string>} the tarball's path */
export async function pack(out) {
  const engine = await stat(join(DIST, 'inf-llava.wasm')).catch(() => null);
  if (!engine) throw new Error('web/dist holds no engine. Build the package with: cargo xtask npm');
  await rm(join(DIST, 'types'), { recursive: true, force: true });
  run(process.execPath, [join(HERE, 'node_modules/typescript/bin/tsc'), '--project', 'tsconfig.json']);
  // Types for frameworks that this package does not depend on.
  await cp(join(HERE, 'types'), join(DIST, 'types'), { recursive: true });
  await writeFile(join(DIST, 'custom-elements.json'), `${JSON.stringify(await elementManifest(), null, 1)}\n`);
  // The licence is in the root; npm only packs files of this folder.
  await cp(join(HERE, '../LICENSE'), join(HERE, 'LICENSE'));
  // The picture in README.md, which npm shows from the package only.
  await cp(join(HERE, '../docs/attention.png'), join(DIST, 'attention.png'));
  await mkdir(out, { recursive: true });
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', out]));
  return join(out, filename);
}

/** Checks a tarball. @returns what is wrong with it, and its sizes as lines to print */
export async function inspect(tarball) {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-tarball-'));
  try {
    run('tar', ['-xzf', tarball, '-C', folder]);
    const root = join(folder, 'package');
    const wrong = [...(await missing(root)), ...(await lint(tarball, root))];
    const figures = [];
    const scripts = (await readdir(join(root, 'dist'))).filter((name) => /\.(js|wasm)$/.test(name)).sort();
    const sizes = await Promise.all(scripts.map((name) => sizesOf(root, name)));
    const sum = (key) => sizes.reduce((total, size) => total + size[key], 0);
    for (const size of [...sizes, { name: 'wasm and scripts', plain: sum('plain'), gzip: sum('gzip'), brotli: sum('brotli') }]) figures.push(row(size));
    if (sum('brotli') > MOST_TRANSFER_BYTES)
      wrong.push(`wasm and scripts are ${sum('brotli')} bytes with brotli; at most ${MOST_TRANSFER_BYTES}. Look for what grew in the table above`);
    const { shell, all } = await graphOf(join(root, 'dist/define.js'));
    const shellBytes = sizes.filter(({ name }) => shell.has(name)).reduce((total, size) => total + size.gzip, 0);
    figures.push(`the element's shell (${[...shell].join(', ')}): ${shellBytes} bytes with gzip, at most ${MOST_SHELL_BYTES}`);
    if (shellBytes > MOST_SHELL_BYTES)
      wrong.push(`the element's shell is ${shellBytes} bytes with gzip; at most ${MOST_SHELL_BYTES}. Import what is not needed at once with import()`);
    const foreign = [...all].filter((name) => !scripts.includes(name));
    if (foreign.length > 0) wrong.push(`define.js leads to ${foreign.join(', ')}: the element may need nothing but the package`);
    return { wrong, figures };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function missing(root) {
  const gone = [];
  for (const name of NEEDED) if (!(await stat(join(root, name)).catch(() => null))) gone.push(`the tarball lacks ${name}`);
  return gone;
}

async function lint(tarball, root) {
  const bytes = await readFile(tarball);
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { messages } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`);
}

async function sizesOf(root, name) {
  const bytes = await readFile(join(root, 'dist', name));
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  const [zipped, brotli] = await Promise.all([promisify(gzip)(bytes, { level: 9 }), promisify(brotliCompress)(bytes, best)]);
  return { name, plain: bytes.length, gzip: zipped.length, brotli: brotli.length };
}

const row = ({ name, plain, gzip, brotli }) => `${name.padEnd(20)} ${[plain, gzip, brotli].map((bytes) => String(bytes).padStart(10)).join(' ')}`;

/** The scripts that `entry` imports statically, and all that it can load; packages by name. */
async function graphOf(entry) {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    packages: 'external',
    metafile: true,
    write: false,
    logLevel: 'silent',
    absWorkingDir: dirname(entry),
  });
  const follow = (kinds) => {
    const found = new Set();
    const visit = (name) => {
      if (found.has(name)) return;
      found.add(name);
      for (const { path, kind } of metafile.inputs[name]?.imports ?? []) if (kinds.includes(kind)) visit(path);
    };
    visit('define.js');
    return found;
  };
  return { shell: follow(['import-statement']), all: follow(['import-statement', 'dynamic-import']) };
}

const run = (program, args) =>
  execFileSync(program, args, { cwd: HERE, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' && program === 'npm' });

if (resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: HERE } } });
  const tarball = await pack(resolve(values.out));
  const { wrong, figures } = await inspect(tarball);
  console.log(row({ name: 'bytes', plain: 'plain', gzip: 'gzip', brotli: 'brotli' }));
  for (const line of figures) console.log(line);
  for (const line of wrong) console.error(`error: ${line}`);
  if (wrong.length > 0) process.exit(1);
  console.log(`packed: ${tarball} (${(await stat(tarball)).size} bytes)`);
}
