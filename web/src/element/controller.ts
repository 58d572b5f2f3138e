/**
 * What the element does: a model, a picture, a conversation. Nothing of the user's is lost: a question that gets no
 * answer returns to the box, a picture that cannot be used leaves the earlier one in place, and an answer that a lost
 * engine broke off goes on once there is another.
 */

import type { AskOptions, Chat } from '../api/chat.js';
import { InfLlavaError } from '../errors.js';
import type { LoadOptions, Model } from '../api/model.js';
import type { ImageInput } from '../api/picture-input.js';
import type { Reply } from '../api/reply.js';
import type { PictureInfo, Progress } from '../engine/protocol.js';
import { Choice, Chooser } from './choice.js';
import type { Emit } from './events.js';
import { Looker } from './looker.js';
import { Offers } from './offers.js';
import { Runner } from './runner.js';
import type { Strings } from './strings/index.js';
import { ENDS, codeOf, messageOf, until, type Held, type Reading, type Task } from './task.js';
import { factsOf, type PictureFacts, type ShownPicture } from './view/picture.js';
import { needMarkdown, type TurnView } from './view/turn.js';
import type { View } from './view/view.js';

export class Controller {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #runner: Runner;
  readonly #offers: Offers;
  readonly #looker: Looker;
  readonly #chooser: Chooser;
  #reading: Reading | null = null;
  #asking: Task | null = null;
  /** A new conversation begins as soon as the present answer has ended. */
  #clearing: Promise<void> | null = null;
  /** The picture that the conversation is about. */
  #held: Held | null = null;
  /** The picture that it should be about. */
  #wanted: Choice | null = null;
  /** The turns about the present picture. */
  #turns: TurnView[] = [];
  /** The turn that a lost engine broke off. */
  #broken: TurnView | null = null;
  /** The question that is being changed. */
  #editing: TurnView | null = null;
  /** What stood in the box before it. */
  #draft = '';

  constructor(view: View, strings: Strings, emit: Emit) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#offers = new Offers(view, strings);
    this.#looker = new Looker(view, strings, emit);
    this.#chooser = new Chooser(strings);
    this.#runner = new Runner(view, strings, emit, {
      onAnother: () => this.#forgetAll(),
      onInfo: ({ scope }) => {
        this.#offers.setScope(scope);
        // A picture that was chosen while there was no model.
        if (this.#wanted && !this.#reading && this.#held?.choice !== this.#wanted) this.#take(this.#wanted);
      },
      onChange: () => this.#showBusy(),
      onRestarted: () => this.#resume(),
    });
  }

  get model(): Model | null {
    return this.#runner.model;
  }

  get chat(): Chat | null {
    return this.#runner.chat;
  }

  get state(): string {
    return this.#runner.state;
  }

  /** Begins with a model, or goes over to another. */
  use(options: LoadOptions): void {
    needMarkdown().catch(() => {}); // answers are plain text then
    this.#reading?.abort.abort();
    this.#asking?.abort.abort();
    this.#runner.use(options);
    const model = this.model;
    if (model)
      void this.#offers.samplesOf(
        model,
        () => this.model === model,
        (picture) => this.chooseSample(picture),
      );
    // A picture that was chosen before, or about which the earlier model was asked.
    if (this.#wanted) this.#take(this.#wanted);
  }

  /** Lets everything go: the element has left the page. */
  end(): void {
    this.#reading?.abort.abort();
    this.#asking?.abort.abort();
    this.#wanted?.drop('the element was taken off the page');
    this.#runner.end();
  }

  pause(): void {
    this.#runner.stop();
  }

  /** Ends what the engine is at, and a question that waits for it; whether there was anything. */
  stop(): boolean {
    const asking = this.#asking;
    if (!asking && !this.#reading && !this.#runner.loading) return false;
    this.#view.status.say(this.#strings.stopping);
    if (this.#runner.loading) this.#runner.stop();
    else if (!asking?.begun) this.#reading?.abort.abort();
    asking?.abort.abort();
    return true;
  }

  /** Whether there is a picture, or is to be one. */
  get chosen(): boolean {
    return this.#wanted !== null;
  }

  choosePicture(files: Iterable<File>): void {
    const choice = this.#chooser.files(files);
    if (choice) this.#take(choice);
  }

  choosePhoto(photo: Promise<File | null>): void {
    this.#take(this.#chooser.photo(photo));
  }

  chooseSample(picture: ShownPicture): void {
    this.#take(Choice.of(picture));
  }

  /** What the page's attribute names; without it, a picture that it named before goes. */
  chooseSource(src: string | null): void {
    if (src) this.#take(this.#chooser.source(src));
    else if (this.#wanted?.ofSource) void this.removePicture();
  }

  /** @throws InfLlavaError where it cannot be read, or another is chosen meanwhile */
  async chooseGiven(image: ImageInput | URL | null, name: string | undefined): Promise<void> {
    if (image === null) await this.removePicture();
    else await this.#take(this.#chooser.given(image, name))!.outcome;
  }

  /** As {@link chooseGiven}, of what is being written down as a file already. */
  async chooseWritten(file: Promise<File>): Promise<void> {
    await this.#take(this.#chooser.photo(file))!.outcome;
  }

  async removePicture(): Promise<void> {
    if (!this.#wanted && !this.#held) return;
    this.#take(null);
    await this.#reading?.done;
  }

  /** As if somebody had typed it; what cannot be asked now is told as an event. */
  askFor(text: string): void {
    if (this.#clearing) void this.#clearing.then(() => this.askFor(text));
    else if (this.#asking) this.#emit('error', { code: 'busy', message: 'another answer is not complete: wait for its event, or stop it' });
    else if (!this.chat) this.#emit('error', { code: 'not-loaded', message: 'there is no model to ask' });
    else this.send(text);
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
    if (editing) composer.giveBack(this.#draft);
    const replaced = at >= 0 ? this.#turns.splice(at, Infinity) : [];
    for (const turn of replaced) turn.root.remove();
    const turn = conversation.addTurn(question);
    this.#ask(
      turn,
      (chat, options) => {
        const first = chat.turns.length - chat.remembered;
        return at >= 0 ? chat.edit(first + at, question, options) : chat.ask(question, options);
      },
      () => {
        turn.root.remove();
        for (const old of replaced) conversation.root.append(old.root);
        this.#turns.push(...replaced);
        composer.giveBack(question);
      },
    );
  }

  regenerate(turn: TurnView): void {
    if (this.#asking) return;
    this.#runner.clearNotice();
    this.#view.composer.focus();
    turn.startOver();
    this.#turns.pop();
    this.#ask(
      turn,
      (chat, options) => chat.regenerate(options),
      () => {
        turn.restore();
        this.#turns.push(turn);
      },
    );
  }

  /** Puts a question back into the box; when it is sent, it takes its own place. */
  edit(turn: TurnView): void {
    const { composer } = this.#view;
    if (!this.#editing) this.#draft = composer.text;
    this.#editing = turn;
    composer.setEditing(true);
    composer.setText(turn.question);
  }

  cancelEdit(): void {
    const { composer } = this.#view;
    if (this.#editing) composer.take(this.#editing.question);
    if (!composer.text) composer.setText(this.#draft);
    this.#stopEditing();
    composer.focus();
  }

  /** Goes back by one step: out of a change, or out of what the engine is at. */
  escape(): boolean {
    if (!this.#editing) return this.stop();
    this.cancelEdit();
    return true;
  }

  newChat(): Promise<void> {
    this.#clearing ??= this.#clear().finally(() => (this.#clearing = null));
    return this.#clearing;
  }

  async #clear(): Promise<void> {
    const { conversation, composer, status } = this.#view;
    this.#asking?.abort.abort();
    // Not a moment later than need be: a question may follow at once.
    if (this.#asking) await this.#asking.done;
    this.#runner.clearNotice();
    this.#stopEditing();
    conversation.clear();
    this.#turns = [];
    this.#broken = null;
    this.chat?.clear();
    const { picture } = this.#reading?.choice ?? {};
    if (this.#reading) this.#reading.entry = picture ? conversation.addPicture(picture) : null;
    else if (this.#held) this.#remark(conversation.addPicture(this.#held.picture), this.#held.info);
    composer.focus();
    this.#showBusy();
    status.say(this.#strings.chatCleared);
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
    if (turn && !this.#asking)
      this.#ask(
        turn,
        (chat, options) => chat.resume(options),
        () => turn.breakOff(),
      );
    else if (this.#wanted && !this.#held && !this.#reading) this.#take(this.#wanted);
  }

  /** Shows a picture, or none, with what goes with it. */
  #show(picture: ShownPicture | null, facts: PictureFacts = {}) {
    this.#view.picture.show(picture, facts);
    this.#offers.setPicture(picture);
    this.look();
  }

  #showHeld() {
    this.#wanted = this.#held?.choice ?? null;
    this.#show(this.#held?.picture ?? null, this.#held ? factsOf(this.#strings, this.#held) : {});
  }

  /** Says in the log, too, what is to be known before an answer. */
  #remark(entry: HTMLElement, info: PictureInfo) {
    if (info.outside_scope) this.#view.conversation.remarkOn(entry, this.#strings.outsideScopeShort);
  }

  /** Has a picture read, or none, instead of what may still be read. Nothing is awaited before it is what counts. */
  #take(choice: Choice | null): Choice | null {
    this.#reading?.abort.abort();
    if (this.#wanted !== choice) this.#wanted?.drop();
    this.#wanted = choice;
    this.#view.pictureNotice.hide();
    this.#stopEditing();
    const reading: Reading = { abort: new AbortController(), begun: false, done: Promise.resolve(), choice, entry: null };
    this.#reading = reading;
    if (!choice || choice.picture) this.#showChosen(reading);
    reading.done = this.#runReading(reading);
    this.#showBusy();
    return choice;
  }

  #showChosen(reading: Reading) {
    const picture = reading.choice?.picture ?? null;
    this.#show(picture, picture ? { remarks: picture.remarks } : {});
    if (picture) reading.entry = this.#view.conversation.addPicture(picture);
  }

  /** Whether the conversation is now about the picture, or about none if that was chosen. */
  async #runReading(reading: Reading): Promise<boolean> {
    const { choice, abort } = reading;
    const newest = () => this.#reading === reading;
    try {
      if (choice && !choice.picture) {
        await until(choice.prepared, abort.signal);
        this.#showChosen(reading);
      }
      if (choice) await this.#readPicture(reading, choice, choice.picture!, newest);
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
        if (!this.#asking?.begun) this.#view.status.end();
        this.#showBusy();
      }
    }
  }

  async #readPicture(reading: Reading, choice: Choice, picture: ShownPicture, newest: () => boolean) {
    const { status, picture: view } = this.#view;
    const { abort } = reading;
    view.beginReading();
    if (!(await until(this.#runner.running, abort.signal))) throw new InfLlavaError('not-loaded', 'there is no model to read the picture');
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
    this.#held = { choice, picture, info };
    choice.read(info);
    if (reading.entry) {
      this.#remark(reading.entry, info);
      this.#forgetBefore(reading.entry);
    }
    if (!newest()) return;
    view.setGeometry(info);
    this.#show(picture, factsOf(this.#strings, this.#held));
    status.say(this.#strings.pictureReady(info));
    this.#emit('picture', info);
  }

  async #readNone(newest: () => boolean) {
    if (this.#asking?.begun) await this.#asking.done;
    if (!newest()) return;
    await this.chat?.setImage(null);
    this.#held = null;
    if (!newest()) return;
    this.#forgetBefore(this.#view.conversation.addNote(this.#strings.textOnly));
    this.#view.status.say(this.#strings.pictureRemoved);
  }

  #readingFailed(error: unknown) {
    const code = codeOf(error);
    this.#wanted?.failed(error instanceof InfLlavaError ? error : new InfLlavaError(code, messageOf(error)));
    // A model that is not there reads the picture when it is.
    if (ENDS.includes(code)) return;
    this.#showHeld();
    if (code === 'stopped') this.#view.status.say(this.#strings.pictureStopped(this.#held !== null));
    else this.#showPictureError(error);
  }

  #showPictureError(error: unknown) {
    const code = codeOf(error);
    const message = messageOf(error);
    this.#view.status.say(this.#strings.pictureFailed);
    this.#view.pictureNotice.show({
      title: this.#strings.failure.picture,
      message,
      code,
      advice: this.#strings.advice[`picture-${code}`] ?? this.#strings.advice[code] ?? '',
    });
    this.#emit('error', { code, message });
  }

  #ask(turn: TurnView, start: (chat: Chat, options: AskOptions) => Reply | null, onFailure: () => void) {
    const asking: Task = { abort: new AbortController(), begun: false, done: Promise.resolve() };
    this.#asking = asking;
    asking.done = this.#runAsking(asking, turn, start, onFailure);
    this.#showBusy();
  }

  async #runAsking(asking: Task, turn: TurnView, start: (chat: Chat, options: AskOptions) => Reply | null, onFailure: () => void) {
    const { status, conversation, composer } = this.#view;
    const { signal } = asking.abort;
    try {
      await this.#engineAndPicture(signal);
      const model = this.model!;
      asking.begun = true;
      turn.begin();
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
      const tookMs = turn.finish(answer);
      this.#turns.push(turn);
      if (answer.remark && !answer.remark.answered) status.say(this.#strings.notAnswered);
      else status.say(answer.stop_reason === 'stopped' ? this.#strings.answerStopped(answer) : this.#strings.answered(tookMs));
      this.#emit('answer', { question: turn.question, answer });
    } catch (error) {
      this.#askingFailed(error, turn, onFailure);
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

  #askingFailed(error: unknown, turn: TurnView, onFailure: () => void) {
    const code = codeOf(error);
    if (this.#runner.lost) {
      // It goes on when somebody restarts the engine.
      turn.breakOff();
      this.#broken = turn;
      return;
    }
    onFailure();
    if (code === 'stopped') {
      this.#view.status.say(this.#strings.questionStopped);
      return;
    }
    this.#view.status.say(this.#strings.questionFailed);
    // What is wrong with the model is said already.
    if (!ENDS.includes(code))
      this.#view.chatNotice.show({ title: this.#strings.failure.question, message: messageOf(error), code, advice: this.#strings.advice[code] ?? '' });
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
