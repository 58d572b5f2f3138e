/**
 * A model's files as the browser keeps them. A file is written in place; only a marker beside it, written after its hash
 * was checked, makes it valid. Presence alone says nothing: a tab may have died at any moment. For workers only, which
 * alone may write so.
 */

import { failure, type HashedFile } from './files.js';
import { MODELS, fileIn, folderNamed } from './root.js';

/** No file of a model begins with a dot. */
const marker = (file: string) => `.ok-${file}`;
/** What the model is called, to be listed. */
export const NAME_FILE = '.name';

interface Writer {
  write(bytes: Uint8Array): void;
  close(): void;
}

export class KeptFolder {
  readonly #directory: FileSystemDirectoryHandle;
  /** Looked up once: rows of the embeddings are read by the thousand. */
  readonly #handles = new Map<string, FileSystemFileHandle>();

  private constructor(directory: FileSystemDirectoryHandle) {
    this.#directory = directory;
  }

  static async open(id: string): Promise<KeptFolder> {
    return new KeptFolder(await (await folderNamed(MODELS)).getDirectoryHandle(id, { create: true }));
  }

  /** Removes what is none of these files: an earlier version of the model. */
  async removeOthers(names: Iterable<string>): Promise<void> {
    const known = new Set([NAME_FILE]);
    for (const name of names) known.add(name).add(marker(name));
    for await (const name of this.#directory.keys()) {
      if (known.has(name)) continue;
      this.#handles.delete(name);
      await this.#directory.removeEntry(name);
    }
  }

  /** Bytes that are there; 0 if there is no such file. */
  async size(file: string): Promise<number> {
    return (await this.#file(file))?.size ?? 0;
  }

  /** Whether it is whole, and was checked. */
  async isValid({ file, bytes, sha256 }: HashedFile): Promise<boolean> {
    const written = await this.#file(marker(file));
    return written !== null && (await written.text()) === sha256 && (await this.size(file)) === bytes;
  }

  /** Says that a file was checked a moment ago. */
  async markValid({ file, sha256 }: HashedFile): Promise<void> {
    await this.write(marker(file), new TextEncoder().encode(sha256));
  }

  async read(file: string, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const found = await this.#file(file);
    if (!found) throw failure('file-missing', `${file} is not kept any more`);
    const bytes = new Uint8Array(await found.slice(start, end).arrayBuffer());
    if (bytes.length !== end - start) throw failure('file-access', `${file} ends ${end - start - bytes.length} bytes early`);
    return bytes;
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    const writer = await this.append(file, 0);
    try {
      writer.write(bytes);
    } finally {
      writer.close();
    }
  }

  /** Goes on writing behind the first `size` bytes of a file; what is behind them is cut off. One writer at a time. */
  async append(file: string, size: number): Promise<Writer> {
    const handle = await this.#directory.getFileHandle(file, { create: true });
    const access = await handle.createSyncAccessHandle();
    access.truncate(size);
    let at = size;
    return {
      write(bytes) {
        const count = access.write(bytes as Uint8Array<ArrayBuffer>, { at });
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

  async #file(name: string): Promise<File | null> {
    const known = this.#handles.get(name);
    if (known) {
      try {
        return await known.getFile();
      } catch {
        this.#handles.delete(name); // removed meanwhile, perhaps by another tab
      }
    }
    const file = await fileIn(this.#directory, name);
    if (file) this.#handles.set(name, await this.#directory.getFileHandle(name));
    return file;
  }
}
