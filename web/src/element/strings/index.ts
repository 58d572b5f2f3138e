/** The languages that the element speaks by itself. English is at hand; the others are fetched by those who need them. */

import { en } from './en.js';
import type { Strings } from './strings.js';

export { en, type Strings };

const MORE: Record<string, () => Promise<Strings>> = {
  ar: async () => (await import('./ar.js')).ar,
  de: async () => (await import('./de.js')).de,
};
const atHand = new Map<string, Strings>();
const fetching = new Map<string, Promise<void>>();

const subtag = (language: string): string => language.toLowerCase().split('-')[0] ?? '';

/** Fetches the texts for a language tag (`de-AT`); null where there is nothing to fetch. */
export function needLanguage(language: string): Promise<void> | null {
  const tag = subtag(language);
  if (atHand.has(tag) || !Object.hasOwn(MORE, tag)) return null;
  if (!fetching.has(tag)) {
    // Where they cannot be had the element speaks English, as in a language that it does not know.
    const texts = MORE[tag]!().catch(() => en);
    fetching.set(
      tag,
      texts.then((texts) => void atHand.set(tag, texts)),
    );
  }
  return fetching.get(tag)!;
}

/** The texts for a language tag, English where there are none at hand, with what a page gives of its own. */
export function stringsFor(language: string, own: Partial<Strings> = {}): Strings {
  const found = atHand.get(subtag(language)) ?? en;
  // Some texts of a group are as good as all.
  const grouped = Object.entries(own).map(([name, text]) => [name, isGroup(text) ? { ...(found[name as keyof Strings] as object), ...text } : text]);
  return { ...found, ...Object.fromEntries(grouped) };
}

const isGroup = (text: unknown): text is object => typeof text === 'object' && text !== null && !Array.isArray(text);
