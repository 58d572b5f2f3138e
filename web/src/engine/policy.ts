/** The package's one Trusted Types policy, `inf-llava`, which allows the address of the engine's worker and nothing else. */

import { InfLlavaError } from '../errors.js';
import { shared } from './shared.js';

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): URL };
}

/** Addresses that the policy allows. */
const allowed = shared('worker-urls', () => new Set<string>());

/** Shared by all copies of the package on a page: a strict page allows each policy name once. */
const policy = () =>
  shared('policy', () =>
    (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('inf-llava', {
      createScriptURL(url) {
        if (!allowed.has(url)) throw new TypeError('not the worker of inf-llava');
        return url;
      },
    }),
  );

/**
 * Starts the engine's worker. Browsers refuse a worker script of another origin (a CDN), so a script of this origin
 * imports it. A page that forbids `blob:` workers has to host the package itself.
 */
export function startWorker(script: URL, name: string): Worker {
  const foreign = script.origin !== globalThis.location.origin && script.protocol !== 'blob:';
  const url = foreign ? URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' })) : script.href;
  allowed.add(url);
  try {
    return new Worker(policy()?.createScriptURL(url) ?? url, { type: 'module', name });
  } catch (error) {
    if (String(error).includes('createPolicy')) {
      throw new InfLlavaError(
        'worker',
        'this page forbids the Trusted Types policy inf-llava; its Content-Security-Policy must name it: trusted-types inf-llava',
      );
    }
    throw new InfLlavaError('worker', `the engine’s worker could not be started from ${script.href}: ${String(error)}`);
  } finally {
    allowed.delete(url);
    // By then the worker has read it.
    if (foreign) setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}
