/**
 * Features of pictures that were asked about, kept under the hashes of picture and model, so that no vision pass runs
 * after a reload. One file for each picture: the header's length, the header (facts about the picture, as JSON), the
 * numbers. Those that were not read for the longest time are removed first.
 */

import { PICTURES, canKeep, featuresId, fileIn, folderNamed } from '../keep/root.js';
import type { PictureInfo } from './protocol.js';

const MOST_PICTURES = 64;
const MOST_BYTES = 256e6;
const MOST_HEADER_BYTES = 64e3;

export interface KeptFeatures {
  info: PictureInfo;
  features: Float32Array;
}

/** @param identity  of the model, since features fit one model only. @returns null if there are none that can be used */
export async function recallFeatures(identity: string, key: string): Promise<KeptFeatures | null> {
  if (!canKeep()) return null;
  try {
    const file = await fileIn(await folderNamed(PICTURES), featuresId(identity, key));
    if (!file || file.size > MOST_BYTES) return null;
    const bytes = await file.arrayBuffer();
    const headerBytes = new DataView(bytes).getUint32(0, true);
    const start = 8 + Math.ceil(headerBytes / 4) * 4;
    if (headerBytes > MOST_HEADER_BYTES || start > bytes.byteLength) return null;
    const { info, count } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, headerBytes)));
    // A tab may have been closed while writing.
    if (bytes.byteLength !== start + 4 * count) return null;
    return { info, features: new Float32Array(bytes, start) };
  } catch {
    return null;
  }
}

/** Failures are ignored: the picture is read again the next time. */
export async function keepFeatures(identity: string, key: string, { info, features }: KeptFeatures): Promise<void> {
  if (!canKeep()) return;
  try {
    const directory = await folderNamed(PICTURES);
    await makeRoom(directory, features.byteLength);
    const header = new TextEncoder().encode(JSON.stringify({ info, count: features.length }));
    const start = 8 + Math.ceil(header.length / 4) * 4;
    const bytes = new Uint8Array(start + features.byteLength);
    new DataView(bytes.buffer).setUint32(0, header.length, true);
    bytes.set(header, 4);
    bytes.set(new Uint8Array(features.buffer, features.byteOffset, features.byteLength), start);
    const handle = await directory.getFileHandle(featuresId(identity, key), { create: true });
    const access = await handle.createSyncAccessHandle();
    try {
      access.truncate(0);
      access.write(bytes, { at: 0 });
    } finally {
      access.close();
    }
  } catch {
    // No room, or another tab is writing the same file.
  }
}

async function makeRoom(directory: FileSystemDirectoryHandle, needed: number) {
  const kept: File[] = [];
  for await (const handle of directory.values()) {
    if (handle.kind === 'file') kept.push(await (handle as FileSystemFileHandle).getFile());
  }
  kept.sort((one, other) => other.lastModified - one.lastModified);
  let bytes = kept.reduce((sum, file) => sum + file.size, needed);
  while (kept.length >= MOST_PICTURES || (bytes > MOST_BYTES && kept.length > 0)) {
    const oldest = kept.pop()!;
    bytes -= oldest.size;
    await directory.removeEntry(oldest.name);
  }
}
