/** The folders in this site's storage (OPFS): one for each model, and one for features of pictures. */

export const MODELS = 'inf-llava';
export const PICTURES = 'inf-llava-pictures';

/** Whether there is storage: not on an insecure origin, nor where it is blocked. */
export const canKeep = (): boolean => typeof globalThis.navigator?.storage?.getDirectory === 'function';

/**
 * The name of a model's folder. It contains a hash, so that each version has its own folder. `manifest`: the SHA-256 of
 * the manifest, which has the hashes of all files; `pack`: that of the one file; `hub`: that of the files on the hub that
 * a model was made from here, with the quantisation and the converter's version.
 */
export const folderId = (kind: 'manifest' | 'pack' | 'hub', sha256: string): string => `${kind}-${sha256}`;

/** The file name of a picture's features: the identity of the model, and the key of the picture. */
export const featuresId = (identity: string, key: string): string => `${featuresOf(identity)}${key.slice(0, 48)}`;
const featuresOf = (identity: string): string => `${identity.slice(0, 16)}-`;

export async function folderNamed(name: string): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
}

/** The file, or null if there is none. */
export async function fileIn(directory: FileSystemDirectoryHandle, name: string): Promise<File | null> {
  try {
    return await (await directory.getFileHandle(name)).getFile();
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return null;
    throw error;
  }
}

/** Removes a model's folder, and the features that it computed, which no other model can use. */
export async function removeModel(id: string): Promise<void> {
  await (await folderNamed(MODELS)).removeEntry(id, { recursive: true });
  const identity = /-([0-9a-f]{64})$/.exec(id)?.[1];
  if (!identity) return;
  const pictures = await folderNamed(PICTURES);
  const names: string[] = [];
  for await (const name of pictures.keys()) if (name.startsWith(featuresOf(identity))) names.push(name);
  for (const name of names) await pictures.removeEntry(name);
}
