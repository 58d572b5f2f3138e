/** The element's styles, as an adopted style sheet: strict pages refuse inline styles. */

import composer from './composer.css';
import layout from './layout.css';
import narrow from './narrow.css';
import picture from './picture.css';
import stage from './stage.css';
import talk from './talk.css';
import theme from './theme.css';

/** A style sheet can only be adopted in the document that made it. */
const sheets = new WeakMap<Document, CSSStyleSheet>();
const watches = new WeakMap<ShadowRoot, ResizeObserver>();
/** Values of `display` with which the element has no box of its own, or one that is as large as its content. */
const BOXLESS = /^(contents|inline|none)$/;
const FLOWING = /^(contents|inline|none|(table|ruby).*)$/;

export function adoptStyles(shadow: ShadowRoot): void {
  const page = shadow.ownerDocument;
  if (!page.defaultView) return; // the document of a template is never shown
  let sheet = sheets.get(page);
  if (!sheet) {
    sheet = new page.defaultView.CSSStyleSheet();
    sheet.replaceSync([theme, stage, picture, talk, composer, layout, narrow].join('\n'));
    sheets.set(page, sheet);
  }
  shadow.adoptedStyleSheets = [sheet];
}

/** Adds the widget with its styles. If the host has no box, the widget takes its place; this follows later changes. */
export function dress(shadow: ShadowRoot, widget: HTMLElement): void {
  adoptStyles(shadow);
  shadow.replaceChildren(widget);
  const fit = () => {
    const { display } = getComputedStyle(shadow.host);
    widget.classList.toggle('boxless', BOXLESS.test(display));
    widget.classList.toggle('flowing', FLOWING.test(display));
  };
  fit();
  watches.get(shadow)?.disconnect();
  // The size of a host changes when it gains or loses its box.
  const watch = new ResizeObserver(fit);
  watch.observe(shadow.host);
  watches.set(shadow, watch);
}
