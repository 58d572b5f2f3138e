/** Width and height as a picture's header states them: known before anything is decoded, since a small file can hold gigabytes of pixels. */

export interface Size {
  width: number;
  height: number;
  /** Whether the engine can decode this format; else at most the browser can. */
  kind: 'engine' | 'other';
}

/** Width and height as a file's header states them, or null where no known header is found. */
export function headerSize(bytes: Uint8Array): Size | null {
  const own = engineSize(bytes);
  return own ? { ...own, kind: 'engine' } : otherSize(bytes);
}

type Pixels = Omit<Size, 'kind'>;

function engineSize(bytes: Uint8Array): Pixels | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (text: string, at = 0) => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (starts('\x89PNG') && bytes.length >= 24) return { width: view.getUint32(16), height: view.getUint32(20) };
  if (starts('GIF8') && bytes.length >= 10) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (starts('BM') && bytes.length >= 26) return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  if (starts('RIFF') && starts('WEBP', 8) && bytes.length >= 30) return webpSize(view, starts);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegSize(view);
  return null;
}

function webpSize(view: DataView, starts: (text: string, at: number) => boolean): Pixels | null {
  if (starts('VP8 ', 12)) return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (starts('VP8L', 12)) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  if (!starts('VP8X', 12)) return null;
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  return { width: uint24(24) + 1, height: uint24(27) + 1 };
}

/** Walks the segments to the frame header (SOF0 to SOF15, except DHT, JPG and DAC, which lie in the same range). */
function jpegSize(view: DataView): Pixels | null {
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

/** AVIF and HEIC consist of ISO media boxes; an `ispe` box has the size of one item, and the largest is the whole picture's. */
function otherSize(bytes: Uint8Array): Size | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(4) !== fourCharacters('ftyp')) return null;
  let largest: Size | null = null;
  const ispe = fourCharacters('ispe');
  for (let at = 8; at + 16 <= bytes.length; at += 1) {
    if (view.getUint32(at) !== ispe) continue;
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (!largest || width * height > largest.width * largest.height) largest = { width, height, kind: 'other' };
  }
  return largest;
}

const fourCharacters = (text: string): number => [...text].reduce((number, character) => number * 256 + character.charCodeAt(0), 0);
