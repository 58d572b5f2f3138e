/** Turns whatever a page has as a picture into a file. */

import { kindOf } from './kind.js';
import { asPng, type Drawn } from './draw.js';
import { InfLlavaError } from '../errors.js';

/** Something that can be drawn: its pixels are copied at once. */
export type DrawableInput = HTMLImageElement | SVGImageElement | HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | ImageBitmap | ImageData | VideoFrame;

/**
 * A file or its bytes, a `data:` URL, an element or a canvas that shows it, or a list with one of these. Nothing is
 * fetched: a page that wants a picture of another host fetches it, or has an element show it.
 */
export type ImageInput = Blob | BufferSource | string | URL | DrawableInput | FileList | readonly (Blob | string)[];

/** As lenient as browsers: parameters of any kind, quoted or not. */
const DATA_URL = /^data:([^,]*),/i;

/** The `readyState` from which on a video has a frame to show. */
const HAS_PICTURE = 2;

/** @throws InfLlavaError `option` (naming what was passed), `image-url`, `image-damaged` */
export async function blobOf(image: unknown): Promise<Blob> {
  // By its tag, not by `instanceof`: another frame has classes of its own.
  const kind = Object.prototype.toString.call(image).slice(8, -1);
  if (kind === 'Blob' || kind === 'File') return image as Blob;
  if (typeof image === 'string' || kind === 'URL') return fromDataUrl(String(image));
  if (kind === 'ArrayBuffer' || kind === 'SharedArrayBuffer' || ArrayBuffer.isView(image)) return fromBytes(image as ArrayBuffer | ArrayBufferView);
  if (kind === 'FileList' || Array.isArray(image)) return theOne(image as ArrayLike<unknown>);
  const drawn = drawable(kind, image);
  // Awaited only if necessary: the page may go on drawing in the meantime.
  if (drawn) return fromDrawn(kind, 'then' in drawn ? await drawn : drawn);
  throw new InfLlavaError(
    'option',
    `a picture cannot be taken from ${kindOf(image)}: give a file, its bytes, a data: URL, or an image, canvas or video element`,
  );
}

async function theOne(list: ArrayLike<unknown>): Promise<Blob> {
  if (list.length === 1) return blobOf(list[0]);
  throw new InfLlavaError('option', `a list with one picture is needed, and this one has ${list.length}`);
}

function fromBytes(bytes: ArrayBuffer | ArrayBufferView): Blob {
  const { detached } = (ArrayBuffer.isView(bytes) ? bytes.buffer : bytes) as { detached?: boolean };
  if (detached) throw new InfLlavaError('option', 'these bytes were given to somebody else (their buffer is detached): keep a copy');
  const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
  return new Blob([view.slice()]); // a copy: a Blob refuses shared memory, and the page may go on writing
}

function fromDataUrl(url: string): Blob {
  const match = DATA_URL.exec(url);
  if (!match) throw new InfLlavaError('image-url', 'only data: URLs are taken; fetch a picture of another address yourself and pass its bytes');
  const [type = '', ...words] = match[1]!.split(';').map((word) => word.trim());
  // In a drawing written as text, %xx stands for a byte, and characters beyond ASCII stand for themselves.
  const binary = url
    .slice(match[0].length)
    .replace(/%([\da-f]{2})|[^\0-\x7f]+/gi, (sign, hex) => String.fromCharCode(...(hex ? [parseInt(hex, 16)] : new TextEncoder().encode(sign))));
  try {
    const text = words.at(-1)?.toLowerCase() === 'base64' ? atob(binary) : binary;
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return new Blob([bytes], { type });
  } catch {
    throw new InfLlavaError('image-url', 'the data: URL is damaged');
  }
}

/** Null if it cannot be drawn. */
function drawable(kind: string, image: unknown): Promise<Drawn> | Drawn | null {
  switch (kind) {
    case 'HTMLImageElement':
      return complete(image as HTMLImageElement);
    case 'SVGImageElement': {
      const { width, height } = image as SVGImageElement;
      const drawn = { source: image as SVGImageElement, width: width.baseVal.value, height: height.baseVal.value };
      // It has a size even before its picture is loaded, or if that fails.
      return (
        (image as { decode?: () => Promise<void> }).decode?.().then(
          () => drawn,
          () => ({ ...drawn, width: 0 }),
        ) ?? drawn
      );
    }
    case 'HTMLVideoElement': {
      const { videoWidth, videoHeight: height, readyState } = image as HTMLVideoElement;
      return { source: image as HTMLVideoElement, width: readyState < HAS_PICTURE ? 0 : videoWidth, height };
    }
    case 'VideoFrame': {
      const { displayWidth: width, displayHeight: height } = image as VideoFrame;
      return { source: image as VideoFrame, width, height };
    }
    case 'HTMLCanvasElement':
    case 'OffscreenCanvas':
    case 'ImageBitmap': {
      const { width, height } = image as HTMLCanvasElement | OffscreenCanvas | ImageBitmap;
      return { source: image as HTMLCanvasElement | OffscreenCanvas | ImageBitmap, width, height };
    }
    case 'ImageData': {
      const data = image as ImageData;
      return createImageBitmap(data).then((source) => ({ source, width: data.width, height: data.height }));
    }
    default:
      return null;
  }
}

function complete(image: HTMLImageElement): Promise<Drawn> | Drawn {
  const drawn = () => ({ source: image, width: image.naturalWidth, height: image.naturalHeight });
  if (image.complete) return drawn();
  // A lazy image out of sight would never load.
  if (image.loading === 'lazy') image.loading = 'eager';
  return image.decode().then(drawn, drawn); // after a failure its size is 0
}

async function fromDrawn(kind: string, drawn: Drawn): Promise<Blob> {
  if (!(drawn.width > 0 && drawn.height > 0))
    throw new InfLlavaError('image-damaged', `${kindOf(drawn.source)} shows no picture: it is empty, or has not loaded`);
  try {
    return (await asPng(drawn)).blob;
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'SecurityError') {
      throw new InfLlavaError(
        'image-url',
        `the ${kind} shows another site’s picture, whose pixels the browser gives to no page: fetch the picture and pass its bytes, or load it with crossorigin`,
      );
    }
    throw new InfLlavaError('image-damaged', `the browser could not draw the ${kind} (${message})`);
  }
}
