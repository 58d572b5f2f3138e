/** The element's styles, as a sheet that is adopted: strict pages refuse inline styles. */

import composer from './composer.css';
import layout from './layout.css';
import narrow from './narrow.css';
import picture from './picture.css';
import stage from './stage.css';
import talk from './talk.css';
import theme from './theme.css';

/** A document takes no sheet but its own. */
const sheets = new WeakMap<Document, CSSStyleSheet>();
const watches = new WeakMap<ShadowRoot, ResizeObserver>();
/** As a page may show the element with no box of its own, or with one that is as large as what stands in it. */
const BOXLESS = /^(contents|inline|none)$/;
const FLOWING = /^(contents|inline|none|(table|ruby).*)$/;

export function adoptStyles(shadow: ShadowRoot): void {
  const page = shadow.ownerDocument;
  if (!page.defaultView) return; // that of a template shows nothing
  let sheet = sheets.get(page);
  if (!sheet) {
    sheet = new page.defaultView.CSSStyleSheet();
    sheet.replaceSync([theme, stage, picture, talk, composer, layout, narrow].join('\n'));
    sheets.set(page, sheet);
  }
  shadow.adoptedStyleSheets = [sheet];
}

/** Puts the widget in, in its styles; it stands for its host where that has no box, and follows a page that changes that. */
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
  // A host that gains or loses its box changes its size.
  const watch = new ResizeObserver(fit);
  watch.observe(shadow.host);
  watches.set(shadow, watch);
}
