/** The language of a place in the page: the nearest that is said, beyond shadow trees; where it is empty nothing is said. */
export function languageOf(element: Element): string {
  for (let at: Element | null = element; at; ) {
    const said: Element | null = at.closest('[lang]:not([lang=""])');
    if (said) return said.getAttribute('lang')!;
    const root = at.getRootNode() as ShadowRoot;
    at = root.nodeType === Node.DOCUMENT_FRAGMENT_NODE ? root.host : null;
  }
  return 'en';
}
