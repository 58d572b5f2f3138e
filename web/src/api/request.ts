/** Reads a request in the shape of OpenAI's API; an error names the field. */

import type { Exchange, Sampling } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';
import { refuseRest } from './foreign-options.js';
import { readMessages } from './messages.js';
import { badValue, fieldsOf, take, unsupported, type Fields } from './refusal.js';

export interface Ask {
  /** The picture's file. */
  picture: Blob | null;
  before: Exchange[];
  question: string;
  options: Sampling;
  /** The answer ends before any of these. */
  stop: string[];
  stream: boolean;
  includeUsage: boolean;
}

const READ = [
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'repetition_penalty',
  'stop',
];
const MOST_STOP_TEXTS = 4;
/** The engine stores such a number in 32 bits. */
const MOST_WHOLE = 2 ** 32 - 1;
const WANTED_PICTURE = 'data:image/png;base64,... (or jpeg, webp, gif, bmp)';

/** @throws InfLlavaError `bad-value`, `unsupported`, `option`, `image-format`, `empty-question`; `details.param` is the field */
export function readRequest(given: unknown): Ask {
  const request = fieldsOf('', given);
  const options = readOptions(request);
  const stop = readStop(request.stop);
  const stream = take('boolean', request, '', 'stream', 'true or false') ?? false;
  const includeUsage = readStreamOptions(request.stream_options);
  refuseRest('request', '', request, READ);
  const { picture, before, question } = readMessages(request.messages);
  if (!question.trim()) throw new InfLlavaError('empty-question', 'messages: the question is empty', { param: 'messages' });
  return { picture: picture && pictureFile(picture.url, picture.param), before, question, options, stop, stream, includeUsage };
}

function readStreamOptions(given: unknown): boolean {
  if (given === null || given === undefined) return false;
  const options = fieldsOf('stream_options', given);
  const includeUsage = take('boolean', options, 'stream_options', 'include_usage', 'true or false') ?? false;
  refuseRest('stream', 'stream_options', options, ['include_usage']);
  return includeUsage;
}

function readOptions(request: Fields): Sampling {
  const temperature = within(request, 'temperature', (number) => number >= 0 && number <= 100, 'from 0 (greedy) to 100');
  const topP = within(request, 'top_p', (number) => number > 0 && number <= 1, 'above 0 and at most 1 (off)');
  const topK = whole(request, 'top_k', 'a whole number from 0 (off)', 0);
  const repetitionPenalty = within(request, 'repetition_penalty', (number) => number >= 0.1 && number <= 10, 'from 0.1 to 10; 1 is off');
  const seed = whole(request, 'seed', 'a whole number', -Infinity);
  // Many programs still send the older name.
  const limits = ['max_tokens', 'max_completion_tokens'].map((name) =>
    whole(request, name, 'a whole number of at least 1; without it an answer may be as long as there is room for', 1),
  );
  const stated = limits.filter((limit) => limit !== undefined);
  const all = {
    max_new_tokens: stated.length > 0 ? Math.min(...stated, MOST_WHOLE) : undefined,
    temperature,
    top_p: topP,
    top_k: topK,
    seed: seed === -1 ? undefined : seed && seedOf(seed),
    repetition_penalty: repetitionPenalty,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Sampling;
}

/** Any whole number is a seed, but for -1, which means none elsewhere; what a number of JavaScript does not hold exactly is brought into range. */
const seedOf = (seed: number): number => (Number.isSafeInteger(seed) && seed >= 0 ? seed : Number(BigInt.asUintN(53, BigInt(seed))));

function within(request: Fields, name: string, isGood: (number: number) => boolean, wanted: string): number | undefined {
  const number = take('number', request, '', name, 'a number');
  if (number === undefined || isGood(number)) return number;
  throw new InfLlavaError('option', `${name}: it is ${number} and must be ${wanted}`, { param: name });
}

function whole(request: Fields, name: string, wanted: string, least: number): number | undefined {
  const number = take('number', request, '', name, wanted);
  if (number !== undefined && !(Number.isInteger(number) && number >= least)) throw badValue(name, `${name} must be ${wanted}`);
  return number;
}

/** One text, or a list of up to four. */
function readStop(given: unknown): string[] {
  const texts = given === null || given === undefined ? [] : typeof given === 'string' ? [given] : given;
  const good = Array.isArray(texts) && texts.length <= MOST_STOP_TEXTS && texts.every((text) => typeof text === 'string' && text !== '');
  if (!good) throw badValue('stop', `stop must be a text or up to ${MOST_STOP_TEXTS}, none of them empty`);
  return texts as string[];
}

/** No address is ever fetched. The decoder finds out whether the bytes are a picture. */
function pictureFile(url: string, param: string): Blob {
  const damaged = (reason: string) => new InfLlavaError('image-format', `${param}: ${reason}`, { param });
  const scheme = /^[^:]*(?=:)/.exec(url)?.[0].toLowerCase() ?? '';
  if (['http', 'https', 'file', 'ftp', 'blob'].includes(scheme)) {
    throw unsupported(param, `${param}: no picture is fetched from an address; send its bytes: ${WANTED_PICTURE}`);
  }
  const [, head, data] = /^data:([^,]*),([\s\S]*)$/i.exec(url) ?? [];
  if (head === undefined || data === undefined) throw damaged(`it must be ${WANTED_PICTURE}`);
  const words = head
    .toLowerCase()
    .split(';')
    .map((word) => word.trim());
  // Any image type: the browser may decode what the engine does not.
  if (!words[0]!.startsWith('image/')) throw damaged(`its URL says ${JSON.stringify(words[0]!.slice(0, 40))}; it must be ${WANTED_PICTURE}`);
  if (words.length < 2 || words.at(-1) !== 'base64') throw damaged(`its URL is not in base64; it must be ${WANTED_PICTURE}`);
  try {
    return new Blob([Uint8Array.from(atob(data), (character) => character.charCodeAt(0))], { type: words[0]! });
  } catch {
    throw damaged('its base64 is damaged');
  }
}
