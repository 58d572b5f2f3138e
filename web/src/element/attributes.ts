/**
 * The element's attributes, each of which is a property too, as frameworks expect. Assigning a property sets the
 * attribute; null or undefined removes it. An invalid value changes nothing and is reported as an event.
 */

import { InfLlavaError } from '../errors.js';
import { kindOf } from '../api/kind.js';
import type { Detail, Device } from '../engine/protocol.js';

/** On a server, which renders the tag only, there is no HTMLElement to extend. */
class NoElement extends EventTarget {
  getAttribute(): null {
    return null;
  }
  hasAttribute(): boolean {
    return false;
  }
  setAttribute(): void {}
  removeAttribute(): void {}
}
const Base = (globalThis.HTMLElement ?? NoElement) as typeof HTMLElement;

/** The names of the attributes. */
export const ATTRIBUTES = [
  'model',
  'hub',
  'device',
  'context',
  'start',
  'src',
  'lang',
  'temperature',
  'max-new-tokens',
  'seed',
  'detail',
  'system',
  'page-wide',
  'no-keep',
] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

/** HTML attributes are lower case: a framework that sets `maxNewTokens` before the element is defined sets `maxnewtokens`. */
const joined = (name: string): string => name.replaceAll('-', '');
export const OBSERVED: readonly string[] = [...new Set([...ATTRIBUTES, ...ATTRIBUTES.map(joined)])];
/** @param observed  one of {@link OBSERVED} */
export const attributeNamed = (observed: string): Attribute => ATTRIBUTES.find((name) => joined(name) === joined(observed))!;

export abstract class Attributes extends Base {
  /** Name of a model on the hub, address of a model folder, or an entry of `models`; null: the package's own small model. */
  get model(): string | null {
    return this.said('model');
  }

  set model(model: string | URL | { name?: string; url: string | URL } | null | undefined) {
    this.#say('model', model, (value) => addressOf(isEntry(value) ? value.url : value));
  }

  /** Address of the hub, if it is another one than huggingface.co. */
  get hub(): string | null {
    return this.said('hub');
  }

  set hub(hub: string | URL | null | undefined) {
    this.#say('hub', hub, addressOf);
  }

  /** Where to run. */
  get device(): Device | null {
    return this.said('device') as Device | null;
  }

  set device(device: Device | null | undefined) {
    this.#say('device', device, textOf);
  }

  /** The context, in tokens. */
  get context(): number | null {
    return this.numberSaid('context');
  }

  set context(tokens: number | null | undefined) {
    this.#say('context', tokens, numberOf);
  }

  /** When to load the model. */
  get start(): 'visible' | 'interaction' | null {
    return this.said('start') as 'visible' | 'interaction' | null;
  }

  set start(start: 'visible' | 'interaction' | null | undefined) {
    this.#say('start', start, textOf);
  }

  /** Address of a picture to begin with. */
  get src(): string | null {
    return this.said('src');
  }

  set src(src: string | URL | null | undefined) {
    this.#say('src', src, addressOf);
  }

  /** Initial temperature. */
  get temperature(): number | null {
    return this.numberSaid('temperature');
  }

  set temperature(temperature: number | null | undefined) {
    this.#say('temperature', temperature, numberOf);
  }

  /** Initial limit of an answer's length, in tokens. */
  get maxNewTokens(): number | null {
    return this.numberSaid('max-new-tokens');
  }

  set maxNewTokens(tokens: number | null | undefined) {
    this.#say('max-new-tokens', tokens, numberOf);
  }

  /** The same seed gives the same answer. */
  get seed(): number | null {
    return this.numberSaid('seed');
  }

  set seed(seed: number | null | undefined) {
    this.#say('seed', seed, numberOf);
  }

  /** How closely the model looks at pictures, initially. */
  get detail(): Detail | null {
    return this.numberSaid('detail') ?? (this.said('detail') as Detail | null);
  }

  set detail(detail: Detail | null | undefined) {
    this.#say('detail', detail, detailOf);
  }

  /** What the model is told before anything is asked. */
  get system(): string | null {
    return this.said('system');
  }

  set system(system: string | null | undefined) {
    this.#say('system', system, textOf);
  }

  /** Whether files dropped or pasted anywhere on the page go to the element. */
  get pageWide(): boolean {
    return this.isSaid('page-wide');
  }

  set pageWide(wide: boolean | null | undefined) {
    this.#say('page-wide', wide, flagOf);
  }

  /** Whether nothing is kept for the next visit. */
  get noKeep(): boolean {
    return this.isSaid('no-keep');
  }

  set noKeep(nothing: boolean | null | undefined) {
    this.#say('no-keep', nothing, flagOf);
  }

  /**
   * Takes over properties that were assigned before the element was defined: they are own properties of the object, and
   * would hide the class's accessors. To be called by the constructor of the most derived class.
   */
  protected takeOver(): void {
    const own = Object.getOwnPropertyNames(this).filter((name) => name in Object.getPrototypeOf(this));
    const given = own.map((name) => [name, Reflect.get(this, name)] as const);
    for (const name of own) Reflect.deleteProperty(this, name);
    // Read-only properties stay as they are.
    for (const [name, value] of given) if (isSettable(this, name)) Reflect.set(this, name, value);
  }

  /** The value of an attribute; null if it is missing or empty. */
  protected said(name: Attribute): string | null {
    return this.getAttribute(name)?.trim() || this.getAttribute(joined(name))?.trim() || null;
  }

  /** Whether a boolean attribute is set. Frameworks write `false` as text if they find no property. */
  protected isSaid(name: Attribute): boolean {
    const written = this.getAttribute(name) ?? this.getAttribute(joined(name));
    return written !== null && written.toLowerCase() !== 'false';
  }

  /** The number in an attribute; null if it is missing or no number. */
  protected numberSaid(name: Attribute): number | null {
    const number = Number(this.said(name) ?? NaN);
    return Number.isFinite(number) ? number : null;
  }

  /** Reports an invalid value of a property or a method: as an event, and in the console for the author of the page. */
  protected misused(message: string, code = 'option'): InfLlavaError {
    const error = new InfLlavaError(code, message);
    console.warn(`inf-llava-chat: ${message}`);
    this.dispatchEvent(new CustomEvent('inf-llava-error', { detail: { code, message }, bubbles: true, composed: true }));
    return error;
  }

  #say(name: Attribute, value: unknown, write: (value: unknown) => string | null) {
    const text = value === null || value === undefined ? null : attempt(() => write(value));
    if (text === undefined) {
      this.misused(`${name}: ${kindOf(value)} makes no sense there`);
      return;
    }
    if (joined(name) !== name) this.removeAttribute(joined(name));
    if (text === null) this.removeAttribute(name);
    else if (this.getAttribute(name) !== text || name === 'src') this.setAttribute(name, text);
  }

  static {
    // HTML's own `lang` would write null as “null”. Its type is declared already.
    Object.defineProperty(Attributes.prototype, 'lang', {
      get(this: Attributes) {
        return this.getAttribute('lang') ?? '';
      },
      set(this: Attributes, lang: unknown) {
        this.#say('lang', lang, textOf);
      },
      enumerable: true,
      configurable: true,
    });
  }
}

const isEntry = (value: unknown): value is { url: unknown } => typeof value === 'object' && value !== null && !isUrl(value) && 'url' in value;
const isUrl = (value: unknown): boolean => Object.prototype.toString.call(value) === '[object URL]';

/** Each returns the attribute's text, null to remove it, or undefined for an invalid value. */
const textOf = (value: unknown) => (typeof value === 'string' ? value || null : undefined) as string | null;
const addressOf = (value: unknown) => (isUrl(value) ? String(value) : value instanceof String ? String(value) : textOf(value));
const flagOf = (value: unknown) => (value === '' || (value && String(value).toLowerCase() !== 'false') ? '' : null);

function numberOf(value: unknown): string | null {
  if (typeof value === 'string' && !value.trim()) return null;
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN;
  return (Number.isFinite(number) ? String(number) : undefined) as string | null;
}

const detailOf = (value: unknown) => (typeof value === 'number' ? numberOf(value) : textOf(value));

/** A getter of the value may throw. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

function isSettable(element: object, name: string): boolean {
  for (let at = Object.getPrototypeOf(element); at; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found.set !== undefined;
  }
  return false;
}

/** Attributes of earlier versions: people who can write markup into a page must not be able to choose code that runs there. */
const REFUSED = ['wasm-url', 'worker-url'];

/** Warns in the console about attributes that are ignored, and says what to set instead. */
export function warnOfIgnored(element: Element): void {
  for (const name of REFUSED) {
    if (element.hasAttribute(name)) console.warn(`inf-llava-chat: the attribute ${name} is ignored; set the property ${name.replace('-u', 'U')} from a script`);
  }
  // A framework writes a list like this while the element is not defined yet.
  for (const name of ['models', 'strings']) {
    if (element.hasAttribute(name))
      console.warn(`inf-llava-chat: the attribute ${name} is ignored; import inf-llava/define before the page is rendered, or set the property ${name}`);
  }
}
