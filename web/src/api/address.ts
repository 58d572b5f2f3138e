/** The base of relative addresses that a caller passes. */

/**
 * The page's base, which a `<base>` may set: for what is read. Taken from the prototype: the document itself would give
 * an element, where somebody's markup names one so (`<img name=baseURI>`).
 */
export const pageBase = (): string | undefined => (globalThis.document ? Reflect.get(Node.prototype, 'baseURI', document) : globalThis.location?.href);

/** The page's own address, for code that is run: markup such as `<base>` must not choose it. */
export const pageAddress = (): string | undefined => globalThis.location?.href;
