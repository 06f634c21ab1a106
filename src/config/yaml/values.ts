/** The values that reading a YAML file gives, and questions about them. They know nothing of the parser. */
import { YamlFloat, YamlTimestamp } from './yaml-dialect.ts';

/** Names of the keys of a mapping that are not strings in YAML: `5: x`. */
export const foreignKeys = new WeakMap<object, ReadonlySet<string>>();

export function hasOnlyStringKeys(mapping: object): boolean {
  return !foreignKeys.has(mapping);
}

/** Sets a key, also one such as `__proto__`. */
export function put(mapping: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(mapping, key, { value, enumerable: true, configurable: true, writable: true });
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The value with its floats as numbers and its times as texts, at any depth. */
export function unwrap(value: unknown): unknown {
  if (value instanceof YamlFloat) return value.value;
  if (value instanceof YamlTimestamp) return value.text;
  if (Array.isArray(value)) return value.map(unwrap);
  if (!isMapping(value)) return value;
  const plain: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) put(plain, key, unwrap(item));
  return plain;
}
