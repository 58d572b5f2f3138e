/** State that all copies of this version of the package on a page share: two bundles still have one engine. */

const SHARED = Symbol.for('inf-llava 0.1.0');

/** Returns the shared value `name`; makes it at the first call of any copy. */
export function shared<T>(name: string, make: () => T): T {
  const global = globalThis as { [SHARED]?: Map<string, unknown> };
  global[SHARED] ??= new Map();
  const things = global[SHARED];
  if (!things.has(name)) things.set(name, make());
  return things.get(name) as T;
}
