/**
 * Provides a model's files: asks before a large download, and downloads what is not kept yet. Two tabs share one
 * download: one holds the lock, the other listens to its progress. A kept model needs no network.
 */

import type { Progress } from '../engine/protocol.js';
import { download } from './download.js';
import { failure, STOPPED, totalBytes, type HashedFile, type HashedModel, type ModelFiles } from './files.js';
import { type KeptFolder, NAME_FILE } from './folder.js';
import { MANIFEST_FILE } from './manifest.js';
import { inOneTab } from './tabs.js';
import { unkept } from './unkept.js';
import { otherVersions, replaceVersions } from './versions.js';

/** A larger download needs the user's consent. */
const ASK_BYTES = 20e6;
/** Part of the quota that is left free for the browser's own bookkeeping. */
const MARGIN_BYTES = 16e6;

export interface KeepOptions {
  /** The largest download that the user has agreed to. */
  agreedBytes: number;
  /** A recovery: only kept files are used, since its time may depend on a question, and no host may notice it. */
  unasked: boolean;
  emit: (event: Progress) => void;
  signal: AbortSignal;
}

/** What a user is asked about. */
export interface Asked {
  name: string;
  license: string;
  /** What must be downloaded. */
  bytes: number;
  /** All of the model, as it is downloaded. */
  total: number;
  /** Whether it is kept. */
  kept: boolean;
  /** What is kept of it, where that is less. */
  stored?: number;
}

interface Missing {
  files: HashedFile[];
  bytes: number;
}

/**
 * @param folder  null if nothing can or should be kept
 * @throws `consent`, `quota` and `memory`, with the size of the download; and the errors of {@link download}
 */
export async function keep(model: HashedModel, folder: KeptFolder | null, { agreedBytes, unasked, emit, signal }: KeepOptions): Promise<ModelFiles> {
  const total = totalBytes(model.files);
  const passing = folder ? null : unkept(model, { emit, signal });
  const missing = folder ? await missingOf(model, [folder, ...(await otherVersions(folder.id, model.origin))]) : { files: model.files, bytes: total };
  if (unasked && missing.files.length > 0)
    throw failure(
      'crashed',
      `the engine was lost, and the host of ${model.name || 'the model'} is not asked for it again by itself: it would learn when that was`,
    );
  askFor({ name: model.name, license: model.license, bytes: missing.bytes, total, kept: folder !== null }, agreedBytes);
  try {
    if (!folder) {
      await passing!.hold();
      return withManifest(model, passing!);
    }
    await share(model, folder, missing, total, emit, signal);
  } catch (error) {
    throw signal.aborted ? STOPPED : error;
  }
  return keptFiles(model, folder);
}

/** Asks the user before a large download. @throws `consent` */
export function askFor(download: Asked, agreedBytes: number): void {
  if (download.bytes <= Math.max(ASK_BYTES, agreedBytes)) return;
  throw failure('consent', 'a large model is not downloaded without consent', { ...download });
}

/** A model whose files are all in `folder`. */
export function keptFiles(model: Pick<HashedModel, 'files' | 'manifest'>, folder: KeptFolder): ModelFiles {
  const sizes = new Map(model.files.map(({ file, bytes }) => [file, bytes]));
  return withManifest(model, {
    size: async (file) => sizes.get(file),
    read: (file, start, end) => folder.read(file, start, end),
    check: () => folder.check(),
    release: folder.release,
  });
}

/** Reads the model from its folder; the manifest is in memory already. */
export function withManifest({ manifest }: Pick<HashedModel, 'manifest'>, files: ModelFiles): ModelFiles {
  if (!manifest) return files;
  return {
    ...files,
    size: async (file) => (file === MANIFEST_FILE ? manifest.length : files.size(file)),
    read: async (file, start, end) => (file === MANIFEST_FILE ? manifest.slice(start, end) : files.read(file, start, end)),
  };
}

/** What is missing in all of the folders. @param folders  first the model's own, which may hold parts of files */
async function missingOf(model: HashedModel, folders: KeptFolder[]): Promise<Missing> {
  const files = [];
  let bytes = 0;
  for (const file of model.files) {
    const valid = await Promise.all(folders.map((folder) => folder.isValid(file)));
    if (valid.includes(true)) continue;
    files.push(file);
    bytes += file.bytes - Math.min(await folders[0]!.size(file.file), file.bytes);
  }
  return { files, bytes };
}

/** Downloads what is missing, unless another tab does, and replaces other versions. */
async function share(model: HashedModel, folder: KeptFolder, missing: Missing, total: number, emit: (event: Progress) => void, signal: AbortSignal) {
  if (missing.bytes > 0) await checkRoom(missing.bytes);
  const tell = ([done]: readonly number[]) => emit({ type: 'progress', phase: 'download', done: done!, total });
  if (missing.files.length > 0) tell([total - missing.bytes]);
  await inOneTab(`inf-llava ${model.id}`, { signal, tell, total: [total] }, async (report) => {
    // Files that are kept are not written again, so this works without any room left.
    if (model.manifest && (await folder.size(MANIFEST_FILE)) !== model.manifest.length) await folder.write(MANIFEST_FILE, model.manifest);
    if ((await folder.note(NAME_FILE))?.text !== model.name) await folder.write(NAME_FILE, new TextEncoder().encode(model.name));
    await replaceVersions(folder, model.origin, model.files);
    const { files } = await missingOf(model, [folder]);
    let left = totalBytes(files);
    for (const file of files) {
      left -= file.bytes;
      const onBytes = (bytes: number) => report([total - left - file.bytes + bytes]);
      await download(model.address(file), file, folder, { signal, onBytes });
    }
  });
}

/** @throws `quota` if the browser has no room for so many bytes */
export async function checkRoom(needed: number): Promise<void> {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  const free = quota - usage;
  if (quota > 0 && free < needed + MARGIN_BYTES) {
    throw failure('quota', `the download takes ${needed} bytes, and this site may keep ${Math.max(0, free)} more`, { needed, free });
  }
}
