/** The types of which configuration schemas are made, with the Python validator's notion of each, and "did you mean". */
import { z } from 'zod';
import { YamlFloat } from './yaml.ts';

const jsonSchemas = new WeakMap<object, object>();

function custom<T>(test: (value: unknown) => boolean, what: string, json: object) {
  const schema = z.custom<T>(test, { error: (issue) => `must be ${what}, is ${describe(issue.input)}` });
  jsonSchemas.set(schema, json);
  return schema;
}

/** Booleans pass as integers, as they do in Python. */
export const int = () =>
  custom<number | boolean>(
    (v) => typeof v === 'boolean' || (typeof v === 'number' && Number.isInteger(v)),
    'an integer',
    {
      type: 'integer',
    },
  );
export const float = () =>
  custom<YamlFloat>((v) => v instanceof YamlFloat, 'a number with a decimal point', { type: 'number' });
/** Whatever Python's float() takes. */
export const numeric = () =>
  custom<number | string | boolean | YamlFloat>(
    (v) =>
      typeof v === 'number' ||
      typeof v === 'boolean' ||
      v instanceof YamlFloat ||
      (typeof v === 'string' &&
        /^\s*[-+]?(?:(?:\d+(?:_\d+)*)?\.?\d+(?:_\d+)*\.?(?:[eE][-+]?\d+)?|inf(?:inity)?|nan)\s*$/i.test(v)),
    'a number',
    { type: ['number', 'string'] },
  );
export const str = () =>
  z.string({
    error: (issue) => (issue.input === undefined ? 'is required' : `must be a string, is ${describe(issue.input)}`),
  });
export const bool = () => z.boolean({ error: (issue) => `must be true or false, is ${describe(issue.input)}` });
export const list = <T extends z.ZodType>(item: T) =>
  z.array(item, { error: (issue) => `must be a list, is ${describe(issue.input)}` });
export const dict = () => custom<Record<string, unknown>>((v) => isMapping(v), 'a mapping', { type: 'object' });

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A mapping that takes these keys and no others. */
export function closed<S extends z.core.$ZodLooseShape>(shape: S) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, keys)).join('; ');
      return `must be a mapping, is ${describe(issue.input)}`;
    },
  });
}

function unknownKey(key: string, valid: readonly string[]): string {
  return `unknown key '${key}'${didYouMean(key, valid)}`;
}

export function didYouMean(word: string, valid: readonly string[]): string {
  let best: string | null = null;
  let distance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of valid) {
    const d = editDistance(word.toLowerCase().replaceAll('_', '-'), candidate.toLowerCase());
    if (d < distance) [best, distance] = [candidate, d];
  }
  return best === null ? '' : `, did you mean '${best}'?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty (null)';
  if (value instanceof YamlFloat) return `the decimal number ${value.value}`;
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (typeof value === 'object') return 'a date';
  return typeof value === 'string'
    ? `the string ${JSON.stringify(value.slice(0, 40))}`
    : `the ${typeof value} ${JSON.stringify(value)}`;
}

export function toJsonSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: (context) => {
      const json = jsonSchemas.get(context.zodSchema);
      if (json) Object.assign(context.jsonSchema, json);
    },
  });
}

export const asInt = (value: number | boolean | undefined, absent: number): number =>
  value === undefined ? absent : Number(value);

export function asNumber(value: number | string | boolean | YamlFloat | undefined, absent: number): number {
  if (value === undefined) return absent;
  if (value instanceof YamlFloat) return value.value;
  return typeof value === 'string'
    ? Number(
        value
          .trim()
          .replaceAll('_', '')
          .replace(/^([-+]?)inf(?:inity)?$/i, '$1Infinity'),
      )
    : Number(value);
}
