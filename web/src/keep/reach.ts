/** Finds out why a request failed: a host that does not allow this page (CORS) is not the same as none. */

import type { PlainError } from '../engine/protocol.js';
import { failure } from './files.js';

export async function unreachable(url: URL): Promise<PlainError> {
  if (navigator.onLine === false) return failure('network', `${url}: you are offline`);
  const answers = await fetch(url, { method: 'HEAD', mode: 'no-cors', cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' }).then(
    () => true,
    () => false,
  );
  return failure(
    'network',
    answers
      ? `${url}: the host answers, but does not let this page read it: it must send Access-Control-Allow-Origin (and allow the header Range)`
      : `${url}: no answer; the host is down, or its name is wrong`,
  );
}
