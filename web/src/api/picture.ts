/** Turns a caller's picture into a file with a key that is made of its content, and has the engine read it. */

import type { Host, Picture, Watcher } from '../engine/host.js';
import type { PictureInfo, ReplyRequest } from '../engine/protocol.js';
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

/**
 * Has the engine read a picture. If the engine cannot decode it, the browser decodes and scales it.
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

/** The request with the picture shown in its first question. */
export function showing<R extends ReplyRequest>(request: R, picture: Picture | null): R {
  if (!picture) return request;
  const shown = { key: picture.key, at: 0 };
  const [first, ...rest] = request.before;
  if (!first) return { ...request, pictures: [shown, ...request.pictures] };
  return { ...request, before: [{ ...first, pictures: [shown, ...first.pictures] }, ...rest] };
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

/** On an insecure origin the browser has no hashes: then each picture gets a key of its own. */
async function keyOf(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return `${Date.now()}-${Math.random()}`;
  try {
    return await sha256Of(await blob.arrayBuffer());
  } catch {
    throw new InfLlavaError('file-access', 'the browser could not read the file; it may have been moved or changed');
  }
}
