/** Rules over several keys of a mapping, declared once for validation, JSON Schema and reference pages. */
import { z } from 'zod';
import { alternatives } from './remarks.ts';
import { findingSeparator, jsonForms, splitFindings, toJsonSchema } from './schema.ts';
import { isMapping } from './yaml/values.ts';

/** Exactly one of these keys must be there. */
export const exactlyOneOf = <T extends z.ZodObject>(schema: T, ...keys: string[]): T =>
  rule(schema, {
    text: `Exactly one of ${names(keys, 'and')}.`,
    json: { oneOf: keys.map((key) => ({ required: [key] })) },
    judge: (has) => {
      const present = keys.filter(has);
      if (present.length === 0) return `needs ${keys.length === 2 ? 'either' : 'one of'} ${names(keys, 'or')}`;
      return present.length > 1 ? `takes only one of ${names(present, 'and')}` : null;
    },
  });

/** At most one of these keys may be there. */
export const atMostOneOf = <T extends z.ZodObject>(schema: T, ...keys: [string, string]): T =>
  rule(schema, {
    text: `Not both ${names(keys, 'and')}.`,
    json: { not: { required: keys } },
    judge: (has) => (keys.filter(has).length > 1 ? `takes only one of ${names(keys, 'and')}` : null),
  });

/** At least one of these keys must be there. */
export const atLeastOneOf = <T extends z.ZodObject>(schema: T, ...keys: string[]): T =>
  rule(schema, {
    text: `At least one of ${names(keys, 'and')}.`,
    json: { anyOf: keys.map((key) => ({ required: [key] })) },
    judge: (has) => (keys.some(has) ? null : `needs ${names(keys, 'or')}, or both`),
  });

const names = (keys: readonly string[], last: string) =>
  keys.length === 1 ? keys[0]! : `${keys.slice(0, -1).join(', ')} ${last} ${keys.at(-1)!}`;

interface Rule {
  readonly text: string;
  readonly json: object;
  readonly judge: (has: (key: string) => boolean) => string | null;
}

const rulesOf = new WeakMap<object, readonly Rule[]>();

/** The rule is judged also when single keys are wrong, so that a run finds everything. */
function rule<T extends z.ZodObject>(schema: T, added: Rule): T {
  const ruled = schema.superRefine(
    (parsed, context) => {
      const value = parsed as Record<string, unknown>;
      const message = added.judge((key) => Object.hasOwn(value, key) && value[key] !== undefined);
      if (message !== null) context.addIssue({ code: 'custom', message, input: value });
    },
    { when: (payload) => isMapping(payload.value) },
  );
  const all = [...(rulesOf.get(schema) ?? []), added];
  rulesOf.set(ruled, all);
  jsonForms.set(ruled, () => ({
    description: all.map(({ text }) => text).join(' '),
    allOf: all.map(({ json }) => json),
  }));
  return ruled;
}

/** A mapping that has one shape with `key` and another one without it. */
export function shapedBy<A extends z.ZodObject, B extends z.ZodObject>(key: string, having: A, lacking: B) {
  const choose = (value: unknown): A | B => (isMapping(value) && Object.hasOwn(value, key) ? having : lacking);
  const schema = z
    .custom<z.input<A> | z.input<B>>(() => true)
    .transform((value, context): z.output<A> | z.output<B> => {
      const result = choose(value).safeParse(value);
      if (result.success) return result.data;
      const alien = `does not go together with ${key}`;
      for (const issue of result.error.issues) {
        const message =
          issue.code === 'unrecognized_keys' && issue.path.length === 0 && Object.hasOwn(value, key)
            ? issue.keys.map((k, at) => (k in lacking.shape ? alien : splitFindings(issue)[at]!)).join(findingSeparator)
            : issue.message;
        context.issues.push({ ...issue, message, input: value } as z.core.$ZodRawIssue);
      }
      return z.NEVER;
    });
  const { in: source } = schema._zod.def;
  jsonForms.set(source, () => ({
    if: { required: [key] },
    // biome-ignore lint/suspicious/noThenProperty: that is its name in JSON Schema
    then: toJsonSchema(having),
    else: toJsonSchema(lacking),
  }));
  alternatives.set(source, choose);
  return schema;
}
