/**
 * The layers of `src/`, and what is wrong with its imports: an arrow against their order, or files that import one another
 * in a circle. Imports of types count too, so a file can be read with what lies below it and nothing else.
 */

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { ts } from '@custom-elements-manifest/analyzer';

/**
 * From the top down. A room imports those below it; rooms side by side know nothing of one another. A file belongs to the
 * room with the longest path that it begins with.
 */
export const LAYERS = [
  { entry: ['index.ts', 'define.ts', 'react.ts'] },
  { element: ['element/'] },
  { view: ['element/view/'] },
  { look: ['element/dom.ts', 'element/markdown.ts', 'element/strings/', 'element/styles/'] },
  { api: ['api/'] },
  {
    page: ['engine/host.ts', 'engine/client.ts', 'engine/policy.ts'],
    worker: ['engine/worker.ts', 'engine/features.ts', 'engine/locate.ts', 'engine/samples.ts'],
  },
  { keep: ['keep/'] },
  {
    ground: [
      'errors.ts',
      'default-model.d.ts',
      'engine/bindings.d.ts',
      'engine/generated.ts',
      'engine/known-models.ts',
      'engine/protocol.ts',
      'engine/reel.ts',
      'engine/shared.ts',
    ],
  },
];

/** What each file below `folder` imports of the others. @returns {Promise<Map<string, string[]>>} paths from `folder` */
export async function importsBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const read = async (file) => {
    if (!file.endsWith('.ts')) return [];
    const { importedFiles } = ts.preProcessFile(await readFile(join(folder, file), 'utf8'), true, true);
    const near = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
    return near.map((name) => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts'));
  };
  const posix = (file) => file.split(sep).join('/');
  return new Map(await Promise.all(files.sort().map(async (file) => [posix(file), [...new Set((await read(file)).map(posix))]])));
}

/** One line for each thing that is wrong. @param {Map<string, string[]>} imports  of {@link importsBelow} */
export function wrongImports(imports, layers = LAYERS) {
  const rooms = layers.flatMap((layer, depth) => Object.entries(layer).flatMap(([room, paths]) => paths.map((path) => ({ room, path, depth }))));
  const roomOf = (file) => {
    const found = rooms.filter(({ path }) => (path.endsWith('/') ? file.startsWith(path) : file === path));
    return found.reduce((longest, one) => (one.path.length > (longest?.path.length ?? 0) ? one : longest), null);
  };
  const wrong = rooms
    .filter(({ path }) => ![...imports.keys()].some((file) => roomOf(file)?.path === path))
    .map(({ path }) => `web/layers.mjs names ${path}, where no file is`);
  for (const [file, targets] of imports) {
    const from = roomOf(file);
    if (!from) wrong.push(`web/src/${file} is in no layer: name it in web/layers.mjs`);
    for (const target of targets) {
      const to = roomOf(target);
      if (!imports.has(target)) wrong.push(`web/src/${file} imports web/src/${target}, which is not there`);
      else if (from && to && from.room !== to.room && to.depth <= from.depth) {
        const where = to.depth < from.depth ? 'above' : 'beside';
        wrong.push(`web/src/${file} (${from.room}) imports web/src/${target} (${to.room}), which lies ${where} it: see web/layers.mjs`);
      }
    }
  }
  return [...wrong, ...circles(imports).map((files) => `a circle of imports: ${files.map((file) => `web/src/${file}`).join(' -> ')}`)];
}

/** Every circle that a walk along the imports meets, each from a file back to itself. */
function circles(imports) {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}
