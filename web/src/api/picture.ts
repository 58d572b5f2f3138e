/** A picture on its way in: whatever a caller has, as a file with a key made of its content. */

import type { Picture } from '../engine/host.js';
import { sha256Of } from '../keep/files.js';
import { InfLlavaError } from './errors.js';

/** A file, its bytes, or a `data:` URL. Nothing is fetched: a page that wants a picture of another host fetches it. */
export type ImageInput = Blob | ArrayBuffer | Uint8Array | string;

/** More than an uncompressed picture of the most pixels that the engine reads. */
export const MOST_FILE_BYTES = 128e6;
const DATA_URL = /^data:([\w+.-]+\/[\w+.-]+)?((?:;[\w-]+=[\w-]+)*)(;base64)?,/;

/** @throws `image-url`, `image-file-too-large`, `file-access` */
export async function openPicture(image: ImageInput, name?: string): Promise<Picture> {
  const blob = asBlob(image);
  if (blob.size > MOST_FILE_BYTES) {
    throw new InfLlavaError('image-file-too-large', `the file has ${blob.size} bytes; at most ${MOST_FILE_BYTES} can be read here. Scale the picture down first`, {
      bytes: blob.size,
      most: MOST_FILE_BYTES,
    });
  }
  return { key: await keyOf(blob), name: name ?? (blob instanceof File ? blob.name : '') ?? '', blob };
}

function asBlob(image: ImageInput): Blob {
  if (image instanceof Blob) return image;
  if (typeof image !== 'string') return new Blob([image as Uint8Array<ArrayBuffer>]);
  const match = DATA_URL.exec(image);
  if (!match) {
    throw new InfLlavaError('image-url', 'only data: URLs are taken; fetch a picture of another address yourself and pass its bytes');
  }
  const body = image.slice(match[0].length);
  try {
    const text = match[3] ? atob(decodeURIComponent(body)) : decodeURIComponent(body);
    return new Blob([Uint8Array.from(text, (character) => character.charCodeAt(0))], { type: match[1] ?? '' });
  } catch {
    throw new InfLlavaError('image-url', 'the data: URL is damaged');
  }
}

/** Where the browser hashes nothing (an insecure origin), a picture is only ever equal to itself. */
async function keyOf(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return `${Date.now()}-${Math.random()}`;
  try {
    return await sha256Of(await blob.arrayBuffer());
  } catch {
    throw new InfLlavaError('file-access', 'the browser could not read the file; it may have been moved or changed');
  }
}
