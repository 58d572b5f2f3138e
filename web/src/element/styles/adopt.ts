/** The element's styles, as a sheet that is adopted: strict pages refuse inline styles. */

import composer from './composer.css';
import layout from './layout.css';
import picture from './picture.css';
import stage from './stage.css';
import talk from './talk.css';
import theme from './theme.css';

/** A document takes no sheet but its own. */
const sheets = new WeakMap<Document, CSSStyleSheet>();

export function adoptStyles(shadow: ShadowRoot): void {
  const page = shadow.ownerDocument;
  if (!page.defaultView) return; // that of a template shows nothing
  let sheet = sheets.get(page);
  if (!sheet) {
    sheet = new page.defaultView.CSSStyleSheet();
    sheet.replaceSync([theme, stage, picture, talk, composer, layout].join('\n'));
    sheets.set(page, sheet);
  }
  shadow.adoptedStyleSheets = [sheet];
}
