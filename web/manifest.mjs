/** What editors and documentation know of the element: its JSDoc as a custom elements manifest. */

import { readFile } from 'node:fs/promises';
import { create, ts } from '@custom-elements-manifest/analyzer';

const SOURCE = 'src/element/element.ts';
/** Where the package has it. */
const PUBLISHED = 'dist/define.js';

export async function elementManifest() {
  const text = await readFile(new URL(SOURCE, import.meta.url), 'utf8');
  const found = create({ modules: [ts.createSourceFile(SOURCE, text, ts.ScriptTarget.Latest, true)] });
  const { superclass, ...element } = found.modules[0].declarations.find(({ tagName }) => tagName);
  // The analyzer also lists what no user sees: private members, and an event without a name for the one place that sends all.
  element.members = element.members.filter(({ privacy, static: is_static }) => privacy !== 'private' && !is_static);
  element.events = element.events.filter(({ name }) => name);
  const declaration = { name: element.name, module: PUBLISHED };
  return {
    schemaVersion: found.schemaVersion,
    readme: 'README.md',
    modules: [
      {
        kind: 'javascript-module',
        path: PUBLISHED,
        declarations: [{ ...element, superclass: { name: 'HTMLElement' } }],
        exports: [
          { kind: 'js', name: element.name, declaration },
          { kind: 'custom-element-definition', name: element.tagName, declaration },
        ],
      },
    ],
  };
}
