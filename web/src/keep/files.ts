/** What a model is made of, as far as fetching and keeping it goes. */

export interface HashedFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** A model whose files can be told right from wrong. */
export interface HashedModel {
  /** The folder's name where it is kept: see {@link folderId}. */
  id: string;
  /** Hash of where it comes from. Several versions may come from there, one after another. */
  origin: string;
  /** Changes with every byte of the model. */
  identity: string;
  name: string;
  license: string;
  /** Of a converted model: it names the files, and is kept with them. */
  manifest: Uint8Array<ArrayBuffer> | null;
  /** All others, small ones first. */
  files: HashedFile[];
  /** Those of them that the engine reads while it answers: the rows of the embeddings, one for each token. */
  readLater: HashedFile[];
  address(file: HashedFile): URL;
}

/** What the engine reads from. */
export interface ModelFiles {
  size(file: string): Promise<number | undefined>;
  read(file: string, start: number, end: number): Promise<Uint8Array>;
  /** The model is loaded: from now on nothing may be fetched, since what is read depends on what is asked. */
  seal?(): void;
  /** Whether they still are what was loaded. @throws `model-changed` */
  check?(): Promise<void>;
  /** They are not needed any more. */
  release?(): void;
}

export const totalBytes = (files: readonly HashedFile[]): number => files.reduce((bytes, file) => bytes + file.bytes, 0);

/** In hexadecimal digits. */
export async function sha256Of(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What is thrown by the worker's code: the engine's errors look the same. */
export const failure = (code: string, message: string, details?: Record<string, unknown>) => ({ code, message, details });

export const STOPPED = Object.freeze(failure('stopped', 'stopped'));
