/** Makes a custom elements manifest of the element's JSDoc, for editors and documentation. */

import { readFile } from 'node:fs/promises';
import { create, ts } from '@custom-elements-manifest/analyzer';

const SOURCE = 'src/element/element.ts';
/** The base class with the attributes as properties. */
const ATTRIBUTES = 'src/element/attributes.ts';
/** Where the package exports the element. */
const PUBLISHED = 'dist/define.js';

export async function elementManifest() {
  const parsed = async (path) => ts.createSourceFile(path, await readFile(new URL(path, import.meta.url), 'utf8'), ts.ScriptTarget.Latest, true);
  const found = create({ modules: await Promise.all([SOURCE, ATTRIBUTES].map(parsed)) });
  const declared = (path) => found.modules.find((module) => module.path === path).declarations.filter(({ kind }) => kind === 'class');
  const { superclass, ...element } = declared(SOURCE).find(({ tagName }) => tagName);
  const { members } = declared(ATTRIBUTES).find(({ name }) => name === superclass.name);
  const own = new Set(element.members.map(({ name }) => name));
  element.members.push(...members.filter(({ name, privacy }) => privacy !== 'protected' && !own.has(name)).map(({ inheritedFrom, ...member }) => member));
  // The analyzer also lists private members, and one event without a name, for the function that dispatches all of them.
  element.members = element.members.filter(({ privacy, static: isStatic }) => !['private', 'protected'].includes(privacy) && !isStatic);
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
