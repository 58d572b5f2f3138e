/**
 * Versions of a model from the same address. Each has a folder of its own, with a note of the address. A newer version
 * takes over files that are the same, and replaces the older version as soon as no tab uses that. Folders of earlier
 * versions of this package, which were named after the address, are replaced in the same way.
 */

import { sha256Of, type HashedFile } from './files.js';
import { KeptFolder, whileUnused } from './folder.js';
import { MANIFEST_FILE, parseManifest, type Manifest } from './manifest.js';
import { MODELS, folderId, folderNamed, removeModel } from './root.js';

/** Hashes of the addresses that a folder's model came from, as a JSON list. */
const ORIGINS_FILE = '.from';

interface Version {
  folder: KeptFolder;
  origins: string[];
  /** When it was last loaded from there. */
  noted: number;
}

/** All kept versions from `origin`, the last used first. @param origin  null: from anywhere */
async function versionsOf(origin: string | null): Promise<Version[]> {
  const found: Version[] = [];
  for await (const [id, directory] of (await folderNamed(MODELS)).entries()) {
    if (directory.kind !== 'directory') continue;
    const folder = new KeptFolder(id, directory as FileSystemDirectoryHandle);
    const { origins, noted } = await originsOf(folder);
    if (origin === null || id === origin || origins.includes(origin)) found.push({ folder, origins, noted });
  }
  return found.sort((one, other) => other.noted - one.noted);
}

async function originsOf(folder: KeptFolder): Promise<{ origins: string[]; noted: number }> {
  try {
    const note = await folder.note(ORIGINS_FILE);
    return { origins: [].concat(JSON.parse(note!.text)).map(String), noted: note!.written };
  } catch {
    return { origins: [], noted: 0 }; // no note, a tab was closed while writing it, or the folder was just removed
  }
}

/** Folders of other versions from the same address, or of this version under its earlier name. */
export async function otherVersions(id: string, origin: string): Promise<KeptFolder[]> {
  return (await versionsOf(origin)).map(({ folder }) => folder).filter((folder) => folder.id !== id);
}

/** Makes `folder` the current version from `origin`: takes files over from other versions, and removes the unused ones. */
export async function replaceVersions(folder: KeptFolder, origin: string, files: readonly HashedFile[]): Promise<void> {
  const takeOver = async (from: KeptFolder, moves: boolean) => {
    for (const file of files) {
      if ((await folder.isValid(file)) || !(await from.isValid(file))) continue;
      await folder.take(file, from, moves).catch(() => {}); // it is downloaded instead
    }
  };
  for (const { folder: old, origins } of await versionsOf(origin)) {
    if (old.id === folder.id) continue;
    const others = origins.filter((other) => other !== origin);
    const alone = others.length === 0;
    const replace = async () => {
      await takeOver(old, true);
      await removeModel(old.id);
    };
    // A tab with an earlier version of this package takes no lock, but may be writing: then its folder stays for now.
    const gone = alone && (await whileUnused(old.id, replace).catch(() => false));
    if (gone) continue;
    await takeOver(old, false);
    // A folder that is in use keeps its note, and is removed the next time.
    if (!alone) await note(old, others);
  }
  await noteOrigin(folder, origin);
}

/** Notes that the folder's model comes from `origin`, among others. */
export async function noteOrigin(folder: KeptFolder, origin: string): Promise<void> {
  const { origins } = await originsOf(folder);
  await note(folder, [origin, ...origins.filter((other) => other !== origin)]);
}

/** Failures are ignored (no room, or another tab writes the same): the model is complete without the note. */
const note = (folder: KeptFolder, origins: string[]) => folder.write(ORIGINS_FILE, new TextEncoder().encode(JSON.stringify(origins))).catch(() => {});

/** Folders of models that were made here of a hub's files, the last used first. @param origin  null: from anywhere */
export async function madeHere(origin: string | null): Promise<KeptFolder[]> {
  return (await versionsOf(origin)).map(({ folder }) => folder).filter(({ id }) => id.startsWith(folderId('hub', '')));
}

/** The manifest of the last kept version from `origin`, preferring a complete one. */
export async function keptManifest(origin: string): Promise<Manifest | null> {
  let best: Manifest | null = null;
  for (const { folder } of await versionsOf(origin)) {
    const size = await folder.size(MANIFEST_FILE);
    if (size === 0) continue;
    const manifest = parseManifest(await folder.read(MANIFEST_FILE, 0, size));
    if (folder.id !== origin && folder.id !== folderId('manifest', await sha256Of(manifest.bytes))) continue;
    best ??= manifest;
    const valid = await Promise.all(manifest.files.map((file) => folder.isValid(file)));
    if (valid.every(Boolean)) return manifest;
  }
  return best;
}
