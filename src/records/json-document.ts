/**
 * A JSON object whose values stay source text until they are asked for, so that what is not touched is written back to the
 * digit: Zuul's documents hold integers that a double cannot, and Python writes NaN and Infinity. One scan a parse.
 */

export class JsonSyntaxError extends Error {
  readonly code = 'json-syntax';
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

/** Keys and short values are the same in thousands of documents: kept once, for all of them. */
const known = new Map<string, string>();
const mostKnown = 5000;
const longestKnown = 24;

/** A part of a string keeps the whole of it alive. */
function copyOf(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

/** The keys of a document in their order; most documents have the same ones. */
interface Shape {
  readonly keys: readonly string[];
  readonly indexes: ReadonlyMap<string, number>;
}

const shapes = new Map<string, Shape>();
const mostShapes = 200;
/** All keys together; documents are written by anybody, and what is kept here is kept for ever. */
const longestShape = 2000;

function shapeOf(keys: readonly string[]): Shape {
  // The control character can't be in a key of ours; whatever else has the same name gets a shape of its own.
  const name = keys.join('\u0000');
  const found = shapes.get(name);
  if (found && keys.length === found.keys.length && keys.every((key, index) => key === found.keys[index])) return found;
  if (found || shapes.size >= mostShapes || name.length > longestShape) return newShape(keys);
  const shape = newShape(keys.map((key) => known.get(key) ?? copyOf(key)));
  shapes.set(shape.keys.join('\u0000'), shape);
  return shape;
}

function newShape(keys: readonly string[]): Shape {
  return { keys, indexes: new Map(keys.map((key, index) => [key, index])) };
}

export class JsonDocument {
  private readonly shape: Shape;
  /** In the order of the keys. */
  private readonly values: readonly string[];

  private constructor(shape: Shape, values: readonly string[]) {
    this.shape = shape;
    this.values = values;
  }

  static readonly empty = new JsonDocument(shapeOf([]), []);

  static parse(text: string): JsonDocument {
    const { keys, values } = new Scanner(text).topLevel();
    const shape = shapeOf(keys);
    if (shape.indexes.size === keys.length) return new JsonDocument(shape, values);
    // As everywhere, of a key that comes twice the last value counts.
    const last = new Map(keys.map((key, index) => [key, values[index]!]));
    return new JsonDocument(shapeOf([...last.keys()]), [...last.values()]);
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
    return this.shape.keys;
  }

  /** A value of undefined leaves the key as it is. */
  with(changes: Readonly<Record<string, unknown>>): JsonDocument {
    const values = [...this.values];
    const added: string[] = [];
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) continue;
      const raw =
        value instanceof RawJson ? value.text : value instanceof JsonDocument ? value.toText() : JSON.stringify(value);
      const index = this.shape.indexes.get(key);
      if (index !== undefined) values[index] = raw;
      else {
        added.push(key);
        values.push(raw);
      }
    }
    return new JsonDocument(added.length === 0 ? this.shape : shapeOf([...this.shape.keys, ...added]), values);
  }

  toText(): string {
    const parts = this.values.map((raw, index) => `${quoted(this.shape.keys[index]!)}: ${raw}`);
    return `{${parts.join(', ')}}`;
  }
}

function interned(text: string): string {
  if (text.length > longestKnown) return text;
  const found = known.get(text);
  if (found !== undefined) return found;
  // Numbers, times and ids are seldom the same.
  const first = text.charCodeAt(text.charCodeAt(0) === 0x22 ? 1 : 0);
  if (known.size >= mostKnown || (first >= 0x30 && first <= 0x39)) return text;
  const kept = copyOf(text);
  known.set(kept, kept);
  return kept;
}

const quotedKeys = new Map<string, string>();

function quoted(key: string): string {
  let text = quotedKeys.get(key);
  if (text === undefined) {
    text = JSON.stringify(key);
    if (quotedKeys.size < mostKnown && key.length <= longestKnown) quotedKeys.set(key, text);
  }
  return text;
}

/** `raw` is a JSON string with its quotes. */
function unquoted(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
}

function parseLoosely(raw: string): unknown {
  // By far the most frequent ones, in a tenth of the time.
  if (raw === 'null') return null;
  if (raw.charCodeAt(0) === 0x22) return unquoted(raw);
  try {
    return JSON.parse(raw);
  } catch {
    if (raw === 'NaN') return Number.NaN;
    if (raw === 'Infinity') return Number.POSITIVE_INFINITY;
    if (raw === '-Infinity') return Number.NEGATIVE_INFINITY;
    return null;
  }
}

const space = /[ \t\r\n]*/y;
const escape = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity/y;

class Scanner {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  topLevel(): { readonly keys: string[]; readonly values: string[] } {
    const keys: string[] = [];
    const values: string[] = [];
    this.skipSpace();
    this.object((key, start) => {
      keys.push(interned(key));
      values.push(interned(this.text.slice(start, this.at)));
    }, 0);
    this.skipSpace();
    if (this.at < this.text.length) this.fail('something after the end of the object');
    return { keys, values };
  }

  private object(onValue: ((key: string, start: number) => void) | null, depth: number): void {
    this.expect('{');
    this.skipSpace();
    if (this.take('}')) return;
    do {
      this.skipSpace();
      const key = this.string();
      this.skipSpace();
      this.expect(':');
      this.skipSpace();
      const start = this.at;
      this.value(depth + 1);
      onValue?.(unquoted(key), start);
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

  private value(depth: number): void {
    if (depth > deepest) this.fail('nested too deeply');
    const c = this.text[this.at];
    if (c === '"') this.string();
    else if (c === '{') this.object(null, depth);
    else if (c === '[') this.array(depth);
    else this.match(scalar, 'a value');
  }

  /** By hand: a regular expression's stack overflows on strings of some megabytes. */
  private string(): string {
    const start = this.at;
    this.expect('"');
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x22) break;
      if (code === 0x5c) {
        this.at++;
        this.match(escape, 'an escape sequence');
      } else if (code >= 0x20) this.at++;
      else this.fail(this.at < this.text.length ? 'a control character in a string' : 'a string without its end');
    }
    this.at++;
    return this.text.slice(start, this.at);
  }

  private match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) this.fail(`${what} expected`);
    this.at = pattern.lastIndex;
    return found[0];
  }

  private skipSpace(): void {
    const c = this.text.charCodeAt(this.at);
    if (c > 32) return;
    space.lastIndex = this.at;
    space.exec(this.text);
    this.at = space.lastIndex;
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
