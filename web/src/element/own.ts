/** What a page gives of its own: texts, and models to choose from. What cannot be used is left out, and named. */

import { kindOf } from '../api/kind.js';
import { en, type Strings } from './strings/index.js';
import type { OfferedModel } from './view/models.js';

interface Checked<T> {
  checked: T;
  /** In words, for whoever writes the page. */
  wrong: string[];
}

/** A text in a call's place, or the other way round, would fail where it is shown: groups are looked at text by text. What is checked is a copy. */
export function checkedStrings(given: unknown): Checked<Partial<Strings>> {
  if (given === null || given === undefined) return { checked: {}, wrong: [] };
  const wrong: string[] = [];
  const check = (place: string, text: unknown, expected: unknown): unknown => {
    if (expected === undefined || text === undefined || text === null) return undefined; // another version's, or none of its own
    if (typeof text !== typeof expected || Array.isArray(text) !== Array.isArray(expected)) {
      wrong.push(`${place}: ${nameOfType(expected)} is needed, and ${kindOf(text)} was given`);
      return undefined;
    }
    if (typeof text !== 'object') return text;
    // Texts by code: there may be one for a code that has none yet.
    const [first] = Object.values(expected as object);
    const of = (name: string) =>
      Object.hasOwn(expected as object, name) ? (expected as Record<string, unknown>)[name] : place === 'strings' ? undefined : first;
    const entries = Object.entries(text)
      .map(([name, one]) => [name, check(`${place}.${name}`, one, of(name))] as const)
      .filter(([, one]) => one !== undefined);
    if (Array.isArray(text)) return entries.map(([, one]) => one);
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  };
  return { checked: (check('strings', given, en) as Partial<Strings> | undefined) ?? {}, wrong };
}

const nameOfType = (expected: unknown) =>
  typeof expected === 'function' ? 'a function' : typeof expected === 'string' ? 'a text' : Array.isArray(expected) ? 'a list' : 'an object';

/**
 * The page's functions as calls of those that it gave last, for they may know other things than those before. Where one
 * fails, or gives no text, the element's own text takes its place.
 *
 * @param current  what the page gives now
 */
export function callable(current: () => Partial<Strings>, texts: Strings, misused: (message: string) => void): Partial<Strings> {
  type Call = (...args: unknown[]) => unknown;
  const call =
    (name: keyof Strings): Call =>
    (...args) => {
      const own = (texts[name] as Call)(...args);
      try {
        const said = (current()[name] as Call | undefined)?.(...args);
        if (typeof said === typeof own && Array.isArray(said) === Array.isArray(own)) return said;
        misused(`strings.${name}: it gave ${kindOf(said)}`);
      } catch (error) {
        misused(`strings.${name} failed: ${String(error)}`);
      }
      return own;
    };
  return Object.fromEntries(Object.entries(current()).map(([name, text]) => [name, typeof text === 'function' ? call(name as keyof Strings) : text]));
}

/** Whether two of a page's own are alike; functions are where they are written alike, as a framework makes them anew. */
export function sameTexts(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one === 'function' && typeof other === 'function') return String(one) === String(other);
  if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false;
  const names = Object.keys(one);
  const same = (name: string) => sameTexts((one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name]);
  return names.length === Object.keys(other).length && names.every(same);
}

export function checkedModels(given: unknown): Checked<OfferedModel[]> {
  if (given === null || given === undefined) return { checked: [], wrong: [] };
  if (typeof given !== 'object' || !(Symbol.iterator in given))
    return { checked: [], wrong: [`models: a list of {name, url} is needed, and ${kindOf(given)} was given`] };
  const wrong: string[] = [];
  const checked: OfferedModel[] = [];
  for (const entry of given as Iterable<Partial<Record<keyof OfferedModel, unknown>> | null>) {
    const { name, url } = entry ?? {};
    if (typeof name === 'string' && (typeof url === 'string' || url instanceof URL)) checked.push({ name, url: String(url) });
    else wrong.push(`models: each needs a name and a url, which ${kindOf(entry)} lacks`);
  }
  return { checked, wrong };
}
