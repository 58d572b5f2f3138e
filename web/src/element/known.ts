/** Which of the known models this device can hold, before anything is downloaded. */

import { capabilities, storageOf, type Capabilities } from '../api/capabilities.js';
import type { KnownModel } from '../engine/generated.js';
import { KNOWN_MODELS } from '../engine/known-models.js';

/** The one to try first: it answers about photographs, and most devices have room for it. */
const FIRST = 'smolvlm2-500m';
/** Part of the device's memory that a model may take: the browser and the system need the rest. */
const SHARE = 0.75;
/** Assumed where the browser does not say how much memory there is. */
const UNKNOWN_BYTES = 1e9;
/** A wasm memory ends at 4 GiB, and holds more than the model. */
const WASM_BYTES = 3 * 2 ** 30;

export interface Room {
  memoryBytes: number;
  /** What the browser may still keep; null: nothing is kept, or it does not say. */
  storageBytes: number | null;
}

/** The models of the hub that fit, smallest first, but the one to try first in front. */
export function fitting({ memoryBytes, storageBytes }: Room, models: readonly KnownModel[] = KNOWN_MODELS): KnownModel[] {
  const found = models.filter((known) => known.id !== null && known.memory_bytes <= memoryBytes && (storageBytes === null || known.kept_bytes <= storageBytes));
  return [...found.filter(({ short }) => short === FIRST), ...found.filter(({ short }) => short !== FIRST)];
}

/** @param device  where a model would run; null: nowhere */
function roomFor(device: Capabilities['device'], { keeps, quota_bytes: quota, usage_bytes: usage }: Capabilities['storage']): Room {
  const { deviceMemory } = navigator as { deviceMemory?: number };
  const memory = deviceMemory === undefined ? UNKNOWN_BYTES : deviceMemory * 2 ** 30 * SHARE;
  return {
    memoryBytes: device === null ? 0 : device === 'cpu' ? Math.min(memory, WASM_BYTES) : memory,
    storageBytes: keeps && quota !== null ? quota - (usage ?? 0) : null,
  };
}

/** All that fit here. */
export async function fittingHere(): Promise<KnownModel[]> {
  const { device, storage } = await capabilities();
  return fitting(roomFor(device, storage));
}

/** The first that fits here without a graphics card, which is not asked for: a page may do without. */
export async function firstHere(): Promise<KnownModel | null> {
  return fitting(roomFor('cpu', await storageOf()))[0] ?? null;
}
