/** Takes a picture with the camera, in a dialog: nothing is recorded, and the camera goes off when it closes. */

import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';

export const hasCamera = (): boolean => typeof navigator.mediaDevices?.getUserMedia === 'function';

export class Camera {
  readonly root: HTMLDialogElement;
  readonly #video = h('video', { muted: true, playsinline: true });
  readonly #take: HTMLButtonElement;
  #stream: MediaStream | null = null;

  constructor(strings: Strings, on_picture: (file: File) => void) {
    this.#take = button(strings.takePicture, async () => {
      const file = await this.#still();
      this.root.close();
      if (file) on_picture(file);
    }, { kind: 'primary' });
    this.root = h(
      'dialog',
      { class: 'camera', part: 'camera', 'aria-label': strings.camera },
      this.#video,
      h('div', { class: 'tools' }, button(strings.cancel, () => this.root.close(), { kind: '' }), h('span', { class: 'spring' }), this.#take),
    );
    this.root.addEventListener('close', () => this.#off());
  }

  /** @throws where there is no camera, or the page may not have it */
  async open(): Promise<void> {
    this.#off();
    this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } }, audio: false });
    this.#video.srcObject = this.#stream;
    this.root.showModal();
    await this.#video.play().catch(() => {}); // it shows its first picture then
    this.#take.focus();
  }

  async #still(): Promise<File | null> {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width === 0) return null;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext('2d')!.drawImage(this.#video, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    return blob && new File([blob], 'camera.png', { type: 'image/png' });
  }

  #off() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }
}
