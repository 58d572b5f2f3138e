/** Types of the tag for frameworks with their own types: properties, attributes and events. */

import type { Detail, Device } from '../engine/protocol.js';
import type { Events } from './events.js';
import type { Strings } from './strings/index.js';
import type { OfferedModel } from './view/models.js';

/** Properties that can be assigned; null and undefined remove them. */
export interface ChatProperties {
  model?: string | URL | OfferedModel | null | undefined;
  hub?: string | URL | null | undefined;
  device?: Device | null | undefined;
  context?: number | null | undefined;
  start?: 'visible' | 'interaction' | null | undefined;
  src?: string | URL | null | undefined;
  /** Initial temperature; the visitor can change it, like the next two. */
  temperature?: number | null | undefined;
  maxNewTokens?: number | null | undefined;
  seed?: number | null | undefined;
  /** How closely the model looks at pictures, initially; the visitor can change it. */
  detail?: Detail | null | undefined;
  system?: string | null | undefined;
  pageWide?: boolean | null | undefined;
  noKeep?: boolean | null | undefined;
  wasmUrl?: string | URL | null | undefined;
  workerUrl?: string | URL | null | undefined;
  models?: OfferedModel[] | null | undefined;
  strings?: Partial<Strings> | null | undefined;
}

/** The same as attributes, if HTML spells them differently. */
export interface ChatAttributes {
  'max-new-tokens'?: number | string | undefined;
  'page-wide'?: boolean | '' | undefined;
  'no-keep'?: boolean | '' | undefined;
}

/** Event handlers: `on`, `on:` or `@`, and the event's name. */
export type ChatHandlers<Prefix extends string> = {
  [Name in keyof Events as `${Prefix}inf-llava-${Name}`]?: ((event: CustomEvent<Events[Name]>) => void) | undefined;
};

/** Event handlers in camel case: `onInfLlavaAnswer`. */
export type CamelHandlers = {
  [Name in keyof Events as `onInfLlava${Capitalize<Name>}`]?: ((event: CustomEvent<Events[Name]>) => void) | undefined;
};
