/**
 * What the element does: a model, a picture, a conversation. Nothing of the user's is lost: a question that gets no
 * answer returns to the box, a picture that cannot be used leaves the earlier one in place, and an answer that a lost
 * engine broke off goes on once there is another.
 */

import type { AskOptions, Chat } from '../api/chat.js';
import { InfLlavaError } from '../api/errors.js';
import { Model, type LoadOptions } from '../api/model.js';
import { MOST_FILE_BYTES } from '../api/picture.js';
import type { Reply } from '../api/reply.js';
import { storage } from '../api/storage.js';
import type { Answer, ModelInfo, PictureInfo, Progress } from '../engine/protocol.js';
import type { Strings } from './strings/index.js';
import { previewOf } from './view/preview.js';
import type { PictureFacts, ShownPicture } from './view/picture.js';
import type { TurnView } from './view/turn.js';
import type { View } from './view/view.js';

/** What the element's events say. */
export interface ControllerEvents {
  state: { state: string };
  progress: Progress;
  ready: ModelInfo;
  picture: PictureInfo;
  answer: { question: string; answer: Answer };
  error: { code: string; message: string };
}

type Emit = <Name extends keyof ControllerEvents>(name: Name, detail: ControllerEvents[Name]) => void;

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
  #options: LoadOptions = {};
  #model: Model | null = null;
  #chat: Chat | null = null;
  /** Whether the model can be asked, once that is known. */
  #running: Promise<boolean> = Promise.resolve(false);
  #loading: AbortController | null = null;
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
  #offered = '';
  #scope: string | null = null;
  #downloading = false;
  /** Something was wrong with the model, and is until it runs. */
  #trouble = false;
  /** Answers a question about a download. */
  #decide: (agreed: boolean) => void = () => {};

  constructor(view: View, strings: Strings, emit: Emit) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
  }

  get model(): Model | null {
    return this.#model;
  }

  get chat(): Chat | null {
    return this.#chat;
  }

  get state(): string {
    return this.#model?.state ?? 'idle';
  }

  /** Begins with a model, or goes over to another. */
  use(options: LoadOptions): void {
    const again = this.#model !== null;
    this.#letGo();
    this.#options = options;
    try {
      this.#model = new Model(options);
    } catch (error) {
      this.#fail(this.#strings.engineFailed, { title: this.#strings.failure.load, message: messageOf(error) }, error);
      return;
    }
    this.#model.addEventListener('state', this.#onState);
    this.#model.addEventListener('progress', this.#onProgress);
    this.#chat = this.#model.chat();
    if (again) this.#forgetAll();
    void this.#offerSamples(this.#model);
    this.load();
  }

  /** Loads the model; goes on where a stop interrupted it. */
  load(): void {
    const model = this.#model;
    if (!model || this.#loading) return;
    this.#running = this.#load(model);
    // A picture that was chosen before, or about which the earlier model was asked.
    if (this.#wanted && !this.#reading && this.#held?.picture !== this.#wanted) this.#read(this.#wanted);
  }

  /** Ends what the engine is at, and a question that waits for it. */
  stop(): void {
    const asking = this.#asking;
    if (!asking && !this.#reading && !this.#loading) return;
    this.#view.status.say(this.#strings.stopping);
    if (!asking?.begun) (this.#loading ?? this.#reading?.abort)?.abort();
    asking?.abort.abort();
  }

  pause(): void {
    this.#loading?.abort();
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
    if (this.#reading || !this.#chat) return; // another picture has been chosen meanwhile
    await this.#chat.setImage(null);
    this.#wanted = this.#held = null;
    this.#show(null);
    this.#forgetBefore(this.#view.conversation.addNote(this.#strings.textOnly));
    this.#view.status.say(this.#strings.pictureRemoved);
  }

  send(text: string): void {
    if (this.#asking || !this.#chat) return;
    const { conversation, composer, status } = this.#view;
    this.#clearNotice();
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
    this.#clearNotice();
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
    this.#clearNotice();
    this.#stopEditing();
    conversation.clear();
    this.#turns = [];
    this.#broken = null;
    this.#chat?.clear();
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

  /** Shows what the model looked at, for one word of the last answer. */
  async look(token: number): Promise<void> {
    const { picture, looking } = this.#view;
    const chat = this.#chat;
    const turn = chat?.remembered ? chat.turns.at(-1) : undefined;
    const on = picture.looking && this.#held !== null;
    looking.root.hidden = !on;
    if (!on) {
      picture.drawAttention(null);
      return;
    }
    looking.offer(turn?.token_texts);
    if (!chat || !turn?.token_ids?.length || this.#asking) {
      picture.drawAttention(null);
      return;
    }
    try {
      const shares = await chat.attention(chat.turns.length - 1, token);
      if (picture.looking && looking.token === token) picture.drawAttention(shares);
    } catch (error) {
      if (!ENDS.includes(codeOf(error))) this.#view.picture_notice.show({ title: this.#strings.failure.picture, message: messageOf(error) });
    }
  }

  /** Lets everything go: the element has left the page. */
  end(): void {
    this.#letGo();
  }

  #letGo() {
    this.#decide(false);
    this.#loading?.abort();
    this.#reading?.abort.abort();
    this.#asking?.abort.abort();
    this.#loading = null;
    const model = this.#model;
    this.#model = this.#chat = null;
    model?.removeEventListener('state', this.#onState);
    model?.removeEventListener('progress', this.#onProgress);
    model?.unload();
  }

  /** Another model knows nothing of what stands above; it reads the picture again. */
  #forgetAll() {
    this.#held = null;
    this.#broken = null;
    this.#setScope(null);
    if (this.#turns.length > 0) this.#forgetBefore(this.#view.conversation.addNote(this.#strings.models));
  }

  async #load(model: Model): Promise<boolean> {
    const { status, picture, facts } = this.#view;
    const loading = new AbortController();
    this.#loading = loading;
    this.#trouble = false;
    this.#view.chat_notice.hide();
    facts.show(null);
    status.say(this.#strings.loadingEngine);
    status.begin();
    this.#showBusy();
    try {
      const info = await model.load({ signal: loading.signal, confirmDownload: (details) => this.#confirm(details, loading.signal) });
      facts.show(info);
      picture.setGeometry(info);
      this.#setScope(info.scope);
      status.say(this.#strings.ready(info));
      this.#emit('ready', info);
      return true;
    } catch (error) {
      if (this.#model === model) this.#loadFailed(error as InfLlavaError);
      return false;
    } finally {
      if (this.#loading === loading) {
        this.#loading = null;
        status.end();
        this.#showBusy();
      }
    }
  }

  /** Nothing large is downloaded before this is answered. */
  #confirm(details: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<boolean> {
    const asked = details as { name?: string; license?: string; bytes: number; total: number; kept: boolean };
    const strings = this.#strings;
    this.#view.status.end();
    this.#view.status.say(strings.downloadWaits);
    return new Promise<boolean>((resolve) => {
      this.#decide = resolve;
      signal.addEventListener('abort', () => resolve(false), { once: true });
      const agree = () => {
        this.#view.chat_notice.hide();
        this.#view.status.say(strings.loadingEngine);
        // Only a page may ask that what it keeps is not cleared away; a refusal changes nothing now.
        navigator.storage?.persist?.().catch(() => false);
        resolve(true);
      };
      this.#view.chat_notice.show({
        title: strings.consentTitle(asked),
        message: strings.consentMessage(asked),
        actions: [{ label: strings.download(asked.bytes), run: agree }],
      });
    });
  }

  #loadFailed(error: InfLlavaError) {
    const strings = this.#strings;
    if (this.#model?.state === 'lost') return; // said where it was noticed
    if (error.code === 'quota') {
      const details = error.details as { needed: number; free: number } | undefined;
      const message = details?.needed ? strings.quotaMessage(details) : error.message;
      const without = () => this.use({ ...this.#options, keep: false });
      this.#fail(strings.engineFailed, { title: strings.failure.quota, message, advice: strings.advice['quota'], actions: [{ label: strings.withoutKeeping, run: without }] }, error);
      return;
    }
    const again = { label: strings.loadAgain, run: () => this.load() };
    if (error.code === 'stopped' || error.code === 'consent') {
      const paused = this.#downloading && this.#options.keep !== false;
      const ended = paused ? strings.downloadPaused : strings.engineStopped;
      this.#fail(ended, { title: ended, actions: [paused ? { ...again, label: strings.resume } : again] });
      return;
    }
    this.#fail(strings.engineFailed, { title: strings.failure.load, message: error.message, advice: strings.advice[error.code], actions: [again] }, error);
  }

  readonly #onProgress = (event: Event) => {
    const { phase, done, total } = (event as CustomEvent<Progress>).detail;
    this.#downloading = phase === 'download';
    if (this.#loading && phase !== 'engine') this.#view.status.say(this.#strings.loading(phase));
    this.#view.status.advance(phase, done, total);
    this.#emit('progress', { type: 'progress', phase, done, total });
  };

  readonly #onState = () => {
    const model = this.#model!;
    this.#emit('state', { state: model.state });
    if (model.state === 'recovering' && !this.#loading) {
      this.#view.status.say(this.#strings.recovering);
      this.#view.status.begin();
    } else if (model.state === 'lost') this.#lost(model);
    else if (model.state === 'ready' && model.info()) this.#view.facts.show(model.info());
  };

  /** The engine is gone, and did not come back by itself. */
  #lost(model: Model) {
    const strings = this.#strings;
    const { code, message } = model.trouble!;
    this.#running = Promise.resolve(false);
    this.#view.facts.show(null);
    const restart = (context?: number) => this.#restart(model, context);
    if (code === 'out-of-memory') {
      const smaller = model.smallerContext;
      const actions = [{ label: strings.smallerContext(smaller), run: () => restart(smaller) }];
      this.#fail(strings.engineFailed, { title: strings.failure['out-of-memory'], message, advice: strings.advice[code], actions }, model.trouble);
      return;
    }
    const crashed = code === 'crashed';
    const because = !crashed ? message : message && message !== code ? strings.crashedMessage(message) : strings.crashedSilently;
    const title = strings.failure[code as 'device-lost'] ?? strings.failure.crash;
    const actions = [{ label: strings.restart, run: () => restart() }];
    this.#fail(strings.engineFailed, { title, message: because, advice: strings.advice[code], actions }, model.trouble);
  }

  #restart(model: Model, context: number | undefined) {
    this.#trouble = false;
    this.#view.chat_notice.hide();
    const loading = new AbortController();
    this.#loading = loading;
    this.#view.status.say(this.#strings.loadingEngine);
    this.#view.status.begin();
    this.#showBusy();
    this.#running = model.restart({ ...(context && { context }), signal: loading.signal }).then(
      (info) => {
        this.#view.status.say(this.#strings.ready(info));
        return true;
      },
      (error) => {
        this.#loadFailed(error);
        return false;
      },
    );
    void this.#running.then((running) => {
      if (this.#loading === loading) this.#loading = null;
      this.#view.status.end();
      this.#showBusy();
      if (running) this.#resume();
    });
  }

  /** Goes on with the answer that was broken off. */
  #resume() {
    const turn = this.#broken;
    this.#broken = null;
    if (turn && !this.#asking) this.#ask(turn, (chat, options) => chat.resume(options), () => turn.breakOff());
    else if (this.#wanted && !this.#held && !this.#reading) this.#read(this.#wanted);
  }

  async #offerSamples(model: Model) {
    const samples = await model.samples().catch(() => []);
    const offered: { picture: ShownPicture; alt: string }[] = [];
    for (const { bytes, alt, questions } of samples) {
      const name = this.#strings.sampleName(offered.length + 1);
      const file = new Blob([bytes]);
      const preview = await previewOf(file);
      if (preview) offered.push({ picture: { file, name, preview, remarks: [], questions }, alt });
    }
    if (this.#model === model) this.#view.samples.offer(offered, ({ picture }) => this.chooseSample(picture));
  }

  #setScope(scope: string | null) {
    this.#scope = scope;
    this.#view.samples.setScope(scope);
    this.#offerQuestions(this.#wanted);
  }

  /** A sample brings its own; else there are some that suit the model. */
  #offerQuestions(picture: ShownPicture | null) {
    const questions = picture?.questions ?? [];
    const offered = JSON.stringify([questions, this.#scope]);
    if (offered === this.#offered) return; // new buttons would drop the focus
    this.#offered = offered;
    this.#view.composer.suggest(questions);
    const { starters } = this.#strings;
    this.#view.conversation.setStarters(questions.length > 0 ? [] : (starters[this.#scope as 'any'] ?? starters.any));
  }

  /** Shows a picture, or none, with what goes with it. */
  #show(picture: ShownPicture | null, facts: PictureFacts = {}) {
    this.#view.picture.show(picture, facts);
    this.#view.samples.setCurrent(picture);
    this.#offerQuestions(picture);
    void this.look(0);
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
      if (!(await until(this.#running, abort.signal))) throw new InfLlavaError('not-loaded', '');
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
      const info = (await this.#chat!.setImage(picture.file, { name: picture.name, signal: abort.signal, onProgress }))!;
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
      const model = this.#model!;
      asking.begun = true;
      conversation.setStreaming(true);
      status.say(model.atWork > 0 ? this.#strings.waitingForOthers : this.#strings.answering);
      status.begin();
      const onProgress = ({ phase, done, total }: Progress) => {
        status.say(this.#strings.answering);
        status.advance(phase, done, total);
      };
      const reply = start(this.#chat!, { ...composer.sampling(), signal, onProgress });
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
      void this.look(0);
    }
  }

  /** A question waits for the model to be there, and for the picture that it is about. */
  async #engineAndPicture(signal: AbortSignal) {
    if (this.#loading) this.#view.status.say(this.#strings.waitingForEngine);
    if (!(await until(this.#running, signal))) throw new InfLlavaError('not-loaded', '');
    while (this.#reading) {
      this.#view.status.say(this.#strings.waitingForPicture);
      const read = await until(this.#reading.done, signal);
      if (!read && !this.#reading) throw new InfLlavaError('page', this.#strings.pictureNotRead);
    }
  }

  #askingFailed(error: unknown, turn: TurnView, on_failure: () => void) {
    const code = codeOf(error);
    if (this.#model?.state === 'lost') {
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

  /** Takes away what was said about a question; trouble with the model stays. */
  #clearNotice() {
    if (!this.#trouble) this.#view.chat_notice.hide();
  }

  #fail(status: string, trouble: Parameters<View['chat_notice']['show']>[0], error?: unknown) {
    this.#trouble = true;
    this.#view.status.end();
    this.#view.status.say(status);
    this.#view.chat_notice.show(trouble);
    if (error) this.#emit('error', { code: codeOf(error), message: messageOf(error) });
  }

  #showBusy() {
    const free = !this.#asking && !this.#reading;
    this.#view.composer.setBusy({ asking: this.#asking !== null, stoppable: Boolean(this.#loading ?? this.#reading ?? this.#asking) });
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
