/**
 * The picture of the conversation: the current one, the one that is wanted instead, and the reading of it. A picture that
 * cannot be used leaves the current one in place.
 */

import type { ImageInput } from '../api/picture-input.js';
import type { VideoFrames } from '../api/video.js';
import type { PictureInfo, Progress } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';
import { Choice, Chooser } from './choice.js';
import type { Emit } from './events.js';
import type { Offers } from './offers.js';
import type { Runner } from './runner.js';
import type { Strings } from './strings/index.js';
import { codeOf, ENDS, type Held, messageOf, type Reading, type Task, until } from './task.js';
import { factsOf, type PictureFacts, type ShownPicture } from './view/picture.js';
import type { View } from './view/view.js';

export interface PicturesHandlers {
  /** The question that is being answered, if any. */
  asking: () => Task | null;
  /** Another picture is wanted. */
  onTake: () => void;
  /** Another picture is shown. */
  onShow: () => void;
  /** Starts the model's conversation at `entry` of the log. */
  onAbout: (entry: HTMLElement) => void;
  /** Reading began or ended. */
  onChange: () => void;
}

export class Pictures {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #runner: Runner;
  readonly #offers: Offers;
  readonly #handlers: PicturesHandlers;
  readonly #chooser: Chooser;
  #reading: Reading | null = null;
  /** The picture that the conversation is about. */
  #held: Held | null = null;
  /** The picture that it should be about, once it is read. */
  #wanted: Choice | null = null;

  constructor(view: View, strings: Strings, emit: Emit, runner: Runner, offers: Offers, handlers: PicturesHandlers) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#runner = runner;
    this.#offers = offers;
    this.#handlers = handlers;
    this.#chooser = new Chooser(strings);
  }

  get reading(): Reading | null {
    return this.#reading;
  }

  /** The picture that the conversation is about. */
  get held(): Held | null {
    return this.#held;
  }

  /** Whether there is a picture, or one is being read. */
  get chosen(): boolean {
    return this.#wanted !== null;
  }

  choose(files: Iterable<File>): void {
    const choice = this.#chooser.files(files);
    if (choice) this.#take(choice);
  }

  choosePhoto(photo: Promise<File | null>): void {
    this.#take(this.#chooser.photo(photo));
  }

  chooseVideo(video: Promise<VideoFrames>): void {
    this.#take(this.#chooser.video(video));
  }

  chooseSample(picture: ShownPicture): void {
    this.#take(Choice.of(picture));
  }

  /** The picture of the attribute `src`; null removes a picture that it named before. */
  chooseSource(src: string | null): void {
    if (src) this.#take(this.#chooser.source(src));
    else if (this.#wanted?.ofSource) void this.remove();
  }

  /** @throws InfLlavaError if it cannot be read, or another one is chosen in the meantime */
  async chooseGiven(image: ImageInput | URL | null, name: string | undefined): Promise<void> {
    if (image === null) await this.remove();
    else await this.#take(this.#chooser.given(image, name))!.outcome;
  }

  /** Like {@link chooseGiven}, for a picture that is being turned into a file already. */
  async chooseWritten(file: Promise<File>): Promise<void> {
    await this.#take(this.#chooser.photo(file))!.outcome;
  }

  async remove(): Promise<void> {
    if (!this.#wanted && !this.#held) return;
    this.#take(null);
    await this.#reading?.done;
  }

  /** Stops the reading. */
  stop(): void {
    this.#reading?.abort.abort();
  }

  /** Releases everything: the element has left the page. */
  end(): void {
    this.stop();
    this.#wanted?.drop('the element was taken off the page');
  }

  /** Forgets the picture: another model has to read it again. */
  forget(): void {
    this.#held = null;
  }

  /** Reads the picture, about which nothing was asked yet, as closely as is wanted now. */
  lookAnew(): void {
    const unasked = this.#runner.chat?.pictures.every(({ asked }) => !asked) ?? true;
    if (this.#reading || (this.#held && unasked && !this.#handlers.asking())) this.readAgain();
  }

  /** Reads the picture once more. */
  readAgain(): void {
    if (this.#wanted) this.#take(this.#wanted);
  }

  /** Reads a picture that was chosen while there was no model. */
  readMissed(): void {
    if (!this.#reading && this.#held?.choice !== this.#wanted) this.readAgain();
  }

  /** Reads the picture for an engine that replaces a lost one. */
  readLost(): void {
    if (!this.#held && !this.#reading) this.readAgain();
  }

  /** Shows a picture that stands beside the conversation's first, or that one again. */
  look(other: { picture: ShownPicture; info: PictureInfo } | null): void {
    const looked = other ?? this.#held;
    if (looked && !this.#reading) this.#view.picture.show(looked.picture, factsOf(this.#strings, looked));
  }

  /** Adds the picture to the log of a new conversation. */
  enter(): void {
    const { conversation } = this.#view;
    const { picture } = this.#reading?.choice ?? {};
    if (this.#reading) this.#reading.entry = picture ? conversation.addPicture(picture) : null;
    else if (this.#held) this.#remark(conversation.addPicture(this.#held.picture), this.#held.info);
  }

  /** Shows a picture, or none, with its questions and attention. */
  #show(picture: ShownPicture | null, facts: PictureFacts = {}) {
    this.#view.picture.show(picture, facts);
    this.#offers.setPicture(picture);
    this.#handlers.onShow();
  }

  #showHeld() {
    this.#wanted = this.#held?.choice ?? null;
    this.#show(this.#held?.picture ?? null, this.#held ? factsOf(this.#strings, this.#held) : {});
  }

  /** Adds a remark to the log that one should see before an answer. */
  #remark(entry: HTMLElement, info: PictureInfo) {
    if (info.outside_scope) this.#view.conversation.remarkOn(entry, this.#strings.outsideScopeShort);
  }

  /** Reads a picture, or none, instead of the one that may still be read. It becomes the wanted one before anything is awaited. */
  #take(choice: Choice | null): Choice | null {
    this.#reading?.abort.abort();
    if (this.#wanted !== choice) this.#wanted?.drop();
    this.#wanted = choice;
    this.#view.pictureNotice.hide();
    this.#handlers.onTake();
    const reading: Reading = { abort: new AbortController(), begun: false, done: Promise.resolve(), choice, entry: null };
    this.#reading = reading;
    if (!choice || choice.picture) this.#showChosen(reading);
    reading.done = this.#run(reading);
    this.#handlers.onChange();
    return choice;
  }

  #showChosen(reading: Reading) {
    const picture = reading.choice?.picture ?? null;
    this.#show(picture, picture ? { remarks: picture.remarks } : {});
    if (picture) reading.entry = this.#view.conversation.addPicture(picture);
  }

  /** @returns whether the conversation is now about the picture, or about none if that was chosen */
  async #run(reading: Reading): Promise<boolean> {
    const { choice, abort } = reading;
    const newest = () => this.#reading === reading;
    try {
      if (choice && !choice.picture) {
        await until(choice.prepared, abort.signal);
        this.#showChosen(reading);
      }
      if (choice) await this.#read(reading, choice, choice.picture!, newest);
      else await this.#readNone(newest);
      return true;
    } catch (error) {
      reading.entry?.remove();
      if (newest()) this.#readingFailed(error);
      return false;
    } finally {
      if (newest()) {
        this.#reading = null;
        this.#view.picture.endReading();
        if (!this.#handlers.asking()?.begun) this.#view.status.end();
        this.#handlers.onChange();
      }
    }
  }

  async #read(reading: Reading, choice: Choice, picture: ShownPicture, newest: () => boolean) {
    const { status, picture: view } = this.#view;
    const { abort } = reading;
    view.beginReading();
    if (!(await until(this.#runner.running, abort.signal))) throw new InfLlavaError('not-loaded', 'there is no model to read the picture');
    reading.begun = true;
    const asking = this.#handlers.asking();
    if (asking?.begun) {
      status.say(this.#strings.pictureWaits);
      await until(asking.done, abort.signal);
    }
    const onProgress = ({ phase, done, total }: Progress) => {
      if (!newest() || (phase !== 'vision' && phase !== 'frames')) return;
      const reading = phase === 'vision' ? this.#strings.readingPicture : this.#strings.drawingFrames;
      status.say(this.#handlers.asking() ? this.#strings.waitingForPicture : reading);
      status.advance(phase, done, total);
      if (phase === 'vision') view.advance(done, total);
    };
    const chat = this.#runner.chat!;
    const { name, video } = picture;
    const watching = { name, signal: abort.signal, onProgress };
    const info = video ? await chat.setVideo(video, watching) : (await chat.setImage(picture.file, { ...watching, detail: this.#view.composer.detail }))!;
    this.#held = { choice, picture, info };
    choice.read(info);
    if (reading.entry) {
      this.#remark(reading.entry, info);
      this.#handlers.onAbout(reading.entry);
    }
    if (!newest()) return;
    view.setGeometry(info);
    this.#show(picture, factsOf(this.#strings, this.#held));
    status.say(this.#strings.pictureReady(info));
    this.#emit('picture', info);
  }

  async #readNone(newest: () => boolean) {
    const asking = this.#handlers.asking();
    if (asking?.begun) await asking.done;
    if (!newest()) return;
    await this.#runner.chat?.setImage(null);
    this.#held = null;
    if (!newest()) return;
    this.#handlers.onAbout(this.#view.conversation.addNote(this.#strings.textOnly));
    this.#view.status.say(this.#strings.pictureRemoved);
  }

  #readingFailed(error: unknown) {
    const code = codeOf(error);
    this.#wanted?.failed(error instanceof InfLlavaError ? error : new InfLlavaError(code, messageOf(error)));
    // The picture is read once the model is loaded.
    if (ENDS.includes(code)) return;
    this.#showHeld();
    if (code === 'stopped') this.#view.status.say(this.#strings.pictureStopped(this.#held !== null));
    else showPictureError(error, this.#view, this.#strings, this.#emit);
  }
}

/** Says why a picture could not be read. */
export function showPictureError(error: unknown, view: View, strings: Strings, emit: Emit): void {
  const code = codeOf(error);
  const message = messageOf(error);
  view.status.say(strings.pictureFailed);
  view.pictureNotice.show({ title: strings.failure.picture, message, code, advice: strings.advice[`picture-${code}`] ?? strings.advice[code] ?? '' });
  emit('error', { code, message });
}
