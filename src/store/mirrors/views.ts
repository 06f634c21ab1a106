/** The mirrors with their records parsed and indexed. They may lag: what is decided from them is checked under a lock. */
import type { BrokenRecord } from '../../records/broken.ts';
import { isBroken } from '../../records/broken.ts';
import { type ComponentKind, type ComponentRecord, parseComponent } from '../../records/component.ts';
import type { ImageUpload } from '../../records/image.ts';
import type { NodeRecord } from '../../records/node.ts';
import type { RequestRecord } from '../../records/request.ts';
import { isContender, type Mirror, type MirrorEntry } from '@nodepool/zookeeper';
import { Index, Listeners } from './listeners.ts';
import { paths } from '../paths.ts';

export interface NodeEntry {
  readonly id: string;
  /** null: the znode is there, its document has not been seen. */
  readonly node: NodeRecord | BrokenRecord | null;
  readonly version: number;
  readonly contenders: ReadonlySet<string>;
  readonly locked: boolean;
}

export interface RequestEntry {
  readonly id: string;
  readonly request: RequestRecord | BrokenRecord;
  readonly version: number;
}

export type OnBroken = (path: string, record: BrokenRecord) => void;
type OnError = (error: unknown) => void;

const noContenders: ReadonlySet<string> = new Set();

export class NodeView {
  mirror!: Mirror<NodeRecord | BrokenRecord>;
  private readonly entries = new Map<string, NodeEntry>();
  private readonly indexes = { provider: new Index(), label: new Index(), state: new Index(), allocated: new Index() };
  private readonly listeners: Listeners<[string, NodeEntry | undefined, NodeEntry | undefined]>;
  private readonly onBroken: OnBroken;

  constructor(onBroken: OnBroken, onError: OnError) {
    this.onBroken = onBroken;
    this.listeners = new Listeners(onError);
  }

  /** `<id>` and `<id>/lock/<contender>` matter; the rest is not even fetched. */
  static classify(this: void, path: string): 'data' | 'name' | 'ignore' {
    const slash = path.indexOf('/');
    if (slash < 0) return 'data';
    if (!path.startsWith('/lock/', slash)) return 'ignore';
    return path.includes('/', slash + '/lock/'.length) ? 'ignore' : 'name';
  }

  /** Below a node only its lock matters. */
  static childrenOf(this: void, path: string): readonly string[] | undefined {
    return path === '' || path.includes('/') ? undefined : ['lock'];
  }

  apply(path: string, entry: MirrorEntry<NodeRecord | BrokenRecord> | null | undefined): void {
    const slash = path.indexOf('/');
    const id = slash < 0 ? path : path.slice(0, slash);
    const before = this.entries.get(id);
    const after =
      slash < 0 ? this.withDocument(id, before, entry) : withContender(id, before, path, entry !== undefined);
    if (before === after) return;
    if (after) this.entries.set(id, after);
    else this.entries.delete(id);
    if (before?.node !== after?.node) this.reindex(id, before?.node, after?.node);
    this.listeners.call(id, before, after);
  }

  get(id: string): NodeEntry | undefined {
    return this.entries.get(id);
  }

  all(): Iterable<NodeEntry> {
    return this.entries.values();
  }

  get size(): number {
    return this.entries.size;
  }

  byProvider(provider: string): ReadonlySet<string> {
    return this.indexes.provider.get(provider);
  }

  byLabel(label: string): ReadonlySet<string> {
    return this.indexes.label.get(label);
  }

  byState(state: string): ReadonlySet<string> {
    return this.indexes.state.get(state);
  }

  byAllocatedTo(requestId: string): ReadonlySet<string> {
    return this.indexes.allocated.get(requestId);
  }

  onChange(listener: (id: string, before: NodeEntry | undefined, after: NodeEntry | undefined) => void): () => void {
    return this.listeners.add(listener);
  }

  private withDocument(
    id: string,
    before: NodeEntry | undefined,
    entry: MirrorEntry<NodeRecord | BrokenRecord> | null | undefined,
  ): NodeEntry | undefined {
    // Without its znode the node has gone, whatever contenders were known.
    if (!entry) return undefined;
    const node = entry.value;
    if (isBroken(node)) this.onBroken(paths.node(id), node);
    const contenders = before?.contenders ?? noContenders;
    return { id, node, version: entry.stat.version, contenders, locked: contenders.size > 0 };
  }

  private reindex(id: string, before: NodeEntry['node'] | undefined, after: NodeEntry['node'] | undefined): void {
    const { provider, label, state, allocated } = this.indexes;
    const [was, is] = [readable(before), readable(after)];
    provider.move(id, was?.provider, is?.provider);
    state.move(id, was?.state, is?.state);
    allocated.move(id, was?.allocatedTo, is?.allocatedTo);
    const [old, now] = [was?.labels ?? [], is?.labels ?? []];
    for (const name of old) if (!now.includes(name)) label.remove(name, id);
    for (const name of now) if (!old.includes(name)) label.add(name, id);
  }
}

function readable(node: NodeEntry['node'] | undefined): NodeRecord | null {
  return node && !isBroken(node) ? node : null;
}

function withContender(
  id: string,
  before: NodeEntry | undefined,
  path: string,
  present: boolean,
): NodeEntry | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!isContender(name) || (!before && !present)) return before;
  const contenders = new Set(before?.contenders);
  if (present) contenders.add(name);
  else contenders.delete(name);
  // Without document and contenders nothing is known of it: most likely it went before it could be read.
  if (contenders.size === 0 && before?.node === null) return undefined;
  const base = before ?? { id, node: null, version: -1 };
  return { ...base, contenders, locked: contenders.size > 0 };
}

export class RequestView {
  mirror!: Mirror<RequestRecord | BrokenRecord>;
  private readonly entries = new Map<string, RequestEntry>();
  private readonly states = new Index();
  private readonly listeners: Listeners<[string, RequestEntry | undefined, RequestEntry | undefined]>;
  private readonly onBroken: OnBroken;

  constructor(onBroken: OnBroken, onError: OnError) {
    this.onBroken = onBroken;
    this.listeners = new Listeners(onError);
  }

  apply(id: string, entry: MirrorEntry<RequestRecord | BrokenRecord> | null | undefined): void {
    const before = this.entries.get(id);
    let after: RequestEntry | undefined;
    if (entry) {
      const request = entry.value;
      if (isBroken(request)) this.onBroken(paths.request(id), request);
      after = { id, request, version: entry.stat.version };
    }
    this.states.move(id, stateOf(before), stateOf(after));
    if (after) this.entries.set(id, after);
    else this.entries.delete(id);
    this.listeners.call(id, before, after);
  }

  get(id: string): RequestEntry | undefined {
    return this.entries.get(id);
  }

  all(): Iterable<RequestEntry> {
    return this.entries.values();
  }

  byState(state: string): ReadonlySet<string> {
    return this.states.get(state);
  }

  onChange(
    listener: (id: string, before: RequestEntry | undefined, after: RequestEntry | undefined) => void,
  ): () => void {
    return this.listeners.add(listener);
  }
}

function stateOf(entry: RequestEntry | undefined): string | null {
  return entry && !isBroken(entry.request) ? entry.request.state : null;
}

/** Who stands in the lock directories of requests. */
export class RequestLockView {
  mirror!: Mirror<null>;
  private readonly contenders = new Index();
  private readonly listeners: Listeners<[string]>;

  constructor(onError: OnError) {
    this.listeners = new Listeners(onError);
  }

  static classify(this: void, path: string): 'name' | 'ignore' {
    return path.includes('/') ? 'name' : 'ignore';
  }

  apply(path: string, entry: MirrorEntry<null> | null | undefined): void {
    const [id, name] = path.split('/');
    if (id === undefined || name === undefined || !isContender(name)) return;
    if (entry === undefined) this.contenders.remove(id, name);
    else this.contenders.add(id, name);
    this.listeners.call(id);
  }

  isLocked(requestId: string): boolean {
    return this.contenders.get(requestId).size > 0;
  }

  onChange(listener: (requestId: string) => void): () => void {
    return this.listeners.add(listener);
  }
}

export class ComponentView {
  mirror!: Mirror<ComponentRecord | null>;
  private readonly records = new Map<string, ComponentRecord>();
  private readonly listeners: Listeners<[]>;

  constructor(onError: OnError) {
    this.listeners = new Listeners(onError);
  }

  static classify(this: void, path: string): 'data' | 'ignore' {
    return path.split('/').length === 2 ? 'data' : 'ignore';
  }

  static parse(this: void, path: string, data: Buffer): ComponentRecord | null {
    return parseComponent(path.split('/')[0] as ComponentKind, data);
  }

  apply(path: string, entry: MirrorEntry<ComponentRecord | null> | null | undefined): void {
    const record = entry?.value;
    if (record) this.records.set(path, record);
    else this.records.delete(path);
    this.listeners.call();
  }

  *ofKind(kind: ComponentKind): Iterable<ComponentRecord> {
    for (const record of this.records.values()) if (record.kind === kind) yield record;
  }

  pools(): Iterable<ComponentRecord> {
    return this.ofKind('pool');
  }

  onChange(listener: () => void): () => void {
    return this.listeners.add(listener);
  }
}

/** Uploads of disk images: path below `/nodepool/images` is `<image>/builds/<build>/providers/<provider>/images/<upload>`. */
export class ImageView {
  mirror!: Mirror<ImageUpload | null>;
  private readonly uploads = new Map<string, ImageUpload>();
  private readonly listeners: Listeners<[]>;

  constructor(onError: OnError) {
    this.listeners = new Listeners(onError);
  }

  static classify(this: void, path: string): 'data' | 'ignore' {
    const parts = path.split('/');
    return parts.length === 7 && parts[6] !== 'lock' ? 'data' : 'ignore';
  }

  apply(path: string, entry: MirrorEntry<ImageUpload | null> | null | undefined): void {
    const upload = entry?.value;
    if (upload) this.uploads.set(path, upload);
    else this.uploads.delete(path);
    this.listeners.call();
  }

  /** The newest ready upload of the image for the provider, with its full path. */
  mostRecentUpload(provider: string, image: string): { path: string; upload: ImageUpload } | undefined {
    let best: { path: string; upload: ImageUpload } | undefined;
    for (const [path, upload] of this.uploads) {
      const parts = path.split('/');
      if (parts[0] !== image || parts[4] !== provider || upload.state !== 'ready') continue;
      if (!best || upload.stateTime > best.upload.stateTime) best = { path: `${paths.images}/${path}`, upload };
    }
    return best;
  }

  onChange(listener: () => void): () => void {
    return this.listeners.add(listener);
  }
}
