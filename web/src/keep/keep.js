/**
 * A converted model at hand: asks before much is downloaded, downloads what is not kept yet, and gives the engine its
 * files. Two tabs share one download: one holds the lock, the other listens. What is kept needs no network.
 *
 * @typedef {import('./manifest.js').Manifest} Manifest
 * @typedef {object} Files  what the engine reads from
 * @property {(file: string) => Promise<number|undefined>} size
 * @property {(file: string, start: number, end: number) => Promise<Uint8Array>} read
 */

import { download } from './download.js';
import { KeptFolder, canKeep } from './folder.js';
import { MANIFEST_FILE, parseManifest, sha256Of } from './manifest.js';
import { unreachable } from './reach.js';
import { unkept } from './unkept.js';

/** More than this is not downloaded without being asked for. */
const ASK_BYTES = 20e6;
/** Left free of the quota, for the browser's own book-keeping. */
const MARGIN_BYTES = 16e6;
/** Between two reports of progress. */
const TELL_MS = 100;
const STOPPED = Object.freeze({ code: 'stopped', message: 'stopped' });

/**
 * @param {string} url  of the model folder, with a closing slash
 * @param {object} options
 * @param {boolean} options.consent  the user has agreed to the download
 * @param {boolean} options.keep  false: the user wants it without keeping it
 * @param {(event: object) => void} options.emit
 * @param {AbortSignal} options.signal
 * @returns {Promise<Files|null>}  null where there is no manifest
 * @throws {import('../protocol.js').EngineError}  `consent` and `quota` with what would be downloaded
 */
export async function keep(url, { consent, keep: wanted, emit, signal }) {
  const keeps = wanted && canKeep();
  const id = keeps ? (await sha256Of(new TextEncoder().encode(url))).slice(0, 32) : '';
  const folder = keeps ? await KeptFolder.open(id) : null;
  const manifest = await findManifest(url, folder, signal);
  if (!manifest) return null;
  const total = sum(manifest.files);
  const missing = folder ? await missingOf(manifest, folder) : { files: manifest.files, bytes: total };
  if (missing.bytes > ASK_BYTES && !consent) {
    const { name, license } = manifest;
    throw { code: 'consent', message: '', details: { name, license, bytes: missing.bytes, total, kept: keeps } };
  }
  if (!folder) return unkept(url, manifest, emit);
  if (missing.files.length > 0) await share(id, { url, manifest, folder, missing, total, emit, signal });
  return filesOf(manifest, folder);
}

/** The server's manifest; the kept one where there is no server to be reached. */
async function findManifest(url, folder, signal) {
  const address = new URL(MANIFEST_FILE, url);
  let response;
  try {
    response = await fetch(address, { signal, credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-cache' });
    if (response.ok) return parseManifest(new Uint8Array(await response.arrayBuffer()));
  } catch (error) {
    if (signal.aborted) throw STOPPED;
    if (error.code === 'manifest') throw error;
    const size = (await folder?.size(MANIFEST_FILE)) ?? 0;
    if (size > 0) return parseManifest(await folder.read(MANIFEST_FILE, 0, size));
    throw await unreachable(address);
  }
  if ([404, 410].includes(response.status)) return null;
  throw { code: 'network', message: `${address}: HTTP status ${response.status}` };
}

async function missingOf(manifest, folder) {
  const files = [];
  let bytes = 0;
  for (const file of manifest.files) {
    if (await folder.isValid(file)) continue;
    files.push(file);
    bytes += file.bytes - Math.min(await folder.size(file.file), file.bytes);
  }
  return { files, bytes };
}

/** Downloads what is missing, unless another tab does. */
async function share(id, { url, manifest, folder, missing, total, emit, signal }) {
  await checkRoom(missing.bytes);
  const name = `inf-llava ${id}`;
  const channel = new BroadcastChannel(name);
  const tell = (done) => emit({ type: 'progress', phase: 'download', done, total });
  channel.addEventListener('message', ({ data }) => tell(data));
  let done = total - missing.bytes;
  let told = -1;
  const report = () => {
    if (done === told) return;
    told = done;
    tell(done);
    channel.postMessage(done);
  };
  tell(done);
  let reporting = 0;
  try {
    await navigator.locks.request(name, { signal }, async () => {
      const { files } = await missingOf(manifest, folder);
      await folder.removeOthers(manifest.files);
      await folder.write(MANIFEST_FILE, manifest.bytes);
      reporting = setInterval(report, TELL_MS);
      let left = sum(files);
      for (const file of files) {
        left -= file.bytes;
        const address = new URL(file.file, url);
        address.search = `sha256=${file.sha256}`; // lets a server say that it never changes
        const on_bytes = (bytes) => {
          done = total - left - file.bytes + bytes;
        };
        await download(address, file, folder, { signal, on_bytes });
      }
      report();
    });
  } catch (error) {
    throw signal.aborted ? STOPPED : error;
  } finally {
    clearInterval(reporting);
    channel.close();
  }
}

async function checkRoom(needed) {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  const free = quota - usage;
  if (quota > 0 && free < needed + MARGIN_BYTES) throw { code: 'quota', message: '', details: { needed, free } };
}

/** @param {Manifest} manifest @param {KeptFolder} folder @returns {Files} */
function filesOf(manifest, folder) {
  const sizes = new Map(manifest.files.map(({ file, bytes }) => [file, bytes]));
  return {
    size: async (file) => (file === MANIFEST_FILE ? manifest.bytes.length : sizes.get(file)),
    read: async (file, start, end) => (file === MANIFEST_FILE ? manifest.bytes.slice(start, end) : folder.read(file, start, end)),
  };
}

const sum = (files) => files.reduce((bytes, file) => bytes + file.bytes, 0);
