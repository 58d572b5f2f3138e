/**
 * A model's files as the browser keeps them (OPFS). A file is written in place; only a marker beside it, written
 * after its hash was checked, makes it valid. Presence alone says nothing: a tab may have died at any moment.
 *
 * @typedef {import('./manifest.js').HashedFile} HashedFile
 */

import { MANIFEST_FILE } from './manifest.js';

const ROOT = 'inf-llava';
/** No file of a model begins with a dot. */
const marker = (file) => `.ok-${file}`;

export const canKeep = () => typeof navigator.storage?.getDirectory === 'function';

const root = async () => (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });

export class KeptFolder {
  #directory;

  /** @param {FileSystemDirectoryHandle} directory */
  constructor(directory) {
    this.#directory = directory;
  }

  /** @param {string} id */
  static async open(id) {
    return new KeptFolder(await (await root()).getDirectoryHandle(id, { create: true }));
  }

  /** Removes what is none of these files: an earlier version of the model. @param {HashedFile[]} files */
  async removeOthers(files) {
    const known = new Set([MANIFEST_FILE, ...files.flatMap(({ file }) => [file, marker(file)])]);
    for await (const name of this.#directory.keys()) {
      if (!known.has(name)) await this.#directory.removeEntry(name);
    }
  }

  /** @param {string} file @returns {Promise<number>} bytes that are there; 0 if there is no such file */
  async size(file) {
    return (await this.#file(file))?.size ?? 0;
  }

  /** @param {HashedFile} file @returns {Promise<boolean>} whether it is whole, and was checked */
  async isValid({ file, bytes, sha256 }) {
    const written = await this.#file(marker(file));
    return written !== null && (await written.text()) === sha256 && (await this.size(file)) === bytes;
  }

  /** @param {HashedFile} file  checked a moment ago */
  async markValid({ file, sha256 }) {
    await this.write(marker(file), new TextEncoder().encode(sha256));
  }

  /** @param {string} file @param {number} start @param {number} end @returns {Promise<Uint8Array>} */
  async read(file, start, end) {
    const found = await this.#file(file);
    if (!found) throw { code: 'file-missing', message: `${file} is not kept any more` };
    const bytes = new Uint8Array(await found.slice(start, end).arrayBuffer());
    if (bytes.length !== end - start) throw { code: 'file-access', message: `${file} ends ${end - start - bytes.length} bytes early` };
    return bytes;
  }

  /** @param {string} file @param {Uint8Array} bytes */
  async write(file, bytes) {
    const writer = await this.append(file, 0);
    try {
      writer.write(bytes);
    } finally {
      writer.close();
    }
  }

  /**
   * Goes on writing behind the first `size` bytes of a file; what is behind them is cut off. One writer at a time.
   * @param {string} file @param {number} size
   */
  async append(file, size) {
    const handle = await this.#directory.getFileHandle(file, { create: true });
    const access = await handle.createSyncAccessHandle();
    access.truncate(size);
    let at = size;
    return {
      /** @param {Uint8Array} bytes */
      write(bytes) {
        const count = access.write(bytes, { at });
        // Past the quota a private window answers with some count, larger than what was asked for too.
        if (count !== bytes.length) throw new DOMException(`${bytes.length} bytes were not written`, 'QuotaExceededError');
        at += count;
      },
      close() {
        access.flush();
        access.close();
      },
    };
  }

  /** @returns {Promise<File|null>} */
  async #file(name) {
    try {
      return await (await this.#directory.getFileHandle(name)).getFile();
    } catch (error) {
      if (error.name === 'NotFoundError') return null;
      throw error;
    }
  }
}

/**
 * What is kept.
 * @returns {Promise<{id: string, name: string, bytes: number}[]>}
 */
export async function listKept() {
  if (!canKeep()) return [];
  const kept = [];
  for await (const [id, directory] of (await root()).entries()) {
    if (directory.kind !== 'directory') continue;
    let [name, bytes] = ['', 0];
    for await (const [file, handle] of directory.entries()) {
      const content = await handle.getFile();
      bytes += content.size;
      if (file === MANIFEST_FILE) name = await content.text().then(JSON.parse).then((json) => String(json.name), () => '');
    }
    kept.push({ id, name, bytes });
  }
  return kept;
}

/** @param {string} id */
export async function removeKept(id) {
  await (await root()).removeEntry(id, { recursive: true });
}
