/** Where there is no page: everything that the package exports says so in words, and nothing is a ReferenceError. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { buildWithMock } from './harness.mjs';

const out = join(tmpdir(), `inf-llava-node-${process.pid}`);
before(() => buildWithMock(out));
after(() => rm(out, { recursive: true, force: true }));

/** Runs `work(api)` in a program of its own; `first` stands in front of the import. */
async function inNode(work, first = '') {
  const code = `${first}
    const api = await import(${JSON.stringify(pathToFileURL(join(out, 'index.js')).href)});
    const told = (run) => Promise.resolve().then(run).then((value) => value, ({ name, code, message }) => ({ name, code, message }));
    console.log(JSON.stringify(await (${work})(api, told)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
  return JSON.parse(stdout);
}

/** As Node 20 is, and as later ones and other programs are, which have a navigator, or even graphics. */
for (const [kind, first] of [
  ['without a navigator', 'delete globalThis.navigator;'],
  ['with a navigator', "Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'node' }, configurable: true });"],
  [
    'with a navigator that has WebGPU',
    "Object.defineProperty(globalThis, 'navigator', { value: { gpu: { requestAdapter: async () => ({ features: new Set(), limits: {} }) } }, configurable: true });",
  ],
]) {
  test(`on a server ${kind}, every exported function says what is true there`, async () => {
    const said = await inNode(async (api, told) => {
      const element = new api.InfLlavaChat();
      Object.assign(element, { model: 'x/', models: [], strings: {}, pageWide: true, lang: 'de' });
      return {
        exported: Object.keys(api).sort(),
        capabilities: await told(api.capabilities),
        list: await told(() => api.storage.list()),
        remove: (await told(() => api.storage.remove('pictures'))) ?? null,
        load: (await told(() => api.load())).code,
        loadNull: (await told(() => api.load(null))).code,
        model: (await told(() => new api.Model())).code,
        element: [element.state, element.engine, element.chat, element.model, element.export(), (await told(() => element.setImage('data:,'))).code],
      };
    }, first);
    assert.deepEqual(said.exported, ['Chat', 'InfLlavaChat', 'InfLlavaError', 'Model', 'Reply', 'capabilities', 'load', 'storage']);
    assert.deepEqual([said.capabilities.device, said.capabilities.reasons, said.capabilities.webgpu], [null, ['no-browser'], null]);
    assert.deepEqual([said.list, said.remove], [[], null]);
    assert.deepEqual([said.load, said.loadNull, said.model], ['worker', 'worker', 'worker']);
    assert.deepEqual(said.element, ['idle', null, null, null, null, 'not-loaded']);
  });
}
