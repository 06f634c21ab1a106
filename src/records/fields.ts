/** Reads single values of documents written by anybody: what has the wrong type counts as absent. */
import type { JsonDocument } from './json-document.ts';

export function text(d: JsonDocument, key: string, absent: string | null = null): string | null {
  const value = d.get(key);
  if (value === undefined) return absent;
  return typeof value === 'string' ? value : null;
}

export function number(d: JsonDocument, key: string): number | null {
  const value = d.get(key);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function textList(d: JsonDocument, key: string): readonly string[] {
  const value = d.get(key);
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

export function object(d: JsonDocument, key: string): Readonly<Record<string, unknown>> | null {
  const value = d.get(key);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/** Seconds since the epoch, as the documents hold times. */
export const seconds = (nowMs: number): number => nowMs / 1000;
