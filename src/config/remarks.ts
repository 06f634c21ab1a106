/** Remarks on keys and values that are accepted: keys without effect, values that are not what they seem. */
import type { z } from 'zod';
import { isMapping } from './yaml/values.ts';

export interface Remark {
  /** Whether the remark is about the key or about its value. */
  readonly what: 'key' | 'value';
  readonly on: (value: unknown) => string | null;
}

export const remarks = new WeakMap<object, Remark>();

/** For schemas that judge a value by one of two shapes: which one. */
export const alternatives = new WeakMap<object, (value: unknown) => z.core.$ZodType>();

/** Marks a key that is accepted and does nothing. A remark tells the author why. */
export function ineffective<T extends z.ZodType>(schema: T, why: string): T {
  const marked = schema.meta({ description: `Without effect: ${why}.`, deprecated: true });
  remarks.set(marked, { what: 'key', on: () => `has no effect: ${why}` });
  return marked;
}

/** Marks a key that the Python Nodepool's programs read and its config-validate refuses. */
export function unlisted<T extends z.ZodType>(schema: T, description: string): T {
  const marked = schema.describe(
    `${description} (The Python config-validate refuses this key, its launcher reads it.)`,
  );
  remarks.set(marked, {
    what: 'key',
    on: () => 'is read here and by the Python launcher, but the Python config-validate refuses it',
  });
  return marked;
}

export interface Remarked {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  readonly what: Remark['what'];
}

/** All remarks on a value that its schema accepts. */
export function* remarksOn(
  schema: z.core.$ZodType,
  value: unknown,
  path: readonly PropertyKey[] = [],
): Generator<Remarked> {
  const remark = remarks.get(schema);
  const text = remark?.on(value) ?? null;
  if (remark && text !== null) yield { path, text, what: remark.what };
  const chosen = alternatives.get(schema)?.(value);
  if (chosen) yield* remarksOn(chosen, value, path);
  const { def } = schema._zod;
  if ('innerType' in def) yield* remarksOn(def.innerType as z.core.$ZodType, value, path);
  if ('in' in def) yield* remarksOn(def.in as z.core.$ZodType, value, path);
  if ('out' in def && !chosen) yield* remarksOn(def.out as z.core.$ZodType, value, path);
  if ('element' in def && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* remarksOn(def.element as z.core.$ZodType, item, [...path, index]);
    }
  }
  if (!isMapping(value)) return;
  if ('valueType' in def) {
    for (const [key, item] of Object.entries(value)) {
      yield* remarksOn(def.valueType as z.core.$ZodType, item, [...path, key]);
    }
  }
  if ('shape' in def) {
    for (const [key, inner] of Object.entries(def.shape as Record<string, z.core.$ZodType>)) {
      if (Object.hasOwn(value, key)) yield* remarksOn(inner, value[key], [...path, key]);
    }
  }
}
