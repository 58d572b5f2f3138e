/** Why a request in OpenAI's shape is not answered: the codes of `inf-llava serve`; `details.param` is the field at fault. */

import { InfLlavaError } from '../errors.js';

export type Fields = Record<string, unknown>;

/** A field that is missing, or has a value that makes no sense. */
export const badValue = (param: string, message: string): InfLlavaError => new InfLlavaError('bad-value', message, { param });

/** A field whose meaning cannot be kept to. To leave it out silently would be wrong. */
export const unsupported = (param: string, message: string): InfLlavaError => new InfLlavaError('unsupported', message, { param });

/** The object at `place`. */
export function fieldsOf(place: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badValue(place, place ? `${place} must be an object` : 'the request must be an object');
  return value as Fields;
}

interface Types {
  string: string;
  boolean: boolean;
  number: number;
}

/** A field, or undefined where it says nothing: null is as good as none. @param wanted  what it must be */
export function take<Name extends keyof Types>(type: Name, fields: Fields, place: string, field: string, wanted: string): Types[Name] | undefined {
  const value = fields[field];
  if (value === null || value === undefined) return undefined;
  const name = place ? `${place}.${field}` : field;
  if (typeof value !== type) throw badValue(name, `${name} must be ${wanted}`);
  return value as Types[Name];
}

/** A text that must be there. */
export function need(fields: Fields, place: string, field: string, wanted: string): string {
  const value = take('string', fields, place, field, wanted);
  if (value === undefined) throw badValue(`${place}.${field}`, `${place}.${field} is missing; it must be ${wanted}`);
  return value;
}
