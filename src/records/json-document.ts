/**
 * A JSON object whose values stay source text until they are asked for, so that what is not touched is written back to the
 * digit: Zuul's documents hold integers that a double cannot, and Python writes NaN and Infinity. One scan a parse.
 */
import { copyOf, Shape } from './json-shape.ts';
import type { OwnErrorCode } from '../base/error-codes.ts';

export class JsonSyntaxError extends Error {
  readonly code = 'json-syntax' satisfies OwnErrorCode;
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} at position ${position}`);
    this.name = 'JsonSyntaxError';
    this.position = position;
  }
}

/** A value given as source text; the caller vouches that it is JSON. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const deepest = 200;

/** Short values are the same in thousands of documents: kept once, for all of them. */
const known = new Map<string, string>();
const mostKnown = 5000;
const longestKnown = 24;

export class JsonDocument {
  private readonly shape: Shape;
  /** In the order of the keys. */
  private readonly values: readonly string[];

  private constructor(shape: Shape, values: readonly string[]) {
    this.shape = shape;
    this.values = values;
  }

  static readonly empty = new JsonDocument(Shape.empty, []);

  static parse(text: string): JsonDocument {
    const { shape, values } = new Scanner(text).topLevel();
    const { indexes } = shape;
    if (indexes.size === values.length) return new JsonDocument(shape, values);
    // As everywhere, of a key that comes twice the last value counts.
    let once = Shape.empty;
    for (const key of indexes.keys()) once = once.step(key);
    return new JsonDocument(
      once,
      Array.from(indexes.values(), (index) => values[index]!),
    );
  }

  has(key: string): boolean {
    return this.shape.indexes.has(key);
  }

  rawText(key: string): string | undefined {
    const index = this.shape.indexes.get(key);
    return index === undefined ? undefined : this.values[index];
  }

  /** undefined when absent. Numbers are doubles here: good for what we interpret, not for what we hand on. */
  get(key: string): unknown {
    const raw = this.rawText(key);
    return raw === undefined ? undefined : parseLoosely(raw);
  }

  keys(): Iterable<string> {
    return this.shape.indexes.keys();
  }

  /** A value of undefined leaves the key as it is. */
  with(changes: Readonly<Record<string, unknown>>): JsonDocument {
    const values = [...this.values];
    let { shape } = this;
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) continue;
      const raw = rawOf(value);
      const index = this.shape.indexes.get(key);
      if (index !== undefined) values[index] = raw;
      else {
        shape = shape.step(key);
        values.push(raw);
      }
    }
    return new JsonDocument(shape, values);
  }

  toText(): string {
    const { prefixes } = this.shape;
    let text = '{';
    for (let index = 0; index < this.values.length; index++) text += prefixes[index]! + this.values[index]!;
    return `${text}}`;
  }
}

function rawOf(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof RawJson) return value.text;
  if (value instanceof JsonDocument) return value.toText();
  return JSON.stringify(value);
}

function interned(text: string): string {
  if (text.length > longestKnown) return text;
  // Numbers, times and ids are seldom the same.
  if (isDigit(text.charCodeAt(text.charCodeAt(0) === quote ? 1 : 0))) return text;
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= mostKnown) return text;
  const kept = copyOf(text);
  known.set(kept, kept);
  return kept;
}

const quote = 0x22;
const backslash = 0x5c;

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** `raw` is a JSON string with its quotes. */
function unquoted(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
}

function parseLoosely(raw: string): unknown {
  // By far the most frequent ones, in a tenth of the time.
  if (raw === 'null') return null;
  const first = raw.charCodeAt(0);
  if (first === quote) return unquoted(raw);
  if (isDigit(first)) return Number(raw);
  try {
    return JSON.parse(raw);
  } catch {
    if (raw === 'NaN') return Number.NaN;
    if (raw === 'Infinity') return Number.POSITIVE_INFINITY;
    if (raw === '-Infinity') return Number.NEGATIVE_INFINITY;
    return null;
  }
}

const escape = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity/y;

class Scanner {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  topLevel(): { readonly shape: Shape; readonly values: string[] } {
    const values: string[] = [];
    let shape = Shape.empty;
    this.skipSpace();
    this.expect('{');
    this.skipSpace();
    if (!this.take('}')) {
      do {
        this.skipSpace();
        shape = this.key(shape);
        this.colon();
        values.push(this.topValue());
        this.skipSpace();
      } while (this.take(','));
      this.expect('}');
    }
    this.skipSpace();
    if (this.at < this.text.length) this.fail('something after the end of the object');
    return { shape, values };
  }

  private key(shape: Shape): Shape {
    const { likely } = shape;
    if (likely && this.text.startsWith(likely.quotedKey, this.at)) {
      this.at += likely.quotedKey.length;
      return likely;
    }
    const start = this.at;
    this.string();
    return shape.step(unquoted(this.text.slice(start, this.at)));
  }

  private topValue(): string {
    const start = this.at;
    this.value(1);
    // By far the most frequent one.
    if (this.at === start + 4 && this.text.startsWith('null', start)) return 'null';
    return interned(this.text.slice(start, this.at));
  }

  private object(depth: number): void {
    this.expect('{');
    this.skipSpace();
    if (this.take('}')) return;
    do {
      this.skipSpace();
      this.string();
      this.colon();
      this.value(depth + 1);
      this.skipSpace();
    } while (this.take(','));
    this.expect('}');
  }

  private array(depth: number): void {
    this.expect('[');
    this.skipSpace();
    if (this.take(']')) return;
    do {
      this.skipSpace();
      this.value(depth + 1);
      this.skipSpace();
    } while (this.take(','));
    this.expect(']');
  }

  private colon(): void {
    this.skipSpace();
    this.expect(':');
    this.skipSpace();
  }

  private value(depth: number): void {
    if (depth > deepest) this.fail('nested too deeply');
    const c = this.text[this.at];
    if (c === '"') this.string();
    else if (c === '{') this.object(depth);
    else if (c === '[') this.array(depth);
    else this.match(scalar, 'a value');
  }

  /** By hand: a regular expression's stack overflows on strings of some megabytes. */
  private string(): void {
    this.expect('"');
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === quote) break;
      if (code === backslash) {
        this.at++;
        this.match(escape, 'an escape sequence');
      } else if (code >= 0x20) this.at++;
      else this.fail(this.at < this.text.length ? 'a control character in a string' : 'a string without its end');
    }
    this.at++;
  }

  private match(pattern: RegExp, what: string): void {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) this.fail(`${what} expected`);
    this.at = pattern.lastIndex;
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private expect(c: string): void {
    if (!this.take(c)) this.fail(`${c} expected`);
  }

  private fail(message: string): never {
    throw new JsonSyntaxError(message, this.at);
  }
}
