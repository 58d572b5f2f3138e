/** From where a model is said to be to the files that the engine reads. */

import { failure, sha256Of, STOPPED, type HashedModel, type ModelFiles } from '../keep/files.js';
import { KeptFolder } from '../keep/folder.js';
import { keep, type KeepOptions } from '../keep/keep.js';
import { MANIFEST_FILE, parseManifest } from '../keep/manifest.js';
import { picked } from '../keep/picked.js';
import { unreachable } from '../keep/reach.js';
import { canKeep } from '../keep/root.js';
import type { ModelPlace, Pack } from './protocol.js';

export interface Located {
  /** Null: a checkpoint on a server, which the engine reads by itself. */
  files: ModelFiles | null;
  /** What to call the model; the address of a checkpoint. */
  name: string;
  /** Changes with every byte of the model; null where that is not known. */
  identity: string | null;
}

export interface LocateOptions extends KeepOptions {
  /** false: the user wants the model without keeping it. */
  keep: boolean;
}

export async function locate(place: ModelPlace, options: LocateOptions): Promise<Located> {
  if ('files' in place) return fromDisk(place.files, place.name);
  if ('pack' in place) return fromPack(place.pack, options);
  return fromServer(place.url, options);
}

async function fromDisk(list: File[], name: string): Promise<Located> {
  const files = picked(list);
  const size = await files.size(MANIFEST_FILE);
  const identity = size && globalThis.crypto?.subtle ? await sha256Of((await files.read(MANIFEST_FILE, 0, size)) as Uint8Array<ArrayBuffer>) : null;
  return { files, name, identity };
}

/** Files in one, with the one hash that the package was built with. */
async function fromPack(pack: Pack, options: LocateOptions): Promise<Located> {
  const { name, license, sha256 } = pack;
  const whole = { file: 'model.pack', bytes: pack.bytes, sha256 };
  const address = () => new URL(pack.url);
  const model: HashedModel = { id: sha256.slice(0, 32), identity: sha256, name, license, manifest: null, files: [whole], address };
  const folder = options.keep && canKeep() ? await KeptFolder.open(model.id) : null;
  const inner = await keep(model, folder, options);
  const range = (file: string) => (Object.hasOwn(pack.files, file) ? pack.files[file] : undefined);
  const files: ModelFiles = {
    async size(file) {
      const found = range(file);
      return found && found[1] - found[0];
    },
    async read(file, start, end) {
      const found = range(file);
      if (!found || end > found[1] - found[0]) throw failure('file-missing', `${file} ${start}..${end} is no part of ${name}`);
      return inner.read(whole.file, found[0] + start, found[0] + end);
    },
  };
  return { files, name, identity: sha256 };
}

async function fromServer(url: string, options: LocateOptions): Promise<Located> {
  // A checkpoint has a config.json; a converted model has it in its manifest.
  const request = { signal: options.signal, credentials: 'omit', referrerPolicy: 'no-referrer' } as const;
  const has_config = await fetch(new URL('config.json', url), request)
    // What is read is kept for a visit without a network.
    .then((response) => response.text().then(() => response.ok))
    .catch(() => false);
  if (options.signal.aborted) throw STOPPED;
  if (has_config) return { files: null, name: url, identity: null };
  const id = canKeep() ? (await sha256Of(new TextEncoder().encode(url))).slice(0, 32) : '';
  const folder = options.keep && canKeep() ? await KeptFolder.open(id) : null;
  const manifest = await findManifest(url, folder, options.signal);
  // Nothing there: the engine says what it misses.
  if (!manifest) return { files: null, name: url, identity: null };
  const identity = globalThis.crypto?.subtle ? await sha256Of(manifest.bytes) : null;
  const address = ({ file, sha256 }: { file: string; sha256: string }) => {
    const found = new URL(file, url);
    found.search = `sha256=${sha256}`; // lets a server say that it never changes
    return found;
  };
  const { name, license, files, bytes } = manifest;
  const model: HashedModel = { id, identity: identity ?? '', name, license, manifest: bytes, files, address };
  return { files: await keep(model, folder, options), name: url, identity };
}

/** The server's manifest; the kept one where there is no server to be reached. */
async function findManifest(url: string, folder: KeptFolder | null, signal: AbortSignal) {
  const address = new URL(MANIFEST_FILE, url);
  let response;
  try {
    response = await fetch(address, { signal, credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-cache' });
    if (response.ok) return parseManifest(new Uint8Array(await response.arrayBuffer()));
  } catch (error) {
    if (signal.aborted) throw STOPPED;
    if ((error as { code?: unknown }).code === 'manifest') throw error;
    const size = (await folder?.size(MANIFEST_FILE)) ?? 0;
    if (folder && size > 0) return parseManifest(await folder.read(MANIFEST_FILE, 0, size));
    throw await unreachable(address);
  }
  if ([404, 410].includes(response.status)) return null;
  throw failure('network', `${address}: HTTP status ${response.status}`);
}
