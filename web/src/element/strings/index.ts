/** The element's languages. English is built in; the others are loaded on demand. */

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

/** Loads the texts for a language tag (`de-AT`); null if there is nothing to load. */
export function needLanguage(language: string): Promise<void> | null {
  const tag = subtag(language);
  if (atHand.has(tag) || !Object.hasOwn(MORE, tag)) return null;
  if (!fetching.has(tag)) {
    // If they cannot be loaded, the element speaks English, as for an unknown language.
    const texts = MORE[tag]!().catch(() => en);
    fetching.set(
      tag,
      texts.then((texts) => void atHand.set(tag, texts)),
    );
  }
  return fetching.get(tag)!;
}

/** The texts for a language tag, or English if they are not loaded, with the page's own texts. */
export function stringsFor(language: string, own: Partial<Strings> = {}): Strings {
  const found = atHand.get(subtag(language)) ?? en;
  // A page may replace only some texts of a group.
  const grouped = Object.entries(own).map(([name, text]) => [name, isGroup(text) ? { ...(found[name as keyof Strings] as object), ...text } : text]);
  return { ...found, ...Object.fromEntries(grouped) };
}

const isGroup = (text: unknown): text is object => typeof text === 'object' && text !== null && !Array.isArray(text);
