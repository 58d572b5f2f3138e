/**
 * A model on a hub, made here into one that can be kept: what is read is quantised at once, shard by shard, and each shard
 * is kept with its hash. The manifest comes last; a folder without one is a conversion that goes on where it ended. The
 * folder's name is a hash of what the model is made from, so that a new commit with the same files downloads nothing.
 */

import type { ConversionPart, ConversionPlan, HubFolder, HubPlace } from '../engine/generated.js';
import type { HubModel, PlainError, Progress } from '../engine/protocol.js';
import { convert, missingParts, sumOf, type Bindings, type Conversion, type Done, type Sink } from './convert.js';
import { ask, counted } from './counted.js';
import { failure, sha256Of, STOPPED, type ModelFiles } from './files.js';
import { KeptFolder, NAME_FILE } from './folder.js';
import { HeldFiles } from './held.js';
import { askFor, checkRoom, keptFiles, withManifest, type KeepOptions } from './keep.js';
import { MANIFEST_FILE, MOST_MANIFEST_BYTES, parseManifest, type Manifest } from './manifest.js';
import { HubFiles, refused } from './ranges.js';
import { unreachable } from './reach.js';
import { canKeep, folderId } from './root.js';
import { inOneTab } from './tabs.js';
import { keptManifest, madeHere, noteOrigin, replaceVersions } from './versions.js';

/** The decoder in 4 bits, the rest in 8. */
const QUANT = 'q4';
const MOST_LIST_BYTES = 16 * 2 ** 20;
/** `HubFolder.contents` of what is kept: whichever converter made it, a complete model stays in use. */
const CONTENTS_FILE = '.contents';
/** A revision that never means anything else. */
const COMMIT = /^[0-9a-f]{40}$/;

export interface HubOptions extends KeepOptions {
  /** false: the user wants the model without keeping it. */
  keep: boolean;
  bindings: Bindings;
}

/** The model, or the address of a converted one, which the hub may have as well. */
export type OnHub = { files: ModelFiles; name: string; identity: string | null } | { url: string; origin: string };

/** @throws `option`, `hub`, `network`; `consent`, `quota` and `memory`; the engine's errors for what it cannot convert */
export async function fromHub({ name, hub }: HubModel, options: HubOptions): Promise<OnHub> {
  const { bindings, signal } = options;
  const place = bindings.hub_place(name, hub);
  if (!place) throw failure('option', `“${name}” names no model of a hub: such a name is owner/name, or owner/name@revision`);
  const keeps = options.keep && canKeep();
  const origin = globalThis.crypto?.subtle ? (await sha256Of(new TextEncoder().encode(place.list))).slice(0, 32) : '';
  if (keeps && (options.unasked || COMMIT.test(place.revision))) {
    const kept = await lastKept(place, origin, signal);
    if (kept) return kept;
  }
  if (options.unasked)
    throw failure('crashed', `the engine was lost, and ${hub} is not asked for ${place.repository} again by itself: it would learn when that was`);
  let folder: HubFolder;
  try {
    folder = await listed(place, hub, bindings, signal);
  } catch (error) {
    if (signal.aborted) throw STOPPED;
    const kept = keeps && (error as PlainError).code === 'network' ? await lastKept(place, origin, signal) : null;
    if (kept) return kept;
    throw error;
  }
  if (folder.files.some(({ file }) => file === MANIFEST_FILE)) return { url: folder.url, origin };
  const made = keeps ? await madeOf(folder, signal) : null;
  if (made) await replaceVersions(made.into, origin, []);
  const files = made ? keptFiles(made.manifest, made.into) : await makeOf(folder, place, keeps ? origin : null, options);
  return { files, name: place.repository, identity: made?.identity ?? folder.identity };
}

/** What the hub says of the files at the revision. */
async function listed({ list, repository }: HubPlace, hub: string, bindings: Bindings, signal: AbortSignal): Promise<HubFolder> {
  const url = new URL(list);
  const response = await ask(url, { signal, cache: 'no-cache' }).catch(async () => {
    throw signal.aborted ? STOPPED : await unreachable(url);
  });
  if (!response.ok) throw refused(url, response);
  return bindings.hub_folder(hub, repository, await counted(response, MOST_LIST_BYTES, url), QUANT);
}

interface Made {
  into: KeptFolder;
  manifest: Pick<Manifest, 'files'> & { manifest: Uint8Array<ArrayBuffer> };
  identity: string;
}

/** What is kept of the revision, for when the hub cannot or must not be asked. */
async function lastKept({ repository, url }: HubPlace, origin: string, signal: AbortSignal): Promise<OnHub | null> {
  for (const folder of await madeHere(origin)) {
    const made = await whole(folder, signal);
    if (made) return { files: keptFiles(made.manifest, made.into), name: repository, identity: made.identity };
  }
  return (await keptManifest(origin)) ? { url, origin } : null;
}

/** A model that was made of the same files, at whichever commit. */
async function madeOf({ contents }: HubFolder, signal: AbortSignal): Promise<Made | null> {
  for (const folder of await madeHere(null)) {
    const made = (await folder.note(CONTENTS_FILE))?.text === contents && (await whole(folder, signal));
    if (made) return made;
  }
  return null;
}

/** The model in a folder, if it is complete; then the folder is in use. */
async function whole({ id }: KeptFolder, signal: AbortSignal): Promise<Made | null> {
  const into = await KeptFolder.use(id, signal);
  const manifest = await manifestIn(into).catch(() => null);
  const valid = manifest ? await Promise.all(manifest.files.map((file) => into.isValid(file))) : [false];
  if (manifest && valid.every(Boolean)) return { into, manifest: { files: manifest.files, manifest: manifest.bytes }, identity: id.slice(-64) };
  into.release();
  return null;
}

async function manifestIn(folder: KeptFolder): Promise<Manifest | null> {
  const size = await folder.size(MANIFEST_FILE);
  if (size === 0 || size > MOST_MANIFEST_BYTES) return null;
  return parseManifest(await folder.read(MANIFEST_FILE, 0, size));
}

/** Converts the model. @param origin  null if nothing is kept */
async function makeOf(folder: HubFolder, place: HubPlace, origin: string | null, options: HubOptions): Promise<ModelFiles> {
  const { bindings, signal, emit, agreedBytes } = options;
  const files = new HubFiles(folder, signal);
  let into: KeptFolder | null = null;
  let conversion: Conversion | null = null;
  try {
    conversion = await bindings.Conversion.open(files, folder.url, place.repository, folder.commit, QUANT);
    const plan = await conversion.plan();
    into = origin === null ? null : await KeptFolder.use(folderId('hub', folder.identity), signal);
    const sink = into ? new KeptSink(into) : new HeldFiles(plan);
    const missing = await missingParts(plan, sink);
    const [total, stored] = sumOf([...plan.files, ...plan.shards]);
    const [bytes, needed] = sumOf(missing);
    askFor({ name: plan.name, license: plan.license, bytes, total, stored, kept: into !== null }, agreedBytes);
    const work = { conversion, plan, StopFlag: bindings.StopFlag, signal };
    const told = tellerOf(emit, [total, stored]);
    if (into) return await keepMade(folder, into, origin!, needed, sink, { ...work, told, total: [total, stored] });
    told([0, 0]);
    const manifest = await convert(conversion, plan, sink, { ...work, report: told });
    return withManifest({ manifest }, (sink as HeldFiles).files());
  } catch (error) {
    into?.release();
    // What the engine says of a read that failed is less than what the read said.
    throw signal.aborted ? STOPPED : (files.trouble ?? error);
  } finally {
    files.close();
    conversion?.free();
  }
}

interface Work extends Pick<Bindings, 'StopFlag'> {
  conversion: Conversion;
  plan: ConversionPlan;
  signal: AbortSignal;
  told: (done: Done) => void;
  total: Done;
}

/** Converts into a folder, unless another tab does. */
async function keepMade(folder: HubFolder, into: KeptFolder, origin: string, needed: number, sink: Sink, work: Work): Promise<ModelFiles> {
  const { conversion, plan, signal, told, total } = work;
  // An older version makes room, if no tab uses it; otherwise it stays until the new one is complete.
  await checkRoom(needed).catch(async (error) => {
    await replaceVersions(into, origin, []);
    await checkRoom(needed).catch(() => {
      throw error;
    });
  });
  const tell = ([read, made]: readonly number[]) => told([read!, made!]);
  await inOneTab(`inf-llava ${into.id}`, { signal, tell, total }, async (report) => {
    const text = new TextEncoder();
    await into.write(NAME_FILE, text.encode(plan.name));
    await into.write(CONTENTS_FILE, text.encode(folder.contents));
    await noteOrigin(into, origin);
    const manifest = await convert(conversion, plan, sink, { ...work, report });
    const kept = await into.size(MANIFEST_FILE);
    // A tab that has waited finds it written.
    if (kept !== manifest.length) await noRoomAs(into.write(MANIFEST_FILE, manifest));
  });
  await replaceVersions(into, origin, []);
  const made = await manifestIn(into);
  if (!made) throw failure('file-missing', `${MANIFEST_FILE} of ${plan.name} is not kept any more`);
  return keptFiles({ files: made.files, manifest: made.bytes }, into);
}

/** A folder in the browser's storage: a file counts once its hash is noted beside it. */
class KeptSink implements Sink {
  readonly #folder: KeptFolder;

  constructor(folder: KeptFolder) {
    this.#folder = folder;
  }

  has({ file, bytes }: ConversionPart): Promise<string | null> {
    return this.#folder.validHash(file, bytes);
  }

  async put({ file }: ConversionPart, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const sha256 = await sha256Of(bytes);
    await noRoomAs(this.#folder.write(file, bytes));
    await noRoomAs(this.#folder.markValid({ file, sha256, bytes: bytes.length }));
    return sha256;
  }
}

async function noRoomAs(writing: Promise<void>): Promise<void> {
  return writing.catch((error: Error) => {
    throw error.name === 'QuotaExceededError' ? failure('quota', `the browser’s storage is full: ${error.message}`) : error;
  });
}

/** Emits both: what is downloaded, and what is made of it. */
const tellerOf =
  (emit: (event: Progress) => void, [download, conversion]: Done) =>
  ([read, made]: Done): void => {
    emit({ type: 'progress', phase: 'download', done: read, total: download });
    emit({ type: 'progress', phase: 'conversion', done: made, total: conversion });
  };
