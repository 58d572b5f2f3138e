/**
 * A model that is not kept: files are fetched when the engine reads them, the last one stays in memory. For browsers
 * that let pages keep nothing, and for users who have no room.
 */

import type { Progress } from '../engine/protocol.js';
import { failure, sha256Of, totalBytes, type HashedFile, type HashedModel, type ModelFiles } from './files.js';

/** Rows of the embeddings are less than this: they are not worth a whole file. */
const SMALL_BYTES = 64 * 2 ** 10;

export function unkept(model: HashedModel, emit: (event: Progress) => void): ModelFiles {
  const known = new Map(model.files.map((file) => [file.file, file]));
  let last: { name: string; bytes: Uint8Array } | null = null;
  let done = 0;
  const total = totalBytes(model.files);
  return {
    size: async (name) => known.get(name)?.bytes,
    async read(name, start, end) {
      if (last?.name !== name) {
        const file = known.get(name);
        if (!file) throw failure('file-missing', `${name} is no part of this model`);
        if (end - start < SMALL_BYTES && file.bytes > SMALL_BYTES && done >= total) return part(model.address(file), start, end);
        last = { name, bytes: await whole(model.address(file), file) };
        done += file.bytes;
        if (done <= total) emit({ type: 'progress', phase: 'download', done, total });
      }
      return last.bytes.slice(start, end);
    },
  };
}

async function whole(url: URL, { bytes, sha256 }: HashedFile): Promise<Uint8Array> {
  const content = await get(url, {});
  // Without a secure origin there is nothing to hash with, and the length must do.
  const is_right = content.length === bytes && (!globalThis.crypto?.subtle || (await sha256Of(content)) === sha256);
  if (!is_right) throw failure('damaged', `${url} sends other bytes than the manifest says`);
  return content;
}

async function part(url: URL, start: number, end: number): Promise<Uint8Array> {
  const content = await get(url, { Range: `bytes=${start}-${end - 1}` });
  // A server that does not know ranges sends everything.
  return content.length === end - start ? content : content.slice(start, end);
}

async function get(url: URL, headers: Record<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url, { headers, credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store' });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw failure('network', `${url}: ${(error as Error).message}`);
  }
}
