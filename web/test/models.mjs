/** Converted models from memory, and hosts that serve them and do what a test likes. */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Bytes that differ everywhere, and between models. */
export function noise(length, seed) {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** A converted model: its files by name, and what the stand-in says when it has read them all. Its second shard has embeddings. */
export function model({ shards = 3, bytes = 3_000_000, seed = 1, name = 'a converted model' } = {}) {
  const files = new Map([['tokenizer.json', Buffer.from('{}')]]);
  for (let at = 1; at <= shards; at += 1) files.set(`shard-0000${at}.bin`, noise(bytes, seed * 100 + at));
  const entry = ([file, content]) => ({ file, bytes: content.length, sha256: sha256(content) });
  const entries = [...files].map(entry);
  const manifest = {
    format: 'inf-llava',
    version: 1,
    name,
    revision: 'main',
    license: 'llama3',
    config: {},
    generation: {},
    prompt: 'llama3',
    files: entries.slice(0, 1),
    shards: entries.slice(1),
    tensors: { 'model.embed_tokens.weight': { shape: [1024, 16], dtype: 'f32', pieces: [{ shard: 1, offset: 0, rows: 1024 }] } },
  };
  const json = Buffer.from(JSON.stringify(manifest));
  const hash = createHash('sha256').update(json);
  for (const content of files.values()) hash.update(content);
  return { files: new Map([['manifest.json', json], ...files]), says: `read ${hash.digest('hex').slice(0, 12)}` };
}

/**
 * Answers with files from memory. `fault(request)` may answer in place of the server: it gets what was asked for, and
 * how often that file was asked for before. `asked` is filled with every request.
 */
export function answering(files, { cors = true, ranges = true, fault = () => false, asked = [] } = {}) {
  return async (request, response) => {
    const name = new URL(request.url, 'http://host').pathname.split('/').at(-1);
    const content = files.get(name);
    const range = ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
    const start = range ? Number(range[1]) : 0;
    const times = asked.filter((other) => other.name === name && other.method === 'GET').length;
    asked.push({ name, start, method: request.method });
    const allowed = cors
      ? { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Range', 'Access-Control-Expose-Headers': 'Content-Range' }
      : {};
    if (request.method === 'OPTIONS') return response.writeHead(204, allowed).end();
    if (await fault({ name, content, start, times, request, response, headers: allowed })) return undefined;
    if (!content) return response.writeHead(404, allowed).end();
    if (start >= content.length && range) return response.writeHead(416, allowed).end();
    const end = range?.[2] ? Number(range[2]) + 1 : content.length;
    const about = range ? { 'Content-Range': `bytes ${start}-${end - 1}/${content.length}` } : {};
    response.writeHead(range ? 206 : 200, { ...allowed, ...about, 'Content-Length': end - start });
    return response.end(request.method === 'HEAD' ? undefined : content.subarray(start, end));
  };
}

const servers = [];

/** The same on a port of its own. */
export async function host(files, options = {}) {
  const asked = [];
  const listener = createServer(answering(files, { ...options, asked }));
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  servers.push(listener);
  const url = `http://127.0.0.1:${listener.address().port}/`;
  return {
    url,
    asked,
    close: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        listener.closeAllConnections();
      }),
  };
}

/** For the end of a file of tests. */
export function closeHosts() {
  for (const listener of servers) {
    listener.close();
    listener.closeAllConnections();
  }
}

/** The GET requests for a file of {@link host}. */
export const gets = ({ asked }, name) => asked.filter((one) => one.name === name && one.method === 'GET');
