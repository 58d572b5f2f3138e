/**
 * Versions of a model that come from one place. Each is a folder of its own, and notes where it came from. A newer one
 * takes over what is the same in an older one, and takes the older one's place as soon as no tab uses that. So does what
 * earlier versions of this package kept, in folders that were called after the place.
 */

import { sha256Of, type HashedFile } from './files.js';
import { KeptFolder, whileUnused } from './folder.js';
import { MANIFEST_FILE, parseManifest, type Manifest } from './manifest.js';
import { MODELS, folderId, folderNamed, removeModel } from './root.js';

/** Hashes of the places that a folder's model came from, as a JSON list. */
const ORIGINS_FILE = '.from';

interface Version {
  folder: KeptFolder;
  origins: string[];
  /** When it last came from there. */
  noted: number;
}

/** All that are kept of what comes from `origin`, the one that was used last first. */
async function versionsOf(origin: string): Promise<Version[]> {
  const found: Version[] = [];
  for await (const [id, directory] of (await folderNamed(MODELS)).entries()) {
    if (directory.kind !== 'directory') continue;
    const folder = new KeptFolder(id, directory as FileSystemDirectoryHandle);
    const { origins, noted } = await originsOf(folder);
    if (id === origin || origins.includes(origin)) found.push({ folder, origins, noted });
  }
  return found.sort((one, other) => other.noted - one.noted);
}

async function originsOf(folder: KeptFolder): Promise<{ origins: string[]; noted: number }> {
  try {
    const note = await folder.note(ORIGINS_FILE);
    return { origins: [].concat(JSON.parse(note!.text)).map(String), noted: note!.written };
  } catch {
    return { origins: [], noted: 0 }; // none, a tab died while it wrote, or another has just removed the folder
  }
}

/** Folders of other versions from the same place, or of the same one by its earlier name. */
export async function otherVersions(id: string, origin: string): Promise<KeptFolder[]> {
  return (await versionsOf(origin)).map(({ folder }) => folder).filter((folder) => folder.id !== id);
}

/** From now on `folder` is what comes from `origin`: takes over what others have of it, and removes those that nobody uses. */
export async function replaceVersions(folder: KeptFolder, origin: string, files: readonly HashedFile[]): Promise<void> {
  const takeOver = async (from: KeptFolder, moves: boolean) => {
    for (const file of files) {
      if ((await folder.isValid(file)) || !(await from.isValid(file))) continue;
      await folder.take(file, from, moves).catch(() => {}); // it is downloaded then
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
    // A tab with an earlier version of the package takes no lock, but may be writing: then it stays for now.
    const gone = alone && (await whileUnused(old.id, replace).catch(() => false));
    if (gone) continue;
    await takeOver(old, false);
    // One that is in use keeps its note, and goes when it is met again.
    if (!alone) await note(old, others);
  }
  const { origins } = await originsOf(folder);
  await note(folder, [origin, ...origins.filter((other) => other !== origin)]);
}

/** Failing is no fault: there is no room, or another tab writes the same. What is kept is whole without it. */
const note = (folder: KeptFolder, origins: string[]) => folder.write(ORIGINS_FILE, new TextEncoder().encode(JSON.stringify(origins))).catch(() => {});

/** The manifest of what was kept last from `origin`; of several, one that is whole. */
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
