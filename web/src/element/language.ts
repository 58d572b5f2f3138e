/** The language of a node: the nearest `lang` attribute, also outside shadow trees; an empty one means unknown. */
export function languageOf(element: Element): string {
  for (let at: Element | null = element; at; ) {
    const said: Element | null = at.closest('[lang]:not([lang=""])');
    if (said) return said.getAttribute('lang')!;
    const root = at.getRootNode() as ShadowRoot;
    at = root.nodeType === Node.DOCUMENT_FRAGMENT_NODE ? root.host : null;
  }
  return 'en';
}
