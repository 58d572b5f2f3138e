/**
 * A picture that somebody chose. What it is may take a while to know, a file to be fetched, a canvas to be written down, a
 * preview to be drawn; that it was chosen is known at once, and the last choice wins.
 */

import { InfLlavaError } from '../errors.js';
import { MOST_FILE_BYTES, fileOf } from '../api/picture.js';
import type { ImageInput } from '../api/picture-input.js';
import type { PictureInfo } from '../engine/protocol.js';
import type { Strings } from './strings/index.js';
import type { ShownPicture } from './view/picture.js';

export class Choice {
  /** The page's attribute named it. */
  readonly ofSource: boolean;
  /** Once it is known. */
  picture: ShownPicture | null = null;
  readonly prepared: Promise<ShownPicture>;
  /** When it was read, or why it never will be. */
  readonly outcome: Promise<PictureInfo>;
  readonly #dropped = new AbortController();
  #settle!: { resolve: (info: PictureInfo) => void; reject: (error: InfLlavaError) => void };

  /** @param prepare  is called at once: what is given may be something else a moment later */
  constructor(prepare: (signal: AbortSignal) => Promise<ShownPicture>, { ofSource = false } = {}) {
    this.ofSource = ofSource;
    this.outcome = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.prepared = prepare(this.#dropped.signal).then((picture) => (this.picture = picture));
    // Whoever asks hears of a failure there.
    for (const promise of [this.outcome, this.prepared]) promise.catch(() => {});
  }

  /** One that is known. */
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

  /** @param reason  why nobody wants it any more */
  drop(reason = 'another picture was chosen'): void {
    this.#dropped.abort();
    this.failed(new InfLlavaError('stopped', reason));
  }
}

const fetched = async (address: string, signal: AbortSignal) => (await import('./source.js')).fetchPicture(address, signal);

/** Makes choices of what pages and visitors have. */
export class Chooser {
  readonly #strings: Strings;

  constructor(strings: Strings) {
    this.#strings = strings;
  }

  /** The first of the files; null where there is none. */
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

  source(src: string): Choice {
    return new Choice(async (signal) => this.#shown(await fetched(src, signal)), { ofSource: true });
  }

  /** What a script gave; an address is fetched as `src` is. */
  given(image: ImageInput | URL, name: string | undefined): Choice {
    const text = typeof image === 'string' || image instanceof URL ? String(image) : null;
    if (text === null || /^data:/i.test(text)) return new Choice(async () => this.#shown(await fileOf(image as ImageInput, name)));
    return new Choice(async (signal) => {
      const file = await fetched(text, signal);
      return this.#shown(name ? new File([file], name, { type: file.type }) : file);
    });
  }

  async #shown(file: File, remarks: string[] = []): Promise<ShownPicture> {
    if (file.size > MOST_FILE_BYTES) throw new InfLlavaError('image-file-too-large', this.#strings.fileTooLarge(file.size, MOST_FILE_BYTES));
    const { previewOf } = await import('./view/preview.js');
    return { file, name: this.#strings.pictureName(file.name), preview: await previewOf(file), remarks, questions: [] };
  }
}
