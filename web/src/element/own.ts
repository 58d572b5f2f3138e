/** Checks what a page passes in: texts, and models to choose from. Invalid parts are left out and reported. */

import { kindOf } from '../api/kind.js';
import { en, type Strings } from './strings/index.js';
import type { OfferedModel } from './view/models.js';

interface Checked<T> {
  checked: T;
  /** Messages for the author of the page. */
  wrong: string[];
}

/** Each text must have the type of the element's own: a string instead of a function would only fail when shown. Returns a copy. */
export function checkedStrings(given: unknown): Checked<Partial<Strings>> {
  if (given === null || given === undefined) return { checked: {}, wrong: [] };
  const wrong: string[] = [];
  const check = (place: string, text: unknown, expected: unknown): unknown => {
    if (expected === undefined || text === undefined || text === null) return undefined; // unknown (of another version), or not set
    if (typeof text !== typeof expected || Array.isArray(text) !== Array.isArray(expected)) {
      wrong.push(`${place}: ${nameOfType(expected)} is needed, and ${kindOf(text)} was given`);
      return undefined;
    }
    if (typeof text !== 'object') return text;
    // Texts by error code: a page may add one for a code without a text.
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
 * Wraps the page's functions: a call runs the function that was passed last, which may close over newer data. If it fails
 * or returns something of another type, the element's own text is used.
 *
 * @param current  the texts that were passed last
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

/** Deep equality; functions are equal if their source is, since a framework creates them anew at each render. */
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
