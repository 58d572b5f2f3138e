/** The languages that the element speaks by itself. */

import { ar } from './ar.js';
import { de } from './de.js';
import { en } from './en.js';
import type { Strings } from './strings.js';

export { en, type Strings };

const LANGUAGES: Record<string, Strings> = { ar, de, en };

/** The texts for a language tag (`de-AT`), English where there are none, with what a page gives of its own. */
export function stringsFor(language: string, own: Partial<Strings> = {}): Strings {
  const tag = language.toLowerCase().split('-')[0] ?? '';
  const found = Object.hasOwn(LANGUAGES, tag) ? LANGUAGES[tag]! : en;
  // Some texts of a group are as good as all.
  const grouped = Object.entries(own).map(([name, text]) => [name, isGroup(text) ? { ...(found[name as keyof Strings] as object), ...text } : text]);
  return { ...found, ...Object.fromEntries(grouped) };
}

const isGroup = (text: unknown): text is object => typeof text === 'object' && text !== null && !Array.isArray(text);
