/** A model folder that the user has picked from disk: nothing is downloaded, nothing is kept. */

import { failure, type ModelFiles } from './files.js';

/** @param files  as the picker gives them, with `webkitRelativePath` */
export function picked(files: readonly File[]): ModelFiles {
  const named = new Map(files.filter(isOnTop).map((file) => [file.name, file]));
  return {
    size: async (name) => named.get(name)?.size,
    async read(name, start, end) {
      const file = named.get(name);
      if (!file) throw failure('file-missing', `${name} is not in the folder`);
      return new Uint8Array(await file.slice(start, end).arrayBuffer());
    },
  };
}

/** What lies in folders of the folder has the same names, perhaps, and is no part of the model. */
const isOnTop = (file: File) => (file.webkitRelativePath ?? '').split('/').length <= 2;
