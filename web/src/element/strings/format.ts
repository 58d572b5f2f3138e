/** Formats numbers in a language. */

export interface Format {
  count(n: number): string;
  compact(n: number): string;
  bytes(n: number): string;
  duration(ms: number): string;
  /** A percentage without decimals. */
  share(done: number, total: number): string;
  /** A rate per second. */
  rate(n: number): string;
  /** Picks the plural form of a word for `n`, and puts the number before it. */
  plural(n: number, forms: Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }): string;
}

/** With fewer tokens, the measured rate means little. */
export const LEAST_RATED_TOKENS = 8;

export function formatFor(language: string): Format {
  const count = new Intl.NumberFormat(language);
  const compact = new Intl.NumberFormat(language, { notation: 'compact', maximumSignificantDigits: 3 });
  const rate = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const share = new Intl.NumberFormat(language, { style: 'percent' });
  const rules = new Intl.PluralRules(language);
  const unit = (name: string, digits: number) =>
    new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'short', minimumFractionDigits: digits, maximumFractionDigits: digits });
  return {
    count: (n) => count.format(n),
    compact: (n) => compact.format(n),
    bytes(n) {
      const [name, size] = n < 1e3 ? ['byte', 1] : n < 1e6 ? ['kilobyte', 1e3] : n < 1e9 ? ['megabyte', 1e6] : ['gigabyte', 1e9];
      const value = n / (size as number);
      return unit(name as string, size === 1 || value >= 10 ? 0 : 1).format(value);
    },
    duration: (ms) => (ms < 1000 ? unit('millisecond', 0).format(Math.round(ms)) : unit('second', 1).format(ms / 1000)),
    share: (done, total) => share.format(total > 0 ? done / total : 0),
    rate: (n) => (n < 100 ? rate.format(n) : count.format(Math.round(n))),
    plural: (n, forms) => `${count.format(n)} ${forms[rules.select(n)] ?? forms.other}`,
  };
}
