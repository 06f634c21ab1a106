/**
 * The scalars of YAML 1.1 as PyYAML's safe loader resolves them (its own regular expressions, not those of the standard),
 * since the Python Nodepool reads the same files. Floats and times keep a type of their own: the schema tells a float from an
 * integer, and a time matches nothing.
 */
import type { ScalarTag } from 'yaml';

export class YamlFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toJSON(): number {
    return this.value;
  }
}

/** A date or time. It matches no type of the schema. */
export class YamlTimestamp {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const patterns = {
  bool: /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
  null: /^(?:~|null|Null|NULL|)$/,
  int: /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/,
  float:
    /^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  timestamp:
    /^(?:\d{4}-\d{2}-\d{2}|\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|[ \t]+)\d{1,2}:\d{2}:\d{2}(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d{1,2}(?::\d{2})?))?)$/,
} as const;

type Fail = (message: string) => void;

const isTrue = (text: string) => /^(?:y|t|on)/i.test(text);

/** Reads a number in base 60, the most significant part first: `190:20:30`. */
const sexagesimal = (digits: string) => digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

function parseInteger(source: string, fail: Fail): number {
  const text = source.replaceAll('_', '');
  const digits = text.replace(/^[-+]/, '');
  const value = digits.includes(':')
    ? sexagesimal(digits)
    : /^0[0-7]+$/.test(digits)
      ? Number.parseInt(digits, 8)
      : digits === ''
        ? Number.NaN
        : Number(digits);
  if (!Number.isInteger(value)) fail(`${source} is not an integer`);
  return text.startsWith('-') ? -value : value;
}

function parseFloatText(source: string, fail: Fail): YamlFloat {
  const text = source.replaceAll('_', '').toLowerCase();
  const digits = text.replace(/^[-+]/, '');
  if (digits === '.nan') return new YamlFloat(Number.NaN);
  const value =
    digits === '.inf' ? Number.POSITIVE_INFINITY : digits.includes(':') ? sexagesimal(digits) : Number(digits);
  if (digits === '' || Number.isNaN(value)) fail(`${source} is not a number`);
  return new YamlFloat(text.startsWith('-') ? -value : value);
}

/** Python makes a date object of it, so the day must exist. */
function parseTimestamp(source: string, fail: Fail): YamlTimestamp {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (source.match(/\d+/g) ?? []).map(Number);
  const daysOfMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  const exists = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOfMonth;
  if (!exists || hour > 23 || minute > 59 || second > 59) fail(`${source} is no date that exists, put it in quotes`);
  return new YamlTimestamp(source);
}

const core = 'tag:yaml.org,2002:';

/** How plain scalars get their type. */
const implicit: ScalarTag[] = [
  { tag: `${core}null`, default: true, test: patterns.null, resolve: () => null },
  { tag: `${core}bool`, default: true, test: patterns.bool, resolve: isTrue },
  { tag: `${core}int`, default: true, test: patterns.int, resolve: parseInteger },
  { tag: `${core}float`, default: true, test: patterns.float, resolve: parseFloatText },
  { tag: `${core}timestamp`, default: true, test: patterns.timestamp, resolve: parseTimestamp },
];

/** How scalars with a tag get their type: `!!float 10`, `!!int "5"`. */
const explicit: ScalarTag[] = [
  { tag: `${core}null`, resolve: () => null },
  {
    tag: `${core}bool`,
    resolve: (s, fail) => {
      // PyYAML's constructor takes these words in any case.
      if (!/^(?:yes|no|true|false|on|off)$/i.test(s)) fail(`${s} is not a boolean`);
      return isTrue(s);
    },
  },
  { tag: `${core}int`, resolve: parseInteger },
  { tag: `${core}float`, resolve: parseFloatText },
  {
    tag: `${core}timestamp`,
    resolve: (s, fail) => {
      if (!patterns.timestamp.test(s)) fail(`${s} is not a time`);
      return parseTimestamp(s, fail);
    },
  },
];

export const dialect: readonly ScalarTag[] = [...explicit, ...implicit];

/** Resolves a plain scalar that the parser takes for a string because of the tag `!`. */
export function resolvePlain(source: string, fail: Fail): unknown {
  const tag = implicit.find(({ test }) => test?.test(source));
  return tag ? tag.resolve(source, fail, {}) : source;
}
