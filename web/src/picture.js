/**
 * A picture file on its way in: its size on disk is checked, its header is read for the size in
 * pixels, and a small square preview is drawn as the model will see it. Whether it is a picture at
 * all is for the engine to say, which has the one decoder that counts.
 */

import { strings } from './strings.js';

/** More than an uncompressed picture of the most pixels that the engine reads. */
export const MOST_FILE_BYTES = 128e6;
/** Beyond these the browser's own decoder is not asked for a preview: a small file can hold gigabytes of pixels. */
const MOST_PREVIEW_PIXELS = 24e6;
const MOST_PREVIEW_SIDE = 16384;
/** What the model sees around a picture that is not square: CLIP's mean colour. */
const PADDING = 'rgb(122 116 104)';
const PREVIEW_SIDE = 1008;

/**
 * @typedef {object} Picture
 * @property {File} file
 * @property {string} name
 * @property {HTMLCanvasElement|null} preview  the padded square, or null where none can be drawn
 * @property {string[]} remarks  what the user should know about the choice
 * @property {string[]} questions  to offer about it: samples have some
 */

/**
 * @param {File} file
 * @param {string[]} remarks
 * @returns {Promise<Picture>}
 * @throws {import('./protocol.js').EngineError}
 */
export async function openPicture(file, remarks) {
  if (file.size > MOST_FILE_BYTES) {
    throw { code: 'page', message: strings.fileTooLarge(file.size, MOST_FILE_BYTES) };
  }
  return { file, name: strings.pictureName(file.name), preview: await preview(file), remarks, questions: [] };
}

/** @param {Picture} picture */
export async function pictureBytes(picture) {
  try {
    return new Uint8Array(await picture.file.arrayBuffer());
  } catch {
    throw { code: 'page', message: strings.fileUnreadable };
  }
}

async function preview(file) {
  try {
    const size = headerSize(new Uint8Array(await file.slice(0, 1 << 18).arrayBuffer()));
    if (!size || size.width * size.height > MOST_PREVIEW_PIXELS) return null;
    if (Math.max(size.width, size.height) > MOST_PREVIEW_SIDE) return null;
    return paddedSquare(await createImageBitmap(file));
  } catch {
    return null; // the engine will say what is wrong with it
  }
}

/** @param {ImageBitmap} bitmap */
function paddedSquare(bitmap) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = PREVIEW_SIDE;
  const context = canvas.getContext('2d');
  const scale = PREVIEW_SIDE / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.fillStyle = PADDING;
  context.fillRect(0, 0, PREVIEW_SIDE, PREVIEW_SIDE);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, (PREVIEW_SIDE - width) / 2, (PREVIEW_SIDE - height) / 2, width, height);
  bitmap.close();
  return canvas;
}

/**
 * Width and height as a file's header states them, or null where no known header is found.
 * @param {Uint8Array} bytes  the beginning of the file
 */
export function headerSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (text, at = 0) => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (starts('\x89PNG') && bytes.length >= 24) return { width: view.getUint32(16), height: view.getUint32(20) };
  if (starts('GIF8') && bytes.length >= 10) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (starts('BM') && bytes.length >= 26) {
    return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  }
  if (starts('RIFF') && starts('WEBP', 8) && bytes.length >= 30) return webpSize(view, starts);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegSize(view);
  return null;
}

function webpSize(view, starts) {
  if (starts('VP8 ', 12)) return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (starts('VP8L', 12)) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  if (!starts('VP8X', 12)) return null;
  const uint24 = (at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  return { width: uint24(24) + 1, height: uint24(27) + 1 };
}

/** Walks the segments to the frame header (SOF0 to SOF15, but for DHT, JPG and DAC, which share its range). */
function jpegSize(view) {
  for (let at = 2; at + 9 < view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}
