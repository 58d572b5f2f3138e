/**
 * What the element does: a model, a picture, a conversation. Nothing of the user's is lost: a question that gets no
 * answer returns to the box, a picture that cannot be used leaves the earlier one in place, and an answer that a lost
 * engine broke off goes on once there is another.
 */

import type { AskOptions, Chat } from '../api/chat.js';
import { InfLlavaError } from '../api/errors.js';
import type { LoadOptions, Model } from '../api/model.js';
import { MOST_FILE_BYTES } from '../api/picture.js';
import type { Reply } from '../api/reply.js';
import { storage } from '../api/storage.js';
import type { PictureInfo, Progress } from '../engine/protocol.js';
import type { Emit } from './events.js';
import { Looker } from './looker.js';
import { Offers } from './offers.js';
import { Runner } from './runner.js';
import type { Strings } from './strings/index.js';
import { previewOf } from './view/preview.js';
import type { PictureFacts, ShownPicture } from './view/picture.js';
import { needMarkdown, type TurnView } from './view/turn.js';
import type { View } from './view/view.js';

interface Held {
  picture: ShownPicture;
  info: PictureInfo;
}

/** Something under way, and when nothing more will come of it. */
interface Task {
  abort: AbortController;
  /** Whether the engine has been given it. */
  begun: boolean;
  done: Promise<unknown>;
}

interface Reading extends Task {
  picture: ShownPicture;
  entry: HTMLElement;
}

const codeOf = (error: unknown): string => (error as Partial<InfLlavaError>)?.code ?? 'page';
const messageOf = (error: unknown): string => (error as Partial<Error>)?.message ?? String(error);
/** The engine's end is said where it is noticed. */
const ENDS = ['crashed', 'device-lost', 'out-of-memory', 'unloaded', 'not-loaded'];

export class Controller {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #runner: Runner;
  readonly #offers: Offers;
  readonly #looker: Looker;
  #reading: Reading | null = null;
  #asking: Task | null = null;
  /** The picture that the conversation is about. */
  #held: Held | null = null;
  /** The picture that it should be about. */
  #wanted: ShownPicture | null = null;
  /** The turns about the present picture. */
  #turns: TurnView[] = [];
  /** The turn that a lost engine broke off. */
  #broken: TurnView | null = null;
  /** The question that is being changed. */
  #editing: TurnView | null = null;

  constructor(view: View, strings: Strings, emit: Emit) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#offers = new Offers(view, strings);
    this.#looker = new Looker(view, strings);
    this.#runner = new Runner(view, strings, emit, {
      on_another: () => this.#forgetAll(),
      on_info: ({ scope }) => {
        this.#offers.setScope(scope);
        // A picture that was chosen while there was no model.
        if (this.#wanted && !this.#reading && this.#held?.picture !== this.#wanted) this.#read(this.#wanted);
      },
      on_change: () => this.#showBusy(),
      on_restarted: () => this.#resume(),
    });
  }

  get model(): Model | null {
    return this.#runner.model;
  }

  get chat(): Chat | null {
    return this.#runner.chat;
  }

  /** Begins with a model, or goes over to another. */
  use(options: LoadOptions): void {
    needMarkdown().catch(() => {}); // answers are plain text then
    this.#reading?.abort.abort();
    this.#asking?.abort.abort();
    this.#runner.use(options);
    const model = this.model;
    if (model) void this.#offers.samplesOf(model, () => this.model === model, (picture) => this.chooseSample(picture));
    // A picture that was chosen before, or about which the earlier model was asked.
    if (this.#wanted) this.#read(this.#wanted);
  }

  /** Lets everything go: the element has left the page. */
  end(): void {
    this.#reading?.abort.abort();
    this.#asking?.abort.abort();
    this.#runner.end();
  }

  pause(): void {
    this.#runner.stop();
  }

  /** Ends what the engine is at, and a question that waits for it. */
  stop(): void {
    const asking = this.#asking;
    if (!asking && !this.#reading && !this.#runner.loading) return;
    this.#view.status.say(this.#strings.stopping);
    if (this.#runner.loading) this.#runner.stop();
    else if (!asking?.begun) this.#reading?.abort.abort();
    asking?.abort.abort();
  }

  async choosePicture(files: Iterable<File>): Promise<void> {
    const [file, ...others] = files;
    if (!file) return;
    this.#view.picture_notice.hide();
    if (file.size > MOST_FILE_BYTES) {
      this.#showPictureError(new InfLlavaError('image-file-too-large', this.#strings.fileTooLarge(file.size, MOST_FILE_BYTES)));
      return;
    }
    const remarks = others.length > 0 ? [this.#strings.severalFiles(file.name)] : [];
    const name = this.#strings.pictureName(file.name);
    this.#read({ file, name, preview: await previewOf(file), remarks, questions: [] });
  }

  chooseSample(picture: ShownPicture): void {
    this.#view.picture_notice.hide();
    this.#read(picture);
  }

  async removePicture(): Promise<void> {
    const reading = this.#reading;
    reading?.abort.abort();
    this.#wanted = this.#held = null;
    this.#view.picture_notice.hide();
    this.#show(null);
    await reading?.done;
    await this.#asking?.done;
    if (this.#reading || !this.chat) return; // another picture has been chosen meanwhile
    await this.chat.setImage(null);
    this.#wanted = this.#held = null;
    this.#show(null);
    this.#forgetBefore(this.#view.conversation.addNote(this.#strings.textOnly));
    this.#view.status.say(this.#strings.pictureRemoved);
  }

  send(text: string): void {
    if (this.#asking || !this.chat) return;
    const { conversation, composer, status } = this.#view;
    this.#runner.clearNotice();
    composer.focus();
    const question = text.trim();
    if (!question) {
      status.say(this.#strings.emptyQuestion);
      return;
    }
    composer.take(question);
    const editing = this.#editing;
    const at = editing ? this.#turns.indexOf(editing) : -1;
    this.#stopEditing();
    const replaced = at >= 0 ? this.#turns.splice(at, Infinity) : [];
    for (const turn of replaced) turn.root.remove();
    const turn = conversation.addTurn(question);
    this.#ask(turn, (chat, options) => {
      const first = chat.turns.length - chat.remembered;
      return at >= 0 ? chat.edit(first + at, question, options) : chat.ask(question, options);
    }, () => {
      turn.root.remove();
      for (const old of replaced) conversation.root.append(old.root);
      this.#turns.push(...replaced);
      composer.giveBack(question);
    });
  }

  regenerate(turn: TurnView): void {
    if (this.#asking) return;
    this.#runner.clearNotice();
    this.#view.composer.focus();
    turn.startOver();
    this.#turns.pop();
    this.#ask(turn, (chat, options) => chat.regenerate(options), () => {
      turn.restore();
      this.#turns.push(turn);
    });
  }

  /** Puts a question back into the box; when it is sent, it takes its own place. */
  edit(turn: TurnView): void {
    this.#editing = turn;
    this.#view.composer.setEditing(true);
    this.#view.composer.setText(turn.question);
  }

  cancelEdit(): void {
    if (this.#editing) this.#view.composer.take(this.#editing.question);
    this.#stopEditing();
    this.#view.composer.focus();
  }

  async newChat(): Promise<void> {
    const { conversation, composer, status } = this.#view;
    this.#asking?.abort.abort();
    await this.#asking?.done;
    this.#runner.clearNotice();
    this.#stopEditing();
    conversation.clear();
    this.#turns = [];
    this.#broken = null;
    this.chat?.clear();
    if (this.#reading) this.#reading.entry = conversation.addPicture(this.#reading.picture);
    else if (this.#held) this.#remark(conversation.addPicture(this.#held.picture), this.#held.info);
    composer.focus();
    this.#showBusy();
    status.say(this.#strings.chatCleared);
  }

  async removeKept(id: string): Promise<void> {
    try {
      await storage.remove(id);
      this.#view.status.say(this.#strings.removed);
    } catch (error) {
      this.#view.chat_notice.show({ title: messageOf(error) });
    }
  }

  /** Shows what the model looked at, where somebody wants to see it. */
  look(): void {
    this.#looker.show(() => (this.#held && this.chat && !this.#asking && !this.#reading ? { chat: this.chat, about: this.#held.info } : null));
  }

  /** Another model knows nothing of what stands above; it reads the picture again. */
  #forgetAll() {
    this.#held = null;
    this.#broken = null;
    this.#offers.setScope(null);
    if (this.#turns.length > 0) this.#forgetBefore(this.#view.conversation.addNote(this.#strings.models));
  }

  /** Goes on with the answer that was broken off. */
  #resume() {
    const turn = this.#broken;
    this.#broken = null;
    if (turn && !this.#asking) this.#ask(turn, (chat, options) => chat.resume(options), () => turn.breakOff());
    else if (this.#wanted && !this.#held && !this.#reading) this.#read(this.#wanted);
  }

  /** Shows a picture, or none, with what goes with it. */
  #show(picture: ShownPicture | null, facts: PictureFacts = {}) {
    this.#view.picture.show(picture, facts);
    this.#offers.setPicture(picture);
    this.look();
  }

  #showHeld() {
    this.#wanted = this.#held?.picture ?? null;
    this.#show(this.#wanted, this.#held ? this.#factsOf(this.#held) : {});
  }

  #factsOf({ picture, info }: Held): PictureFacts {
    return { facts: this.#strings.pictureFacts(info), remarks: [...picture.remarks, ...info.notices], outside_scope: info.outside_scope };
  }

  /** Says in the log, too, what is to be known before an answer. */
  #remark(entry: HTMLElement, info: PictureInfo) {
    if (info.outside_scope) this.#view.conversation.remarkOn(entry, this.#strings.outsideScopeShort);
  }

  /** Has a picture read, instead of one that may still be read. */
  #read(picture: ShownPicture) {
    this.#reading?.abort.abort();
    this.#wanted = picture;
    this.#stopEditing();
    this.#show(picture, { remarks: picture.remarks });
    const entry = this.#view.conversation.addPicture(picture);
    const reading: Reading = { abort: new AbortController(), begun: false, done: Promise.resolve(), picture, entry };
    this.#reading = reading;
    reading.done = this.#runReading(reading);
    this.#showBusy();
  }

  /** Whether the conversation is now about the picture. */
  async #runReading(reading: Reading): Promise<boolean> {
    const { status, picture: view } = this.#view;
    const { picture, abort } = reading;
    const newest = () => this.#reading === reading;
    try {
      view.beginReading();
      if (!(await until(this.#runner.running, abort.signal))) throw new InfLlavaError('not-loaded', '');
      reading.begun = true;
      if (this.#asking?.begun) {
        status.say(this.#strings.pictureWaits);
        await until(this.#asking.done, abort.signal);
      }
      const onProgress = ({ phase, done, total }: Progress) => {
        if (!newest() || phase !== 'vision') return;
        status.say(this.#asking ? this.#strings.waitingForPicture : this.#strings.readingPicture);
        status.advance(phase, done, total);
        view.advance(done, total);
      };
      const info = (await this.chat!.setImage(picture.file, { name: picture.name, signal: abort.signal, onProgress }))!;
      this.#held = { picture, info };
      this.#remark(reading.entry, info);
      this.#forgetBefore(reading.entry);
      if (newest()) {
        view.setGeometry(info);
        this.#show(picture, this.#factsOf(this.#held));
        status.say(this.#strings.pictureReady(info));
        this.#emit('picture', info);
      }
      return true;
    } catch (error) {
      reading.entry.remove();
      if (newest()) this.#readingFailed(error);
      return false;
    } finally {
      if (newest()) {
        this.#reading = null;
        view.endReading();
        if (!this.#asking?.begun) status.end();
        this.#showBusy();
      }
    }
  }

  #readingFailed(error: unknown) {
    // A model that is not there reads the picture when it is.
    if (ENDS.includes(codeOf(error))) return;
    this.#showHeld();
    if (codeOf(error) === 'stopped') this.#view.status.say(this.#strings.pictureStopped(this.#held !== null));
    else this.#showPictureError(error);
  }

  #showPictureError(error: unknown) {
    const code = codeOf(error);
    const message = code === 'file-access' ? this.#strings.fileUnreadable : messageOf(error);
    this.#view.status.say(this.#strings.pictureFailed);
    this.#view.picture_notice.show({ title: this.#strings.failure.picture, message, advice: this.#strings.advice[code] ?? '' });
    this.#emit('error', { code, message });
  }

  #ask(turn: TurnView, start: (chat: Chat, options: AskOptions) => Reply | null, on_failure: () => void) {
    const asking: Task = { abort: new AbortController(), begun: false, done: Promise.resolve() };
    this.#asking = asking;
    asking.done = this.#runAsking(asking, turn, start, on_failure);
    this.#showBusy();
  }

  async #runAsking(asking: Task, turn: TurnView, start: (chat: Chat, options: AskOptions) => Reply | null, on_failure: () => void) {
    const { status, conversation, composer } = this.#view;
    const { signal } = asking.abort;
    try {
      await this.#engineAndPicture(signal);
      const model = this.model!;
      asking.begun = true;
      conversation.setStreaming(true);
      status.say(model.atWork > 0 ? this.#strings.waitingForOthers : this.#strings.answering);
      status.begin();
      const onProgress = ({ phase, done, total }: Progress) => {
        status.say(this.#strings.answering);
        status.advance(phase, done, total);
      };
      const reply = start(this.chat!, { ...composer.sampling(), signal, onProgress });
      if (!reply) throw new InfLlavaError('stopped', '');
      let first = true;
      for await (const piece of reply) {
        if (first) {
          status.end();
          status.say(this.#strings.answering);
          first = false;
        }
        turn.append(piece);
      }
      const answer = await reply.answer;
      turn.finish(answer);
      this.#turns.push(turn);
      status.say(answer.stop_reason === 'stopped' ? this.#strings.answerStopped(answer) : this.#strings.answered(answer));
      this.#emit('answer', { question: turn.question, answer });
    } catch (error) {
      this.#askingFailed(error, turn, on_failure);
    } finally {
      this.#asking = null;
      conversation.setStreaming(false);
      if (this.#reading) status.begin();
      else status.end();
      this.#showBusy();
      this.look();
    }
  }

  /** A question waits for the model to be there, and for the picture that it is about. */
  async #engineAndPicture(signal: AbortSignal) {
    if (this.#runner.loading) this.#view.status.say(this.#strings.waitingForEngine);
    if (!(await until(this.#runner.running, signal))) throw new InfLlavaError('not-loaded', '');
    while (this.#reading) {
      this.#view.status.say(this.#strings.waitingForPicture);
      const read = await until(this.#reading.done, signal);
      if (!read && !this.#reading) throw new InfLlavaError('page', this.#strings.pictureNotRead);
    }
  }

  #askingFailed(error: unknown, turn: TurnView, on_failure: () => void) {
    const code = codeOf(error);
    if (this.#runner.lost) {
      // It goes on when somebody restarts the engine.
      turn.breakOff();
      this.#broken = turn;
      return;
    }
    on_failure();
    if (code === 'stopped') {
      this.#view.status.say(this.#strings.questionStopped);
      return;
    }
    this.#view.status.say(this.#strings.questionFailed);
    // What is wrong with the model is said already.
    if (!ENDS.includes(code)) this.#view.chat_notice.show({ title: this.#strings.failure.question, message: messageOf(error), advice: this.#strings.advice[code] ?? '' });
    this.#emit('error', { code, message: messageOf(error) });
  }

  /** The model's conversation begins at `entry`. */
  #forgetBefore(entry: HTMLElement) {
    this.#view.conversation.forgetBefore(entry);
    this.#turns = [];
    this.#stopEditing();
    this.#showBusy();
  }

  #stopEditing() {
    this.#editing = null;
    this.#view.composer.setEditing(false);
  }

  #showBusy() {
    const free = !this.#asking && !this.#reading;
    this.#view.composer.setBusy({ asking: this.#asking !== null, stoppable: this.#runner.loading || Boolean(this.#reading ?? this.#asking) });
    const last = this.#turns.at(-1);
    for (const element of this.#view.conversation.turns) element.offer({ regenerate: free && element === last, edit: free && this.#turns.includes(element) });
  }
}

/** Waits for something else, but not beyond an abort. */
async function until<T>(other: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = () => new InfLlavaError('stopped', 'stopped');
  if (signal.aborted) throw stopped();
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(stopped()), { once: true }));
  return Promise.race([other, aborted]);
}
