/** Turns something that can be drawn into a file of its pixels, no larger than a model needs. */

/** No model here uses more than 1344 pixels a side; at twice that the engine still does the last scaling. */
const MOST_SIDE = 2688;

export interface Decoded {
  /** PNG. */
  blob: Blob;
  /** The picture's size as it is shown, before scaling. */
  width: number;
  height: number;
}

/** Something that can be drawn, and its size. */
export interface Drawn {
  source: CanvasImageSource;
  width: number;
  height: number;
}

/**
 * Scales to the largest size that a model needs, and encodes without loss.
 *
 * @param enlarge  whether to draw it larger: for vector drawings
 * @throws a DOMException if the pixels belong to another site
 */
export async function asPng({ source, width, height }: Drawn, enlarge = 1): Promise<Decoded> {
  const scale = Math.min(enlarge, MOST_SIDE / Math.max(width, height));
  const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(wide, high) : Object.assign(document.createElement('canvas'), { width: wide, height: high });
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  context.imageSmoothingQuality = 'high';
  // Drawn before anything is awaited: a canvas or a video may change in the meantime.
  context.drawImage(source, 0, 0, wide, high);
  return { blob: await pngOf(canvas), width, height };
}

async function pngOf(canvas: OffscreenCanvas | HTMLCanvasElement): Promise<Blob> {
  if ('convertToBlob' in canvas) return canvas.convertToBlob({ type: 'image/png' });
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser wrote no picture'))), 'image/png'));
}
