/**
 * A server that behaves like the Hugging Face hub: a list of files, small files from itself, large ones by a redirect to
 * another host with an address that is good once, ranges, 401 for what is gated or not there, and a branch that moves. Faults may
 * be made on demand: an answer that is cut off, or none.
 */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const sha = (kind, ...parts) => parts.reduce((hash, part) => hash.update(part), createHash(kind)).digest('hex');
/** Of files of gigabytes, which are looked at with every request. */
const hashes = new WeakMap();
/** How git and its store of large files call a content. */
function named(bytes) {
  if (!hashes.has(bytes)) hashes.set(bytes, { blob: sha('sha1', `blob ${bytes.length}\0`, bytes), sha256: sha('sha256', bytes) });
  return hashes.get(bytes);
}
/** Weights lie in another place, as in Git LFS. */
const isLarge = (name) => /\.(safetensors|bin)$/.test(name);

/** What pages may read of an answer, as the hub says it. */
const EXPOSED = 'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag';
const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': EXPOSED };

/** The files of a folder, without those in folders of it. */
export async function filesIn(folder) {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
  return new Map(await Promise.all(names.sort().map(async (name) => [name, await readFile(join(folder, name))])));
}

/** A repository: its files by name; whoever changes them has made a new commit. */
export class Repository {
  constructor(files, { gated = false, branches = ['main'] } = {}) {
    this.files = files;
    this.gated = gated;
    this.branches = branches;
  }

  get commit() {
    return sha('sha1', [...this.files].map(([name, bytes]) => `${name} ${named(bytes).blob}`).join('\n'));
  }

  has(revision) {
    return this.branches.includes(revision) || revision === this.commit;
  }

  list(id, withSizes) {
    const sibling = ([rfilename, bytes]) => {
      if (!withSizes) return { rfilename };
      const lfs = isLarge(rfilename) && { lfs: { sha256: named(bytes).sha256, size: bytes.length, pointerSize: 135 } };
      return { rfilename, size: bytes.length, blobId: named(bytes).blob, ...lfs };
    };
    return JSON.stringify({ id, sha: this.commit, private: false, gated: this.gated && 'auto', siblings: [...this.files].map(sibling) });
  }
}

const open = [];

async function listen(answer) {
  const server = createServer(async (request, response) => {
    try {
      await answer(request, response);
    } catch {
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

/** For the end of a file of tests. */
export function closeHubs() {
  for (const server of open) {
    server.close();
    server.closeAllConnections();
  }
}

/**
 * @param {Object<string, Repository>} repositories  by `owner/name`
 * @param {object} [options]
 * @param {(what: {name: string, start: number, end: number, times: number, response: import('node:http').ServerResponse, content: Buffer}) => unknown} [options.fault]
 *   answers in place of the host of large files; `times` is how often that file was asked for before
 * @param {boolean} [options.tellsRanges]  whether the host of large files lets pages read `Content-Range`
 * @returns its address, and all that it was asked for: `{host, name, start, end}`
 */
export async function hub(repositories, { fault = () => false, tellsRanges = true } = {}) {
  const asked = [];
  /** Addresses that are good once. */
  const signed = new Map();
  const times = (name) => asked.filter((one) => one.host === 'files' && one.name === name).length;

  const away = await listen(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://host');
    const { name, content } = signed.get(pathname) ?? {};
    if (!content) return response.writeHead(403, { 'Access-Control-Allow-Origin': '*' }).end('the signature has expired');
    signed.delete(pathname);
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const start = from === undefined ? 0 : Number(from);
    const end = to ? Math.min(Number(to) + 1, content.length) : content.length;
    const before = times(name);
    asked.push({ host: 'files', name, start, end });
    const headers = {
      'Access-Control-Allow-Origin': '*',
      ...(tellsRanges && { 'Access-Control-Expose-Headers': 'Content-Range' }),
      'Content-Length': end - start,
    };
    if (await fault({ name, start, end, times: before, response, content })) return undefined;
    if (from !== undefined) response.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${end - 1}/${content.length}` });
    else response.writeHead(200, headers);
    return response.end(content.subarray(start, end));
  });

  const main = await listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://host');
    const parts = pathname.split('/').slice(1).map(decodeURIComponent);
    const isList = parts[0] === 'api' && parts[1] === 'models' && parts[4] === 'revision';
    const isFile = parts[2] === 'resolve' && parts.length === 5;
    const refuse = (status, code, message) => response.writeHead(status, { ...CORS, 'X-Error-Code': code, 'X-Error-Message': message }).end(message);
    if (!isList && !isFile) return refuse(404, 'EntryNotFound', 'Not Found');
    const [id, revision, name] = isList ? [`${parts[2]}/${parts[3]}`, parts[5], null] : [`${parts[0]}/${parts[1]}`, parts[3], parts[4]];
    asked.push({ host: 'hub', id, revision, name });
    const repository = repositories[id];
    // The hub does not tell what is private.
    if (!repository) return refuse(401, 'RepoNotFound', 'Invalid username or password.');
    if (!repository.has(revision)) return refuse(404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    if (isList) {
      const list = repository.list(id, searchParams.get('blobs') === 'true');
      return response.writeHead(200, { ...CORS, 'Content-Type': 'application/json' }).end(list);
    }
    if (repository.gated) return refuse(401, 'GatedRepo', `Access to model ${id} is restricted. You must have access to it and be authenticated to access it.`);
    const content = repository.files.get(name);
    if (!content) return refuse(404, 'EntryNotFound', 'Entry not found');
    const about = { ...CORS, 'X-Repo-Commit': repository.commit, 'Accept-Ranges': 'bytes' };
    if (isLarge(name)) {
      const { sha256, blob } = named(content);
      const path = `/${sha256}/${asked.length}`;
      signed.set(path, { name, content });
      const linked = { 'X-Linked-Size': content.length, 'X-Linked-Etag': `"${sha256}"`, ETag: `"${blob}"` };
      return response.writeHead(302, { ...about, ...linked, Location: `${away.url}${path}?signature=x` }).end();
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const etag = { ETag: `"${named(content).blob}"` };
    if (from === undefined) return response.writeHead(200, { ...about, ...etag, 'Content-Length': content.length }).end(content);
    const part = content.subarray(Number(from), to ? Number(to) + 1 : undefined);
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${content.length}`;
    return response.writeHead(206, { ...about, ...etag, 'Content-Range': range, 'Content-Length': part.length }).end(part);
  });

  return {
    url: main.url,
    asked,
    close: () => {
      for (const { server } of [main, away]) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

/** Sends the beginning of what was asked for. Then the answer ends as if that were all, or (`breaks`) the connection does. */
export function cutOff({ response, content, start, end }, after, { breaks = false } = {}) {
  response.writeHead(206, {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Content-Range',
    'Content-Range': `bytes ${start}-${end - 1}/${content.length}`,
  });
  const part = content.subarray(start, start + after);
  if (breaks) response.write(part, () => response.destroy());
  else response.end(part);
  return true;
}
