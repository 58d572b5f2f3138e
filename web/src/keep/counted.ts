/**
 * Reads a response up to a limit: a host may send without end, without a length, or a few bytes that unpack to
 * gigabytes. No more than the limit is ever held in memory, and the rest is not read.
 */

import { failure } from './files.js';

/** Requests a file of a model without cookies and referrer. The body of an error response is not read. */
export async function ask(url: URL, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer', ...init });
  if (!response.ok) response.body?.cancel().catch(() => {});
  return response;
}

/** @throws `file-too-large` after `most` bytes, `network` if the connection is interrupted */
export async function counted(response: Response, most: number, url: URL | string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (const reader = response.body?.getReader(); reader; ) {
    const { done, value } = await reader.read().catch((error: Error) => {
      throw failure('network', `${url}: the connection broke off after ${bytes} bytes (${error.message})`);
    });
    if (done) break;
    bytes += value.length;
    if (bytes > most) {
      reader.cancel().catch(() => {}); // the rest is not needed
      throw failure('file-too-large', `${url} sends more than the ${most} bytes that such a file may have; it was not read on. Is it the right address?`, {
        bytes,
        most,
      });
    }
    parts.push(value);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
