/**
 * The keys of a JSON object in their order. Thousands of documents have the same ones, so shapes form a tree, each one key
 * longer than the one before it: reading a document compares its keys with the way that the last one took, and keeps none.
 */

/** Shapes that are kept; documents are written by anybody, and what is kept is kept for ever. */
const mostKept = 2000;
const longestKeptKey = 40;
let kept = 0;

/** A part of a string keeps the whole of it alive. */
export function copyOf(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

export class Shape {
  readonly size: number;
  /** The step that was taken last: most likely the next one, too. */
  likely: Shape | null = null;
  /** The last key as JSON. */
  readonly quotedKey: string;
  readonly parent: Shape | null;
  readonly key: string;
  private readonly isKept: boolean;
  private steps: Map<string, Shape> | null = null;
  private indexesByKey: ReadonlyMap<string, number> | null = null;
  private beforeValues: readonly string[] | null = null;

  private constructor(parent: Shape | null, key: string, isKept: boolean) {
    this.parent = parent;
    this.size = parent ? parent.size + 1 : 0;
    this.key = key;
    this.isKept = isKept;
    this.quotedKey = JSON.stringify(key);
  }

  static readonly empty = new Shape(null, '', true);

  /** This shape with one more key at its end. */
  step(key: string): Shape {
    const found = this.steps?.get(key);
    if (found) {
      this.likely = found;
      return found;
    }
    if (!this.isKept || kept >= mostKept || key.length > longestKeptKey) return new Shape(this, key, false);
    kept++;
    const next = new Shape(this, copyOf(key), true);
    this.steps ??= new Map();
    this.steps.set(next.key, next);
    this.likely = next;
    return next;
  }

  /** Where each key's value is; of a key that comes twice, the last one. */
  get indexes(): ReadonlyMap<string, number> {
    this.indexesByKey ??= new Map(keysOf(this).map((key, index) => [key, index]));
    return this.indexesByKey;
  }

  /** What stands before each value in a document's text. */
  get prefixes(): readonly string[] {
    this.beforeValues ??= keysOf(this).map((key, index) => `${index === 0 ? '' : ', '}${JSON.stringify(key)}: `);
    return this.beforeValues;
  }
}

function keysOf(shape: Shape): string[] {
  const keys = new Array<string>(shape.size);
  for (let at = shape; at.parent; at = at.parent) keys[at.size - 1] = at.key;
  return keys;
}
