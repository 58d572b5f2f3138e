/** Where the browser keeps things for this site (OPFS): a folder for each model, and one for pictures' features. */

export const MODELS = 'inf-llava';
export const PICTURES = 'inf-llava-pictures';

/** Not on an insecure origin, nor where storage is blocked. */
export const canKeep = (): boolean => typeof navigator.storage?.getDirectory === 'function';

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
