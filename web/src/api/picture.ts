/** Turns a caller's picture into a file with a key that is made of its content, and has the engine read it. */

import type { Host, Look, Picture, Watcher } from '../engine/host.js';
import type { Detail, PictureInfo, Shown } from '../engine/protocol.js';
import { sha256Of } from '../keep/files.js';
import { InfLlavaError } from '../errors.js';
import { blobOf, type ImageInput } from './picture-input.js';

/** Larger than an uncompressed picture with as many pixels as the engine reads. */
export const MOST_FILE_BYTES = 128e6;
/** Errors of the engine after which the browser may decode the picture instead; a damaged file is damaged for both. */
const FOR_THE_BROWSER = ['image-format', 'image-too-large'];

/** @throws InfLlavaError as {@link blobOf} */
export async function fileOf(image: ImageInput, name?: string): Promise<File> {
  const blob = await blobOf(image);
  const named = name === undefined || name === null ? ((blob as Partial<File>).name ?? '') : String(name);
  return new File([blob], named, { type: blob.type });
}

export interface ReadOptions {
  name?: string | undefined;
  detail?: Detail | undefined;
  /** Whether it will be its conversation's only one, as far as is known. */
  isOnly: boolean;
}

/**
 * Has the engine read a picture. If the engine cannot decode it, the browser decodes and scales it.
 *
 * @throws InfLlavaError `image-*`, `option`, `file-access`, and as any command of the engine
 */
export async function readPicture(host: Host, image: ImageInput, options: ReadOptions, watcher: Watcher): Promise<{ look: Look; info: PictureInfo }> {
  const { name, detail = 'auto', isOnly } = options;
  const blob = await blobOf(image);
  const look = { picture: await pictureOf(blob, name ?? (blob as Partial<File>).name ?? ''), detail };
  try {
    return { look, info: await host.readPicture(look, isOnly, watcher) };
  } catch (error) {
    if (!FOR_THE_BROWSER.includes((error as InfLlavaError).code)) throw error;
    const { decodeByBrowser } = await import('./decode.js');
    const decoded = await decodeByBrowser(blob);
    if (!decoded) throw error;
    const scaled = { picture: await pictureOf(decoded.blob, look.picture.name), detail };
    const { width, height } = decoded;
    return { look: scaled, info: { ...(await host.readPicture(scaled, isOnly, watcher)), width, height, by_browser: true } };
  }
}

/** A picture as a request shows it, in front of the question's text. */
export const shown = ({ picture, detail }: Look): Shown => ({ key: picture.key, at: 0, detail });

/** @throws InfLlavaError `image-file-too-large`, `file-access` */
export async function pictureOf(blob: Blob, name: string): Promise<Picture> {
  if (blob.size > MOST_FILE_BYTES) {
    throw new InfLlavaError(
      'image-file-too-large',
      `the file has ${blob.size} bytes; at most ${MOST_FILE_BYTES} can be read here. Scale the picture down first`,
      {
        bytes: blob.size,
        most: MOST_FILE_BYTES,
      },
    );
  }
  return { key: await keyOf(blob), name, blob };
}

/** On an insecure origin the browser has no hashes: then each picture gets a key of its own. */
async function keyOf(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return `${Date.now()}-${Math.random()}`;
  try {
    return await sha256Of(await blob.arrayBuffer());
  } catch {
    throw new InfLlavaError('file-access', 'the browser could not read the file; it may have been moved or changed');
  }
}
