/** Makes `<details>` elements behave like menus and panels, which are easy to close. */

import { composing } from '../dom.js';

/** Escape inside closes it, and does nothing else: one layer for each press. */
export function closesByEscape(details: HTMLDetailsElement): void {
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !details.open || composing(event)) return;
    event.stopPropagation();
    event.preventDefault(); // a dialog of the page around it stays open
    close(details);
  });
}

/** A menu closes at Escape anywhere, at a click outside, and when something in it was chosen. */
export function closesLikeMenu(details: HTMLDetailsElement): void {
  let open = new AbortController();
  // Not by its `toggle` event, which is a task later and may come after the next key.
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
    // In the capture phase: a handler that stops the event must not keep the menu open, and Escape closes only the menu.
    page.addEventListener('keydown', onKey, { signal, capture: true });
    page.addEventListener('pointerdown', onElsewhere, { signal, capture: true });
    // Focus changes within the shadow tree are not visible outside of it.
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
