/** Describes a value of the wrong type in an error message. */

/** What kind of thing a value is, in words. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return `the text “${value.length > 60 ? `${value.slice(0, 60)}…` : value}”`;
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  return `${/^[aeiou]/i.test(kind) ? 'an' : 'a'} ${kind}`;
}
