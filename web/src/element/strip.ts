/**
 * Further pictures of the conversation, beside the one that it began with: each is shown with the next question, and can be
 * taken away before that. A picture that cannot be read leaves the others in place.
 */

import type { ModelInfo, PictureInfo, Progress } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';
import { type Choice, Chooser } from './choice.js';
import type { Emit } from './events.js';
import { showPictureError } from './pictures.js';
import type { Runner } from './runner.js';
import type { Strings } from './strings/index.js';
import { codeOf, ENDS, type Held } from './task.js';
import type { ShownPicture } from './view/picture.js';
import type { View } from './view/view.js';

export interface StripHandlers {
  /** The picture that the conversation began with. */
  first: () => Held | null;
  /** Whether a question is being answered. */
  asking: () => boolean;
  /** Shows a picture on the stage; null: the first. */
  onLook: (picture: { picture: ShownPicture; info: PictureInfo } | null) => void;
}

interface Entry {
  picture: ShownPicture;
  /** Its place in the log. */
  logged: HTMLElement;
  abort: AbortController;
  /** Once it is read: facts, and its id in the chat. */
  read: { info: PictureInfo; id: number } | null;
}

export class Strip {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #runner: Runner;
  readonly #handlers: StripHandlers;
  readonly #chooser: Chooser;
  #entries: Entry[] = [];
  /** Which one is on the stage; null: the first. */
  #looked: Entry | null = null;
  /** The most pictures of a conversation. */
  #most = 1;
  /** One after another, so that they keep their order. */
  #adding: Promise<void> = Promise.resolve();

  constructor(view: View, strings: Strings, emit: Emit, runner: Runner, handlers: StripHandlers) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#runner = runner;
    this.#handlers = handlers;
    this.#chooser = new Chooser(strings);
  }

  setModel({ most_pictures }: Pick<ModelInfo, 'most_pictures'>): void {
    this.#most = most_pictures ?? Infinity;
    this.show();
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      const choice = this.#chooser.files([file])!;
      this.#adding = this.#adding.then(() => this.#add(choice));
    }
  }

  /** Takes a picture away about which nothing was asked, or stops the reading of it. `at`: among those beside the first. */
  remove(at: number): void {
    const entry = this.#entries[at];
    if (!entry) return;
    entry.abort.abort();
    const chat = this.#runner.chat;
    const index = chat?.pictures.findIndex(({ id }) => id === entry.read?.id) ?? -1;
    if (index >= 0) chat!.removeImage(index);
    this.#drop(entry);
    this.#view.status.say(this.#strings.pictureRemoved);
    this.show();
  }

  /** `at` as for {@link remove}; -1: the first. */
  look(at: number): void {
    const entry = this.#entries[at] ?? null;
    if (entry && !entry.read) return;
    this.#looked = entry;
    this.#handlers.onLook(entry?.read ? { picture: entry.picture, info: entry.read.info } : null);
    this.show();
  }

  /** Forgets all: another conversation begins, or another model has to read them. */
  clear(): void {
    for (const entry of this.#entries) entry.abort.abort();
    this.#entries = [];
    this.#looked = null;
    this.show();
  }

  /** Adds the pictures to the log of a new conversation. */
  enter(): void {
    for (const entry of this.#entries) entry.logged = this.#view.conversation.addPicture(entry.picture);
    this.show();
  }

  /** Shows what the chat has: an edited question takes the pictures of later ones with it. */
  show(): void {
    const pictures = new Map(this.#runner.chat?.pictures.map((picture) => [picture.id, picture]));
    for (const entry of this.#entries) if (entry.read && !pictures.has(entry.read.id)) this.#drop(entry);
    const first = this.#handlers.first();
    const shown = this.#entries.map((entry) => ({
      picture: entry.picture,
      reading: !entry.read,
      removable: !entry.read || pictures.get(entry.read.id)?.asked === false,
      looked: entry === this.#looked,
    }));
    const all = first ? [{ picture: first.picture, reading: false, removable: false, looked: this.#looked === null }, ...shown] : [];
    this.#view.strip.show(all, all.length > 0 && all.length < this.#most);
  }

  #drop(entry: Entry) {
    entry.logged.remove();
    this.#entries = this.#entries.filter((other) => other !== entry);
    if (this.#looked === entry) this.look(-1);
  }

  async #add(choice: Choice): Promise<void> {
    const { conversation, status } = this.#view;
    this.#view.pictureNotice.hide();
    let entry: Entry | null = null;
    try {
      const picture = await choice.prepared;
      if (!(await this.#runner.running)) throw new InfLlavaError('not-loaded', 'there is no model to read the picture');
      entry = { picture, logged: conversation.addPicture(picture), abort: new AbortController(), read: null };
      this.#entries.push(entry);
      this.show();
      status.begin();
      const onProgress = ({ phase, done, total }: Progress) => {
        if (phase !== 'vision' && phase !== 'frames') return;
        status.say(phase === 'vision' ? this.#strings.readingPicture : this.#strings.drawingFrames);
        status.advance(phase, done, total);
      };
      const chat = this.#runner.chat!;
      const { name, video } = picture;
      const watching = { name, signal: entry.abort.signal, onProgress };
      const detail = this.#view.composer.detail;
      const info = video ? await chat.addVideo(video, watching) : await chat.addImage(picture.file, { ...watching, detail });
      entry.read = { info, id: chat.pictures.at(-1)!.id };
      status.say(this.#strings.pictureReady(info));
      this.#emit('picture', info);
    } catch (error) {
      if (entry) this.#drop(entry);
      // A picture that was taken away, and errors of the model, are told already.
      if (codeOf(error) !== 'stopped' && !ENDS.includes(codeOf(error))) showPictureError(error, this.#view, this.#strings, this.#emit);
    } finally {
      if (!this.#handlers.asking()) status.end();
      this.show();
    }
  }
}
