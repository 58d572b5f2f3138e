/** A dialog that takes a picture with the camera. Nothing is recorded, and the camera is switched off when it closes. */

import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';

export class Camera {
  readonly root: HTMLDialogElement;
  readonly #video = h('video', { muted: true, playsinline: true });
  readonly #take: HTMLButtonElement;
  #stream: MediaStream | null = null;

  constructor(strings: Strings, onPicture: (picture: Promise<File | null>) => void) {
    this.#take = button(
      strings.takePicture,
      () => {
        // The choice counts from now on, though encoding the picture takes a while.
        onPicture(this.#still());
        this.root.close();
      },
      { kind: 'primary' },
    );
    this.root = h(
      'dialog',
      { class: 'camera', part: 'camera', 'aria-label': strings.camera },
      this.#video,
      h(
        'div',
        { class: 'tools' },
        button(strings.cancel, () => this.root.close(), { kind: '' }),
        h('span', { class: 'spring' }),
        this.#take,
      ),
    );
    this.root.addEventListener('close', () => this.#off());
  }

  /** @throws if there is no camera, or the page may not use it */
  async open(): Promise<void> {
    this.#off();
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } }, audio: false });
    this.#off(); // it may have been opened twice
    this.#stream = stream;
    if (!this.root.isConnected) {
      this.#off(); // the element was removed while the browser asked for permission
      return;
    }
    this.#video.srcObject = stream;
    if (!this.root.open) this.root.showModal();
    await this.#video.play().catch(() => {}); // then it shows its first frame only
    this.#take.focus();
  }

  close(): void {
    this.root.close();
    this.#off();
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
