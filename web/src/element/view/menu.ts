/** What opens and must be easy to close: `<details>` that stand for menus and panels. */

import { composing } from '../dom.js';

/** Escape in it closes it, and does nothing else: one layer for each press. */
export function closesByEscape(details: HTMLDetailsElement): void {
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !details.open || composing(event)) return;
    event.stopPropagation();
    event.preventDefault(); // a dialog of the page's around it stays
    close(details);
  });
}

/** A menu goes at Escape from anywhere, at a click outside it, and when something in it was chosen. */
export function closesLikeMenu(details: HTMLDetailsElement): void {
  let open = new AbortController();
  // Not its `toggle` event, which comes a task later than a hasty key.
  const observer = new MutationObserver(() => {
    open.abort();
    if (!details.open) return;
    open = new AbortController();
    const { signal } = open;
    const page = details.ownerDocument;
    const gone = () => {
      if (!details.isConnected) open.abort();
      return !details.isConnected;
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || composing(event) || gone()) return;
      event.stopPropagation();
      event.preventDefault();
      close(details);
    };
    const onElsewhere = (event: Event) => {
      if (!gone() && !event.composedPath().includes(details)) details.open = false;
    };
    // Before anybody else: what stops the event may not keep the menu open, and what Escape closes is the menu alone.
    page.addEventListener('keydown', onKey, { signal, capture: true });
    page.addEventListener('pointerdown', onElsewhere, { signal, capture: true });
    // A move within the shadow tree is not told outside of it.
    details.getRootNode().addEventListener('focusin', onElsewhere, { signal, capture: true });
    page.addEventListener('focusin', onElsewhere, { signal, capture: true });
  });
  observer.observe(details, { attributeFilter: ['open'] });
  details.addEventListener('click', ({ target }) => {
    if (target instanceof Element && target.closest('button')) close(details);
  });
}

function close(details: HTMLDetailsElement) {
  details.open = false;
  details.querySelector('summary')?.focus();
}
