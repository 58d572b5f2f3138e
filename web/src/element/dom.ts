/** Elements as calls. Text only ever enters as text nodes, so nothing that is shown can become markup. */

type Child = Node | string | null | undefined | false;

interface Properties {
  class?: string;
  part?: string;
  hidden?: boolean;
  onclick?: (event: MouseEvent) => void;
  /** Attributes; false and undefined are left out. */
  [attribute: string]: unknown;
}

/** `h('p', {class: 'note'}, 'text')` */
export function h<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A button; `quiet` ones stand back. */
export function button(
  label: string,
  onclick: () => void,
  { kind = 'quiet', part = 'button', ...rest }: { kind?: string; part?: string; [name: string]: unknown } = {},
): HTMLButtonElement {
  return h('button', { type: 'button', class: `button ${kind}`, part: `${part}${kind ? ` ${part}-${kind}` : ''}`, onclick, ...rest }, label);
}

/** Text of unknown direction, among other text. */
export const isolated = (text: string, properties: Properties = {}): HTMLElement => h('bdi', properties, text);

export const list = (items: Child[], properties: Properties = {}): HTMLUListElement => h('ul', properties, ...items.map((item) => h('li', {}, item)));

/** Whether a key belongs to an input method: Safari sends the Enter that takes a candidate after the composition, as key 229. */
export const composing = ({ isComposing, keyCode }: KeyboardEvent): boolean => isComposing || keyCode === 229;

/** A few words, and what more there is to know for whoever opens them. */
export const more = (brief: string, details: string): HTMLDetailsElement => h('details', { class: 'more' }, h('summary', {}, brief), h('p', {}, details));

let lastId = 0;

/** For references within a shadow tree. */
export const freshId = (name: string): string => `${name}-${++lastId}`;

/** The focused element, within shadow trees too. */
export function focused(root: DocumentOrShadowRoot): Element | null {
  let element = root.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}
