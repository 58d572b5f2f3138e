/** A model's files, for fetching and keeping them. */

export interface HashedFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** A model whose files have hashes. */
export interface HashedModel {
  /** The name of the folder that keeps it: see {@link folderId}. */
  id: string;
  /** Hash of its address. Several versions may come from the same address over time. */
  origin: string;
  /** Changes with every byte of the model. */
  identity: string;
  name: string;
  license: string;
  /** The manifest of a converted model, which is kept with the files. */
  manifest: Uint8Array<ArrayBuffer> | null;
  /** All other files, small ones first. */
  files: HashedFile[];
  /** Files that the engine reads during an answer: they hold the embeddings, of which it reads a row for each token. */
  readLater: HashedFile[];
  address(file: HashedFile): URL;
}

/** The files as the engine reads them. */
export interface ModelFiles {
  size(file: string): Promise<number | undefined>;
  read(file: string, start: number, end: number): Promise<Uint8Array>;
  /** Called once the model is loaded: nothing may be fetched after that, since later reads depend on the questions. */
  seal?(): void;
  /** Checks that the files are still the ones that were loaded. @throws `model-changed` */
  check?(): Promise<void>;
  /** Releases files that are no longer needed. */
  release?(): void;
}

export const totalBytes = (files: readonly HashedFile[]): number => files.reduce((bytes, file) => bytes + file.bytes, 0);

/** In hexadecimal digits. */
export async function sha256Of(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** An error of the worker's code; the engine's errors have the same form. */
export const failure = (code: string, message: string, details?: Record<string, unknown>) => ({ code, message, details });

export const STOPPED = Object.freeze(failure('stopped', 'stopped'));
