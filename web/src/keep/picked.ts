/** A model folder that the user picked on disk: nothing is downloaded, nothing is kept. */

import { failure, type ModelFiles } from './files.js';

/** @param files  as the file picker gives them, with `webkitRelativePath` */
export function picked(files: readonly File[]): ModelFiles {
  const named = new Map(files.filter(isOnTop).map((file) => [file.name, file]));
  const used = new Set<File>();
  /** The browser refuses to read a file that has changed since it was picked. */
  const slice = (file: File, start: number, end: number) =>
    file
      .slice(start, end)
      .arrayBuffer()
      .catch((error: Error) => {
        throw failure('model-changed', `${file.name} is not what was picked: it was changed, moved or removed (${error.message}). Pick the folder again`);
      });
  return {
    size: async (name) => named.get(name)?.size,
    async read(name, start, end) {
      const file = named.get(name);
      if (!file) throw failure('file-missing', `${name} is not in the folder`);
      used.add(file);
      return new Uint8Array(await slice(file, start, end));
    },
    async check() {
      for (const file of used) await slice(file, 0, 1);
    },
  };
}

/** Files in subfolders may have the same names, but are no part of the model. */
const isOnTop = (file: File) => (file.webkitRelativePath ?? '').split('/').length <= 2;
