/** Reads the fields of one section by their types, and refuses with its line what does not fit. */
import { hint } from '../../config/suggest.ts';
import { type Level, levelOf, levelWords } from '../../telemetry/log/levels.ts';
import { LoggingRefusal, type Section } from './document.ts';

export class FieldReader {
  private readonly path: string;
  private readonly what: string;
  private readonly section: Section;

  constructor(path: string, what: string, section: Section) {
    this.path = path;
    this.what = what;
    this.section = section;
  }

  has(key: string): boolean {
    return this.section.fields.has(key);
  }

  line(key: string): number {
    return this.section.fields.get(key)?.line ?? this.section.line;
  }

  refuse(key: string, problem: string, advice: string): never {
    throw new LoggingRefusal(this.path, this.line(key), `${this.what}: ${problem}`, advice);
  }

  missing(key: string, advice: string): never {
    return this.refuse(key, `${key} is missing`, advice);
  }

  only(keys: readonly string[]): void {
    for (const key of this.section.fields.keys()) {
      if (!keys.includes(key)) this.refuse(key, `unknown key ${key}${hint(key, keys)}`, 'take it out');
    }
  }

  text(key: string): string | null {
    const value = this.section.fields.get(key)?.value ?? null;
    if (value === null || typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    return this.refuse(key, `${key} is no text`, 'write a text');
  }

  count(key: string): number | null {
    const value = this.section.fields.get(key)?.value ?? null;
    if (value === null) return null;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
    return this.refuse(key, `${key} is no whole number`, 'write one from 0 on');
  }

  flag(key: string): boolean | null {
    const value = this.section.fields.get(key)?.value ?? null;
    if (value === null || typeof value === 'boolean') return value;
    if (value === 0 || value === 1) return value === 1;
    return this.refuse(key, `${key} is neither true nor false`, 'write true or false');
  }

  list(key: string): string[] {
    const value = this.section.fields.get(key)?.value ?? [];
    if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
    return this.refuse(key, `${key} is no list of names`, 'write a list');
  }

  /** `unset` for NOTSET, null where the field is absent. */
  levelOrUnset(key: string): Level | 'unset' | null {
    const value = this.section.fields.get(key)?.value ?? null;
    if (value === null || value === '') return null;
    const level = typeof value === 'string' || typeof value === 'number' ? levelOf(value) : undefined;
    return level ?? this.refuse(key, `${JSON.stringify(value)} is no level`, `write ${levelWords}`);
  }

  level(key: string): Level | null {
    const level = this.levelOrUnset(key);
    return level === 'unset' ? null : level;
  }
}
