/** Downloads one file into the kept folder: continues after an interruption, and is valid only once its hash is right. */

import { ask } from './counted.js';
import { failure, sha256Of, STOPPED, type HashedFile } from './files.js';
import { HEAD_BYTES, describeForeign } from './foreign.js';
import type { KeptFolder } from './folder.js';
import type { PlainError } from '../engine/protocol.js';
import { unreachable } from './reach.js';

/** Waiting times between failed tries. */
export const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/** Why a try failed, and whether another one would fail too. */
interface Trouble {
  error: PlainError;
  final: boolean;
}

/** @throws `damaged`, `file-missing`, `network`, `quota`, `stopped` */
export async function download(
  url: URL,
  file: HashedFile,
  folder: KeptFolder,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (bytes: number) => void },
): Promise<void> {
  for (const last of [false, true]) {
    await fill(url, file, folder, signal, onBytes);
    const found = await sha256Of(await folder.read(file.file, 0, file.bytes));
    if (found === file.sha256) {
      await folder.markValid(file);
      return;
    }
    const head = await folder.read(file.file, 0, Math.min(HEAD_BYTES, file.bytes));
    // A part may come from another version of the file: try once more from the beginning.
    (await folder.append(file.file, 0)).close();
    onBytes(0);
    if (last) throw failure('damaged', `${url} sends other bytes than the manifest says (sha256 ${found.slice(0, 12)}…)${because(head)}`);
  }
}

/** Tries until all bytes are there. */
async function fill(url: URL, file: HashedFile, folder: KeptFolder, signal: AbortSignal, onBytes: (bytes: number) => void) {
  let tries = 0;
  for (;;) {
    const before = await folder.size(file.file);
    if (before === file.bytes) return;
    const start = before < file.bytes ? before : 0;
    onBytes(start);
    const trouble = await attempt(url, file, folder, start, signal, onBytes);
    if (!trouble) continue;
    if (signal.aborted) throw STOPPED;
    if (trouble.final) throw trouble.error;
    if ((await folder.size(file.file)) > start) tries = 0;
    const pauseMs = PAUSES_MS[tries++];
    if (pauseMs === undefined) throw trouble.error;
    await pause(pauseMs, signal);
  }
}

async function attempt(
  url: URL,
  file: HashedFile,
  folder: KeptFolder,
  start: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Trouble | null> {
  let response: Response;
  try {
    response = await ask(url, {
      headers: start > 0 ? { Range: `bytes=${start}-` } : {},
      cache: 'no-store', // it is kept here
      signal,
    });
  } catch {
    return { error: signal.aborted ? STOPPED : await unreachable(url), final: false };
  }
  if (response.status === 416 && start > 0) {
    start = -1; // what is kept is not the beginning of the server's file
  } else if (!response.ok) {
    const code = [404, 410].includes(response.status) ? 'file-missing' : 'network';
    return { error: failure(code, `${url}: HTTP status ${response.status}`), final: response.status < 500 && response.status !== 429 };
  } else if (start > 0 && !continues(response, start)) {
    start = response.status === 206 ? -1 : 0;
  }
  if (start < 0) {
    response.body?.cancel().catch(() => {});
    (await folder.append(file.file, 0)).close();
    return null;
  }
  return receive(url, response, file, folder, start, onBytes);
}

/** Whether the response is the requested part. */
function continues(response: Response, start: number): boolean {
  if (response.status !== 206) return false;
  const range = response.headers.get('Content-Range');
  // Another host may hide the header; then the hash decides.
  return range === null || range.startsWith(`bytes ${start}-`);
}

async function receive(
  url: URL,
  response: Response,
  file: HashedFile,
  folder: KeptFolder,
  start: number,
  onBytes: (bytes: number) => void,
): Promise<Trouble | null> {
  const writer = await folder.append(file.file, start);
  const reader = response.body!.getReader();
  let head: Uint8Array = new Uint8Array();
  let done = start;
  try {
    for (;;) {
      const { done: ended, value } = await reader.read();
      if (ended) break;
      if (head.length < HEAD_BYTES && start === 0) head = joined(head, value.subarray(0, HEAD_BYTES));
      if (done + value.length > file.bytes) {
        done = Infinity;
        return { error: failure('damaged', `${url} sends more than the ${file.bytes} bytes that the manifest says${because(head)}`), final: true };
      }
      writer.write(value);
      done += value.length;
      onBytes(done);
    }
    if (done === file.bytes) return null;
    const reason = start === 0 && because(head);
    if (reason) return { error: failure('damaged', `${url}: ${done} of ${file.bytes} bytes came${reason}`), final: true };
    return { error: failure('network', `${url}: ${done} of ${file.bytes} bytes came`), final: false };
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'QuotaExceededError') return { error: failure('quota', `the browser’s storage is full: ${message}`), final: true };
    return { error: failure('network', `${url}: the connection broke off (${message})`), final: false };
  } finally {
    writer.close();
    reader.cancel().catch(() => {}); // the rest is not needed
    if (done > file.bytes) (await folder.append(file.file, 0)).close();
  }
}

/** Why the bytes are wrong, as the end of a sentence. */
function because(head: Uint8Array): string {
  const reason = head.length > 0 && describeForeign(head);
  return reason ? `: ${reason}` : '';
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Waits for a while, or until the browser is online again. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
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
