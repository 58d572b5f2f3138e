/** Tells a model's name on a hub from an address. The engine reads the name itself, with more care. */

/** The hub that is asked if none is named. */
export const HUB = 'https://huggingface.co';

/** `owner/name` and `owner/name@revision`, as they are and behind `hf:`. */
const NAME = /^(?:hf:(?:\/\/)?)?[a-z0-9_][\w.-]*\/[a-z0-9_][\w.-]*(?:@[^\s/?#]+)?$/i;
/** Whatever begins with it is meant to be one. */
const SCHEME = /^hf:/i;
/** Where the hub's pages are. */
const HOSTS = ['https://huggingface.co', 'https://www.huggingface.co', 'https://hf.co'];
/** A model's own page, below a host; files lie below `resolve`, where a converted model may be read as from any server. */
const PAGE = /^\/[\w.-]+\/[\w.-]+(?:\/tree\/[^/]+)?\/?$/;

/** @param hub  the hub's address */
export function namesHub(text: string, hub: string): boolean {
  if (NAME.test(text) || SCHEME.test(text)) return true;
  if (!URL.canParse(text)) return false;
  const { origin, pathname } = new URL(text);
  const base = new URL(hub);
  const root = base.pathname.replace(/\/+$/, '');
  if (origin === base.origin && pathname.startsWith(`${root}/`)) return PAGE.test(pathname.slice(root.length));
  return HOSTS.includes(origin) && PAGE.test(pathname);
}
