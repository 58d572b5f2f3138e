/**
 * A dialog that takes a picture with the camera, or a short video where the model sees those. Nothing leaves the page, and
 * the camera is switched off when it closes.
 */

import { asPng } from '../../api/draw.js';
import { MOST_SIDE, type VideoFrames } from '../../api/video.js';
import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';

/** Between two frames of a video: models look at one or two a second. */
const FRAME_MS = 500;
/** A video ends by itself then. */
const MOST_FRAMES = 60;

export interface CameraHandlers {
  /** Null if no picture could be taken. */
  onPhoto: (photo: Promise<File | null>) => void;
  onVideo: (video: Promise<VideoFrames>) => void;
}

export class Camera {
  readonly root: HTMLDialogElement;
  readonly #strings: Strings;
  readonly #handlers: CameraHandlers;
  readonly #video = h('video', { muted: true, playsinline: true });
  readonly #take: HTMLButtonElement;
  readonly #record: HTMLButtonElement;
  #stream: MediaStream | null = null;
  #recording: { frames: Promise<Blob>[]; began: number; timer: ReturnType<typeof setInterval> } | null = null;

  constructor(strings: Strings, handlers: CameraHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    this.#take = button(
      strings.takePicture,
      () => {
        // The choice counts from now on, though encoding the picture takes a while.
        handlers.onPhoto(this.#still());
        this.root.close();
      },
      { kind: 'primary' },
    );
    this.#record = button(strings.recordVideo, () => (this.#recording ? this.#stop() : this.#start()), { kind: '' });
    this.root = h(
      'dialog',
      { class: 'camera', part: 'camera', 'aria-label': strings.camera },
      this.#video,
      h(
        'div',
        { class: 'tools' },
        button(strings.cancel, () => this.root.close(), { kind: '' }),
        h('span', { class: 'spring' }),
        this.#record,
        this.#take,
      ),
    );
    this.root.addEventListener('close', () => this.#off());
  }

  /** @throws if there is no camera, or the page may not use it */
  async open(seesVideos: boolean): Promise<void> {
    this.#off();
    this.#record.hidden = !seesVideos;
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

  #start() {
    if (this.#video.videoWidth === 0) return; // nothing is shown yet
    this.#take.hidden = true;
    this.#recording = { frames: [], began: performance.now(), timer: setInterval(() => this.#frame(), FRAME_MS) };
    this.#frame();
  }

  #frame() {
    const { frames } = this.#recording!;
    const { videoWidth: width, videoHeight: height } = this.#video;
    frames.push(asPng({ source: this.#video, width, height }, Math.min(1, MOST_SIDE / Math.max(width, height))).then(({ blob }) => blob));
    this.#record.textContent = this.#strings.stopRecording(Math.floor((frames.length * FRAME_MS) / 1000));
    if (frames.length === MOST_FRAMES) this.#stop();
  }

  #stop() {
    const { frames, began } = this.#recording!;
    const seconds = Math.max(performance.now() - began, FRAME_MS) / 1000;
    this.#handlers.onVideo(Promise.all(frames).then((taken) => ({ frames: taken, seconds })));
    this.root.close();
  }

  #off() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    if (this.#recording) clearInterval(this.#recording.timer);
    this.#recording = null;
    this.#take.hidden = false;
    this.#record.textContent = this.#strings.recordVideo;
  }
}
