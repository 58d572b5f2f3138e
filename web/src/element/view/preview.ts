/**
 * A picture's preview: the padded square that the model sees, drawn by the browser. The header is read first, since a
 * small file can hold gigabytes of pixels. Whether it is a valid picture is decided by the engine's decoder, not by the
 * preview.
 */

import { headerSize } from '../../api/header.js';

/** Up to this size, the file itself is drawn; a larger picture is scaled down as for the engine. */
const MOST_PIXELS = 24e6;
const MOST_SIDE = 16384;
/** The padding around a picture that is not square: CLIP's mean colour. */
const PADDING = 'rgb(122 116 104)';
const SIDE = 1008;

/** Null if none can be drawn. */
export async function previewOf(file: Blob): Promise<HTMLCanvasElement | null> {
  try {
    const size = headerSize(new Uint8Array(await file.slice(0, 1 << 18).arrayBuffer()));
    const small = size && size.kind !== 'other' && size.width * size.height <= MOST_PIXELS && Math.max(size.width, size.height) <= MOST_SIDE;
    if (small) return paddedSquare(await createImageBitmap(file));
    const { decodeByBrowser } = await import('../../api/decode.js');
    const decoded = await decodeByBrowser(file);
    return decoded && paddedSquare(await createImageBitmap(decoded.blob));
  } catch {
    return null; // the engine will report what is wrong with it
  }
}

/** A small copy of a preview. @param side  in pixels */
export function thumbnail(preview: HTMLCanvasElement, side: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(preview, 0, 0, side, side);
  return canvas;
}

function paddedSquare(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext('2d')!;
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.fillStyle = PADDING;
  context.fillRect(0, 0, SIDE, SIDE);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  bitmap.close();
  return canvas;
}
