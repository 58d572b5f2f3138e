/**
 * A model's files in the browser's storage. A file is written in place; it is valid only if there is a marker beside it,
 * which is written after its hash was checked, since a tab may be closed at any moment. The folder is named after the
 * model's hash, so valid files never change; while a tab uses it, no other tab removes it. For workers only: pages
 * cannot write like this.
 */

import { failure, STOPPED, type HashedFile } from './files.js';
import { MODELS, fileIn, folderNamed } from './root.js';

/** No file of a model begins with a dot. */
const marker = (file: string) => `.ok-${file}`;
/** Holds the model's name, for listing. */
export const NAME_FILE = '.name';

interface Writer {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** A file that has been read: its handle and its state at that time. */
interface Opened {
  handle: FileSystemFileHandle;
  file: File;
}

/** The lock that every tab holds that uses a folder. */
const lockOf = (id: string) => `inf-llava model ${id}`;

/** Runs `work` if no tab uses the folder, and keeps tabs out until it is done. @returns whether it ran */
export async function whileUnused(id: string, work: () => Promise<void>): Promise<boolean> {
  return navigator.locks.request(lockOf(id), { ifAvailable: true }, async (lock) => {
    if (lock) await work();
    return lock !== null;
  });
}

export class KeptFolder {
  readonly id: string;
  readonly #directory: FileSystemDirectoryHandle;
  /** Opened once: embedding rows are read by the thousand. */
  readonly #opened = new Map<string, Opened>();
  /** Allows other tabs to remove the folder. */
  release = (): void => {};

  constructor(id: string, directory: FileSystemDirectoryHandle) {
    this.id = id;
    this.#directory = directory;
  }

  /** Opens the folder until {@link release} or the worker's end. Waits while another tab replaces it. @throws `stopped` */
  static async use(id: string, signal: AbortSignal): Promise<KeptFolder> {
    const release = await new Promise<() => void>((resolve, reject) => {
      const held = () => new Promise<void>((end) => resolve(end));
      navigator.locks.request(lockOf(id), { mode: 'shared', signal }, held).catch((error) => reject(signal.aborted ? STOPPED : error));
    });
    try {
      const folder = new KeptFolder(id, await (await folderNamed(MODELS)).getDirectoryHandle(id, { create: true }));
      folder.release = release;
      return folder;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Size of a file, complete or not; 0 if there is none. */
  async size(file: string): Promise<number> {
    return (await fileIn(this.#directory, file))?.size ?? 0;
  }

  /** A small note beside the model's files, and when it was written. */
  async note(file: string): Promise<{ text: string; written: number } | null> {
    const found = await fileIn(this.#directory, file);
    return found && { text: await found.text(), written: found.lastModified };
  }

  /** Whether the file is complete and its hash was checked. */
  async isValid({ file, bytes, sha256 }: HashedFile): Promise<boolean> {
    return (await this.note(marker(file)))?.text === sha256 && (await this.size(file)) === bytes;
  }

  /** The hash of a file that is complete and has so many bytes; null if there is none. */
  async validHash(file: string, bytes: number): Promise<string | null> {
    const sha256 = (await this.note(marker(file)))?.text ?? '';
    return /^[0-9a-f]{64}$/.test(sha256) && (await this.size(file)) === bytes ? sha256 : null;
  }

  /** Marks a file as valid, after its hash was checked. */
  async markValid({ file, sha256 }: HashedFile): Promise<void> {
    await this.write(marker(file), new TextEncoder().encode(sha256));
  }

  /** @throws `model-changed` if the file was changed or removed since it was first read */
  async read(file: string, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const opened = this.#opened.get(file) ?? (await this.#open(file));
    const bytes = await opened.file
      .slice(start, end)
      .arrayBuffer()
      .catch((error: Error) => {
        throw changed(file, error.message);
      });
    if (bytes.byteLength !== end - start) throw failure('file-access', `${file} ends ${end - start - bytes.byteLength} bytes early`);
    return new Uint8Array(bytes);
  }

  /** Checks every file that has been read. @throws `model-changed` */
  async check(): Promise<void> {
    for (const [name, { handle, file }] of this.#opened) {
      const now = await handle.getFile().catch(() => null);
      if (!now) throw changed(name, 'it was removed');
      if (now.size !== file.size) throw changed(name, `it has ${now.size} bytes and had ${file.size}`);
      if (now.lastModified !== file.lastModified) throw changed(name, 'it was written anew');
    }
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    const writer = await this.append(file, 0);
    try {
      writer.write(bytes);
    } finally {
      writer.close();
    }
  }

  /** Appends to the first `size` bytes of a file; the rest is cut off. One writer at a time. */
  async append(file: string, size: number): Promise<Writer> {
    this.#opened.delete(file);
    const handle = await this.#directory.getFileHandle(file, { create: true });
    const access = await handle.createSyncAccessHandle();
    access.truncate(size);
    let at = size;
    return {
      write(bytes) {
        const count = access.write(bytes as Uint8Array<ArrayBuffer>, { at });
        // Beyond the quota, a private window returns some other count, which may also be too large.
        if (count !== bytes.length) throw new DOMException(`${bytes.length} bytes were not written`, 'QuotaExceededError');
        at += count;
      },
      close() {
        access.flush();
        access.close();
      },
    };
  }

  /** Takes a valid file from another folder: moves it if that folder is to be removed and the browser can, else copies it. */
  async take(file: HashedFile, from: KeptFolder, moves: boolean): Promise<void> {
    const source = (await from.#directory.getFileHandle(file.file)) as FileSystemFileHandle & {
      move?(to: FileSystemDirectoryHandle, name: string): Promise<void>;
    };
    if (moves && source.move) await source.move(this.#directory, file.file);
    else await this.write(file.file, new Uint8Array(await (await source.getFile()).arrayBuffer()));
    await this.markValid(file);
  }

  async #open(name: string): Promise<Opened> {
    try {
      const handle = await this.#directory.getFileHandle(name);
      const opened = { handle, file: await handle.getFile() };
      this.#opened.set(name, opened);
      return opened;
    } catch {
      throw failure('file-missing', `${name} is not kept any more`);
    }
  }
}

const changed = (file: string, reason: string) =>
  failure('model-changed', `${file} of the kept model is not what was loaded: ${reason}. Nothing is answered from two versions: load the model again`);
