/** What the browser keeps for this site. Runs on the page as well as in a worker. */

import { MANIFEST_FILE } from './manifest.js';
import { MODELS, PICTURES, canKeep, fileIn, folderNamed } from './root.js';

/** A model, or (`kind: 'pictures'`) the features of pictures that were asked about. */
export interface KeptEntry {
  id: string;
  kind: 'model' | 'pictures';
  name: string;
  bytes: number;
  /** Of pictures. */
  count?: number;
}

const PICTURES_ID = 'pictures';

export async function listKept(): Promise<KeptEntry[]> {
  if (!canKeep()) return [];
  const kept: KeptEntry[] = [];
  for await (const [id, directory] of (await folderNamed(MODELS)).entries()) {
    if (directory.kind !== 'directory') continue;
    const { bytes } = await measure(directory as FileSystemDirectoryHandle);
    kept.push({ id, kind: 'model', name: await nameOf(directory as FileSystemDirectoryHandle), bytes });
  }
  const pictures = await measure(await folderNamed(PICTURES));
  if (pictures.count > 0) kept.push({ id: PICTURES_ID, kind: 'pictures', name: '', ...pictures });
  return kept;
}

/** @throws a DOMException where a tab is writing it */
export async function removeKept(id: string): Promise<void> {
  if (id === PICTURES_ID) await (await navigator.storage.getDirectory()).removeEntry(PICTURES, { recursive: true });
  else await (await folderNamed(MODELS)).removeEntry(id, { recursive: true });
}

async function measure(directory: FileSystemDirectoryHandle): Promise<{ count: number; bytes: number }> {
  let [count, bytes] = [0, 0];
  for await (const handle of directory.values()) {
    if (handle.kind !== 'file') continue;
    count += 1;
    bytes += (await (handle as FileSystemFileHandle).getFile()).size;
  }
  return { count, bytes };
}

async function nameOf(directory: FileSystemDirectoryHandle): Promise<string> {
  const named = await fileIn(directory, '.name');
  if (named) return named.text();
  const manifest = await fileIn(directory, MANIFEST_FILE);
  const json = await manifest?.text().then(JSON.parse).catch(() => null);
  return String(json?.name ?? '');
}
