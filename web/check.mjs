/**
 * Checks of the package that need no build of the engine: format and lints, types, layers, versions, lock files, and that
 * README.md names everything in the sources. `node check.mjs [--fix]`; `pack.mjs` checks the built package.
 */

import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { importsBelow, wrongImports } from './layers.mjs';
import { elementManifest } from './manifest.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..');
const read = (path) => readFile(join(ROOT, path), 'utf8');
const json = async (path) => JSON.parse(await read(path));
const { values: options } = parseArgs({ options: { fix: { type: 'boolean', default: false } } });
const captured = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** Files below `folder` whose names end with `ending`, as paths from the root. */
async function files(folder, ending) {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter(({ name }) => name !== 'node_modules')
      .map((entry) => (entry.isDirectory() ? files(join(folder, entry.name), ending) : entry.name.endsWith(ending) ? [join(folder, entry.name)] : [])),
  );
  return found.flat();
}

/** What only the sources have, or only README.md. */
function compare(what, expected, written) {
  const lacking = [...expected].filter((name) => !written.has(name)).sort();
  const invented = [...written].filter((name) => !expected.has(name)).sort();
  return [
    ...lacking.map((name) => `README.md does not tell of the ${what} ${name}`),
    ...invented.map((name) => `README.md tells of the ${what} ${name}, which is not in the sources`),
  ];
}

/** Runs a package's program in `folder`. @returns what it printed if it failed, else null */
function failureOf(program, args, folder) {
  try {
    execFileSync(process.execPath, [join(HERE, 'node_modules', program), ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    return null;
  } catch ({ message, stdout, stderr }) {
    return `${stdout}${stderr}` || message;
  }
}

/** Biome, by biome.jsonc. Warnings count as errors: rules that do not fit are switched off there. */
function style() {
  const found = failureOf('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', ...(options.fix ? ['--write'] : [])], ROOT);
  return found ? [`format and lints; \`node web/check.mjs --fix\` formats and applies safe fixes:\n${found}`] : [];
}

function types() {
  return ['tsconfig.json', 'tsconfig.worker.json'].flatMap((project) => {
    const found = failureOf('typescript/bin/tsc', ['--project', project, '--noEmit', '--emitDeclarationOnly', 'false'], HERE);
    return found ? [`${project}:\n${found}`] : [];
  });
}

async function versions() {
  const { version } = await json('web/package.json');
  const places = {
    'Cargo.toml': captured(await read('Cargo.toml'), /^version = "([^"]+)"/gm)[0],
    'web/package-lock.json': (await json('web/package-lock.json')).version,
    'web/src/engine/shared.ts': captured(await read('web/src/engine/shared.ts'), /Symbol\.for\('inf-llava ([^']+)'\)/g)[0],
    'web/README.md': captured(await read('web/README.md'), /inf-llava@([\d.]+)/g)[0],
  };
  return Object.entries(places)
    .filter(([, found]) => found !== version)
    .map(([place, found]) => `${place} says ${found} where web/package.json says ${version}`);
}

/** Names in backquotes in the first column of the table below `heading`. */
function tabled(readme, heading) {
  const [, section] = readme.split(new RegExp(`^#+ ${heading}$`, 'm'));
  if (section === undefined) return new Set();
  const rows = section
    .split(/^#+ /m)[0]
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  return new Set(rows.flatMap((row) => captured(row.split('|')[1], /`([\w-]+)/g)));
}

async function readme() {
  const text = await read('web/README.md');
  const element = (await elementManifest()).modules[0].declarations[0];
  const source = await read('web/src/element/element.ts');
  const names = (list) => new Set(list.map(({ name }) => name));
  // Attributes that are only read are easily left out of the JSDoc.
  const attributes = new Set([...names(element.attributes), ...captured(source, /(?:get|has)Attribute\('([a-z-]+)'\)/g)]);
  const styles = tabled(text, 'CSS properties and parts');
  const properties = new Set([...styles].filter((name) => name.startsWith('--')));
  const events = new Set([...tabled(text, 'Events')]);
  const members = tabled(text, 'Properties and methods');
  // On npm, README.md has no repository around it.
  const relative = captured(text, /\]\((?!https?:|#)([^)]*)\)/g).map((path) => `README.md leads to ${path}, which the package's readers do not have`);
  return [
    ...relative,
    ...compare('attribute', attributes, tabled(text, 'Attributes')),
    ...compare('event', names(element.events), events),
    ...compare('slot', names(element.slots), tabled(text, 'Slots')),
    ...compare('property', new Set([...names(element.cssProperties), ...(await customProperties())]), properties),
    ...compare('part', names(element.cssParts), new Set([...styles].filter((name) => !properties.has(name)))),
    ...compare('property or method', names(element.members), members),
    ...compare('error code', await codes(), tabled(text, 'Errors')),
  ];
}

/** CSS properties that a page can set: all that the style sheets read with the package's prefix. */
async function customProperties() {
  const sheets = await Promise.all((await files('web/src/element/styles', '.css')).map(read));
  return sheets.flatMap((sheet) => captured(sheet, /var\((--inf-llava-[a-z-]+)/g));
}

/** All error codes: the engine's, and the package's own. */
async function codes() {
  const engine = captured(await read('crates/core/src/error.rs'), /Error::\w+(?: \{ \.\. \})? => "([a-z-]+)"/g);
  const openai = await Promise.all((await files('crates/core/src/openai', '.rs')).map(read));
  const refused = openai.flatMap((text) => captured(text, /(?:BadRequest::new\(\s*|code: )"([a-z-]+)"/g));
  const scripts = await Promise.all((await files('web/src', '.ts')).map(read));
  const made = scripts.flatMap((text) => captured(text, /(?:failure|InfLlavaError|crashed)\(\s*'([a-z-]+)'/g));
  const described = scripts.flatMap((text) => captured(text, /code: '([a-z-]+)'/g));
  return new Set([...engine, ...refused, ...made, ...described]);
}

/** A lock file must not name a registry's host, which others may not use; examples must pin versions, or they break over time. */
async function locks() {
  const examples = await files('examples/web', 'package.json');
  const wrong = [];
  for (const path of [...(await files('web', 'package-lock.json')), ...(await files('examples/web', 'package-lock.json'))]) {
    if (/"resolved": "https?:/.test(await read(path))) wrong.push(`${path} names a registry's host: write it with npm's omit-lockfile-registry-resolved`);
  }
  for (const path of examples) {
    const { dependencies = {}, devDependencies = {} } = await json(path);
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      if (!/^\d/.test(version)) wrong.push(`${path}: ${name} is ${version}, and must be one version`);
    }
  }
  return wrong;
}

const layers = async () => wrongImports(await importsBelow(join(HERE, 'src')));

const wrong = [...style(), ...types(), ...(await layers()), ...(await versions()), ...(await readme()), ...(await locks())];
for (const line of wrong) console.error(`error: ${line}`);
if (wrong.length > 0) process.exit(1);
console.log('the package: format, lints, types, layers, versions, README.md and lock files hold');
