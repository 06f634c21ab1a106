/**
 * The types of which configuration schemas are made, with the Python validator's notion of each. They take what parseYaml
 * makes and give plain values: floats and booleans become numbers where a number is wanted, defaults are filled in. A key's
 * type, default and description are declared once; validation, types, the JSON Schema and the reference pages come from it.
 */
import { z } from 'zod';
import { type Remark, remarks } from './remarks.ts';
import { didYouMean, hint } from './suggest.ts';
import { hasOnlyStringKeys, isMapping, unwrap } from './yaml/values.ts';
import { YamlFloat } from './yaml/yaml-dialect.ts';

/** The JSON Schema of schemas that the library cannot translate. */
export const jsonForms = new WeakMap<object, () => object>();

/** A schema by a test. `abort: false` lets rules over several keys be judged too. */
function custom<T>(test: (value: unknown) => boolean, what: string, json: object, remark?: Remark) {
  const schema = z.custom<T>(test, { abort: false, error: (issue) => mustBe(what, issue.input) });
  jsonForms.set(schema, () => json);
  if (remark) remarks.set(schema, remark);
  return schema;
}

const mustBe = (what: string, value: unknown) =>
  value === undefined ? 'is required' : `must be ${what}, is ${describe(value)}`;

const countsAs: Remark = {
  what: 'value',
  on: (value) => (typeof value === 'boolean' ? `${value} counts as ${Number(value)}` : null),
};

/** An integer. Booleans pass for integers, as in Python. */
export const int = () =>
  custom<number | boolean>(
    (v) => typeof v === 'boolean' || (typeof v === 'number' && Number.isInteger(v)),
    'an integer',
    { type: 'integer' },
    countsAs,
  ).transform(Number);

/** A number with a decimal point, as the Python validator wants it: `10` is refused, `10.0` is not. */
export const float = () => {
  const schema = z.custom<YamlFloat>((v) => v instanceof YamlFloat, {
    abort: false,
    error: ({ input }) => {
      const remedy = typeof input === 'number' ? `: write ${input}.0` : '';
      return `${mustBe('a number with a decimal point', input)}${remedy}`;
    },
  });
  jsonForms.set(schema, () => ({ type: 'number' }));
  return schema.transform((v) => v.value);
};

/** An integer or a float. */
export const number = () =>
  custom<number | boolean | YamlFloat>(
    (v) => typeof v === 'number' || typeof v === 'boolean' || v instanceof YamlFloat,
    'a number',
    { type: 'number' },
    countsAs,
  ).transform(toNumber);

const pythonFloat =
  /^[-+]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)$/i;

/** Everything that Python's float() takes. */
export const numeric = () =>
  custom<number | string | boolean | YamlFloat>(
    (v) =>
      typeof v === 'number' ||
      typeof v === 'boolean' ||
      v instanceof YamlFloat ||
      (typeof v === 'string' && pythonFloat.test(v.trim())),
    'a number',
    { type: ['number', 'string', 'boolean'] },
    countsAs,
  ).transform(toNumber);

function toNumber(value: number | string | boolean | YamlFloat): number {
  if (value instanceof YamlFloat) return value.value;
  if (typeof value !== 'string') return Number(value);
  const text = value.trim().replaceAll('_', '');
  if (/inf/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(text);
}

export const str = () => z.string({ error: (issue) => mustBe('a string', issue.input) });

export const bool = () => z.boolean({ error: (issue) => mustBe('true or false', issue.input) });

/** One of a few words. */
export const choice = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, {
    error: (issue) => {
      const near = typeof issue.input === 'string' ? didYouMean(issue.input, words) : '';
      return mustBe(words.length === 1 ? `'${words[0]}'` : `one of ${words.join(', ')}`, issue.input) + near;
    },
  });

/** A value of either type; `what` names both. */
export const union = <A extends z.ZodType, B extends z.ZodType>(a: A, b: B, what: string) =>
  z.union([a, b], { error: (issue) => mustBe(what, issue.input) });

export const list = <T extends z.ZodType>(item: T) =>
  z.array(item, { error: (issue) => mustBe('a list', issue.input) });

/** Any list. */
export const anyList = () =>
  custom<unknown[]>(Array.isArray, 'a list', { type: 'array' }).transform((v) => unwrap(v) as readonly unknown[]);

/** Any mapping. */
export const dict = () =>
  custom<Record<string, unknown>>(isMapping, 'a mapping', { type: 'object' }).transform(
    (v) => unwrap(v) as Readonly<Record<string, unknown>>,
  );

/** Keys such as 5 and yes are no strings in YAML. */
function stringKeys<T>() {
  return z.custom<T>((v) => !isMapping(v) || hasOnlyStringKeys(v), {
    abort: false,
    error: 'must have only strings as keys: put numbers and words such as yes in quotes',
  });
}

/** A mapping with free keys, which must be strings. */
export function mapping<T extends z.ZodType>(item: T) {
  const values = z.record(z.string(), item, { error: (issue) => mustBe('a mapping', issue.input) });
  const keys = stringKeys<Record<string, z.input<T>>>();
  jsonForms.set(keys, () => toJsonSchema(values));
  return keys.pipe(values as unknown as z.ZodType<Readonly<Record<string, z.output<T>>>, Record<string, z.input<T>>>);
}

/** The library makes one finding of several unknown keys. This separates their messages in it. */
export const findingSeparator = '\u0000';

export const splitFindings = (issue: { readonly message: string }): string[] => issue.message.split(findingSeparator);

/** A mapping that takes these keys and no others. */
export function closed<S extends z.core.$ZodLooseShape>(shape: S) {
  return z.strictObject(shape, { error: (issue) => closedError(issue, Object.keys(shape)) });
}

/** A mapping that takes these keys, and other keys with values of one type. */
export function open<S extends z.core.$ZodLooseShape, T extends z.ZodType>(shape: S, others: T) {
  const values = z.object(shape, { error: (issue) => closedError(issue, []) }).catchall(others);
  const keys = stringKeys<z.input<typeof values>>();
  jsonForms.set(keys, () => toJsonSchema(values));
  return keys.pipe(values);
}

function closedError(issue: z.core.$ZodRawIssue, keys: readonly string[]): string {
  if (issue.code !== 'unrecognized_keys') return mustBe('a mapping', issue.input);
  return issue.keys.map((key) => `unknown key '${key}'${hint(key, keys)}`).join(findingSeparator);
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty (null)';
  if (value instanceof YamlFloat) {
    return `the decimal number ${Number.isInteger(value.value) ? value.value.toFixed(1) : value.value}`;
  }
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (value instanceof Uint8Array) return 'binary';
  if (typeof value === 'object') return 'a date';
  return typeof value === 'string'
    ? `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`
    : `the ${typeof value} ${JSON.stringify(value)}`;
}

/** The JSON Schema without `$schema`, so that it can be put into another one. */
export function toJsonSchema(schema: z.ZodType): Record<string, unknown> {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const form = jsonForms.get(zodSchema);
      if (form) Object.assign(jsonSchema, form());
      // The library leaves out the defaults of transformed values, because it takes them for outputs. Ours are inputs.
      const { def } = zodSchema._zod;
      if (def.type === 'default') jsonSchema.default = structuredClone<typeof jsonSchema.default>(def.defaultValue);
    },
  });
  return Object.fromEntries(Object.entries(json).filter(([key]) => key !== '$schema'));
}
