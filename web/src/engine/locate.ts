/** Finds a model, given its place, and opens the files that the engine reads. */

import type { Bindings } from '../keep/convert.js';
import { ask, counted } from '../keep/counted.js';
import { failure, sha256Of, STOPPED, type HashedModel, type ModelFiles } from '../keep/files.js';
import { isPage, PAGE } from '../keep/foreign.js';
import { KeptFolder } from '../keep/folder.js';
import { fromHub } from '../keep/hub.js';
import { keep, type KeepOptions } from '../keep/keep.js';
import { isManifest, MANIFEST_FILE, MOST_MANIFEST_BYTES, parseManifest, type Manifest } from '../keep/manifest.js';
import { picked } from '../keep/picked.js';
import { unreachable } from '../keep/reach.js';
import { canKeep, folderId } from '../keep/root.js';
import { keptManifest } from '../keep/versions.js';
import type { ModelPlace, Pack } from './protocol.js';

export interface Located {
  /** Null: a checkpoint on a server, which the engine reads by itself. */
  files: ModelFiles | null;
  /** The model's name; of a checkpoint, its address. */
  name: string;
  /** Changes with every byte of the model; null if unknown. */
  identity: string | null;
}

export interface LocateOptions extends KeepOptions {
  /** false: the user wants the model without keeping it. */
  keep: boolean;
  /** The engine, which converts what is on a hub. */
  bindings: Bindings;
}

export async function locate(place: ModelPlace, options: LocateOptions): Promise<Located> {
  // They are not hashed. Their manifest may belong to another model, so it cannot identify them.
  if ('files' in place) return { files: picked(place.files), name: place.name, identity: null };
  if ('pack' in place) return fromPack(place.pack, options);
  if ('url' in place) return fromServer(place.url, options);
  const found = await fromHub(place.on, options);
  return 'files' in found ? found : fromServer(found.url, options, found.origin);
}

/** Keeps the model if that is possible and wanted; on failure the folder is released. */
async function held(model: HashedModel, options: LocateOptions): Promise<ModelFiles> {
  const folder = options.keep && canKeep() ? await KeptFolder.use(model.id, options.signal) : null;
  try {
    return await keep(model, folder, options);
  } catch (error) {
    folder?.release();
    throw error;
  }
}

const isForeign = (url: URL): boolean => url.origin !== self.origin;

/** Several files packed into one, with one hash that the build wrote. */
async function fromPack(pack: Pack, options: LocateOptions): Promise<Located> {
  const { name, license, sha256 } = pack;
  const whole = { file: 'model.pack', bytes: pack.bytes, sha256 };
  const address = () => new URL(pack.url);
  const [id, origin] = [folderId('pack', sha256), sha256.slice(0, 32)];
  const model: HashedModel = { id, origin, identity: sha256, name, license, manifest: null, files: [whole], readLater: [], address };
  // The page's own site may see when the package is fetched, another host may not.
  const inner = await held(model, { ...options, unasked: options.unasked && isForeign(address()) });
  const range = (file: string) => (Object.hasOwn(pack.files, file) ? pack.files[file] : undefined);
  const files: ModelFiles = {
    ...inner,
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

/** On an insecure origin, the browser has neither hashes nor storage. */
const originOf = async (url: string): Promise<string> => (globalThis.crypto?.subtle ? (await sha256Of(new TextEncoder().encode(url))).slice(0, 32) : '');

/** @param from  the origin, where it is not the address */
async function fromServer(url: string, options: LocateOptions, from?: string): Promise<Located> {
  const { signal } = options;
  const origin = from ?? (await originOf(url));
  const keptAs = options.keep && canKeep() ? origin : null;
  if (options.unasked) {
    const manifest = keptAs && (await keptManifest(keptAs));
    if (manifest) return converted(url, origin, manifest, options);
    if (isForeign(new URL(url)))
      throw failure('crashed', `the engine was lost, and ${url} is not asked for the model again by itself: it would learn when that was`);
  }
  const manifest = await findManifest(url, keptAs, signal);
  // Without a manifest it is a checkpoint, which the engine reads by itself; it also reports what is missing.
  return manifest ? converted(url, origin, manifest, { ...options, unasked: false }) : { files: null, name: url, identity: null };
}

async function converted(url: string, origin: string, manifest: Manifest, options: LocateOptions): Promise<Located> {
  const identity = globalThis.crypto?.subtle ? await sha256Of(manifest.bytes) : null;
  const address = ({ file, sha256 }: { file: string; sha256: string }) => {
    const found = new URL(file, url);
    found.search = `sha256=${sha256}`; // so that a server can cache it for ever
    return found;
  };
  const { name, license, files, readLater, bytes } = manifest;
  const model: HashedModel = {
    id: folderId('manifest', identity ?? ''),
    origin,
    identity: identity ?? '',
    name,
    license,
    manifest: bytes,
    files,
    readLater,
    address,
  };
  return { files: await held(model, options), name: url, identity };
}

/**
 * The server's manifest, or the kept one if the server cannot be reached. Null for a checkpoint: it has a config.json,
 * and instead of a manifest nothing, another kind of file, or whatever its server sends for missing files (403 or 200).
 * @param origin  null if nothing is kept
 */
async function findManifest(url: string, origin: string | null, signal: AbortSignal): Promise<Manifest | null> {
  const address = new URL(MANIFEST_FILE, url);
  let response: Response;
  try {
    response = await ask(address, { signal, cache: 'no-cache' });
  } catch {
    if (signal.aborted) throw STOPPED;
    const kept = origin && (await keptManifest(origin));
    if (kept) return kept;
    throw await unreachable(address);
  }
  if ([404, 410].includes(response.status)) return null;
  if (response.ok) {
    const bytes = await counted(response, MOST_MANIFEST_BYTES, address);
    if (isManifest(bytes)) return parseManifest(bytes);
    const config = await headOfConfig(url, signal);
    if (config && !isPage(config)) return null;
    if (config && isPage(bytes)) throw failure('network', `${address}: ${PAGE}`);
    return parseManifest(bytes); // throws, with the reason
  }
  if (await headOfConfig(url, signal)) return null;
  throw failure('network', `${address}: HTTP status ${response.status}`);
}

/** The first bytes of a checkpoint's config.json; null if there is none. */
async function headOfConfig(url: string, signal: AbortSignal): Promise<Uint8Array | null> {
  const response = await ask(new URL('config.json', url), { signal }).catch(() => null);
  const reader = response?.ok ? response.body?.getReader() : null;
  const first = await reader?.read().catch(() => null);
  reader?.cancel().catch(() => {});
  if (signal.aborted) throw STOPPED;
  return first?.value ?? null;
}
