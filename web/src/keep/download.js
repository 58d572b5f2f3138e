/**
 * One file from a server into the kept folder: goes on where it was cut off, and counts for nothing until its hash is
 * right.
 *
 * @typedef {import('./manifest.js').HashedFile} HashedFile
 * @typedef {import('./folder.js').KeptFolder} KeptFolder
 */

import { sha256Of } from './manifest.js';
import { unreachable } from './reach.js';

/** Waits between tries that brought nothing. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/**
 * @param {URL} url
 * @param {HashedFile} file
 * @param {KeptFolder} folder
 * @param {object} watch
 * @param {AbortSignal} watch.signal
 * @param {(bytes: number) => void} watch.on_bytes  how much of the file is there
 * @throws {import('../protocol.js').EngineError}
 */
export async function download(url, file, folder, { signal, on_bytes }) {
  for (const last of [false, true]) {
    await fill(url, file, folder, signal, on_bytes);
    const found = await sha256Of(await folder.read(file.file, 0, file.bytes));
    if (found === file.sha256) {
      await folder.markValid(file);
      return;
    }
    // Perhaps a part came from another version of the file: once more, from the beginning.
    (await folder.append(file.file, 0)).close();
    on_bytes(0);
    if (last) throw { code: 'damaged', message: `${url} sends other bytes than the manifest says (sha256 ${found.slice(0, 12)}…)` };
  }
}

/** Until as many bytes are there as there should be. */
async function fill(url, file, folder, signal, on_bytes) {
  let tries = 0;
  for (;;) {
    const before = await folder.size(file.file);
    if (before === file.bytes) return;
    const start = before < file.bytes ? before : 0;
    on_bytes(start);
    const trouble = await attempt(url, file, folder, start, signal, on_bytes);
    if (!trouble) continue;
    if (signal.aborted) throw { code: 'stopped', message: 'stopped' };
    if (trouble.final) throw trouble.error;
    if ((await folder.size(file.file)) > start) tries = 0;
    if (tries === PAUSES_MS.length) throw trouble.error;
    await pause(PAUSES_MS[tries++], signal);
  }
}

/** @returns {Promise<{error: object, final: boolean}|null>} what went wrong */
async function attempt(url, file, folder, start, signal, on_bytes) {
  let response;
  try {
    response = await fetch(url, {
      headers: start > 0 ? { Range: `bytes=${start}-` } : {},
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store', // it is kept here
      signal,
    });
  } catch {
    return { error: signal.aborted ? null : await unreachable(url), final: false };
  }
  if (response.status === 416 && start > 0) start = -1; // what is there is no beginning of what the server has
  else if (!response.ok) {
    await response.body?.cancel();
    const missing = [404, 410].includes(response.status);
    const code = missing ? 'file-missing' : 'network';
    return { error: { code, message: `${url}: HTTP status ${response.status}` }, final: response.status < 500 && response.status !== 429 };
  } else if (start > 0 && !continues(response, start)) start = response.status === 206 ? -1 : 0;
  if (start < 0) {
    await response.body?.cancel();
    (await folder.append(file.file, 0)).close();
    return null;
  }
  return receive(url, response, file, folder, start, signal, on_bytes);
}

/** Whether a part was sent, and the one that was asked for. */
function continues(response, start) {
  if (response.status !== 206) return false;
  const range = response.headers.get('Content-Range');
  // Another host may hide the header; the hash decides then.
  return range === null || range.startsWith(`bytes ${start}-`);
}

async function receive(url, response, file, folder, start, signal, on_bytes) {
  const writer = await folder.append(file.file, start);
  const reader = response.body.getReader();
  let done = start;
  try {
    for (;;) {
      const { done: ended, value } = await reader.read();
      if (ended) break;
      if (done + value.length > file.bytes) {
        return { error: { code: 'damaged', message: `${url} sends more than the ${file.bytes} bytes that the manifest says` }, final: true };
      }
      writer.write(value);
      done += value.length;
      on_bytes(done);
    }
    if (done === file.bytes) return null;
    return { error: { code: 'network', message: `${url}: ${done} of ${file.bytes} bytes came` }, final: false };
  } catch (error) {
    if (error.name === 'QuotaExceededError') {
      return { error: { code: 'quota', message: `the browser’s storage is full: ${error.message}` }, final: true };
    }
    return { error: { code: 'network', message: `${url}: the connection broke off (${error.message})` }, final: false };
  } finally {
    writer.close();
    reader.cancel().catch(() => {}); // nobody waits for the rest
    if (done > file.bytes) await folder.append(file.file, 0).then((again) => again.close());
  }
}

/** A while, or until the browser is online again. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      self.removeEventListener('online', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    self.addEventListener('online', end);
    signal.addEventListener('abort', end);
  });
}
