/** What can be drawn -> a file of its pixels, no larger than a model needs. */

/** No model here sees more than 1344 pixels a side; twice that leaves the last scaling to the engine. */
const MOST_SIDE = 2688;

export interface Decoded {
  /** PNG. */
  blob: Blob;
  /** Of the picture as it is shown, before it was scaled. */
  width: number;
  height: number;
}

/** What can be drawn, and how large it is. */
export interface Drawn {
  source: CanvasImageSource;
  width: number;
  height: number;
}

/**
 * Scaled to what a model needs at most, as a file without loss.
 *
 * @param enlarge  what has no pixels of its own is drawn larger
 * @throws a DOMException where the pixels are another site's
 */
export async function asPng({ source, width, height }: Drawn, enlarge = 1): Promise<Decoded> {
  const scale = Math.min(enlarge, MOST_SIDE / Math.max(width, height));
  const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(wide, high) : Object.assign(document.createElement('canvas'), { width: wide, height: high });
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  context.imageSmoothingQuality = 'high';
  // At once: what is drawn may be something else a moment later.
  context.drawImage(source, 0, 0, wide, high);
  return { blob: await pngOf(canvas), width, height };
}

async function pngOf(canvas: OffscreenCanvas | HTMLCanvasElement): Promise<Blob> {
  if ('convertToBlob' in canvas) return canvas.convertToBlob({ type: 'image/png' });
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser wrote no picture'))), 'image/png'));
}
