/** Words for what a caller gave, where it makes no sense. */

/** What a value is, in words: what was given is named, however strange. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return `the text “${value.length > 60 ? `${value.slice(0, 60)}…` : value}”`;
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  return `${/^[aeiou]/i.test(kind) ? 'an' : 'a'} ${kind}`;
}
