/** What the page's tests share: a browser, and a page put together as Trunk does, with a stand-in for the engine. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { nameKeptFiles } from '../kept-files.mjs';

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** WebGPU without a graphics card. */
export const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
/** No requests of the browser's own. */
const CHROMIUM_ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Without `extra` there is no WebGPU: headless Chromium takes no software adapter by itself. */
export function launchBrowser(extra = WEBGPU) {
  return chromium.launch(options(extra));
}

/** A browser with a profile in `folder`: without one, it keeps as much as fits into memory. @returns its context */
export function launchWithProfile(folder) {
  return chromium.launchPersistentContext(folder, options(WEBGPU));
}

const options = (extra) => ({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [...CHROMIUM_ARGUMENTS, ...extra],
});

/** The page as it was built. */
export const DIST = process.env.DIST ?? join(REPOSITORY, 'dist');

/** Puts the engine into a folder as wasm-bindgen leaves it, for workers that call it without the package. */
export async function copyEngine(folder) {
  await cp(join(REPOSITORY, 'web/bindings'), folder, { recursive: true });
  await cp(join(DIST, 'inf-llava/inf-llava.wasm'), join(folder, 'inf-llava_bg.wasm'));
}

/** A folder like `dist/`, with the package around a stand-in for the engine: `mock/bindings.js`. */
export async function assembleWithMock() {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-page-'));
  const html = await readFile(join(REPOSITORY, 'index.html'), 'utf8');
  await writeFile(join(folder, 'index.html'), asTrunkDoes(html));
  for (const name of ['page.css', 'icon.svg', 'service-worker.js']) await cp(join(REPOSITORY, 'web/page', name), join(folder, name));
  await cp(join(REPOSITORY, 'web/page'), join(folder, 'page'), { recursive: true });
  await buildWithMock(join(folder, 'inf-llava'));
  await nameKeptFiles(folder);
  // A page that has nothing, for what is tried without the demo page.
  await writeFile(join(folder, 'blank.html'), '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>blank</title>');
  // A model that knows drawings only, beside the default one; both with the samples as they are shipped.
  for (const model of ['demo', 'drawn']) {
    for (const part of ['samples.json', 'samples']) {
      await cp(join(REPOSITORY, 'models/demo', part), join(folder, 'models', model, part), { recursive: true });
    }
  }
  // What tells the worker that a folder holds a checkpoint; the stand-in reads nothing of it.
  for (const model of ['demo', 'drawn', 'drawn-bare', 'slow-drawn', 'slow', 'broken', 'other']) {
    await mkdir(join(folder, 'models', model), { recursive: true });
    await writeFile(join(folder, 'models', model, 'config.json'), '{}');
  }
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** The package with the stand-in for the engine. */
export async function buildWithMock(out) {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-wasm-'));
  const wasm = join(folder, 'empty.wasm');
  // The smallest module there is: magic number and version.
  await writeFile(wasm, Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const bindings = join(REPOSITORY, 'web/test/mock/bindings.js');
  await promisify(execFile)(process.execPath, [join(REPOSITORY, 'web/build.mjs'), '--bindings', bindings, '--wasm', wasm, '--out', out]);
  await rm(folder, { recursive: true });
}

function asTrunkDoes(html) {
  return html
    .replace(/<link data-trunk rel="icon" href="web\/page\/([^"]+)">/, '<link rel="icon" href="./$1">')
    .replace(/<link data-trunk rel="css" href="web\/page\/([^"]+)">/, '<link rel="stylesheet" href="./$1">')
    .replace(/<link data-trunk rel="(copy-dir|copy-file|rust)"[^>]*>/g, '');
}

/**
 * A fresh page, and what must never happen on it: requests to other hosts, refusals by the page's
 * policy, errors on the console.
 */
export async function openPage(browser, url, { path = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const foreign = [];
  const complaints = [];
  context.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) foreign.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(url + path);
  return { context, page, foreign, complaints, ...parts(page) };
}

/** The parts of the page by the names that it promises. */
export function parts(page) {
  return {
    conversation: page.getByRole('log', { name: 'Conversation' }),
    message: page.getByRole('textbox', { name: 'Message' }),
    send: page.getByRole('button', { name: 'Send' }),
    stop: page.getByRole('button', { name: 'Stop' }),
    newChat: page.getByRole('button', { name: 'New chat' }),
    image: page.getByLabel('Choose a picture'),
    status: page.getByRole('status', { name: 'Status' }),
    progress: page.getByRole('progressbar'),
    answers: page.locator('.answer'),
  };
}

/**
 * Posts `command` to a fresh worker of a fresh page, and gives its answer. Fails where the worker fails, or
 * anything is said on the console: an invalid shader is only logged, and later reads give stale values.
 */
export async function askWorker(browser, pageUrl, worker, command) {
  const page = await browser.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(pageUrl);
  const reply = await page.evaluate(
    ([worker, command]) =>
      new Promise((resolve, reject) => {
        const started = new Worker(worker, { type: 'module' });
        started.onmessage = ({ data }) => resolve(data);
        started.onerror = (event) => reject(new Error(event.message || 'the worker failed'));
        started.postMessage(command);
      }),
    [worker, command],
  );
  await page.close();
  assert.equal(reply.error, undefined, JSON.stringify(reply.error));
  assert.deepEqual(complaints, []);
  return reply;
}
