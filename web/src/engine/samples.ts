/**
 * The sample pictures of a model folder: `samples.json`, a list of `{image, alt, questions: [{text}]}`,
 * and the pictures that it names. Both may come from another host, and are not trusted: names must stay
 * in the folder, and what is too large or no sample is skipped. Runs in the worker, which may reach
 * other hosts. The expected answers in `samples.json` are not read.
 */

import { ask, counted } from '../keep/counted.js';
import type { SamplePicture } from './protocol.js';

const LIST_FILE = 'samples.json';
const MOST_LIST_BYTES = 64e3;
const MOST_PICTURE_BYTES = 1e6;
const MOST_SAMPLES = 6;
const MOST_QUESTIONS = 4;
const MOST_CHARACTERS = 600;
/** A file in the folder, or in a subfolder. No name begins with a dot, so none leads outside. */
const IMAGE = /^(?:[A-Za-z0-9_][\w-]*\/)?[A-Za-z0-9_][\w-]*\.(?:png|jpe?g|webp)$/;

/** Empty if the folder at `url` (with a trailing slash) has none. */
export async function readSamples(url: string): Promise<SamplePicture[]> {
  const list = await read(new URL(LIST_FILE, url), MOST_LIST_BYTES).catch(() => null);
  if (!list) return [];
  const found = await Promise.all(
    checked(list).map(async ({ image, alt, questions }) => {
      const bytes = await read(new URL(image, url), MOST_PICTURE_BYTES).catch(() => null);
      return bytes && { bytes, alt, questions };
    }),
  );
  return found.filter((sample) => sample !== null);
}

/** The valid entries of a list. */
function checked(bytes: Uint8Array): { image: string; alt: string; questions: string[] }[] {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list
    .filter((entry) => typeof entry?.image === 'string' && IMAGE.test(entry.image))
    .slice(0, MOST_SAMPLES)
    .map(({ image, alt, questions }) => ({
      image,
      alt: line(alt),
      questions: (Array.isArray(questions) ? questions : [])
        .slice(0, MOST_QUESTIONS)
        .map((question) => line(question?.text))
        .filter(Boolean),
    }));
}

/** One line of text; empty if it is no text, or too long. */
function line(text: unknown): string {
  if (typeof text !== 'string' || text.length > MOST_CHARACTERS) return '';
  return text.replace(/\s+/g, ' ').trim();
}

async function read(url: URL, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const response = await ask(url);
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return counted(response, most, url);
}
