/**
 * A converted model that is not kept: files are fetched when the engine reads them, the last one stays in memory. For
 * browsers that let pages keep nothing, and for users who have no room.
 *
 * @typedef {import('./manifest.js').Manifest} Manifest
 */

import { MANIFEST_FILE, sha256Of } from './manifest.js';

/** Rows of the embeddings are less than this: they are not worth a whole file. */
const SMALL_BYTES = 64 * 2 ** 10;

/**
 * @param {string} url @param {Manifest} manifest @param {(event: object) => void} emit
 * @returns {import('./keep.js').Files}
 */
export function unkept(url, manifest, emit) {
  const known = new Map(manifest.files.map((file) => [file.file, file]));
  let last = { name: MANIFEST_FILE, bytes: manifest.bytes };
  let done = 0;
  const total = manifest.files.reduce((bytes, file) => bytes + file.bytes, 0);
  return {
    size: async (file) => (file === MANIFEST_FILE ? manifest.bytes.length : known.get(file)?.bytes),
    async read(name, start, end) {
      if (name === MANIFEST_FILE) return manifest.bytes.slice(start, end);
      if (name !== last.name) {
        const file = known.get(name);
        if (end - start < SMALL_BYTES && file.bytes > SMALL_BYTES) return part(url, file, start, end);
        last = { name, bytes: await whole(url, file) };
        done += file.bytes;
        if (done <= total) emit({ type: 'progress', phase: 'download', done, total });
      }
      return last.bytes.slice(start, end);
    },
  };
}

async function whole(url, { file, bytes, sha256 }) {
  const content = await get(new URL(file, url), {});
  if (content.length !== bytes || (await sha256Of(content)) !== sha256) {
    throw { code: 'damaged', message: `${new URL(file, url)} sends other bytes than the manifest says` };
  }
  return content;
}

async function part(url, { file }, start, end) {
  const content = await get(new URL(file, url), { Range: `bytes=${start}-${end - 1}` });
  // A server that does not know ranges sends everything.
  return content.length === end - start ? content : content.slice(start, end);
}

async function get(url, headers) {
  try {
    const response = await fetch(url, { headers, credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store' });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw { code: 'network', message: `${url}: ${error.message}` };
  }
}
