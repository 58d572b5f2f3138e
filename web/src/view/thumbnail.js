/** A small copy of a picture's preview. @param {HTMLCanvasElement} preview @param {number} side  px */
export function thumbnail(preview, side) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(preview, 0, 0, side, side);
  return canvas;
}
