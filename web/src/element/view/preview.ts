/**
 * A picture's preview: the padded square that the model sees, drawn by the browser. Its header is read first, since a
 * small file can hold gigabytes of pixels. Whether it is a picture at all is for the engine to say, which has the one
 * decoder that counts.
 */

const MOST_PIXELS = 24e6;
const MOST_SIDE = 16384;
/** What the model sees around a picture that is not square: CLIP's mean colour. */
const PADDING = 'rgb(122 116 104)';
const SIDE = 1008;

/** Null where none can be drawn. */
export async function previewOf(file: Blob): Promise<HTMLCanvasElement | null> {
  try {
    const size = headerSize(new Uint8Array(await file.slice(0, 1 << 18).arrayBuffer()));
    if (!size || size.width * size.height > MOST_PIXELS || Math.max(size.width, size.height) > MOST_SIDE) return null;
    return paddedSquare(await createImageBitmap(file));
  } catch {
    return null; // the engine will say what is wrong with it
  }
}

/** A small copy of a preview. @param side  px */
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

interface Size {
  width: number;
  height: number;
}

/** Width and height as a file's header states them, or null where no known header is found. */
export function headerSize(bytes: Uint8Array): Size | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (text: string, at = 0) => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (starts('\x89PNG') && bytes.length >= 24) return { width: view.getUint32(16), height: view.getUint32(20) };
  if (starts('GIF8') && bytes.length >= 10) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (starts('BM') && bytes.length >= 26) return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  if (starts('RIFF') && starts('WEBP', 8) && bytes.length >= 30) return webpSize(view, starts);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegSize(view);
  return null;
}

function webpSize(view: DataView, starts: (text: string, at: number) => boolean): Size | null {
  if (starts('VP8 ', 12)) return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (starts('VP8L', 12)) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  if (!starts('VP8X', 12)) return null;
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  return { width: uint24(24) + 1, height: uint24(27) + 1 };
}

/** Walks the segments to the frame header (SOF0 to SOF15, but for DHT, JPG and DAC, which share its range). */
function jpegSize(view: DataView): Size | null {
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
