/** Where the browser keeps things for this site (OPFS): a folder for each model, and one for pictures' features. */

export const MODELS = 'inf-llava';
export const PICTURES = 'inf-llava-pictures';

/** Not on an insecure origin, nor where storage is blocked. */
export const canKeep = (): boolean => typeof globalThis.navigator?.storage?.getDirectory === 'function';

/**
 * What a model's folder is called: after its bytes, so that another version is another folder. `manifest`: the SHA-256 of
 * the manifest, which has those of all files; `pack`: of the one file. What a source without hashes will need has a place
 * beside them: a kind of its own, and a hash of commit, quantisation and the converter's version.
 */
export const folderId = (kind: 'manifest' | 'pack', sha256: string): string => `${kind}-${sha256}`;

/** Features of a picture, by the identity of the model that made them and the key of the picture. */
export const featuresId = (identity: string, key: string): string => `${featuresOf(identity)}${key.slice(0, 48)}`;
const featuresOf = (identity: string): string => `${identity.slice(0, 16)}-`;

export async function folderNamed(name: string): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
}

/** The file, or null where there is none. */
export async function fileIn(directory: FileSystemDirectoryHandle, name: string): Promise<File | null> {
  try {
    return await (await directory.getFileHandle(name)).getFile();
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return null;
    throw error;
  }
}

/** Removes a model's folder, and what that model made of pictures: no other can use it. */
export async function removeModel(id: string): Promise<void> {
  await (await folderNamed(MODELS)).removeEntry(id, { recursive: true });
  const identity = /-([0-9a-f]{64})$/.exec(id)?.[1];
  if (!identity) return;
  const pictures = await folderNamed(PICTURES);
  const names: string[] = [];
  for await (const name of pictures.keys()) if (name.startsWith(featuresOf(identity))) names.push(name);
  for (const name of names) await pictures.removeEntry(name);
}
