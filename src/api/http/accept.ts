/** Chooses the format of a page by the `Accept` header of its client (RFC 9110, section 12.5.1). */
export type PageFormat = 'text' | 'json';

interface Range {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

/** The first one is for clients that like several equally well. */
const offers = [
  ['text', 'html', 'text'],
  ['text', 'plain', 'text'],
  ['application', 'json', 'json'],
] as const;

const range = /^\s*([\w!#$&^.+*-]{1,64})\/([\w!#$&^.+*-]{1,64})\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?$/i;

/** null when the client takes none of the formats. A header that is absent, empty or can't be read admits everything. */
export function negotiate(header: string | undefined): PageFormat | null {
  const parts = (header ?? '').split(',').filter((part) => part.trim() !== '');
  if (parts.length === 0) return 'text';
  const ranges: Range[] = [];
  for (const part of parts) {
    const found = range.exec(part);
    // A range with parameters of its own, such as a version, means none of our formats.
    if (!found && !/^[^/;,\s]+\/[^/;,\s]+\s*;/.test(part.trim())) return 'text';
    if (!found) continue;
    const [, type, subtype, quality] = found;
    ranges.push({
      type: type!.toLowerCase(),
      subtype: subtype!.toLowerCase(),
      quality: quality === undefined ? 1 : Math.min(1, Number(quality)),
    });
  }
  let best: { readonly format: PageFormat; readonly quality: number } | null = null;
  for (const [type, subtype, format] of offers) {
    const quality = qualityOf(ranges, type, subtype);
    if (quality > (best?.quality ?? 0)) best = { format, quality };
  }
  return best?.format ?? null;
}

/** The quality that the most specific matching range gives to a type. */
function qualityOf(ranges: readonly Range[], type: string, subtype: string): number {
  const matches = (t: string, s: string) => ranges.findLast((one) => one.type === t && one.subtype === s);
  return (matches(type, subtype) ?? matches(type, '*') ?? matches('*', '*'))?.quality ?? 0;
}
