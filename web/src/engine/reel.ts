/** The file in which the frames of a video go to the engine: see `image/clip/reel.rs`. */

import type { ReelHead } from './generated.js';

const MAGIC = Uint8Array.of(0x89, 0x49, 0x4c, 0x52, 0x45, 0x45, 0x4c, 0x0a);

/** @param files  the pictures of `head.frames`; an animated picture, if it has none */
export function packed(head: ReelHead, files: readonly Blob[]): Blob {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length, true);
  return new Blob([MAGIC, length, json, ...files]);
}

export const isReel = (bytes: Uint8Array): boolean => MAGIC.every((byte, at) => bytes[at] === byte);
