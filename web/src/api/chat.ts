/** A conversation: topics one after another, each a picture or several, and the questions about them. */

import type { Host, Look, Watcher } from '../engine/host.js';
import type { Answer, Detail, EngineEvent, EnhancementAttention, ModelInfo, PictureInfo, Progress, ReplyRequest, Sampling } from '../engine/protocol.js';
import { InfLlavaError, stopped } from '../errors.js';
import { kindOf } from './kind.js';
import { checkAskOptions, checkOptions } from './options.js';
import { asMarkdown, checkTranscript, type Transcript, type Turn } from './transcript.js';
import type { ImageInput } from './picture-input.js';
import { readPicture, shown } from './picture.js';
import { Reply } from './reply.js';
import type { VideoInput } from './video.js';

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface AskOptions extends WatchOptions, Sampling {}

export interface PictureOptions extends WatchOptions {
  /** What it is called, for messages and for the export. */
  name?: string | undefined;
  /** How closely the model looks at it: `auto` as it was released, `low`, `high`, or the most visual tokens. */
  detail?: Detail | undefined;
}

export interface VideoOptions extends WatchOptions {
  /** As in {@link PictureOptions}. */
  name?: string | undefined;
}

/** A picture or a video of the current topic. */
export interface ChatPicture {
  /** Of this picture only, in this chat. */
  readonly id: number;
  readonly name: string;
  readonly info: PictureInfo;
  /** Whether something was asked since it was added: then it stays. */
  readonly asked: boolean;
}

export interface ChatOptions {
  /** The picture that the conversation is about; it is read at once. */
  image?: ImageInput | null;
  /** Its name, for messages and for the export. */
  imageName?: string;
  /** As in {@link PictureOptions}. */
  detail?: Detail;
  /** What the model is told before anything is asked. Where its template has no place for it, it goes with the first question. */
  system?: string;
  /** The result of {@link Chat.export}, which has no pictures: pass the last one as `image` to continue. */
  transcript?: Transcript;
}

/** A picture, and the index of the turn whose question shows it; of the next one: {@link NEXT}. */
interface Shown {
  id: number;
  look: Look;
  info: PictureInfo;
  turn: number;
}

const NEXT = Infinity;

/** Has the engine read something that is shown. `isOnly`: it will be its conversation's only one, as far as is known. */
type Read = (isOnly: boolean) => Promise<{ look: Look; info: PictureInfo }>;

/** The turns about one set of pictures. */
interface Topic {
  /** Of the current topic only: no more questions can be asked about earlier ones. */
  shown: Shown[];
  /** The name of the picture that it began with. */
  name: string | null;
  turns: Turn[];
}

/** A question that is being answered, with the part of the answer that has arrived. */
interface Asked {
  question: string;
  /** The index that it will have among the turns of the current topic. */
  at: number;
  /** Those that it shows. */
  pictures: readonly Shown[];
  options: Sampling;
  begun: number[];
  texts: string[];
}

const WATCHING = ['signal', 'onProgress'];
const PICTURE = ['name', 'detail', ...WATCHING];
const VIDEO = ['name', ...WATCHING];
/** After these errors the engine must be restarted; {@link Chat.resume} then continues. */
const LOST = ['crashed', 'device-lost', 'out-of-memory'];

export class Chat {
  readonly #host: Host;
  #system = '';
  readonly #topics: Topic[] = [{ shown: [], name: null, turns: [] }];
  #ids = 0;
  /** How often a picture was set: one that is read meanwhile for an earlier topic is dropped. */
  #set = 0;
  /** Settles when the newest picture is read: a question waits for it. */
  #reading: Promise<unknown> | null = null;
  /** Answers come one at a time. */
  #answering = false;
  /** The pictures of the question that is being answered. */
  #asking: readonly Shown[] = [];
  /** The answer that was interrupted when the engine was lost. */
  #broken: Asked | null = null;

  /** @internal */
  constructor(host: Host, options: ChatOptions) {
    this.#host = host;
    const { image, imageName, detail, system = '', transcript } = checkOptions(options, ['image', 'imageName', 'detail', 'system', 'transcript']);
    this.system = system;
    for (const { picture, turns } of transcript ? checkTranscript(transcript) : []) this.#topics.push({ shown: [], name: picture, turns });
    // The next question rejects with the same error: this promise must not count as an unhandled rejection.
    if (image !== undefined && image !== null) this.#begin(this.#readPicture(image, { name: imageName, detail }), transcript !== undefined).catch(() => {});
  }

  /** Facts about the picture that the topic began with, once it is read; null without one. */
  get picture(): PictureInfo | null {
    return this.#topic.shown[0]?.info ?? null;
  }

  /** The pictures that the next question is about, in the order in which the model sees them. */
  get pictures(): readonly ChatPicture[] {
    return this.#topic.shown.map((shown) => ({
      id: shown.id,
      name: shown.look.picture.name,
      info: shown.info,
      asked: shown.turn !== NEXT || this.#asking.includes(shown),
    }));
  }

  /** What the model is told before anything is asked; a change holds from the next question on. */
  get system(): string {
    return this.#system;
  }

  set system(system: string) {
    if (typeof system !== 'string') throw new InfLlavaError('option', `system is a text, and ${kindOf(system)} was given`);
    this.#system = system;
  }

  /** All turns, the oldest first. */
  get turns(): readonly Turn[] {
    return this.#topics.flatMap(({ turns }) => turns);
  }

  /** How many of the last turns the model remembers: those about the current picture. */
  get remembered(): number {
    return this.#topic.turns.length;
  }

  /**
   * Reads a picture that further questions are about; null: they are about none. If reading fails or is stopped, the
   * conversation stays with the earlier picture.
   *
   * @throws InfLlavaError `image-*`, `stopped`, and as any command of the engine
   */
  async setImage(image: ImageInput | null, options: PictureOptions = {}): Promise<PictureInfo | null> {
    return this.#begin(image === null ? null : this.#readPicture(image, checkOptions(options, PICTURE)), false);
  }

  /** As {@link setImage}, for a video, of which the model sees some frames. */
  async setVideo(video: VideoInput, options: VideoOptions = {}): Promise<PictureInfo> {
    return (await this.#begin(this.#readVideo(video, checkOptions(options, VIDEO)), false))!;
  }

  /**
   * Reads one more picture, which the next question is about, beside those that the conversation has.
   *
   * @throws InfLlavaError `option` if the model knows no more of them in a conversation, and as {@link setImage}
   */
  async addImage(image: ImageInput, options: PictureOptions = {}): Promise<PictureInfo> {
    const checked = checkOptions(options, PICTURE);
    return this.#add(this.#readPicture(image, checked), checked.signal);
  }

  /** As {@link addImage}, for a video. */
  async addVideo(video: VideoInput, options: VideoOptions = {}): Promise<PictureInfo> {
    const checked = checkOptions(options, VIDEO);
    return this.#add(this.#readVideo(video, checked), checked.signal);
  }

  /** Takes picture `index` of {@link Chat.pictures} away, about which nothing was asked yet. */
  removeImage(index: number): void {
    const { asked } = this.pictures[index] ?? {};
    if (asked !== false) {
      const reason = asked ? 'was asked about, and stays: setImage begins anew' : 'does not exist';
      throw new InfLlavaError('option', `picture ${String(index)} of ${this.pictures.length} ${reason}`);
    }
    const topic = this.#topic;
    topic.shown.splice(index, 1);
    if (topic.turns.length === 0) topic.name = topic.shown[0]?.look.picture.name ?? null;
  }

  /**
   * Asks a question, once the picture is read.
   *
   * @throws InfLlavaError `busy` while another question is being answered
   */
  ask(text: string, options: AskOptions = {}): Reply {
    return this.#ask(text, options, (topic) => topic.turns.length);
  }

  /** Answers the last question again; the new answer replaces the old one. */
  regenerate(options: AskOptions = {}): Reply {
    const last = this.#topic.turns.at(-1);
    if (!last) throw new InfLlavaError('option', 'nothing was asked about this picture yet');
    return this.#ask(last.question, options, (topic) => topic.turns.length - 1);
  }

  /** Continues an answer that was interrupted when the engine was lost, once the model is restarted; null if there is none. */
  resume(options: WatchOptions = {}): Reply | null {
    const broken = this.#broken;
    return broken && this.#reply(checkOptions(options, WATCHING), () => broken);
  }

  /** Replaces the question of turn `index` of {@link Chat.turns}; later turns are forgotten. */
  edit(index: number, text: string, options: AskOptions = {}): Reply {
    const before = this.turns.length - this.#topic.turns.length;
    if (!(index >= before && index < this.turns.length)) {
      throw new InfLlavaError('option', `turn ${index} cannot be edited: turns ${before} to ${this.turns.length - 1} are about the present picture`);
    }
    return this.#ask(text, options, () => index - before);
  }

  /** Forgets all turns; the pictures stay. */
  clear(): void {
    const shown = this.#topic.shown.map((picture) => ({ ...picture, turn: NEXT }));
    this.#topics.splice(0, Infinity, { shown, name: shown[0]?.look.picture.name ?? null, turns: [] });
    this.#broken = null;
  }

  /**
   * What the model looked at when it generated token `token` of the answer of turn `index`: the share of attention of
   * each visual token of the last picture, row by row, as the mean over layers and heads.
   */
  async attention(index: number, token: number, options: { signal?: AbortSignal } | null = {}): Promise<Float32Array> {
    const { signal } = checkOptions(options, ['signal']);
    const topic = this.#topic;
    const at = index - (this.turns.length - topic.turns.length);
    const turn = topic.turns[at];
    const pictures = topic.shown.filter((shown) => shown.turn === at);
    const looks = looksOf(topic, at, pictures);
    if (looks.length === 0 || !turn?.token_ids || token < 0 || token >= turn.token_ids.length) {
      throw new InfLlavaError('option', `there is no token ${token} of turn ${index} that was said about the present picture`);
    }
    const asked = { question: turn.question, at, pictures, options: {}, begun: turn.token_ids.slice(0, token + 1), texts: [] };
    return this.#host.attention(this.#request(topic, asked), looks, { signal });
  }

  /**
   * Where the enhancement (DEM) looked when it combined the two views of {@link Chat.picture}, as the mean over
   * heads and queries. This reads the picture once more. Null without a picture.
   */
  async enhancementAttention(options: { signal?: AbortSignal } | null = {}): Promise<EnhancementAttention | null> {
    const { signal } = checkOptions(options, ['signal']);
    const picture = this.#topic.shown[0]?.look.picture ?? null;
    return picture && this.#host.enhancementAttention(picture, { signal });
  }

  /** The conversation without its pictures: as data, to be imported again, or as Markdown, to be read. */
  export(format?: 'json'): Transcript;
  export(format: 'markdown'): string;
  export(format: 'json' | 'markdown' = 'json'): Transcript | string {
    if (format !== 'json' && format !== 'markdown') throw new InfLlavaError('option', `the format is json or markdown, and ${kindOf(format)} was given`);
    const topics = this.#topics.map(({ name, turns }) => ({
      picture: name,
      turns: turns.map(({ pictures, question, text, stop_reason }, at) => {
        const more = at === 0 && name !== null ? pictures.slice(1) : [...pictures];
        return { question, text, stop_reason, ...(more.length > 0 && { pictures: more }) };
      }),
    }));
    const transcript: Transcript = {
      format: 'inf-llava-chat',
      version: 1,
      model: this.#host.info?.name ?? '',
      topics: topics.filter(({ picture, turns }) => turns.length > 0 || picture !== null),
    };
    return format === 'json' ? transcript : asMarkdown(transcript);
  }

  get #topic(): Topic {
    return this.#topics.at(-1)!;
  }

  #readPicture(image: ImageInput, options: PictureOptions): Read {
    return (isOnly) => readPicture(this.#host, image, { ...options, isOnly }, watching(options));
  }

  #readVideo(video: VideoInput, options: VideoOptions): Read {
    return async () => (await import('./video.js')).readVideo(this.#host, video, options.name, watching(options));
  }

  /** @param adopts  whether the picture is the one that the current turns are about */
  async #begin(read: Read | null, adopts: boolean): Promise<PictureInfo | null> {
    this.#set += 1;
    const set = this.#set;
    const reading = read ? read(true) : Promise.resolve(null);
    return this.#while(reading, (read) => {
      if (this.#set !== set) throw stopped(); // another picture was set in the meantime
      const turns = adopts ? this.#topics.pop()!.turns : [];
      if (!adopts) this.#topic.shown = [];
      this.#topics.push({
        shown: read ? [{ ...read, id: this.#nextId(), turn: turns.length > 0 ? 0 : NEXT }] : [],
        name: read?.look.picture.name ?? null,
        turns,
      });
      return read?.info ?? null;
    });
  }

  async #add(read: Read, signal: AbortSignal | undefined): Promise<PictureInfo> {
    const set = this.#set;
    // One after another, so that they keep their order.
    const before = this.#reading?.catch(() => {}) ?? Promise.resolve();
    const reading = before.then(async () => {
      this.#checkRoom(await this.#host.ready(signal));
      return read(this.#topic.shown.length === 0);
    });
    return this.#while(reading, ({ look, info }) => {
      if (this.#set !== set) throw stopped();
      const topic = this.#topic;
      topic.shown.push({ id: this.#nextId(), look, info, turn: NEXT });
      if (topic.turns.length === 0) topic.name ??= look.picture.name;
      return info;
    });
  }

  #nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  /** Has questions wait for `reading`. */
  async #while<T, R>(reading: Promise<T>, take: (read: T) => R): Promise<R> {
    this.#reading = reading;
    try {
      return take(await reading);
    } finally {
      if (this.#reading === reading) this.#reading = null;
    }
  }

  #checkRoom({ name, most_pictures }: ModelInfo) {
    const most = most_pictures ?? Infinity;
    const has = this.#topic.shown.length;
    if (has < most) return;
    const knows = most === 0 ? 'no pictures' : `at most ${most} in a conversation`;
    throw new InfLlavaError('option', `${name} knows ${knows}, and this one has ${has}${most === 0 ? '' : ': setImage begins anew'}`);
  }

  /** A question, with all that its answer depends on. */
  #request(topic: Topic, { question, at, pictures, options, begun }: Asked): ReplyRequest {
    const before = topic.turns.slice(0, at).map(({ question, text, token_ids }, turn) => ({
      pictures: topic.shown.filter((picture) => picture.turn === turn).map(({ look }) => shown(look)),
      question,
      text,
      ...(token_ids && { token_ids: [...token_ids] }),
    }));
    return { system: this.#system, before, pictures: pictures.map(({ look }) => shown(look)), question, begun: [...begun], options };
  }

  #ask(question: string, given: AskOptions, place: (topic: Topic) => number): Reply {
    const { signal, onProgress, ...options } = checkAskOptions(given);
    if (typeof question !== 'string') throw new InfLlavaError('option', `a question is a text, and ${kindOf(question)} was given`);
    return this.#reply({ signal, onProgress }, (topic) => {
      const at = place(topic);
      const turn = at < topic.turns.length ? at : NEXT;
      return { question, at, pictures: topic.shown.filter((picture) => picture.turn === turn), options, begun: [], texts: [] };
    });
  }

  #reply({ signal, onProgress }: WatchOptions, ask: (topic: Topic) => Asked): Reply {
    if (this.#answering) throw new InfLlavaError('busy', 'another answer of this chat is not complete: wait for it, or stop it');
    this.#answering = true;
    const stopping = new AbortController();
    const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
    return new Reply(
      async (onPiece) => {
        try {
          await this.#picture(both);
          return await this.#run(this.#topic, ask(this.#topic), { signal: both, onProgress }, onPiece);
        } finally {
          this.#answering = false;
          this.#asking = [];
        }
      },
      () => stopping.abort(),
    );
  }

  async #run(topic: Topic, asked: Asked, { signal, onProgress }: WatchOptions, onPiece: (text: string) => void): Promise<Answer> {
    const { question, at, pictures, begun, texts } = asked;
    const onEvent = (event: EngineEvent) => {
      if (event.type === 'progress') {
        onProgress?.(event);
        return;
      }
      if (event.id !== null) {
        begun.push(event.id);
        texts.push(event.text);
      }
      if (event.text) onPiece(event.text);
    };
    this.#broken = null;
    this.#asking = pictures;
    try {
      const answer = await this.#host.reply(this.#request(topic, asked), looksOf(topic, at, pictures), { signal, onEvent });
      for (const picture of pictures) picture.turn = at;
      // Those of turns that this one replaces go with them.
      topic.shown = topic.shown.filter(({ turn }) => turn <= at || turn === NEXT);
      const names = pictures.map(({ look }) => look.picture.name);
      topic.turns.splice(at, Infinity, turnOf(names, question, answer, texts));
      return answer;
    } catch (error) {
      if (LOST.includes((error as InfLlavaError).code)) this.#broken = asked;
      throw error;
    }
  }

  /** Waits for the newest picture to be read. */
  async #picture(signal: AbortSignal) {
    while (this.#reading) {
      const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(stopped()), { once: true }));
      if (signal.aborted) throw stopped();
      const reading = this.#reading;
      await Promise.race([reading, aborted]).catch((error) => {
        // Another picture replaced it: wait for that one.
        if (signal.aborted || this.#reading === reading || !this.#reading) throw error;
      });
      await Promise.resolve(); // lets setImage store the picture
    }
    if (signal.aborted) throw stopped();
  }
}

/** All that the question of turn `at` is about, if it shows `pictures` itself. */
const looksOf = ({ shown }: Topic, at: number, pictures: readonly Shown[]): Look[] =>
  [...shown.filter(({ turn }) => turn < at), ...pictures].map(({ look }) => look);

const turnOf = (pictures: string[], question: string, { text, token_ids, stop_reason }: Answer, texts: string[]): Turn =>
  Object.freeze({ pictures, question, text, token_ids, token_texts: token_ids.map((_, at) => texts[at] ?? ''), stop_reason });

const watching = ({ signal, onProgress }: WatchOptions): Watcher => ({ signal, onEvent: (event) => event.type === 'progress' && onProgress?.(event) });
