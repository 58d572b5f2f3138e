/**
 * A model that is not kept: whole files are fetched when the engine reads them, and the last one stays in memory. For
 * browsers without storage, and for users without room.
 *
 * A host must not learn anything about the questions. So what the engine reads during an answer (an embedding row for
 * each token) is fetched before the first question, and once the model is loaded nothing is fetched at all.
 */

import type { Progress } from '../engine/protocol.js';
import { ask, counted } from './counted.js';
import { describeForeign } from './foreign.js';
import { failure, sha256Of, totalBytes, type HashedFile, type HashedModel, type ModelFiles } from './files.js';

/** The limit of what is held in memory. The embeddings of the released model, in 8 bits, have 0.55 GB. */
export const MOST_HELD_BYTES = 2 ** 30;

export interface UnkeptFiles extends ModelFiles {
  /** Fetches what must be held. @throws `memory`, `network`, `damaged`, `file-too-large` */
  hold(): Promise<void>;
}

interface Watcher {
  emit: (event: Progress) => void;
  signal: AbortSignal;
}

/** Fetches nothing yet. @throws `memory` if more would have to be held than the limit */
export function unkept(model: HashedModel, { emit, signal }: Watcher): UnkeptFiles {
  const known = new Map(model.files.map((file) => [file.file, file]));
  const held = new Map<string, Uint8Array>();
  let last: { name: string; bytes: Uint8Array } | null = null;
  let sealed = false;
  let done = 0;
  const total = totalBytes(model.files);
  const needed = totalBytes(model.readLater);
  if (needed > MOST_HELD_BYTES) throw noRoom(model, needed);

  async function fetched(file: HashedFile): Promise<Uint8Array> {
    const bytes = await whole(model.address(file), file, signal);
    done += file.bytes;
    if (done <= total) emit({ type: 'progress', phase: 'download', done, total });
    return bytes;
  }

  return {
    size: async (name) => known.get(name)?.bytes,
    async read(name, start, end) {
      const atHand = held.get(name) ?? (last?.name === name ? last.bytes : null);
      if (atHand) return atHand.slice(start, end);
      const file = known.get(name);
      if (!file) throw failure('file-missing', `${name} is no part of this model`);
      if (sealed)
        throw failure(
          'file-access',
          `${name} is not held, and is not fetched while the model answers: its host would learn what is asked. Let the model be kept`,
        );
      last = { name, bytes: await fetched(file) };
      return last.bytes.slice(start, end);
    },
    async hold() {
      try {
        for (const file of model.readLater) held.set(file.file, await fetched(file));
      } catch (error) {
        throw error instanceof RangeError ? noRoom(model, needed) : error;
      }
    },
    seal() {
      sealed = true;
      last = null;
    },
  };
}

const noRoom = ({ name }: HashedModel, needed: number) =>
  failure(
    'memory',
    `${needed} bytes of ${name || 'this model'}, its embeddings, do not fit into memory. A model that is not kept must hold them, since a host that is asked for single rows learns the question. ` +
      'Let the model be kept (HTTPS, no “no-keep”), or take a smaller one',
    { needed, most: MOST_HELD_BYTES },
  );

async function whole(url: URL, { bytes, sha256 }: HashedFile, signal: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await ask(url, { cache: 'no-store', signal });
  } catch (error) {
    throw failure('network', `${url}: ${(error as Error).message}`);
  }
  if (!response.ok) throw failure([404, 410].includes(response.status) ? 'file-missing' : 'network', `${url}: HTTP status ${response.status}`);
  const content = await counted(response, bytes, url);
  // On an insecure origin there are no hashes: only the length is checked.
  const isRight = content.length === bytes && (!globalThis.crypto?.subtle || (await sha256Of(content)) === sha256);
  const reason = describeForeign(content);
  if (!isRight) throw failure('damaged', `${url} sends other bytes than the manifest says${reason ? `: ${reason}` : ''}`);
  return content;
}
