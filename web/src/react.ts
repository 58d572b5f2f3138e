'use client';

/** The element as a React component, with props and event handlers. On a server it renders the bare tag. */

import { createElement, forwardRef, useEffect, useImperativeHandle, useRef, type DetailedHTMLProps, type HTMLAttributes, type ReactNode } from 'react';
import type { InfLlavaChat as Element, InfLlavaChatEventMap } from './element/element.js';
import type { ChatAttributes, ChatHandlers, ChatProperties } from './element/tag.js';

type Detail<Name extends keyof InfLlavaChatEventMap> = InfLlavaChatEventMap[Name]['detail'];

interface OwnProps extends ChatProperties {
  onStateChange?: ((detail: Detail<'inf-llava-state'>) => void) | undefined;
  onProgress?: ((detail: Detail<'inf-llava-progress'>) => void) | undefined;
  onReady?: ((detail: Detail<'inf-llava-ready'>) => void) | undefined;
  onPicture?: ((detail: Detail<'inf-llava-picture'>) => void) | undefined;
  onAnswer?: ((detail: Detail<'inf-llava-answer'>) => void) | undefined;
  onError?: ((detail: Detail<'inf-llava-error'>) => void) | undefined;
}

/** Including the props of every HTML element. */
export type InfLlavaChatProps = OwnProps & Omit<HTMLAttributes<Element>, keyof OwnProps> & { [name: `data-${string}`]: unknown };

/** The tag itself in JSX. */
export type InfLlavaChatTag = DetailedHTMLProps<HTMLAttributes<Element>, Element> &
  ChatProperties &
  ChatAttributes &
  ChatHandlers<'on'> & { class?: string | undefined };

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'inf-llava-chat': InfLlavaChatTag;
    }
  }
}

const EVENTS = {
  onStateChange: 'inf-llava-state',
  onProgress: 'inf-llava-progress',
  onReady: 'inf-llava-ready',
  onPicture: 'inf-llava-picture',
  onAnswer: 'inf-llava-answer',
  onError: 'inf-llava-error',
} as const;

/** `ref` is the element. */
export const InfLlavaChat = forwardRef<Element, InfLlavaChatProps>(function InfLlavaChat(
  { className, children, onStateChange, onProgress, onReady, onPicture, onAnswer, onError, ...rest },
  ref,
): ReactNode {
  const element = useRef<Element>(null);
  const latest = useRef<OwnProps>({});
  latest.current = { onStateChange, onProgress, onReady, onPicture, onAnswer, onError };
  useImperativeHandle(ref, () => element.current!, []);

  const { properties, attributes } = parted(rest);
  // Also before the element is registered, which takes over properties that it finds. Missing props are unset.
  const given = useRef<string[]>([]);
  useEffect(() => {
    const gone = given.current.filter((name) => !(name in properties)).map((name) => [name, undefined]);
    given.current = Object.keys(properties);
    Object.assign(element.current!, Object.fromEntries(gone), properties);
  });

  useEffect(() => {
    // The element is registered in browsers only.
    import('./define.js').catch((error: Error) => latest.current.onError?.({ code: 'page', message: error.message }));
    const listening = new AbortController();
    for (const [property, name] of Object.entries(EVENTS)) {
      const tell = (event: Event) =>
        (latest.current[property as keyof typeof EVENTS] as ((detail: unknown) => void) | undefined)?.((event as CustomEvent).detail);
      element.current!.addEventListener(name, tell, { signal: listening.signal });
    }
    return () => listening.abort();
  }, []);

  return createElement('inf-llava-chat', { ...attributes, ref: element, class: className } as object, children);
});

/** Props that only a DOM property can hold, in React 18 and 19 and before the element is registered. */
const PROPERTIES = ['models', 'strings', 'wasmUrl', 'workerUrl'];
/** Props with another name in HTML. */
const SPELT: Record<string, string> = { maxNewTokens: 'max-new-tokens', pageWide: 'page-wide', noKeep: 'no-keep' };

function parted(rest: Record<string, unknown>): { properties: Record<string, unknown>; attributes: Record<string, unknown> } {
  const properties: Record<string, unknown> = {};
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest)) {
    if (PROPERTIES.includes(name)) properties[name] = value;
    else attributes[SPELT[name] ?? name] = written(name, value);
  }
  return { properties, attributes };
}

/** An address as text, which a server can render too. */
function written(name: string, value: unknown): unknown {
  if (name === 'pageWide' || name === 'noKeep') return value ? '' : undefined;
  if (!['model', 'hub', 'src'].includes(name) || value === null || typeof value !== 'object') return value;
  return String(value instanceof URL ? value : (value as { url: unknown }).url);
}
