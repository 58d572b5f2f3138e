/**
 * The manifest of a converted model (docs/FORMAT.md), as far as downloading needs it; the engine checks the rest. A
 * manifest is not trusted: names must stay in the folder, and sizes are limited.
 */

import type { PlainError } from '../engine/protocol.js';
import { failure, type HashedFile } from './files.js';
import { describeForeign } from './foreign.js';

export interface Manifest {
  bytes: Uint8Array<ArrayBuffer>;
  name: string;
  license: string;
  files: HashedFile[];
  /** The files that hold embeddings. */
  readLater: HashedFile[];
}

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 'inf-llava';
/** The tensor whose rows are read during an answer. */
const EMBEDDINGS = 'model.embed_tokens.weight';
export const MOST_MANIFEST_BYTES = 16 * 2 ** 20;
const MOST_FILE_BYTES = 64 * 2 ** 20;
const MOST_FILES = 4160;
/** The limit of a name or a licence, which are shown. */
const MOST_CHARACTERS = 200;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Whether it is a manifest of this format, of any version: many sites have a manifest.json of another kind. */
export function isManifest(bytes: Uint8Array): boolean {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))?.format === FORMAT;
  } catch {
    return false;
  }
}

/** @throws `manifest` */
export function parseManifest(bytes: Uint8Array<ArrayBuffer>): Manifest {
  const bad = (reason: string) => failure('manifest', `${MANIFEST_FILE}: ${reason}`);
  const json = read(bytes, bad);
  if (json?.format !== FORMAT || json.version !== 1) {
    throw bad(`format ${JSON.stringify(json?.format)}, version ${JSON.stringify(json?.version)} is not known here`);
  }
  const files = [...list(json.files), ...list(json.shards)];
  if (files.length > MOST_FILES) throw bad(`${files.length} files are too many`);
  const names = new Set([MANIFEST_FILE]);
  for (const entry of files) {
    const { file, bytes: size, sha256 } = entry ?? {};
    const isGood = typeof file === 'string' && NAME.test(file) && typeof sha256 === 'string' && SHA256.test(sha256);
    if (!isGood || !Number.isInteger(size) || size < 0 || size > MOST_FILE_BYTES) throw bad(`${JSON.stringify(entry)} is no file`);
    if (names.has(file)) throw bad(`${file} is named twice`);
    names.add(file);
  }
  const hashed = ({ file, bytes: size, sha256 }: HashedFile): HashedFile => ({ file, bytes: size, sha256 });
  const shards = new Set(list(json.tensors?.[EMBEDDINGS]?.pieces).map((piece) => piece?.shard));
  return {
    bytes,
    name: line(json.name),
    license: line(json.license),
    files: files.map(hashed),
    readLater: list(json.shards)
      .filter((_, at) => shards.has(at))
      .map(hashed),
  };
}

function read(bytes: Uint8Array<ArrayBuffer>, bad: (reason: string) => PlainError) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw bad(describeForeign(bytes) ?? `it is no JSON (${(error as Error).message})`);
  }
}

/** One line, without control and bidi characters. */
const line = (text: unknown): string =>
  String(text ?? '')
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, MOST_CHARACTERS);

// biome-ignore lint/suspicious/noExplicitAny: of an untrusted file; every field is checked where it is used
const list = (value: unknown): any[] => (Array.isArray(value) ? value : []);
