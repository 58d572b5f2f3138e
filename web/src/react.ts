'use client';

/** The element as a React component: properties and events as React has them. On a server it renders the bare tag. */

import { createElement, forwardRef, useEffect, useImperativeHandle, useRef, type CSSProperties, type ReactNode } from 'react';
import type { InfLlavaChat as Element, InfLlavaChatEventMap } from './element/element.js';
import type { Strings } from './element/strings/index.js';
import type { OfferedModel } from './element/view/models.js';
import type { Device } from './engine/protocol.js';

type Detail<Name extends keyof InfLlavaChatEventMap> = InfLlavaChatEventMap[Name]['detail'];

export interface InfLlavaChatProps {
  model?: string;
  device?: Device;
  context?: number;
  start?: 'visible' | 'interaction';
  src?: string;
  /** Of answers to begin with; the visitor can change it, as the next two. */
  temperature?: number;
  maxNewTokens?: number;
  seed?: number;
  lang?: string;
  pageWide?: boolean;
  noKeep?: boolean;
  wasmUrl?: string;
  workerUrl?: string;
  models?: OfferedModel[];
  strings?: Partial<Strings>;
  onStateChange?: (detail: Detail<'inf-llava-state'>) => void;
  onProgress?: (detail: Detail<'inf-llava-progress'>) => void;
  onReady?: (detail: Detail<'inf-llava-ready'>) => void;
  onPicture?: (detail: Detail<'inf-llava-picture'>) => void;
  onAnswer?: (detail: Detail<'inf-llava-answer'>) => void;
  onError?: (detail: Detail<'inf-llava-error'>) => void;
  className?: string;
  style?: CSSProperties;
  children?: ReactNode;
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
  { models, strings, pageWide, noKeep, maxNewTokens, wasmUrl, workerUrl, className, children, ...rest },
  ref,
): ReactNode {
  const element = useRef<Element>(null);
  const latest = useRef(rest);
  latest.current = rest;
  useImperativeHandle(ref, () => element.current!, []);

  // Before the element is registered: what runs is no attribute.
  useEffect(() => {
    Object.assign(element.current!, { wasmUrl: wasmUrl ?? null, workerUrl: workerUrl ?? null });
  }, [wasmUrl, workerUrl]);

  useEffect(() => {
    // The element is registered in the browser alone.
    import('./define.js').catch((error: Error) => latest.current.onError?.({ code: 'page', message: error.message }));
    const listening = new AbortController();
    for (const [property, name] of Object.entries(EVENTS)) {
      const tell = (event: Event) => (latest.current[property as keyof typeof EVENTS] as ((detail: unknown) => void) | undefined)?.((event as CustomEvent).detail);
      element.current!.addEventListener(name, tell, { signal: listening.signal });
    }
    return () => listening.abort();
  }, []);

  useEffect(() => {
    void customElements.whenDefined('inf-llava-chat').then(() => {
      if (element.current && strings) element.current.strings = strings;
      if (element.current && models) element.current.models = models;
    });
  }, [models, strings]);

  const { onStateChange, onProgress, onReady, onPicture, onAnswer, onError, ...attributes } = rest;
  return createElement(
    'inf-llava-chat',
    {
      ...attributes,
      ref: element,
      class: className,
      'page-wide': pageWide ? '' : undefined,
      'no-keep': noKeep ? '' : undefined,
      'max-new-tokens': maxNewTokens,
    } as object,
    children,
  );
});
