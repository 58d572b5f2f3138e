/** What the benchmarks in the browser share: the built engine served beside this folder, and a worker that times it. */

import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askWorker, copyEngine, launchBrowser, REPOSITORY } from '../test/harness.mjs';
import { serve } from '../test/server.mjs';

const HERE = join(REPOSITORY, 'web/bench');

export const RUNS = Number(process.env.RUNS ?? 5);
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** A browser and a server with the engine; `time(command)` is as `ours.worker.js` answers. */
export async function openBench() {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-bench-'));
  await copyEngine(folder);
  for (const name of await readdir(HERE)) {
    if (name.endsWith('.js')) await cp(join(HERE, name), join(folder, name));
  }
  await cp(join(HERE, 'node_modules/onnxruntime-web/dist'), join(folder, 'ort'), { recursive: true });
  await writeFile(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>bench</title>');
  const server = await serve(folder);
  const browser = await launchBrowser();
  return {
    url: server.url,
    browser,
    time: async (command) => (await askWorker(browser, server.url, './ours.worker.js', { runs: RUNS, ...command })).value,
    async close() {
      await browser.close();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}
