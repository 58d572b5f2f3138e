/**
 * What the page does: one engine, one picture, one conversation. Nothing of the user's is lost: a
 * question that gets no answer returns to the box, a picture that cannot be used leaves the earlier
 * one in place, and a crash leaves the conversation on the page.
 *
 * @typedef {import('./picture.js').Picture} Picture
 * @typedef {import('./view/turn.js').Turn} Turn
 * @typedef {import('./protocol.js').EngineError} EngineError
 */

import { Host } from './host.js';
import { openPicture, pictureBytes } from './picture.js';
import { strings } from './strings.js';
import { Task } from './task.js';

const NOT_RUNNING = Object.freeze({ code: 'not-running', message: '' });

export class Chat {
  #view;
  #host;
  #started = false;
  /** @type {Task & {picture: Picture, entry: Element}|null} */
  #reading = null;
  /** @type {Task|null} */
  #asking = null;
  /** The picture that the engine holds, with what is written below it. @type {{picture: Picture, facts: string, remarks: string[], outside_scope: boolean}|null} */
  #held = null;
  /** The picture that the engine should hold: the one to read again after a restart. @type {Picture|null} */
  #wanted = null;
  #model;
  #has_samples = false;
  /** The questions that are offered, and for which scope. */
  #offered = '';
  /** The one kind of picture that the model knows. @type {string|null} */
  #scope = null;
  /** The turn that can be asked again. @type {Turn|null} */
  #last_turn = null;

  /**
   * @param {import('./address.js').PageAddress} address
   * @param {object} view
   * @param {import('./view/status.js').Status} view.status
   * @param {import('./view/picture.js').PictureView} view.picture
   * @param {import('./view/samples.js').Samples} view.samples
   * @param {import('./view/conversation.js').Conversation} view.conversation
   * @param {import('./view/composer.js').Composer} view.composer
   * @param {import('./view/notice.js').Notice} view.picture_notice
   * @param {import('./view/notice.js').Notice} view.chat_notice
   */
  constructor(address, view) {
    this.#view = view;
    this.#model = address.model;
    this.#host = new Host(address, view, {
      on_start: () => this.#engineStarts(),
      on_info: ({ scope }) => this.#setScope(scope ?? null),
      on_change: () => this.#showBusy(),
    });
  }

  /** @param {Promise<void>} ready  what the engine has to wait for */
  start(ready) {
    this.#host.start(ready);
  }

  /** @param {File} file @param {boolean} several  it was one of several */
  async choosePicture(file, several) {
    this.#view.picture_notice.hide();
    try {
      this.#read(await openPicture(file, several ? [strings.severalFiles(file.name)] : []));
    } catch (error) {
      this.#showPictureError(error);
    }
  }

  /** @param {import('./view/samples.js').Sample} sample */
  chooseSample({ picture }) {
    this.#view.picture_notice.hide();
    this.#read(picture);
  }

  /** Runs a model from a folder on disk. @param {File[]} files */
  openModel(files) {
    if (files.some(({ name }) => name === 'manifest.json' || name === 'config.json')) this.#host.open(files);
    else this.#view.chat_notice.show({ title: strings.failure.load, message: strings.noModelFolder });
  }

  /** @returns {Promise<import('./protocol.js').KeptModel[]>} */
  async keptModels() {
    return (await this.#host.engine?.kept().promise) ?? [];
  }

  /** @param {string} id */
  async removeKept(id) {
    await this.#host.engine?.removeKept(id).promise;
    this.#view.status.say(strings.removed);
  }

  async removePicture() {
    const reading = this.#reading;
    reading?.interrupt();
    this.#wanted = this.#held = null;
    this.#view.picture_notice.hide();
    this.#show(null);
    await reading?.done;
    await this.#asking?.done;
    if (this.#reading) return; // another picture has been chosen meanwhile
    // It may have been read before the stop was heard.
    this.#wanted = this.#held = null;
    this.#show(null);
    if (await this.#tell((engine) => engine.clearImage())) {
      this.#forgetBefore(this.#view.conversation.addNote(strings.textOnly));
      this.#view.status.say(strings.pictureRemoved);
    }
  }

  /** @param {string} text */
  send(text) {
    if (this.#asking) return;
    const { conversation, composer, status } = this.#view;
    this.#host.clearNotice();
    composer.focus();
    const question = text.trim();
    if (!question) {
      status.say(strings.emptyQuestion);
      return;
    }
    composer.take(question);
    const turn = conversation.addTurn(question);
    this.#ask(turn, {
      start: (engine, on_event) => engine.ask(question, composer.sampling(), on_event),
      on_failure: () => {
        if (turn.hasText()) turn.breakOff();
        else turn.root.remove();
        composer.giveBack(question);
      },
    });
  }

  /** @param {Turn} turn */
  regenerate(turn) {
    if (this.#asking) return;
    const { composer } = this.#view;
    this.#host.clearNotice();
    composer.focus();
    turn.startOver();
    this.#ask(turn, {
      start: (engine, on_event) => engine.regenerate(composer.sampling(), on_event),
      on_failure: () => {
        turn.restore();
        this.#offerRegenerate(turn);
      },
    });
  }

  async newChat() {
    const { conversation, composer, status } = this.#view;
    this.#asking?.interrupt();
    await this.#asking?.done;
    this.#host.clearNotice();
    conversation.clear();
    this.#offerRegenerate(null);
    if (this.#reading) this.#reading.entry = conversation.addPicture(this.#reading.picture);
    else if (this.#held) this.#remark(conversation.addPicture(this.#held.picture), this.#held);
    composer.focus();
    if (await this.#tell((engine) => engine.newChat())) status.say(strings.newChat);
  }

  /** Ends what the engine is at, and a question that waits for it. */
  stop() {
    const { loading } = this.#host;
    const at_work = [this.#asking, this.#reading].find((task) => task?.command) ?? loading ?? this.#reading ?? this.#asking;
    if (!at_work) return;
    this.#view.status.say(strings.stopping);
    at_work.interrupt();
    this.#asking?.interrupt();
  }

  /** After a crash or a failure, the new engine knows neither the conversation nor the picture. */
  #engineStarts() {
    if (!this.#has_samples) this.#offerSamples();
    const again = this.#started;
    this.#started = true;
    if (!again) return;
    this.#held = null;
    if (this.#view.conversation.hasTurns()) this.#forgetBefore(this.#view.conversation.addNote(strings.restarted));
    if (this.#wanted) this.#read(this.#wanted);
  }

  async #offerSamples() {
    const samples = await this.#host.engine.samples(this.#model).promise.catch(() => []);
    const offered = [];
    for (const { bytes, alt, questions } of samples) {
      const file = new File([bytes], strings.sampleName(offered.length + 1));
      const picture = await openPicture(file, []);
      if (picture.preview) offered.push({ picture: { ...picture, questions }, alt });
    }
    this.#has_samples = offered.length > 0;
    this.#view.samples.offer(offered, (sample) => this.chooseSample(sample));
  }

  #setScope(scope) {
    this.#scope = scope;
    this.#view.samples.setScope(scope);
    this.#offerQuestions(this.#wanted);
  }

  /** A sample brings its own; else there are some that suit the model. @param {Picture|null} picture */
  #offerQuestions(picture) {
    const questions = picture?.questions ?? [];
    const offered = JSON.stringify([questions, this.#scope]);
    if (offered === this.#offered) return; // new buttons would drop the focus
    this.#offered = offered;
    this.#view.composer.suggest(questions);
    this.#view.conversation.setStarters(questions.length ? [] : (strings.starters[this.#scope] ?? strings.starters.any));
  }

  /** Shows a picture, or none, with what goes with it. @param {Picture|null} picture */
  #show(picture, { facts = '', remarks = [], outside_scope = false } = {}) {
    this.#view.picture.show(picture, facts, remarks, outside_scope);
    this.#view.samples.setCurrent(picture);
    this.#offerQuestions(picture);
  }

  /** Says in the log, too, what is to be known before an answer. @param {Element} entry */
  #remark(entry, { outside_scope }) {
    if (outside_scope) this.#view.conversation.remarkOn(entry, strings.outsideScopeShort);
  }

  /** Has the engine read a picture, instead of one that it may still be reading. @param {Picture} picture */
  #read(picture) {
    this.#reading?.interrupt();
    this.#wanted = picture;
    this.#show(picture, { facts: strings.pictureChosen(picture.file.size), remarks: picture.remarks });
    const entry = this.#view.conversation.addPicture(picture);
    const reading = Object.assign(new Task(), { picture, entry });
    this.#reading = reading;
    reading.done = this.#runReading(reading);
    this.#showBusy();
  }

  /** @returns {Promise<boolean>} whether the engine now holds the picture */
  async #runReading(reading) {
    const { status, picture: view } = this.#view;
    const { picture } = reading;
    const newest = () => this.#reading === reading;
    try {
      view.beginReading();
      if (!(await reading.until(this.#host.running))) throw NOT_RUNNING;
      const bytes = await reading.until(pictureBytes(picture));
      if (this.#asking?.command) status.say(strings.pictureWaits);
      const summary = await reading.run(
        this.#host.engine.setImage(picture.name, bytes, (event) => {
          if (!newest() || event.type !== 'progress') return;
          this.#sayReading();
          status.advance(event.phase, event.done, event.total);
          if (event.phase === 'vision') view.advance(event.done, event.total);
        }),
      );
      this.#held = {
        picture,
        facts: strings.pictureFacts(summary),
        remarks: [...picture.remarks, ...summary.notices],
        outside_scope: summary.outside_scope === true,
      };
      this.#remark(reading.entry, this.#held);
      this.#forgetBefore(reading.entry);
      if (newest()) {
        view.setGeometry(summary);
        this.#show(picture, this.#held);
        status.say(strings.pictureReady(summary));
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
        if (!this.#asking?.command) status.end();
        this.#showBusy();
      }
    }
  }

  #sayReading() {
    this.#view.status.say(this.#asking ? strings.waitingForPicture : strings.readingPicture);
  }

  /** @param {EngineError} error */
  #readingFailed(error) {
    // An engine that is not there reads the picture when it is.
    if (error.code === 'crashed' || error.code === NOT_RUNNING.code) return;
    this.#wanted = this.#held?.picture ?? null;
    this.#show(this.#wanted, this.#held ?? {});
    if (error.code === 'stopped') this.#view.status.say(strings.pictureStopped(this.#held !== null));
    else this.#showPictureError(error);
  }

  /** @param {EngineError} error */
  #showPictureError(error) {
    this.#view.status.say(strings.pictureFailed);
    this.#view.picture_notice.show({
      title: strings.failure.picture,
      message: error.message,
      advice: strings.advice(error.code),
    });
  }

  /**
   * @param {Turn} turn
   * @param {object} handlers
   * @param {(engine: import('./engine.js').EngineClient, on_event: (event: any) => void) => import('./engine.js').Command<any>} handlers.start
   * @param {() => void} handlers.on_failure
   */
  #ask(turn, handlers) {
    this.#offerRegenerate(null);
    this.#asking = new Task();
    this.#asking.done = this.#runAsking(this.#asking, turn, handlers);
    this.#showBusy();
  }

  async #runAsking(asking, turn, { start, on_failure }) {
    const { status, conversation } = this.#view;
    try {
      await this.#engineAndPicture(asking);
      conversation.setStreaming(true);
      status.say(strings.answering);
      status.begin();
      const answer = await asking.run(
        start(this.#host.engine, (event) => {
          if (event.type === 'progress') {
            status.advance(event.phase, event.done, event.total);
            return;
          }
          status.end();
          turn.append(event.text);
        }),
      );
      turn.finish(answer);
      this.#offerRegenerate(turn);
      status.say(answer.stop_reason === 'stopped' ? strings.answerStopped(answer) : strings.answered(answer));
    } catch (error) {
      on_failure();
      this.#askingFailed(error);
    } finally {
      this.#asking = null;
      conversation.setStreaming(false);
      if (this.#reading) status.begin();
      else status.end();
      this.#showBusy();
    }
  }

  /** A question waits for the engine to be there, and for the picture that it is about. @param {Task} asking */
  async #engineAndPicture(asking) {
    if (this.#host.loading) this.#view.status.say(strings.waitingForEngine);
    if (!(await asking.until(this.#host.running))) throw NOT_RUNNING;
    while (this.#reading) {
      this.#view.status.say(strings.waitingForPicture);
      const read = await asking.until(this.#reading.done);
      if (!read && !this.#reading) throw { code: 'page', message: strings.pictureNotRead };
    }
  }

  /** @param {EngineError} error */
  #askingFailed(error) {
    if (error.code === 'crashed') return; // said where it was noticed
    if (error.code === 'stopped') {
      this.#view.status.say(strings.questionStopped);
      return;
    }
    this.#view.status.say(strings.questionFailed);
    if (error.code === NOT_RUNNING.code) this.#host.clearNotice(); // what is wrong with the engine is said already
    else this.#showError(error);
  }

  /** @param {EngineError} error */
  #showError(error) {
    this.#view.chat_notice.show({
      title: strings.failure.question,
      message: error.message,
      advice: strings.advice(error.code),
    });
  }

  /** One of the commands that take no time. @returns {Promise<boolean>} whether the engine did it */
  async #tell(command) {
    if (!(await this.#host.running)) return false;
    try {
      await command(this.#host.engine).promise;
      return true;
    } catch (error) {
      if (error.code !== 'crashed') this.#showError(error);
      return false;
    }
  }

  /** The engine's conversation begins at `entry`. @param {Element} entry */
  #forgetBefore(entry) {
    this.#view.conversation.forgetBefore(entry);
    this.#offerRegenerate(null);
  }

  /** Once nothing else is going on. @param {Turn|null} turn */
  #offerRegenerate(turn) {
    this.#last_turn?.offerRegenerate(false);
    this.#last_turn = turn;
    this.#showBusy();
  }

  #showBusy() {
    this.#view.composer.setBusy({
      asking: this.#asking !== null,
      stoppable: Boolean(this.#host.loading ?? this.#reading ?? this.#asking),
    });
    this.#last_turn?.offerRegenerate(!this.#asking && !this.#reading);
  }
}
