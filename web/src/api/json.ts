/** A request as JSON, in which it is sent to the engine. */

import { InfLlavaError } from '../errors.js';

/**
 * Values that JSON cannot represent would be dropped or become null, and so be ignored. They become strings instead, which
 * the engine refuses for any option that is no string. Undefined fields are left out.
 *
 * @throws InfLlavaError `bad-value`
 */
export function jsonOf(request: unknown): string {
  try {
    return JSON.stringify(request, (_, value) => inJson(value)) ?? 'null';
  } catch (error) {
    throw new InfLlavaError('bad-value', `the request cannot be written as JSON: ${(error as Error).message}`, { param: '' });
  }
}

function inJson(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      // The engine's JSON parser refuses a lone surrogate.
      return value.replace(/\p{Surrogate}/gu, '\ufffd');
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
    case 'function':
    case 'symbol':
      return String(value);
    default:
      return value;
  }
}
