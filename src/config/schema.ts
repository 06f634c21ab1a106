/** The types of which configuration schemas are made, with the Python validator's notion of each. */
import { z } from 'zod';
import { didYouMean } from './suggest.ts';
import { hasOnlyStringKeys, isMapping } from './yaml.ts';
import { YamlFloat } from './yaml-dialect.ts';

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

/** A mapping with free keys, which must be strings. */
export function mapping<T extends z.ZodType>(item: T) {
  const values = z.record(z.string(), item, { error: (issue) => `must be a mapping, is ${describe(issue.input)}` });
  const keys = z.unknown().refine((v) => !isMapping(v) || hasOnlyStringKeys(v), {
    error: 'must have only strings as keys: put numbers and words such as yes in quotes',
  });
  const schema = keys.pipe(values);
  jsonSchemas.set(keys, z.toJSONSchema(values));
  return schema;
}

/** Several unknown keys make one finding of the library; who reports them takes it apart at these. */
export const findingSeparator = '\u0000';

/** A mapping that takes these keys and no others. */
export function closed<S extends z.core.$ZodLooseShape>(shape: S) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys')
        return issue.keys.map((key) => unknownKey(key, keys)).join(findingSeparator);
      return `must be a mapping, is ${describe(issue.input)}`;
    },
  });
}

function unknownKey(key: string, valid: readonly string[]): string {
  return `unknown key '${key}'${didYouMean(key, valid)}`;
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
