/** The package's one Trusted Types policy, `inf-llava`: it makes the address of the engine's worker, and nothing else. */

import { InfLlavaError } from '../errors.js';
import { shared } from './shared.js';

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): URL };
}

/** Addresses that a worker of this package may have. */
const allowed = shared('worker-urls', () => new Set<string>());

/** A second copy of the package on a page must not make the policy again: a strict page allows a name once. */
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
 * Starts the engine's worker. Where the script is another origin's (a CDN's), which browsers refuse as a worker, a
 * script of this origin imports it: a page that forbids `blob:` workers hosts the package itself.
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
    // The worker has taken it up, or never will.
    if (foreign) setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}
