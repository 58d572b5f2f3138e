/** Checks the options that callers pass: unknown ones are an error, since ignoring them would hide a typing mistake. */

import { InfLlavaError } from '../errors.js';
import { kindOf } from './kind.js';

const wrong = (message: string) => new InfLlavaError('option', message);

/** The type of each sampling option. */
const SAMPLING: Readonly<Record<string, string>> = {
  temperature: 'number',
  top_k: 'whole number',
  top_p: 'number',
  repetition_penalty: 'number',
  seed: 'whole number',
  max_new_tokens: 'whole number',
  anyway: 'boolean',
};

const DETAILS: readonly unknown[] = ['low', 'auto', 'high'];

/** @throws InfLlavaError `option` */
export function checkDetail(detail: unknown): void {
  if (detail === undefined || DETAILS.includes(detail) || (Number.isSafeInteger(detail) && (detail as number) > 0)) return;
  throw wrong(`detail is low, auto, high or a whole number of visual tokens, and ${kindOf(detail)} was given`);
}

/** Accepts a signal of another frame too. @throws InfLlavaError `option` */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === null || signal === undefined) return undefined;
  if (Object.prototype.toString.call(signal) !== '[object AbortSignal]') throw wrong(`signal is an AbortSignal, and ${kindOf(signal)} was given`);
  return signal as AbortSignal;
}

/**
 * The options that are set: null counts as unset.
 *
 * @param names  the known options
 * @throws InfLlavaError `option`
 */
export function checkOptions<Options extends object>(given: Options | null | undefined, names: readonly string[]): Options {
  if (given === null || given === undefined) return {} as Options;
  if (typeof given !== 'object') throw wrong(`options are an object, and ${kindOf(given)} was given`);
  const said = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  for (const [name, value] of said) {
    if (!names.includes(name)) throw wrong(`there is no option “${name}”; there are ${names.join(', ')}`);
    if (name === 'signal') checkSignal(value);
    if (name === 'detail') checkDetail(value);
    if (name === 'onProgress' && typeof value !== 'function') throw wrong(`onProgress is a function, and ${kindOf(value)} was given`);
  }
  return Object.fromEntries(said) as Options;
}

/** @throws InfLlavaError `option` */
export function checkAskOptions<Options extends object>(given: Options | null | undefined): Options {
  const options = checkOptions(given, ['signal', 'onProgress', ...Object.keys(SAMPLING)]);
  for (const [name, value] of Object.entries(options)) {
    const wanted = SAMPLING[name];
    if (wanted && !(wanted === 'whole number' ? Number.isInteger(value) : typeof value === wanted))
      throw wrong(`${name} is a ${wanted}, and ${kindOf(value)} was given`);
  }
  return options;
}
