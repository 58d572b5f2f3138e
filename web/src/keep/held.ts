/** A model that was made here and cannot be kept: its files stay in memory, as long as they are needed. */

import type { ConversionPart, ConversionPlan } from '../engine/generated.js';
import type { Sink } from './convert.js';
import { failure, sha256Of, type ModelFiles } from './files.js';
import { MOST_HELD_BYTES } from './unkept.js';

/** Stands for a hash on an insecure origin, where there are none, and where nothing is compared with it. */
const NO_HASH = '0'.repeat(64);

export class HeldFiles implements Sink {
  readonly #plan: ConversionPlan;
  readonly #held = new Map<string, Blob>();

  /** @throws `memory` if all of it is more than the limit */
  constructor(plan: ConversionPlan) {
    this.#plan = plan;
    const needed = [...plan.files, ...plan.shards].reduce((bytes, part) => bytes + part.bytes, 0);
    if (needed > MOST_HELD_BYTES) throw noRoom(plan, needed);
  }

  async has(): Promise<null> {
    return null;
  }

  async put({ file }: ConversionPart, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    this.#held.set(file, new Blob([bytes]));
    return globalThis.crypto?.subtle ? sha256Of(bytes) : NO_HASH;
  }

  /** The files as the engine reads them: once the model is loaded, the embeddings only. */
  files(): ModelFiles {
    const later = new Set(this.#plan.embeddings.map((index) => this.#plan.shards[index]?.file));
    return {
      size: async (file) => this.#held.get(file)?.size,
      read: async (file, start, end) => {
        const blob = this.#held.get(file);
        if (!blob) throw failure('file-missing', `${file} is not held any more`);
        return new Uint8Array(await blob.slice(start, end).arrayBuffer());
      },
      seal: () => {
        for (const file of this.#held.keys()) if (!later.has(file)) this.#held.delete(file);
      },
    };
  }
}

const noRoom = ({ name }: ConversionPlan, needed: number) =>
  failure(
    'memory',
    `${needed} bytes of ${name || 'this model'} do not fit into memory, and a model that is not kept must be held whole. Let the model be kept (HTTPS, no “no-keep”), or take a smaller one`,
    { needed, most: MOST_HELD_BYTES },
  );
