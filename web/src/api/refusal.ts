/** Errors of requests in OpenAI's shape, with the codes of `inf-llava serve`; `details.param` names the field. */

import { InfLlavaError } from '../errors.js';

export type Fields = Record<string, unknown>;

/** A field is missing, or has an invalid value. */
export const badValue = (param: string, message: string): InfLlavaError => new InfLlavaError('bad-value', message, { param });

/** A field is not supported. Ignoring it silently would change the answer. */
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

/** A field; null counts as undefined. @param wanted  what it must be, for the message */
export function take<Name extends keyof Types>(type: Name, fields: Fields, place: string, field: string, wanted: string): Types[Name] | undefined {
  const value = fields[field];
  if (value === null || value === undefined) return undefined;
  const name = place ? `${place}.${field}` : field;
  if (typeof value !== type) throw badValue(name, `${name} must be ${wanted}`);
  return value as Types[Name];
}

/** A required text. */
export function need(fields: Fields, place: string, field: string, wanted: string): string {
  const value = take('string', fields, place, field, wanted);
  if (value === undefined) throw badValue(`${place}.${field}`, `${place}.${field} is missing; it must be ${wanted}`);
  return value;
}
