/** What a page gives of its own: texts, and models to choose from. What cannot be used is left out, and named. */

import { kindOf } from '../api/kind.js';
import { en, type Strings } from './strings/index.js';
import type { OfferedModel } from './view/models.js';

interface Checked<T> {
  checked: T;
  /** In words, for whoever writes the page. */
  wrong: string[];
}

/** A text in a call's place, or the other way round, would fail where it is shown. */
export function checkedStrings(given: unknown): Checked<Partial<Strings>> {
  if (given === null || given === undefined) return { checked: {}, wrong: [] };
  if (typeof given !== 'object' || Array.isArray(given)) return { checked: {}, wrong: [`strings: an object of texts is needed, and ${kindOf(given)} was given`] };
  const wrong: string[] = [];
  const checked: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(given)) {
    const expected: unknown = Object.hasOwn(en, name) ? en[name as keyof Strings] : undefined;
    if (expected === undefined || text === undefined || text === null) continue; // another version's, or none of its own
    if (typeof text !== typeof expected || Array.isArray(text) !== Array.isArray(expected)) wrong.push(`strings.${name}: ${nameOfType(expected)} is needed, and ${kindOf(text)} was given`);
    else checked[name] = text;
  }
  return { checked, wrong };
}

const nameOfType = (expected: unknown) => (typeof expected === 'function' ? 'a function' : typeof expected === 'string' ? 'a text' : 'an object');

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
  if (typeof given !== 'object' || !(Symbol.iterator in given)) return { checked: [], wrong: [`models: a list of {name, url} is needed, and ${kindOf(given)} was given`] };
  const wrong: string[] = [];
  const checked: OfferedModel[] = [];
  for (const entry of given as Iterable<Partial<Record<keyof OfferedModel, unknown>> | null>) {
    const { name, url } = entry ?? {};
    if (typeof name === 'string' && (typeof url === 'string' || url instanceof URL)) checked.push({ name, url: String(url) });
    else wrong.push(`models: each needs a name and a url, which ${kindOf(entry)} lacks`);
  }
  return { checked, wrong };
}
