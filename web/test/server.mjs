/** A static server for one folder, on 127.0.0.1, as plain as the hosts that the page is made for. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * Answers requests with the files of a folder.
 * @param {string} folder
 * @param {object} [options]
 * @param {Object<string, string>} [options.headers]  added to every answer
 * @param {(path: string) => number} [options.delayMs]  how long to hold a path back
 * @param {(path: string) => void} [options.onPath]  hears of every request
 */
export function filesOf(folder, { headers = {}, delayMs = () => 0, onPath = () => {} } = {}) {
  return async (request, response) => {
    // A `%` by itself is one.
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname.replace(/%(?![0-9a-f]{2})/gi, '%25'));
    onPath(path);
    const file = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path));
    const found = file.startsWith(folder + sep) ? await stat(file).catch(() => null) : null;
    const common = { 'Cache-Control': 'no-store', 'Accept-Ranges': 'bytes', ...headers };
    if (!found?.isFile()) {
      response.writeHead(404, { ...common, 'Content-Type': 'text/plain' }).end('not found');
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs(path)));
    common['Content-Type'] = TYPES[extname(file)] ?? 'application/octet-stream';
    const range = byteRange(request.headers.range, found.size);
    if (range === 'unsatisfiable') {
      response.writeHead(416, { ...common, 'Content-Range': `bytes */${found.size}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: found.size - 1 };
    common['Content-Length'] = end - start + 1;
    if (range) common['Content-Range'] = `bytes ${start}-${end}/${found.size}`;
    response.writeHead(range ? 206 : 200, common);
    if (request.method === 'HEAD' || found.size === 0) response.end();
    else {
      // A test may end, and its folder go, while an answer is held back.
      const stream = createReadStream(file, { start, end });
      stream.on('error', () => response.destroy());
      stream.pipe(response);
    }
  };
}

/**
 * A server for one folder: {@link filesOf}.
 * @returns {Promise<{url: string, requests: string[], close: () => Promise<void>}>}
 */
export async function serve(folder, options = {}) {
  const requests = [];
  const server = createServer(filesOf(folder, { ...options, onPath: (path) => requests.push(path) }));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** One range, as `bytes=a-b`, `bytes=a-` or `bytes=-n`; several are answered with the whole. */
function byteRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (!match[1] && !match[2])) return null;
  const start = match[1] ? Number(match[1]) : Math.max(0, size - Number(match[2]));
  const end = match[1] && match[2] ? Math.min(Number(match[2]), size - 1) : size - 1;
  return start > end ? 'unsatisfiable' : { start, end };
}
