/** The check of the layers in `web/layers.mjs`, which `web/check.mjs` runs: what it lets pass, and what it says of the rest. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { importsBelow, wrongImports } from '../layers.mjs';

const LAYERS = [{ top: ['top.ts'] }, { left: ['left/'], right: ['right/', 'left/one.ts'] }, { ground: ['ground.ts'] }];

/** What is wrong where each file has its imports, and those not named have none. */
const wrong = (imports) => {
  const all = { 'top.ts': [], 'left/a.ts': [], 'left/one.ts': [], 'right/b.ts': [], 'ground.ts': [], ...imports };
  return wrongImports(new Map(Object.entries(all)), LAYERS);
};

test('arrows downwards and within a room are right', () => {
  assert.deepEqual(wrong({ 'top.ts': ['left/a.ts', 'ground.ts'], 'left/a.ts': ['ground.ts'], 'left/one.ts': ['right/b.ts'] }), []);
});

test('arrows upwards and sideways are named', () => {
  const up = 'web/src/ground.ts (ground) imports web/src/top.ts (top), which lies above it: see web/layers.mjs';
  assert.deepEqual(wrong({ 'ground.ts': ['top.ts'] }), [up]);
  const beside = 'web/src/left/a.ts (left) imports web/src/left/one.ts (right), which lies beside it: see web/layers.mjs';
  assert.deepEqual(wrong({ 'left/a.ts': ['left/one.ts'] }), [beside]);
});

test('a circle is named with its files, though all of them are in one room', () => {
  const files = { 'left/a.ts': ['left/b.ts'], 'left/b.ts': ['left/c.ts'], 'left/c.ts': ['left/b.ts'] };
  assert.deepEqual(wrong(files), ['a circle of imports: web/src/left/b.ts -> web/src/left/c.ts -> web/src/left/b.ts']);
  assert.deepEqual(wrong({ 'left/a.ts': ['left/a.ts'] }), ['a circle of imports: web/src/left/a.ts -> web/src/left/a.ts']);
});

test('files without a layer, imports of nothing and layers without a file are named', () => {
  assert.deepEqual(wrong({ 'new.ts': [] }), ['web/src/new.ts is in no layer: name it in web/layers.mjs']);
  assert.deepEqual(wrong({ 'top.ts': ['gone.ts'] }), ['web/src/top.ts imports web/src/gone.ts, which is not there']);
  assert.deepEqual(wrongImports(new Map(), [{ top: ['top.ts'] }]), ['web/layers.mjs names top.ts, where no file is']);
});

test('imports of values, of types, at run time and passed on are all seen', async () => {
  const imports = await importsBelow(fileURLToPath(new URL('../src', import.meta.url)));
  const seen = (file, target) => assert.ok(imports.get(file)?.includes(target), `${file} -> ${target}`);
  seen('engine/host.ts', 'engine/client.ts');
  seen('engine/host.ts', 'engine/protocol.ts'); // types only
  seen('api/completions.ts', 'api/complete.ts'); // import()
  seen('index.ts', 'api/model.ts'); // export from
  seen('element/styles/adopt.ts', 'element/styles/theme.css');
});
