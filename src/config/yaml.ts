/**
 * Reads YAML as PyYAML's safe loader does (YAML 1.1 with its own regular expressions), since the Python Nodepool reads the
 * same files. Floats and timestamps keep a type of their own: the validator tells them from integers and strings.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  LineCounter,
  parseAllDocuments,
  type ScalarTag,
  visit,
} from 'yaml';
import { ConfigError, type ConfigIssue } from './errors.ts';

export class YamlFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toJSON(): number {
    return this.value;
  }
}

/** A date or time: matches no type of the schema. */
class YamlTimestamp {
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

const core = 'tag:yaml.org,2002:';

function sexagesimal(text: string, last: (part: string) => number): number {
  const sign = text.startsWith('-') ? -1 : 1;
  return (
    sign *
    text
      .replace(/^[-+]/, '')
      .split(':')
      .reduce((sum, part) => sum * 60 + last(part), 0)
  );
}

function parseInteger(source: string): number {
  const text = source.replaceAll('_', '');
  if (text.includes(':')) return sexagesimal(text, Number);
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[-+]/, '');
  if (/^0[0-7]+$/.test(digits)) return sign * Number.parseInt(digits, 8);
  return sign * Number(digits);
}

function parseFloatText(source: string): number {
  const text = source.replaceAll('_', '').toLowerCase();
  if (text.endsWith('.inf')) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (text === '.nan') return Number.NaN;
  return text.includes(':') ? sexagesimal(text, Number) : Number(text);
}

const tags: ScalarTag[] = [
  { tag: `${core}null`, default: true, test: patterns.null, resolve: () => null },
  { tag: `${core}bool`, default: true, test: patterns.bool, resolve: (s) => /^(?:y|t|on)/i.test(s) },
  { tag: `${core}int`, default: true, test: patterns.int, resolve: parseInteger },
  { tag: `${core}float`, default: true, test: patterns.float, resolve: (s) => new YamlFloat(parseFloatText(s)) },
  { tag: `${core}timestamp`, default: true, test: patterns.timestamp, resolve: (s) => new YamlTimestamp(s) },
];

export interface YamlSource {
  /** Plain maps, lists and scalars, with YamlFloat and YamlTimestamp for those types. */
  readonly value: unknown;
  /** Line and column (from 1) of a key or value; of the nearest ancestor where that does not exist. */
  locate(path: readonly PropertyKey[], what?: 'key' | 'value'): { line: number; column: number };
}

export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.1',
    schema: 'failsafe',
    customTags: (known) => [...known, ...tags, ...binaryAndMerge()],
    merge: true,
    uniqueKeys: false,
    lineCounter: lines,
    logLevel: 'silent',
    prettyErrors: false,
  }) as Document.Parsed[];
  const at = (offset: number) => {
    const position = lines.linePos(offset);
    return { line: Math.max(position.line, 1), column: Math.max(position.col, 1) };
  };
  const issues: ConfigIssue[] = [];
  const report = (offset: number, message: string) => issues.push({ file, ...at(offset), path: '', message });
  if (documents.length > 1) report(documents[1]!.range[0], 'the file holds more than one YAML document');
  const document = documents[0];
  for (const error of [...(document?.errors ?? []), ...(document?.warnings ?? [])])
    report(error.pos[0], `YAML: ${error.message}`);
  if (document) {
    visit(document, {
      Pair: (_, pair) => {
        const key = pair.key;
        if (isPair(key) || isMap(key) || (key !== null && !isScalar(key) && !isAlias(key))) {
          report((key as { range?: [number] }).range?.[0] ?? 0, 'YAML: a list or mapping cannot be a key');
        }
      },
      Scalar: (_, node) => {
        if ((node.source === '=' || node.source === '<<') && node.type === 'PLAIN' && _ === 'value') {
          report(node.range?.[0] ?? 0, `YAML: ${node.source} is not a value`);
        }
      },
    });
  }
  if (issues.length > 0) throw new ConfigError(issues);
  let value: unknown;
  try {
    value = document?.toJS({ maxAliasCount: 1000 }) as unknown;
  } catch (error) {
    throw new ConfigError([
      {
        file,
        line: 1,
        column: 1,
        path: '',
        message: `YAML: ${error instanceof Error ? error.message : String(error)}`,
      },
    ]);
  }
  return {
    value,
    locate: (path, what = 'value') => {
      for (let length = path.length; length > 0; length--) {
        const parent = length === 1 ? document?.contents : document?.getIn(path.slice(0, length - 1), true);
        const name = path[length - 1];
        if (isMap(parent)) {
          const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(name));
          const node = what === 'key' && length === path.length ? pair?.key : (pair?.value ?? pair?.key);
          const range = (node as { range?: [number, number, number] } | undefined)?.range;
          if (range) return at(range[0]);
        } else {
          const node = document?.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
          if (node?.range) return at(node.range[0]);
        }
      }
      return { line: 1, column: 1 };
    },
  };
}

function binaryAndMerge(): ('binary' | 'merge')[] {
  return ['binary', 'merge'];
}

/** Floats as numbers, everywhere below. */
export function unwrap(value: unknown): unknown {
  if (value instanceof YamlFloat) return value.value;
  if (value instanceof YamlTimestamp) return value.text;
  if (Array.isArray(value)) return value.map(unwrap);
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrap(item)]));
  }
  return value;
}
