/** What the benchmarks in the browser share: the built engine served beside this folder, and a worker that times it. */

import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askWorker, copyEngine, launchBrowser, REPOSITORY } from '../test/harness.mjs';
import { serve } from '../test/server.mjs';

const HERE = join(REPOSITORY, 'web/bench');

export const RUNS = Number(process.env.RUNS ?? 5);
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * A browser and a server with the engine, and with onnxruntime-web if it `compares`. `time(command)` and `model(command)` are
 * as `ours.worker.js` and `model.worker.js` answer.
 */
export async function openBench({ compares }) {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-bench-'));
  await copyEngine(folder);
  for (const name of await readdir(HERE)) {
    if (name.endsWith('.js')) await cp(join(HERE, name), join(folder, name));
  }
  // With the parts of the package that it needs.
  const { build } = createRequire(join(REPOSITORY, 'web/package.json'))('esbuild');
  const bundled = { bundle: true, format: 'esm', external: ['./inf-llava.js'], logLevel: 'warning' };
  await build({ ...bundled, entryPoints: [join(HERE, 'model.worker.js')], outdir: folder, allowOverwrite: true });
  if (compares) await cp(join(HERE, 'node_modules/onnxruntime-web/dist'), join(folder, 'ort'), { recursive: true });
  await writeFile(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>bench</title>');
  const server = await serve(folder);
  const browser = await launchBrowser();
  const ask = async (worker, command) => (await askWorker(browser, server.url, worker, { runs: RUNS, ...command })).value;
  return {
    url: server.url,
    browser,
    time: (command) => ask('./ours.worker.js', command),
    model: (command) => ask('./model.worker.js', command),
    async close() {
      await browser.close();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}
