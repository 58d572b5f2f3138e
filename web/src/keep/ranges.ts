/**
 * Reads the files of a model on a hub, in ranges: small parts as they are asked for, and a long part that is announced
 * (`expect`) as one answer, of which only what was asked for is in memory. A connection that breaks off is made anew from
 * where it ended. The hub sends large files from another host, under an address that is good for a while: so each
 * request begins at the hub.
 */

import type { HubFolder } from '../engine/generated.js';
import type { PlainError } from '../engine/protocol.js';
import { ask } from './counted.js';
import { pause, PAUSES_MS } from './download.js';
import { failure, STOPPED } from './files.js';
import { unreachable } from './reach.js';

/** The least that is asked for at once: headers and small files are read in several steps. */
const BLOCK_BYTES = 2 ** 18;
/** The largest part that is remembered for the next steps. */
const MOST_BLOCK_BYTES = 2 ** 20;

interface Block {
  start: number;
  bytes: Uint8Array;
}

interface Span {
  file: string;
  start: number;
  end: number;
}

/** Why a try failed, and whether another one would fail too. */
interface Trouble {
  error: PlainError;
  final: boolean;
}

export class HubFiles {
  /** The last error, since the engine hands on its message only. */
  trouble: PlainError | null = null;
  readonly #url: string;
  readonly #sizes: Map<string, number | null>;
  readonly #signal: AbortSignal;
  /** The last part of each file that was read in small steps. */
  readonly #blocks = new Map<string, Block>();
  #expected: Span | null = null;
  #answer: Answer | null = null;

  constructor({ url, files }: HubFolder, signal: AbortSignal) {
    this.#url = url;
    this.#sizes = new Map(files.map(({ file, bytes }) => [file, bytes]));
    this.#signal = signal;
  }

  async size(file: string): Promise<number | undefined> {
    const known = this.#sizes.get(file);
    if (known !== null) return known;
    return this.#noted(async () => {
      const size = await sizeOf(this.#address(file), this.#signal);
      this.#sizes.set(file, size);
      return size;
    });
  }

  async read(file: string, start: number, end: number): Promise<Uint8Array> {
    const expected = this.#expected;
    const isExpected = expected?.file === file && start >= expected.start && end <= expected.end;
    return this.#noted(() => (isExpected ? this.#next(file, start, end, expected.end) : this.#part(file, start, end)));
  }

  /** From now on `start` to `end` of the file will be read, in this order. */
  expect(file: string, start: number, end: number): void {
    this.close();
    this.#blocks.clear();
    this.#expected = { file, start, end };
  }

  /** Ends the answer that is being read. */
  close(): void {
    this.#answer?.close();
    this.#answer = null;
    this.#expected = null;
  }

  async #noted<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.trouble = error as PlainError;
      throw error;
    }
  }

  #address(file: string): URL {
    return new URL(encodeURIComponent(file), this.#url);
  }

  async #next(file: string, start: number, end: number, last: number): Promise<Uint8Array> {
    if (!this.#answer || this.#answer.at > start) {
      this.#answer?.close();
      this.#answer = new Answer(this.#address(file), start, last, this.#sizes.get(file) ?? null, this.#signal);
    }
    await this.#answer.skip(start - this.#answer.at);
    return this.#answer.take(end - start);
  }

  async #part(file: string, start: number, end: number): Promise<Uint8Array> {
    const known = this.#blocks.get(file);
    if (known && start >= known.start && end <= known.start + known.bytes.length) return known.bytes.slice(start - known.start, end - known.start);
    const size = await this.size(file);
    if (size === undefined || end > size) throw failure('file-access', `${this.#address(file)}: bytes ${start} to ${end} were wanted of ${size ?? 'no file'}`);
    const last = Math.max(end, Math.min(size, start + BLOCK_BYTES));
    const answer = new Answer(this.#address(file), start, last, size, this.#signal);
    try {
      const bytes = await answer.take(last - start);
      if (bytes.length > MOST_BLOCK_BYTES) return bytes.subarray(0, end - start);
      this.#blocks.set(file, { start, bytes });
      return bytes.slice(0, end - start);
    } finally {
      answer.close();
    }
  }
}

/** An answer with a part of a file, read from its beginning to its end. */
class Answer {
  /** Where the next byte lies in the file. */
  at: number;
  readonly #url: URL;
  readonly #end: number;
  readonly #size: number | null;
  readonly #signal: AbortSignal;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** What has come and was not taken yet. */
  #rest: Uint8Array = new Uint8Array();

  constructor(url: URL, start: number, end: number, size: number | null, signal: AbortSignal) {
    this.#url = url;
    this.at = start;
    this.#end = end;
    this.#size = size;
    this.#signal = signal;
  }

  /** @throws `network`, `hub`, `file-missing`, `damaged`, `stopped` */
  async take(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    await this.#pass(count, (part, at) => bytes.set(part, at));
    return bytes;
  }

  async skip(count: number): Promise<void> {
    await this.#pass(count, () => {});
  }

  close(): void {
    this.#reader?.cancel().catch(() => {}); // the rest is not needed
    this.#reader = null;
    this.#rest = new Uint8Array();
  }

  async #pass(count: number, use: (part: Uint8Array, at: number) => void): Promise<void> {
    let tries = 0;
    for (let done = 0; done < count; ) {
      if (this.#rest.length === 0) {
        const trouble = await this.#more();
        if (trouble) {
          this.close();
          if (this.#signal.aborted) throw STOPPED;
          const pauseMs = trouble.final ? undefined : PAUSES_MS[tries++];
          if (pauseMs === undefined) throw trouble.error;
          await pause(pauseMs, this.#signal);
        }
        continue;
      }
      const part = this.#rest.subarray(0, count - done);
      use(part, done);
      this.#rest = this.#rest.subarray(part.length);
      this.at += part.length;
      done += part.length;
      tries = 0;
    }
  }

  /** Waits for more bytes. */
  async #more(): Promise<Trouble | null> {
    if (!this.#reader) {
      const opened = await this.#open();
      if ('error' in opened) return opened;
      this.#reader = opened.body!.getReader();
    }
    try {
      const { done, value } = await this.#reader.read();
      if (!done) {
        this.#rest = value;
        return null;
      }
      return { error: failure('network', `${this.#url}: the answer ended at byte ${this.at} of ${this.#end}`), final: false };
    } catch (error) {
      return { error: failure('network', `${this.#url}: the connection broke off (${(error as Error).message})`), final: false };
    }
  }

  async #open(): Promise<Response | Trouble> {
    const start = this.at;
    const opened = await asked(this.#url, { Range: `bytes=${start}-${this.#end - 1}` }, this.#signal);
    if ('error' in opened) return opened;
    const wrong = this.#wrong(opened, start);
    if (!wrong) return opened;
    opened.body?.cancel().catch(() => {});
    return wrong;
  }

  /** What is wrong with the answer's range. Another host may hide the header: then the numbers of bytes must do. */
  #wrong(response: Response, start: number): Trouble | null {
    const final = true;
    if (response.status === 200) {
      if (start === 0) return null;
      return { error: failure('network', `${this.#url}: the server does not answer Range requests, which reading a model in parts needs`), final };
    }
    const range = response.headers.get('Content-Range');
    const isRight = range === null || (range.startsWith(`bytes ${start}-`) && (this.#size === null || range.endsWith(`/${this.#size}`)));
    if (isRight) return null;
    return { error: failure('damaged', `${this.#url}: “${range}” came, and ${start}-${this.#end - 1} of ${this.#size} was wanted`), final };
  }
}

/** Size of a file that the hub's list does not tell. */
async function sizeOf(url: URL, signal: AbortSignal): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    const opened = await asked(url, {}, signal);
    if (!('error' in opened)) {
      opened.body?.cancel().catch(() => {});
      const length = opened.headers.has('Content-Encoding') ? null : opened.headers.get('Content-Length');
      if (length && /^\d+$/.test(length)) return Number(length);
      throw failure('network', `${url}: the server does not tell the size of this file`);
    }
    if (signal.aborted) throw STOPPED;
    const pauseMs = opened.final ? undefined : PAUSES_MS[tries];
    if (pauseMs === undefined) throw opened.error;
    await pause(pauseMs, signal);
  }
}

/** One request, and what its status means. */
async function asked(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response | Trouble> {
  let response: Response;
  try {
    response = await ask(url, { headers, cache: 'no-store', signal }); // what is made of it is kept
  } catch {
    return { error: signal.aborted ? STOPPED : await unreachable(url), final: false };
  }
  if (response.ok) return response;
  return { error: refused(url, response), final: response.status < 500 && response.status !== 429 };
}

/** What a status of the hub means. The hub answers alike for what is private and for what is not there. */
export function refused(url: URL, response: Response): PlainError {
  const { status } = response;
  // The hub lets pages read this header.
  const says = response.headers.get('X-Error-Code') ?? '';
  if (status === 401 || status === 403) {
    const gated = says === 'GatedRepo' ? 'the model is gated: its licence must be accepted first' : 'there is no such model, or it is private or gated';
    return failure(
      'hub',
      `${url} is not given to this page (HTTP status ${status}): ${gated}. ` +
        'A page has no account. Accept the licence on the hub, convert the model where you are signed in (HF_TOKEN=… inf-llava convert OWNER/NAME FOLDER), and open that folder. ' +
        'A folder of this site is written with its path: ./folder/model/',
      { status },
    );
  }
  if (status === 404 || status === 410) {
    const missing = says === 'RevisionNotFound' ? 'the model has no such revision' : 'the hub has no such file or model';
    return failure(says === 'EntryNotFound' ? 'file-missing' : 'hub', `${url}: ${missing} (HTTP status ${status})`, { status });
  }
  if (status === 416) return failure('damaged', `${url}: the file is shorter than the hub’s list says`);
  return failure('network', `${url}: HTTP status ${status}`);
}
