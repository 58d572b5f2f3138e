/**
 * Runs the conversation of an element. The user's input is never lost: a question without an answer returns to the box, a
 * picture that cannot be used leaves the earlier one in place, and an answer that was interrupted when the engine was
 * lost continues with the next engine.
 */

import type { AskOptions, Chat } from '../api/chat.js';
import { InfLlavaError } from '../errors.js';
import type { LoadOptions, Model } from '../api/model.js';
import type { Reply } from '../api/reply.js';
import type { Progress } from '../engine/protocol.js';
import type { Emit } from './events.js';
import { Looker } from './looker.js';
import { Offers } from './offers.js';
import { Pictures } from './pictures.js';
import { Runner } from './runner.js';
import { Strip } from './strip.js';
import type { Strings } from './strings/index.js';
import { ENDS, codeOf, messageOf, until, type Task } from './task.js';
import { needMarkdown, type TurnView } from './view/turn.js';
import type { View } from './view/view.js';

export class Controller {
  /** The picture that the conversation began with. */
  readonly pictures: Pictures;
  /** The pictures beside it. */
  readonly strip: Strip;
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  readonly #runner: Runner;
  readonly #offers: Offers;
  readonly #looker: Looker;
  #asking: Task | null = null;
  /** Pending while a new conversation waits for the end of an answer. */
  #clearing: Promise<void> | null = null;
  /** The turns about the current picture. */
  #turns: TurnView[] = [];
  /** The turn that was interrupted when the engine was lost. */
  #broken: TurnView | null = null;
  /** The turn whose question is being edited. */
  #editing: TurnView | null = null;
  /** The text in the box before the edit. */
  #draft = '';

  constructor(view: View, strings: Strings, emit: Emit) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
    this.#offers = new Offers(view, strings);
    this.#looker = new Looker(view, strings, emit);
    this.#runner = new Runner(view, strings, emit, {
      onAnother: () => this.#forgetAll(),
      onInfo: (info) => {
        this.#offers.setScope(info.scope);
        this.#view.composer.offerDetail(info.has_detail);
        this.#view.offerVideos(info.sees_videos);
        this.strip.setModel(info);
        this.pictures.readMissed();
      },
      onChange: () => this.#showBusy(),
      onRestarted: () => this.#resume(),
    });
    this.pictures = new Pictures(view, strings, emit, this.#runner, this.#offers, {
      asking: () => this.#asking,
      onTake: () => this.#stopEditing(),
      onShow: () => this.look(),
      onAbout: (entry) => {
        this.strip.clear();
        this.#forgetBefore(entry);
      },
      onChange: () => this.#showBusy(),
    });
    this.strip = new Strip(view, strings, emit, this.#runner, {
      first: () => this.pictures.held,
      asking: () => this.#asking !== null,
      onLook: (picture) => this.pictures.look(picture),
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

  /** Starts with a model, or changes to another. */
  use(options: LoadOptions, system: string): void {
    needMarkdown().catch(() => {}); // then answers are plain text
    this.pictures.stop();
    this.#asking?.abort.abort();
    this.#runner.use(options, system);
    const model = this.model;
    if (model)
      void this.#offers.samplesOf(
        model,
        () => this.model === model,
        (picture) => this.pictures.chooseSample(picture),
      );
    // A picture that was chosen before, or that the earlier model had read.
    this.pictures.readAgain();
  }

  /** What the model is told before anything is asked, from the next question on. */
  setSystem(system: string): void {
    if (this.chat) this.chat.system = system;
  }

  /** Releases everything: the element has left the page. */
  end(): void {
    this.pictures.end();
    this.strip.clear();
    this.#asking?.abort.abort();
    this.#runner.end();
  }

  pause(): void {
    this.#runner.stop();
  }

  /** Stops what the engine is doing, and a question that waits for it. @returns whether there was anything to stop */
  stop(): boolean {
    const asking = this.#asking;
    if (!asking && !this.pictures.reading && !this.#runner.loading) return false;
    this.#view.status.say(this.#strings.stopping);
    if (this.#runner.loading) this.#runner.stop();
    else if (!asking?.begun) this.pictures.stop();
    asking?.abort.abort();
    return true;
  }

  /** Asks a question as if the visitor had typed it; emits an error event if it cannot be asked now. */
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

  /** Puts a question back into the box; sending it replaces the turn. */
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

  /** Handles Escape: cancels an edit, else stops the engine. @returns whether there was anything to do */
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
    // Without an extra await: a question may follow at once.
    if (this.#asking) await this.#asking.done;
    this.#runner.clearNotice();
    this.#stopEditing();
    conversation.clear();
    this.#turns = [];
    this.#broken = null;
    this.chat?.clear();
    this.pictures.enter();
    this.strip.enter();
    composer.focus();
    this.#showBusy();
    status.say(this.#strings.chatCleared);
  }

  /** Shows what the model looked at, if that is switched on. */
  look(): void {
    const { held, reading } = this.pictures;
    this.#looker.show(() => (held && this.chat && !this.#asking && !reading ? { chat: this.chat, about: held.info } : null));
  }

  /** Another model does not know the turns above, and has to read the picture again. */
  #forgetAll() {
    this.pictures.forget();
    this.strip.clear();
    this.#broken = null;
    this.#offers.setScope(null);
    if (this.#turns.length > 0) this.#forgetBefore(this.#view.conversation.addNote(this.#strings.models));
  }

  /** Continues the interrupted answer. */
  #resume() {
    const turn = this.#broken;
    this.#broken = null;
    if (turn && !this.#asking)
      this.#ask(
        turn,
        (chat, options) => chat.resume(options),
        () => turn.breakOff(),
      );
    else this.pictures.readLost();
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
      if (this.pictures.reading) status.begin();
      else status.end();
      this.#showBusy();
      this.strip.show();
      this.look();
    }
  }

  /** Waits until the model is loaded and the picture is read. */
  async #engineAndPicture(signal: AbortSignal) {
    if (this.#runner.loading) this.#view.status.say(this.#strings.waitingForEngine);
    if (!(await until(this.#runner.running, signal))) throw new InfLlavaError('not-loaded', '');
    while (this.pictures.reading) {
      this.#view.status.say(this.#strings.waitingForPicture);
      const read = await until(this.pictures.reading.done, signal);
      if (!read && !this.pictures.reading) throw new InfLlavaError('page', this.#strings.pictureNotRead);
    }
  }

  #askingFailed(error: unknown, turn: TurnView, onFailure: () => void) {
    const code = codeOf(error);
    if (this.#runner.lost) {
      // It continues when somebody restarts the engine.
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
    // Errors of the model are shown already.
    if (!ENDS.includes(code))
      this.#view.chatNotice.show({ title: this.#strings.failure.question, message: messageOf(error), code, advice: this.#strings.advice[code] ?? '' });
    this.#emit('error', { code, message: messageOf(error) });
  }

  /** Starts the model's conversation at `entry` of the log. */
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
    const { reading } = this.pictures;
    const free = !this.#asking && !reading;
    this.#view.composer.setBusy({ asking: this.#asking !== null, stoppable: this.#runner.loading || Boolean(reading ?? this.#asking) });
    const last = this.#turns.at(-1);
    for (const element of this.#view.conversation.turns) element.offer({ regenerate: free && element === last, edit: free && this.#turns.includes(element) });
  }
}
