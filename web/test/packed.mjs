/** The package as npm's users get it: packed, and installed from the tarball. */

import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pack } from '../pack.mjs';
import { REPOSITORY } from './harness.mjs';

/** A build has minutes; what goes wrong must not hold a test up for ever. */
const LIMIT_MS = 300_000;

/** Packs what the page's build left. @returns the tarball, and how to remove it */
export async function packed() {
  const folder = await mkdtemp(join(tmpdir(), 'inf-llava-packed-'));
  return { tarball: await pack(folder), remove: () => rm(folder, { recursive: true }) };
}

/** Runs a program to its end; what it said is in the error if it fails. */
export async function run(folder, program, ...args) {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  try {
    return (await promisify(execFile)(program, args, { cwd: folder, env, timeout: LIMIT_MS, maxBuffer: 64e6, shell: process.platform === 'win32' })).stdout;
  } catch (error) {
    throw new Error(`${[program, ...args].join(' ')}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

/** A copy of an example with its packages and the tarball, as its README says. */
export async function installed(example, tarball) {
  const folder = await mkdtemp(join(tmpdir(), `inf-llava-${example}-`));
  await cp(join(REPOSITORY, 'examples/web', example), folder, {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|dist|build|\.next)$/.test(path),
  });
  await run(folder, 'npm', 'install', '--no-save', '--no-audit', '--no-fund', tarball);
  return { folder, remove: () => rm(folder, { recursive: true, maxRetries: 5 }) };
}

/** Starts a server that never ends by itself, and waits until it answers. `{port}` in `args` becomes a free one. */
export async function started(folder, script, ...args) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const said = [];
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  const child = spawn(process.execPath, [script, ...args.map((arg) => arg.replace('{port}', port))], { cwd: folder, env });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => said.push(data));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const close = async () => {
    child.kill();
    await ended;
  };
  for (const until = Date.now() + LIMIT_MS; ; ) {
    if (
      await fetch(url)
        .then((response) => response.ok)
        .catch(() => false)
    )
      return { url, close };
    if (child.exitCode !== null || Date.now() > until) {
      await close();
      throw new Error(`${script} did not answer at ${url}:\n${Buffer.concat(said)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
