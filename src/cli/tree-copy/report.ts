/** Shows what an import would do or has found, in words or as an object for programs. */
import { type OutputFormat, structured } from '../../listings/format.ts';
import type { Difference, LowCounter } from './difference.ts';

const mostExamples = 5;

export interface Wording {
  readonly missing: string;
  readonly changed: string;
  readonly acl: string;
  readonly extra: string;
  readonly counters: string;
}

export const planned: Wording = {
  missing: 'to create',
  changed: 'to replace',
  acl: 'to give another access list',
  extra: 'left, only in the tree',
  counters: 'counters to raise',
};

export const compared: Wording = {
  missing: 'missing in the tree',
  changed: 'with other data',
  acl: 'with another access list',
  extra: 'only in the tree',
  counters: 'counters too low',
};

export function differenceReport(d: Difference, words: Wording, format: OutputFormat): string {
  if (format !== 'table') {
    const { same, missing, changed, acl, extra } = d;
    return structured({ same, missing, changed, acl, extra, counters: d.lowCounters }, format);
  }
  const rows: [string, number, readonly string[]][] = [
    ['the same', d.same, []],
    [words.missing, d.missing.length, d.missing],
    [words.changed, d.changed.length, d.changed],
    [words.acl, d.acl.length, d.acl],
    [words.extra, d.extra.length, d.extra],
    [words.counters, d.lowCounters.length, d.lowCounters.map(counterText)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.flatMap(([name, count, some]) => [`${name.padEnd(width)}  ${count}`, ...examples(some)]).join('\n');
}

export function examples(some: readonly string[]): string[] {
  const rest = some.length - mostExamples;
  const shown = some.slice(0, mostExamples).map((one) => `    ${printable(one)}`);
  return rest > 0 ? [...shown, `    and ${rest} more`] : shown;
}

const counterText = ({ path, have, want }: LowCounter) => `${path}: next is ${have}, was to be ${want}`;

/** A text without characters that steer a terminal: anybody may have written it into the tree. */
export const printable = (text: string) => text.replace(/\p{C}/gu, (character) => encodeURIComponent(character));
