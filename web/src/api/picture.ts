/** A picture on its way in: whatever a caller has, as a file with a key made of its content, read by the engine. */

import type { Host, Picture, Watcher } from '../engine/host.js';
import type { PictureInfo } from '../engine/protocol.js';
import { sha256Of } from '../keep/files.js';
import { InfLlavaError } from '../errors.js';
import { blobOf, type ImageInput } from './picture-input.js';

/** More than an uncompressed picture of the most pixels that the engine reads. */
export const MOST_FILE_BYTES = 128e6;
/** What the engine says of pictures that the browser may take instead; what is damaged is damaged everywhere. */
const FOR_THE_BROWSER = ['image-format', 'image-too-large'];

/** @throws InfLlavaError as {@link blobOf} */
export async function fileOf(image: ImageInput, name?: string): Promise<File> {
  const blob = await blobOf(image);
  const named = name === undefined || name === null ? ((blob as Partial<File>).name ?? '') : String(name);
  return new File([blob], named, { type: blob.type });
}

/**
 * Has the engine read a picture: as it is, or, where it takes none such, as the browser decodes and scales it.
 *
 * @throws InfLlavaError `image-*`, `option`, `file-access`, and as any command of the engine
 */
export async function readPicture(host: Host, image: ImageInput, name: string | undefined, watcher: Watcher): Promise<{ picture: Picture; info: PictureInfo }> {
  const blob = await blobOf(image);
  const picture = await pictureOf(blob, name ?? (blob as Partial<File>).name ?? '');
  try {
    return { picture, info: await host.readPicture(picture, watcher) };
  } catch (error) {
    if (!FOR_THE_BROWSER.includes((error as InfLlavaError).code)) throw error;
    const { decodeByBrowser } = await import('./decode.js');
    const decoded = await decodeByBrowser(blob);
    if (!decoded) throw error;
    const scaled = await pictureOf(decoded.blob, picture.name);
    const { width, height } = decoded;
    return { picture: scaled, info: { ...(await host.readPicture(scaled, watcher)), width, height, by_browser: true } };
  }
}

async function pictureOf(blob: Blob, name: string): Promise<Picture> {
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

/** Where the browser hashes nothing (an insecure origin), a picture is only ever equal to itself. */
async function keyOf(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return `${Date.now()}-${Math.random()}`;
  try {
    return await sha256Of(await blob.arrayBuffer());
  } catch {
    throw new InfLlavaError('file-access', 'the browser could not read the file; it may have been moved or changed');
  }
}
