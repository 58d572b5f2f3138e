/**
 * A picture that somebody chose. Fetching the file, encoding a canvas or drawing a preview takes a while; that it was
 * chosen is known at once, and the last choice wins.
 */

import { InfLlavaError } from '../errors.js';
import { MOST_FILE_BYTES, fileOf } from '../api/picture.js';
import type { ImageInput } from '../api/picture-input.js';
import type { VideoFrames } from '../api/video.js';
import type { PictureInfo } from '../engine/protocol.js';
import type { Strings } from './strings/index.js';
import type { ShownPicture } from './view/picture.js';

export class Choice {
  /** Whether the attribute `src` named it. */
  readonly ofSource: boolean;
  /** Set once it is prepared. */
  picture: ShownPicture | null = null;
  readonly prepared: Promise<ShownPicture>;
  /** Resolves when it was read; rejects with the reason if it will not be. */
  readonly outcome: Promise<PictureInfo>;
  readonly #dropped = new AbortController();
  #settle!: { resolve: (info: PictureInfo) => void; reject: (error: InfLlavaError) => void };

  /** @param prepare  is called at once, since the source may change */
  constructor(prepare: (signal: AbortSignal) => Promise<ShownPicture>, { ofSource = false } = {}) {
    this.ofSource = ofSource;
    this.outcome = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.prepared = prepare(this.#dropped.signal).then((picture) => (this.picture = picture));
    // Callers that await them get the error; for others it must not count as an unhandled rejection.
    for (const promise of [this.outcome, this.prepared]) promise.catch(() => {});
  }

  /** A choice that is prepared already. */
  static of(picture: ShownPicture): Choice {
    const choice = new Choice(async () => picture);
    choice.picture = picture;
    return choice;
  }

  read(info: PictureInfo): void {
    this.#settle.resolve(info);
  }

  failed(error: InfLlavaError): void {
    this.#settle.reject(error);
  }

  /** @param reason  why it is no longer wanted */
  drop(reason = 'another picture was chosen'): void {
    this.#dropped.abort();
    this.failed(new InfLlavaError('stopped', reason));
  }
}

const fetched = async (address: string, signal: AbortSignal) => (await import('./source.js')).fetchPicture(address, signal);

/** Makes choices from the sources that pages and visitors have. */
export class Chooser {
  readonly #strings: Strings;

  constructor(strings: Strings) {
    this.#strings = strings;
  }

  /** The first of the files; null if there is none. */
  files(files: Iterable<File>): Choice | null {
    const [file, ...others] = files;
    const remarks = others.length > 0 ? [this.#strings.severalFiles(file!.name)] : [];
    return file ? new Choice(() => this.#shown(file, remarks)) : null;
  }

  photo(photo: Promise<File | null>): Choice {
    return new Choice(async () => {
      const file = await photo;
      if (!file) throw new InfLlavaError('page', this.#strings.cameraFailed);
      return this.#shown(file);
    });
  }

  /** What the camera recorded. */
  video(video: Promise<VideoFrames>): Choice {
    return new Choice(async () => {
      const recorded = await video;
      return { ...(await this.#shown(new File([recorded.frames[0]!], this.#strings.recording))), video: recorded };
    });
  }

  source(src: string): Choice {
    return new Choice(async (signal) => this.#shown(await fetched(src, signal)), { ofSource: true });
  }

  /** A picture from a script; an address is fetched like `src`. */
  given(image: ImageInput | URL, name: string | undefined): Choice {
    const text = typeof image === 'string' || image instanceof URL ? String(image) : null;
    if (text === null || /^data:/i.test(text)) return new Choice(async () => this.#shown(await fileOf(image as ImageInput, name)));
    return new Choice(async (signal) => {
      const file = await fetched(text, signal);
      return this.#shown(name ? new File([file], name, { type: file.type }) : file);
    });
  }

  async #shown(file: File, remarks: string[] = []): Promise<ShownPicture> {
    if (file.type.startsWith('video/')) {
      const { posterOf } = await import('../api/video.js');
      const { blob } = await posterOf(file, file.name);
      return { ...(await this.#shown(new File([blob], file.name), remarks)), video: file };
    }
    if (file.size > MOST_FILE_BYTES) throw new InfLlavaError('image-file-too-large', this.#strings.fileTooLarge(file.size, MOST_FILE_BYTES));
    const { previewOf } = await import('./view/preview.js');
    return { file, name: this.#strings.pictureName(file.name), preview: await previewOf(file), remarks, questions: [] };
  }
}
