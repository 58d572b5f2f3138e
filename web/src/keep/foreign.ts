/**
 * Recognises responses that are not the file that was requested: a web page, a Git LFS pointer, an archive. The engine
 * does the same for the files that it reads by itself (`src/foreign.rs`).
 */

/** File types can be recognised by the first bytes. */
export const HEAD_BYTES = 512;
const MARKS: [number[], string][] = [
  [[0x1f, 0x8b], 'it is packed by gzip; unpack it first, or let the server send Content-Encoding: gzip'],
  [[0x50, 0x4b, 3, 4], 'it is a zip archive; unpack it first'],
  [[0xff, 0xfe], 'it is in UTF-16; save it as UTF-8'],
  [[0xfe, 0xff], 'it is in UTF-16; save it as UTF-8'],
];

/** Whether it is a web page, which single-page apps send for every unknown path, with status 200. */
export function isPage(head: Uint8Array): boolean {
  const text = textOf(head)
    .replace(/^\s*(?:<\?xml[^>]*>|<!--[\s\S]*?-->|\s)*/, '')
    .toLowerCase();
  return ['<!doctype html', '<html', '<head', '<body', '<script', '<!--'].some((page) => text.startsWith(page));
}

/** What the file is instead, and what to do; null if that is not known. */
export function describeForeign(head: Uint8Array): string | null {
  if (head.length === 0) return 'it is empty; copy it to the server again';
  const mark = MARKS.find(([bytes]) => bytes.every((byte, at) => head[at] === byte));
  if (mark) return mark[1];
  if (isPage(head)) return PAGE;
  const text = textOf(head);
  if (text.startsWith('version https://git-lfs.github.com/spec/')) {
    return 'it is a pointer of Git LFS, not the file itself; fetch that with git lfs pull, and copy it to the server';
  }
  if (/^\s*(?:<\?xml|<error>)/i.test(text)) {
    const inner = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
    const says = inner('Message') ?? inner('Code') ?? '';
    return `it is an XML document that says ${JSON.stringify(says)}, as storages answer for what they do not give; look at the address`;
  }
  return null;
}

export const PAGE =
  'the server answers with a web page (HTML), not with this file: it does not have it (single-page apps answer so for every path), or wants a login. Look at the address, and at where the model lies';

/** Without a byte-order mark. */
const textOf = (head: Uint8Array): string => new TextDecoder().decode(head.subarray(0, HEAD_BYTES));
