/**
 * What the engine's own decoder does not take and the browser does: pictures of more pixels, AVIF, HEIC, SVG. The browser
 * decodes and scales them to what a model needs at most; its pixels may differ a little from the engine's. Sizes are
 * looked at before anything is decoded, and what no device could hold stays refused.
 */

import { asPng, type Decoded } from './draw.js';
import { headerSize } from './header.js';

/** The largest picture that the browser may decode, which takes 480 MB. Phone cameras have up to 108 megapixels. */
const MOST_PIXELS = 120e6;
/** Vector drawings have no pixels of their own. */
const DRAWING_SIDE = 1344;
const HEADER_BYTES = 1 << 18;

const decoded = new WeakMap<Blob, Promise<Decoded | null>>();

/** Null if the browser cannot decode it, or must not. The same blob is decoded once. */
export function decodeByBrowser(blob: Blob): Promise<Decoded | null> {
  if (!decoded.has(blob))
    decoded.set(
      blob,
      decode(blob).catch(() => null),
    );
  return decoded.get(blob)!;
}

async function decode(blob: Blob): Promise<Decoded | null> {
  const bytes = new Uint8Array(await blob.slice(0, HEADER_BYTES).arrayBuffer());
  const size = headerSize(bytes);
  if (size) {
    if (size.width * size.height > MOST_PIXELS) return null;
    const bitmap = await createImageBitmap(blob);
    try {
      return await asPng({ source: bitmap, width: bitmap.width, height: bitmap.height });
    } finally {
      bitmap.close();
    }
  }
  // Only the browser can find out its size: an `<img>` does, without decoding anything.
  return globalThis.document && isOtherImage(bytes) ? decodeByElement(blob) : null;
}

/** SVG, JPEG XL, TIFF or an icon. Other text is not tried: a page with a strict policy would report a violation. */
function isOtherImage(bytes: Uint8Array): boolean {
  const starts = (...wanted: number[]) => wanted.every((byte, at) => bytes[at] === byte);
  return (
    isSvg(bytes) ||
    starts(0xff, 0x0a) ||
    starts(0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20) ||
    starts(0x49, 0x49, 42, 0) ||
    starts(0x4d, 0x4d, 0, 42) ||
    starts(0, 0, 1, 0)
  );
}

const isSvg = (bytes: Uint8Array): boolean => /^\s*<(?:\?xml|!--|!doctype svg|svg)[\s\S]*?/i.test(textOf(bytes)) && /<svg[\s>]/i.test(textOf(bytes));
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, 8192)).replace(/^\ufeff/, '');

async function decodeByElement(blob: Blob): Promise<Decoded | null> {
  const svg = isSvg(new Uint8Array(await blob.slice(0, 8192).arrayBuffer()));
  // An `<img>` relies on the media type alone.
  const url = URL.createObjectURL(svg ? new Blob([blob], { type: 'image/svg+xml' }) : blob);
  try {
    const image = new Image();
    image.src = url;
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
    });
    const { naturalWidth, naturalHeight } = image;
    // For a drawing without a size of its own, browsers use these.
    const [width, height] = naturalWidth && naturalHeight ? [naturalWidth, naturalHeight] : [300, 150];
    if (!svg && width * height > MOST_PIXELS) return null;
    return await asPng({ source: image, width, height }, svg ? Math.max(1, DRAWING_SIDE / Math.max(width, height)) : 1);
  } finally {
    URL.revokeObjectURL(url);
  }
}
