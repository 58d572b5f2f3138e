/** Creates elements. Text only becomes text nodes, so nothing that is shown can become markup. */

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

/** A button; `quiet` ones are less prominent. */
export function button(
  label: string,
  onclick: () => void,
  { kind = 'quiet', part = 'button', ...rest }: { kind?: string; part?: string; [name: string]: unknown } = {},
): HTMLButtonElement {
  return h('button', { type: 'button', class: `button ${kind}`, part: `${part}${kind ? ` ${part}-${kind}` : ''}`, onclick, ...rest }, label);
}

/** Text of unknown direction within other text. */
export const isolated = (text: string, properties: Properties = {}): HTMLElement => h('bdi', properties, text);

export const list = (items: Child[], properties: Properties = {}): HTMLUListElement => h('ul', properties, ...items.map((item) => h('li', {}, item)));

/** Whether a key belongs to an input method: Safari sends the Enter that accepts a candidate after the composition, as key 229. */
export const composing = ({ isComposing, keyCode }: KeyboardEvent): boolean => isComposing || keyCode === 229;

/** A short text that opens to show the details. */
export const more = (brief: string, details: string): HTMLDetailsElement => h('details', { class: 'more' }, h('summary', {}, brief), h('p', {}, details));

let lastId = 0;

/** A unique id for references within a shadow tree. */
export const freshId = (name: string): string => `${name}-${++lastId}`;

/** The focused element, also within nested shadow trees. */
export function focused(root: DocumentOrShadowRoot): Element | null {
  let element = root.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}
