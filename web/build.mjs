/**
 * Builds the package in `dist/`: the engine's files, the default model in one file, the worker in one script, and the
 * modules. `node build.mjs --bindings FILE --wasm FILE [--out DIR]`; Trunk's hook calls it.
 */

import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, transform } from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));
const MODEL = join(HERE, '../models/demo');
/** The files of a checkpoint that the engine reads, small ones first. */
const MODEL_FILES = ['config.json', 'generation_config.json', 'preprocessor_config.json', 'tokenizer.json', 'model.safetensors'];
const DEFAULT_MODEL = 'inf-llava-default-model';
const BINDINGS = 'inf-llava-bindings';

const { values: options } = parseArgs({
  options: { bindings: { type: 'string' }, wasm: { type: 'string' }, out: { type: 'string', default: join(HERE, 'dist') } },
});
if (!options.bindings || !options.wasm) throw new Error('--bindings and --wasm: what wasm-bindgen and wasm-opt wrote');
const out = resolve(options.out);

/** Packs the model's files into one. @returns where each is */
async function pack() {
  const files = {};
  const parts = [];
  let at = 0;
  for (const name of MODEL_FILES) {
    const bytes = await readFile(join(MODEL, name));
    files[name] = [at, at + bytes.length];
    at += bytes.length;
    parts.push(bytes);
  }
  const whole = Buffer.concat(parts);
  await writeFile(join(out, 'demo-model.pack'), whole);
  return { name: 'INF-LLaVA demo', license: 'Apache-2.0', bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex'), files };
}

/** Copies the sample pictures. @returns their list, without the answers */
async function samples() {
  const list = JSON.parse(await readFile(join(MODEL, 'samples.json'), 'utf8'));
  const names = [];
  for (const [at, { image, alt, questions }] of list.entries()) {
    const file = `demo-sample-${at + 1}.png`;
    await cp(join(MODEL, image), join(out, file));
    names.push({ file, alt, questions: questions.map(({ text }) => text) });
  }
  return names;
}

/** The module with the addresses, in the form that bundlers recognise: `new URL` of a literal, relative to the script. */
async function defaultModel() {
  const model = await pack();
  const list = await samples();
  const address = (file) => `absolute(new URL(${JSON.stringify(`./${file}`)}, import.meta.url))`;
  const sample = ({ file, alt, questions }) => `read(${address(file)}, ${JSON.stringify({ alt, questions })})`;
  return `
    // Turbopack and webpack for servers give a path instead of an address.
    const absolute = (url) => new URL(url, globalThis.location?.href);
    async function read(url, rest) {
      const response = await fetch(url);
      if (!response.ok) throw new Error(url + ': HTTP status ' + response.status);
      return { ...rest, bytes: new Uint8Array(await response.arrayBuffer()) };
    }
    export default {
      wasm: () => ${address('inf-llava.wasm')},
      worker: () => ${address('worker.js')},
      pack: () => ({ ...${JSON.stringify(model)}, url: ${address('demo-model.pack')}.href }),
      samples: () => Promise.all([${list.map(sample).join(', ')}]),
    };`;
}

const generated = (text) => ({
  name: 'generated',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${DEFAULT_MODEL}$`) }, () => ({ path: DEFAULT_MODEL, namespace: 'generated' }));
    build.onLoad({ filter: /.*/, namespace: 'generated' }, () => ({ contents: text, loader: 'js' }));
  },
});

/** Imports a style sheet as minified text. */
const styles = {
  name: 'styles',
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: code, loader: 'text' };
    });
  },
};

/** Every third-party package in the scripts must be named in the notices. */
async function checkNotices(notices, builds) {
  const text = await readFile(notices, 'utf8');
  const inputs = builds.flatMap((build) => Object.keys(build?.metafile?.inputs ?? {}));
  const names = new Set(inputs.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  for (const name of names) {
    const { version } = JSON.parse(await readFile(join(HERE, 'node_modules', name, 'package.json'), 'utf8'));
    if (text.includes(`\n${name} ${version}: `)) continue;
    throw new Error(
      `the scripts hold ${name} ${version}, and web/THIRD-PARTY.txt does not name it. Add it to BUNDLED in xtask/src/supply/inventory.rs if it is new, and run: cargo xtask notices`,
    );
  }
}

const common = {
  bundle: true,
  metafile: true,
  format: 'esm',
  minify: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  absWorkingDir: HERE,
  logLevel: 'warning',
  logOverride: { 'duplicate-object-key': 'silent' },
};

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const notices = join(HERE, 'THIRD-PARTY.txt');
const built = await Promise.all([
  cp(options.wasm, join(out, 'inf-llava.wasm')),
  build({ ...common, entryPoints: { worker: 'src/engine/worker.ts' }, outdir: out, alias: { [BINDINGS]: resolve(options.bindings) } }),
  build({
    ...common,
    entryPoints: { index: 'src/index.ts', define: 'src/define.ts', react: 'src/react.ts' },
    outdir: out,
    splitting: true,
    chunkNames: 'chunk-[hash]',
    external: ['react'],
    plugins: [generated(await defaultModel()), styles],
  }),
  cp(notices, join(out, 'THIRD-PARTY.txt')),
]);
await checkNotices(notices, built);

for (const name of (await readdir(out)).sort()) console.log(`  ${name}`);
