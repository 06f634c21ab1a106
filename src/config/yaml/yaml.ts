/**
 * Reads a YAML file as PyYAML's safe loader does and remembers where everything stood. What is read otherwise is listed with
 * test/interop/config/yaml.test.ts.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import { ConfigError } from './errors.ts';
import { positions, type SourceText } from './source-text.ts';
import { dialect, resolvePlain, YamlFloat, YamlTimestamp } from './yaml-dialect.ts';

export interface YamlSource {
  /** Plain maps, lists and scalars, with YamlFloat and YamlTimestamp for those types. */
  readonly value: unknown;
  /** Line and column (from 1) of a key or value; of the nearest ancestor where that does not exist. */
  locate(path: readonly PropertyKey[], what?: 'key' | 'value'): { line: number; column: number };
}

/** Aliases are expanded when a value is walked; beyond this a file is an attack or a mistake. */
const mostExpandedNodes = 1_000_000;

export function parseYaml(source: SourceText, file: string): YamlSource {
  const at = positions(source);
  const fail = (offset: number, message: string): never => {
    throw new ConfigError([{ file, ...at(offset), path: '', message: `YAML: ${message}` }]);
  };
  checkCharacters(source.text, fail);
  checkVersion(source.text, fail);
  const documents = parseAllDocuments(source.text, {
    version: '1.1',
    schema: 'failsafe',
    customTags: (known) => [...known, ...dialect, 'binary'],
    merge: false,
    uniqueKeys: false,
    logLevel: 'silent',
    prettyErrors: false,
  }) as Document.Parsed[];
  const [document, second] = documents;
  // Only the first fault: the others are mostly its consequences. An unknown tag is a mere warning to the parser.
  const faults = documents
    .flatMap((d) => [...d.errors, ...d.warnings.filter((w) => w.code === 'TAG_RESOLVE_FAILED')])
    .sort((a, b) => a.pos[0] - b.pos[0]);
  if (faults[0]) fail(faults[0].pos[0], wording(faults[0]));
  if (second) fail(second.range[0], 'the file holds more than one document');
  const reader = new Reader(document, fail);
  const value = document?.contents ? reader.read(document.contents) : null;
  return { value, locate: (path, what = 'value') => at(reader.offsetOf(value, path, what)) };
}

/** What the parser means, where it speaks of its own terms. */
function wording({ code, message }: { readonly code: string; readonly message: string }): string {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second colon in one line, or a line that stands too far right: put values with a colon in quotes';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'a key must be on one line: a colon is missing before, or a line stands too far right';
    case 'BAD_INDENT':
      return 'a bracket is not closed, or something stands too far left or right';
    case 'BAD_SCALAR_START':
      return `${message}: put the value in quotes`;
    case 'TAG_RESOLVE_FAILED':
      return message.replace(/^Unresolved tag: (?:tag:yaml\.org,2002:)?/, 'unknown tag ');
    default:
      return message;
  }
}

type Fail = (offset: number, message: string) => never;

/** What PyYAML refuses before or while it scans, and the parser used here doesn't. */
function checkCharacters(text: string, fail: Fail): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/.exec(text);
  if (control) {
    const code = control[0].charCodeAt(0).toString(16).padStart(4, '0');
    fail(control.index, `the control character U+${code} is not allowed`);
  }
  const lineBreak = /[\u0085\u2028\u2029]/.exec(text);
  if (lineBreak) {
    const code = lineBreak[0].charCodeAt(0).toString(16).padStart(4, '0');
    fail(lineBreak.index, `the character U+${code} ends a line in YAML 1.1, use a line feed`);
  }
  let offset = 0;
  let kind: 'token' | 'plain' | 'block' = 'token';
  let afterHeader = false;
  for (const token of new Lexer().lex(text)) {
    if (token === lexerMarks.scalar) {
      kind = afterHeader ? 'block' : 'plain';
      continue;
    }
    const tab = kind === 'plain' || /^[ \t]+$/.test(token) ? token.indexOf('\t') : -1;
    if (tab >= 0) fail(offset + tab, 'a tab can neither indent nor separate, use blanks');
    afterHeader = kind === 'token' && (/^[|>]/.test(token) || (afterHeader && /^(?:[ \t]|#|\r?\n)/.test(token)));
    kind = 'token';
    if (token !== lexerMarks.document && token !== lexerMarks.flowEnd) offset += token.length;
  }
}

/** Of the directives before the document. */
function checkVersion(text: string, fail: Fail): void {
  const directives = /^(?:(?:[ \t]*(?:#.*)?|%.*)\r?\n)*/.exec(text)?.[0] ?? '';
  const version = /^%YAML[ \t]+(\d+)\./m.exec(directives);
  if (version && version[1] !== '1') fail(version.index, 'only version 1 of YAML is known');
}

/** Tokens that are no part of the text. */
const lexerMarks = { document: '\u0002', flowEnd: '\u0018', scalar: '\u001f' } as const;

interface Container {
  readonly keys: Map<PropertyKey, number>;
  readonly values: Map<PropertyKey, number>;
  readonly offset: number;
}

/** Names of the keys of a mapping that are not strings in YAML: `5: x`. */
const foreignKeys = new WeakMap<object, ReadonlySet<string>>();

export function hasOnlyStringKeys(mapping: object): boolean {
  return !foreignKeys.has(mapping);
}

const offsetOf = (node: { range?: readonly number[] | null | undefined } | null | undefined) => node?.range?.[0] ?? 0;

/** Turns the parser's nodes into values. An anchored node becomes one value, however many aliases it has. */
class Reader {
  private readonly document: Document.Parsed | undefined;
  private readonly fail: Fail;
  private readonly made = new Map<Node, unknown>();
  private readonly open = new Set<Node>();
  private readonly places = new WeakMap<object, Container>();
  private readonly anchors = new Set<string>();
  private readonly sizes = new WeakMap<object, number>();

  constructor(document: Document.Parsed | undefined, fail: Fail) {
    this.document = document;
    this.fail = fail;
  }

  read(node: Node): unknown {
    if (isAlias(node)) {
      const target = node.resolve(this.document!);
      if (!target) return this.fail(offsetOf(node), `there is no anchor ${node.source}`);
      if (this.open.has(target))
        return this.fail(offsetOf(node), `*${node.source} stands for something that contains it`);
      return this.made.has(target) ? this.made.get(target) : this.read(target);
    }
    const anchor = (node as { anchor?: string }).anchor;
    if (anchor !== undefined) {
      if (!/^[\w-]+$/.test(anchor)) this.fail(offsetOf(node), `${anchor} can't be the name of an anchor`);
      if (this.anchors.has(anchor)) this.fail(offsetOf(node), `the anchor ${anchor} is defined twice`);
      this.anchors.add(anchor);
    }
    this.open.add(node);
    const value = this.make(node);
    this.open.delete(node);
    this.made.set(node, value);
    return value;
  }

  /** Where the value at a path begins, or the key that leads to it. */
  offsetOf(root: unknown, path: readonly PropertyKey[], what: 'key' | 'value'): number {
    let value = root;
    let offset = this.placeOf(root)?.offset ?? 0;
    for (const [index, part] of path.entries()) {
      const place = this.placeOf(value);
      const asKey = what === 'key' && index === path.length - 1;
      const next = (asKey ? place?.keys.get(part) : undefined) ?? place?.values.get(part);
      if (next === undefined) return offset;
      offset = next;
      value = (value as Record<PropertyKey, unknown>)[part];
    }
    return offset;
  }

  private placeOf(value: unknown): Container | undefined {
    return typeof value === 'object' && value !== null ? this.places.get(value) : undefined;
  }

  private make(node: Node): unknown {
    if (isSeq(node)) return this.makeList(node.items as Node[], offsetOf(node));
    if (isMap(node)) return this.makeMapping(node as YAMLMap<Node, Node | null>);
    if (!isScalar(node)) return this.fail(offsetOf(node), 'unexpected content');
    if (node.type === 'PLAIN' && !node.tag && (node.source === '=' || node.source === '<<')) {
      this.fail(offsetOf(node), `${node.source} is not a value, put it in quotes`);
    }
    if (node.type === 'PLAIN' && node.tag === '!') {
      return resolvePlain(node.source ?? '', (message) => this.fail(offsetOf(node), message));
    }
    return node.value;
  }

  private makeList(items: readonly Node[], offset: number): unknown[] {
    const place: Container = { keys: new Map(), values: new Map(), offset };
    const list = items.map((item, index) => {
      place.values.set(index, offsetOf(item));
      return this.read(item);
    });
    this.places.set(list, place);
    this.count(list, list, offset);
    return list;
  }

  private makeMapping(node: YAMLMap<Node, Node | null>): Record<string, unknown> {
    const place: Container = { keys: new Map(), values: new Map(), offset: offsetOf(node) };
    const mapping: Record<string, unknown> = {};
    const foreign = new Set<string>();
    const [merges, own] = split(node.items);
    for (const pair of merges) {
      for (const from of this.mergeSources(pair)) {
        const theirs = this.places.get(from);
        for (const [key, value] of Object.entries(from)) {
          put(mapping, key, value);
          place.keys.set(key, theirs?.keys.get(key) ?? place.offset);
          place.values.set(key, theirs?.values.get(key) ?? place.offset);
        }
        for (const key of foreignKeys.get(from) ?? []) foreign.add(key);
      }
    }
    for (const pair of own) {
      const [key, isString] = this.keyOf(pair.key);
      const value = pair.value === null ? null : this.read(pair.value);
      put(mapping, key, value);
      if (isString) foreign.delete(key);
      else foreign.add(key);
      place.keys.set(key, offsetOf(pair.key));
      // An empty value has no place of its own that a reader could see.
      const empty = pair.value === null || (isScalar(pair.value) && pair.value.source === '');
      place.values.set(key, empty ? offsetOf(pair.key) : offsetOf(pair.value));
    }
    this.places.set(mapping, place);
    if (foreign.size > 0) foreignKeys.set(mapping, foreign);
    this.count(mapping, Object.values(mapping), place.offset);
    return mapping;
  }

  private keyOf(node: Node): [key: string, isString: boolean] {
    if (isMap(node) || isSeq(node) || isPair(node))
      return this.fail(offsetOf(node), 'a list or mapping cannot be a key');
    if (isScalar(node) && node.source === '=') return ['=', true];
    const value = this.read(node);
    if (typeof value === 'string') return [value, true];
    if (
      typeof value === 'object' &&
      value !== null &&
      !(value instanceof YamlFloat) &&
      !(value instanceof YamlTimestamp)
    ) {
      return this.fail(offsetOf(node), 'a list or mapping cannot be a key');
    }
    return [isScalar(node) && node.source ? node.source : String(unwrap(value)), false];
  }

  /** Mappings of a `<<`, the one that yields first. */
  private mergeSources(pair: Pair<Node, Node | null>): Record<string, unknown>[] {
    const value = pair.value === null ? null : this.read(pair.value);
    const all: unknown[] = Array.isArray(value) ? value.toReversed() : [value];
    return all.map((one) =>
      isMapping(one) ? one : this.fail(offsetOf(pair.value ?? pair.key), '<< takes a mapping or a list of mappings'),
    );
  }

  private count(container: object, items: readonly unknown[], offset: number): void {
    const size = items.reduce<number>(
      (sum, item) => sum + (typeof item === 'object' && item !== null ? (this.sizes.get(item) ?? 1) : 1),
      1,
    );
    if (size > mostExpandedNodes) this.fail(offset, 'the aliases stand for too much');
    this.sizes.set(container, size);
  }
}

function split(
  items: readonly Pair<Node, Node | null>[],
): [merges: Pair<Node, Node | null>[], own: Pair<Node, Node | null>[]] {
  const isMerge = ({ key }: Pair<Node, Node | null>) =>
    isScalar(key) && key.type === 'PLAIN' && key.source === '<<' && !key.tag;
  return [items.filter(isMerge), items.filter((pair) => !isMerge(pair))];
}

/** Also keys such as `__proto__`. */
function put(mapping: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(mapping, key, { value, enumerable: true, configurable: true, writable: true });
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Floats as numbers and times as text, everywhere below. */
export function unwrap(value: unknown): unknown {
  if (value instanceof YamlFloat) return value.value;
  if (value instanceof YamlTimestamp) return value.text;
  if (Array.isArray(value)) return value.map(unwrap);
  if (!isMapping(value)) return value;
  const plain: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) put(plain, key, unwrap(item));
  return plain;
}
