/** What the browser keeps for this site. Runs on the page as well as in a worker. */

import { MANIFEST_FILE } from './manifest.js';
import { MODELS, PICTURES, canKeep, fileIn, folderNamed, removeModel } from './root.js';

/**
 * A model; (`pictures`) the features of pictures that were asked about, which reveal much of a picture;
 * (`page`) the files of a page that works without a network; (`adapters`) measurements of graphics cards.
 */
export interface KeptEntry {
  id: string;
  kind: 'model' | 'pictures' | 'page' | 'adapters';
  name: string;
  bytes: number;
  /** Set for all kinds except models. */
  count?: number;
}

const PICTURES_ID = 'pictures';
/** Caches by name; earlier versions of the service worker used another name. */
const CACHES = { page: /^inf-llava-(page|shell)/, adapters: /^inf-llava-adapters$/ };

export async function listKept(): Promise<KeptEntry[]> {
  const kept: KeptEntry[] = [];
  if (canKeep()) {
    for await (const [id, directory] of (await folderNamed(MODELS)).entries()) {
      if (directory.kind !== 'directory') continue;
      const { bytes } = await measure(directory as FileSystemDirectoryHandle);
      kept.push({ id, kind: 'model', name: await nameOf(directory as FileSystemDirectoryHandle), bytes });
    }
    const pictures = await measure(await folderNamed(PICTURES));
    if (pictures.count > 0) kept.push({ id: PICTURES_ID, kind: 'pictures', name: '', ...pictures });
  }
  for (const id of ['page', 'adapters'] as const) {
    let [count, bytes] = [0, 0];
    for (const name of await cachesOf(id)) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        count += 1;
        bytes += (await (await cache.match(request))?.blob())?.size ?? 0;
      }
    }
    if (count > 0) kept.push({ id, kind: id, name: '', count, bytes });
  }
  return kept;
}

/** @throws a DOMException while a tab is writing it */
export async function removeKept(id: string): Promise<void> {
  if (id === 'page' || id === 'adapters') for (const name of await cachesOf(id)) await caches.delete(name);
  else if (id === PICTURES_ID) await (await navigator.storage.getDirectory()).removeEntry(PICTURES, { recursive: true });
  else await removeModel(id);
}

const cachesOf = async (id: keyof typeof CACHES): Promise<string[]> =>
  globalThis.caches ? (await caches.keys().catch(() => [])).filter((name) => CACHES[id].test(name)) : [];

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
  const json = await manifest
    ?.text()
    .then(JSON.parse)
    .catch(() => null);
  return String(json?.name ?? '');
}
