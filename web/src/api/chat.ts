/** A conversation: pictures one after another, each with the questions about it. */

import type { Host, Picture, Watcher } from '../engine/host.js';
import type { Answer, EngineEvent, EnhancementAttention, Exchange, PictureInfo, Progress, Sampling } from '../engine/protocol.js';
import { InfLlavaError, stopped } from '../errors.js';
import { kindOf } from './kind.js';
import { checkAskOptions, checkOptions } from './options.js';
import { asMarkdown, checkTranscript, type Transcript, type Turn } from './transcript.js';
import type { ImageInput } from './picture-input.js';
import { readPicture, showing } from './picture.js';
import { Reply } from './reply.js';

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface AskOptions extends WatchOptions, Sampling {}

export interface ChatOptions {
  /** The picture that the conversation is about; it is read at once. */
  image?: ImageInput | null;
  /** Its name, for messages and for the export. */
  imageName?: string;
  /** The result of {@link Chat.export}, which has no pictures: pass the last one as `image` to continue. */
  transcript?: Transcript;
}

/** A picture, and the turns about it. */
interface Topic {
  /** Of the current topic only: no more questions can be asked about earlier ones. */
  picture: Picture | null;
  /** The picture's name. */
  name: string | null;
  info: PictureInfo | null;
  turns: Turn[];
}

/** A question that is being answered, with the part of the answer that has arrived. */
interface Asked {
  question: string;
  /** The index that it will have among the turns of the current topic. */
  at: number;
  options: Sampling;
  begun: number[];
  texts: string[];
}

const WATCHING = ['signal', 'onProgress'];
/** After these errors the engine must be restarted; {@link Chat.resume} then continues. */
const LOST = ['crashed', 'device-lost', 'out-of-memory'];

export class Chat {
  readonly #host: Host;
  readonly #topics: Topic[] = [{ picture: null, name: null, info: null, turns: [] }];
  /** Settles when the newest picture is read: a question waits for it. */
  #reading: Promise<unknown> | null = null;
  /** Answers come one at a time. */
  #answering = false;
  /** The answer that was interrupted when the engine was lost. */
  #broken: Asked | null = null;

  /** @internal */
  constructor(host: Host, options: ChatOptions) {
    this.#host = host;
    const { image, imageName, transcript } = checkOptions(options, ['image', 'imageName', 'transcript']);
    for (const { picture, turns } of transcript ? checkTranscript(transcript) : []) this.#topics.push({ picture: null, name: picture, info: null, turns });
    // The next question rejects with the same error: this promise must not count as an unhandled rejection.
    if (image !== undefined && image !== null) this.#take(image, { name: imageName }, transcript !== undefined).catch(() => {});
  }

  /** Facts about the picture, once it is read; null without one. */
  get picture(): PictureInfo | null {
    return this.#topic.info;
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
  async setImage(image: ImageInput | null, options: WatchOptions & { name?: string | undefined } = {}): Promise<PictureInfo | null> {
    return this.#take(image, checkOptions(options, ['name', ...WATCHING]), false);
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

  /** Forgets all turns; the picture stays. */
  clear(): void {
    const { picture, name, info } = this.#topic;
    this.#topics.splice(0, Infinity, { picture, name, info, turns: [] });
    this.#broken = null;
  }

  /**
   * What the model looked at when it generated token `token` of the answer of turn `index`: the share of attention of
   * each visual token, row by row, as the mean over layers and heads.
   */
  async attention(index: number, token: number, options: { signal?: AbortSignal } | null = {}): Promise<Float32Array> {
    const { signal } = checkOptions(options, ['signal']);
    const { picture, turns } = this.#topic;
    const at = index - (this.turns.length - turns.length);
    const turn = turns[at];
    if (!picture || !turn?.token_ids || token < 0 || token >= turn.token_ids.length) {
      throw new InfLlavaError('option', `there is no token ${token} of turn ${index} that was said about the present picture`);
    }
    const request = {
      system: '',
      before: turns.slice(0, at).map(exchange),
      pictures: [],
      question: turn.question,
      begun: turn.token_ids.slice(0, token + 1),
      options: {},
    };
    return this.#host.attention(showing(request, picture), picture, { signal });
  }

  /**
   * Where the enhancement (DEM) looked when it combined the two views of the current picture, as the mean over
   * heads and queries. This reads the picture once more. Null without a picture.
   */
  async enhancementAttention(options: { signal?: AbortSignal } | null = {}): Promise<EnhancementAttention | null> {
    const { signal } = checkOptions(options, ['signal']);
    const { picture } = this.#topic;
    return picture && this.#host.enhancementAttention(picture, { signal });
  }

  /** The conversation without its pictures: as data, to be imported again, or as Markdown, to be read. */
  export(format?: 'json'): Transcript;
  export(format: 'markdown'): string;
  export(format: 'json' | 'markdown' = 'json'): Transcript | string {
    if (format !== 'json' && format !== 'markdown') throw new InfLlavaError('option', `the format is json or markdown, and ${kindOf(format)} was given`);
    const topics = this.#topics.map(({ name, turns }) => ({
      picture: name,
      turns: turns.map(({ question, text, stop_reason }) => ({ question, text, stop_reason })),
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

  /** @param adopts  whether the picture is the one that the current turns are about */
  async #take(image: ImageInput | null, { name, signal, onProgress }: WatchOptions & { name?: string | undefined }, adopts: boolean) {
    const watcher: Watcher = { signal, onEvent: progressOnly(onProgress) };
    const reading = image === null ? Promise.resolve(null) : readPicture(this.#host, image, name, watcher);
    this.#reading = reading;
    try {
      const read = await reading;
      if (this.#reading !== reading) throw stopped(); // another picture was set in the meantime
      const turns = adopts ? this.#topics.pop()!.turns : [];
      if (!adopts) this.#topic.picture = null;
      this.#topics.push({ picture: read?.picture ?? null, name: read?.picture.name ?? null, info: read?.info ?? null, turns });
      return read?.info ?? null;
    } finally {
      if (this.#reading === reading) this.#reading = null;
    }
  }

  #ask(question: string, given: AskOptions, place: (topic: Topic) => number): Reply {
    const { signal, onProgress, ...options } = checkAskOptions(given);
    if (typeof question !== 'string') throw new InfLlavaError('option', `a question is a text, and ${kindOf(question)} was given`);
    return this.#reply({ signal, onProgress }, (topic) => ({ question, at: place(topic), options, begun: [], texts: [] }));
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
        }
      },
      () => stopping.abort(),
    );
  }

  async #run({ picture, turns }: Topic, asked: Asked, { signal, onProgress }: WatchOptions, onPiece: (text: string) => void): Promise<Answer> {
    const { question, at, options, begun, texts } = asked;
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
    const request = showing({ system: '', before: turns.slice(0, at).map(exchange), pictures: [], question, begun: [...begun], options }, picture);
    this.#broken = null;
    try {
      const answer = await this.#host.reply(request, picture, { signal, onEvent });
      turns.splice(at, Infinity, turnOf(question, answer, texts));
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

const exchange = ({ question, text, token_ids }: Turn): Exchange => ({ pictures: [], question, text, ...(token_ids && { token_ids: [...token_ids] }) });

const turnOf = (question: string, { text, token_ids, stop_reason }: Answer, texts: string[]): Turn =>
  Object.freeze({ question, text, token_ids, token_texts: token_ids.map((_, at) => texts[at] ?? ''), stop_reason });

const progressOnly = (onProgress: ((progress: Progress) => void) | undefined) => (event: EngineEvent) => {
  if (event.type === 'progress') onProgress?.(event);
};
