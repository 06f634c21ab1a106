/** Turns the parser's nodes into values as PyYAML would, and remembers where each of them stood. */
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import type { Fail } from './pyyaml-refusals.ts';
import { foreignKeys, isMapping, put, unwrap } from './values.ts';
import { resolvePlain, YamlFloat, YamlTimestamp } from './yaml-dialect.ts';

/** Walking a value expands its aliases. A file with more nodes than this is an attack or a mistake. */
const mostExpandedNodes = 1_000_000;

/** Offsets in the text of a list or mapping and of what is in it. */
interface Container {
  readonly keys: Map<PropertyKey, number>;
  readonly values: Map<PropertyKey, number>;
  readonly offset: number;
}

const offsetOf = (node: { range?: readonly number[] | null | undefined } | null | undefined) => node?.range?.[0] ?? 0;

/** An anchored node becomes one value, however many aliases it has. */
export class NodeReader {
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

  /** The offset of the value at a path, or of the key that leads to it. */
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
      // An empty value has no place that a reader of the file could see, so it gets that of its key.
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

  /** The mappings of a `<<`; later ones replace keys of earlier ones. */
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

/** The `<<` pairs of a mapping, and the others. */
function split(
  items: readonly Pair<Node, Node | null>[],
): [merges: Pair<Node, Node | null>[], own: Pair<Node, Node | null>[]] {
  const isMerge = ({ key }: Pair<Node, Node | null>) =>
    isScalar(key) && key.type === 'PLAIN' && key.source === '<<' && !key.tag;
  return [items.filter(isMerge), items.filter((pair) => !isMerge(pair))];
}
