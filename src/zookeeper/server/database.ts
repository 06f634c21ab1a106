/**
 * The tree of znodes in memory with ZooKeeper's semantics: versions, zxids, sequence numbers, ephemerals, containers, ACLs.
 * A transaction is validated and applied as a whole or not at all. Knows nothing of connections and files.
 */
import { createFlags, errorCode, permission } from '../protocol/constants.ts';
import type { WireOperation, WireResult } from '../protocol/multi.ts';
import { pathProblem, type WireAcl, type WireStat } from '../protocol/records.ts';

export interface Znode {
  data: Buffer;
  acl: readonly WireAcl[];
  czxid: bigint;
  mzxid: bigint;
  pzxid: bigint;
  ctime: bigint;
  mtime: bigint;
  version: number;
  /** Creations of children so far: the next sequence number. */
  created: number;
  aversion: number;
  ephemeralOwner: bigint;
  kind: 'normal' | 'container' | 'ttl';
  ttlMs: number;
  readonly children: Set<string>;
}

export type TreeEvent = { readonly type: 'created' | 'deleted' | 'data-changed'; readonly path: string };

export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

/** An operation was refused; `code` is one of ZooKeeper's. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}

export interface Transaction {
  readonly zxid: bigint;
  readonly results: readonly WireResult[];
  readonly events: readonly TreeEvent[];
  /** Paths whose stored form has changed; a missing znode is to be removed from storage. */
  readonly changed: ReadonlySet<string>;
}

const empty = Buffer.alloc(0);
const world: readonly WireAcl[] = [{ perms: permission.all, scheme: 'world', id: 'anyone' }];

export class Database {
  readonly nodes = new Map<string, Znode>();
  readonly ephemerals = new Map<bigint, Set<string>>();
  readonly containers = new Set<string>();
  zxid = 0n;
  readonly maxDataBytes: number;

  constructor(maxDataBytes: number) {
    this.maxDataBytes = maxDataBytes;
    for (const path of ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config']) this.insert(path, newZnode(0n, 0n));
  }

  /** Used by storage when it loads, and for the built-in nodes. */
  insert(path: string, node: Znode): void {
    this.nodes.set(path, node);
    if (path !== '/') this.nodes.get(parentOf(path))?.children.add(nameOf(path));
    this.index(path, node);
  }

  stat(node: Znode): WireStat {
    return {
      czxid: node.czxid,
      mzxid: node.mzxid,
      ctime: node.ctime,
      mtime: node.mtime,
      version: node.version,
      // Counts creations and deletions: what was created and is not there any more was deleted.
      cversion: node.created * 2 - node.children.size,
      aversion: node.aversion,
      ephemeralOwner: node.ephemeralOwner,
      dataLength: node.data.length,
      numChildren: node.children.size,
      pzxid: node.pzxid,
    };
  }

  /** The node, if it exists and may be read. Throws Refusal. */
  read(path: string, identities: readonly Identity[], need: number = permission.read): Znode {
    const node = this.nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    this.authorize(node, need, identities);
    return node;
  }

  /**
   * Applies the operations as one transaction. Throws Refusal with `index` of the operation in question when one is
   * refused; nothing has changed then.
   */
  apply(operations: readonly WireOperation[], sessionId: bigint, identities: readonly Identity[], nowMs: number): Transaction {
    const zxid = this.zxid + 1n;
    const undo: (() => void)[] = [];
    const events: TreeEvent[] = [];
    const changed = new Set<string>();
    const results: WireResult[] = [];
    const context: Context = { zxid, now: BigInt(Math.floor(nowMs)), sessionId, identities, undo, events, changed };
    for (const [index, operation] of operations.entries()) {
      try {
        results.push(this.one(operation, context));
      } catch (error) {
        for (const step of undo.reverse()) step();
        if (error instanceof Refusal) throw new RefusedTransaction(error.code, index);
        throw error;
      }
    }
    this.zxid = zxid;
    return { zxid, results, events, changed };
  }

  setAcl(path: string, acl: readonly WireAcl[], aversion: number, identities: readonly Identity[]): Transaction {
    const node = this.read(path, identities, permission.admin);
    if (aversion !== -1 && node.aversion !== aversion) throw new Refusal(errorCode.badVersion);
    const fixed = this.fixAcl(acl, identities);
    node.acl = fixed;
    node.aversion++;
    this.zxid++;
    return { zxid: this.zxid, results: [], events: [], changed: new Set([path]) };
  }

  private one(o: WireOperation, c: Context): WireResult {
    switch (o.type) {
      case 'create':
        return this.create(o, c);
      case 'delete':
        this.delete(o.path, o.version, c);
        return { type: 'delete' };
      case 'set': {
        const node = this.mutable(o.path, o.version, permission.write, c);
        if (o.data.length > this.maxDataBytes) throw new Refusal(errorCode.badArguments);
        const { data, mzxid, mtime, version } = node;
        c.undo.push(() => Object.assign(node, { data, mzxid, mtime, version }));
        node.data = Buffer.from(o.data);
        node.mzxid = c.zxid;
        node.mtime = c.now;
        node.version = (node.version + 1) | 0;
        this.changed('data-changed', o.path, c);
        return { type: 'set', stat: this.stat(node) };
      }
      case 'check':
        this.mutable(o.path, o.version, permission.read, c);
        return { type: 'check' };
      default:
        throw new Refusal(errorCode.unimplemented);
    }
  }

  private mutable(path: string, version: number, need: number, c: Context): Znode {
    if (pathProblem(path) !== null) throw new Refusal(errorCode.badArguments);
    const node = this.read(path, c.identities, need);
    if (version !== -1 && node.version !== version) throw new Refusal(errorCode.badVersion);
    return node;
  }

  private create(o: Extract<WireOperation, { type: 'create' }>, c: Context): WireResult {
    const flags = o.flags;
    const sequential =
      flags === createFlags['persistent-sequential'] ||
      flags === createFlags['ephemeral-sequential'] ||
      flags === createFlags['persistent-sequential-ttl'];
    const ephemeral = flags === createFlags.ephemeral || flags === createFlags['ephemeral-sequential'];
    if (flags < 0 || flags > 6 || pathProblem(o.path, sequential) !== null) throw new Refusal(errorCode.badArguments);
    if (o.data.length > this.maxDataBytes) throw new Refusal(errorCode.badArguments);
    const parentPath = parentOf(o.path);
    const parent = this.nodes.get(parentPath);
    if (!parent) throw new Refusal(errorCode.noNode);
    this.authorize(parent, permission.create, c.identities);
    const acl = this.fixAcl(o.acl, c.identities);
    const path = sequential ? o.path + String(parent.created).padStart(10, '0') : o.path;
    if (path === '/' || this.nodes.has(path)) throw new Refusal(errorCode.nodeExists);
    if (parent.ephemeralOwner !== 0n) throw new Refusal(errorCode.noChildrenForEphemerals);

    const node = newZnode(c.zxid, c.now, Buffer.from(o.data), acl);
    if (ephemeral) node.ephemeralOwner = c.sessionId;
    if (flags === createFlags.container) node.kind = 'container';
    if (flags === createFlags['persistent-ttl'] || flags === createFlags['persistent-sequential-ttl']) {
      node.kind = 'ttl';
      node.ttlMs = Number(o.ttlMs ?? 0n);
      if (node.ttlMs <= 0) throw new Refusal(errorCode.badArguments);
    }
    const { created, pzxid } = parent;
    c.undo.push(() => {
      this.drop(path, node);
      Object.assign(parent, { created, pzxid });
    });
    parent.created++;
    parent.pzxid = c.zxid;
    this.insert(path, node);
    c.changed.add(parentPath);
    this.changed('created', path, c);
    return { type: 'create', path, stat: o.withStat ? this.stat(node) : null };
  }

  private delete(path: string, version: number, c: Context): void {
    if (pathProblem(path) !== null || path === '/' || path.startsWith('/zookeeper')) throw new Refusal(errorCode.badArguments);
    const node = this.nodes.get(path);
    const parentPath = parentOf(path);
    const parent = this.nodes.get(parentPath);
    if (!node || !parent) throw new Refusal(errorCode.noNode);
    this.authorize(parent, permission.delete, c.identities);
    if (version !== -1 && node.version !== version) throw new Refusal(errorCode.badVersion);
    if (node.children.size > 0) throw new Refusal(errorCode.notEmpty);
    const { pzxid } = parent;
    c.undo.push(() => {
      this.insert(path, node);
      parent.pzxid = pzxid;
    });
    this.drop(path, node);
    parent.pzxid = c.zxid;
    c.changed.add(parentPath);
    this.changed('deleted', path, c);
  }

  private changed(type: TreeEvent['type'], path: string, c: Context): void {
    c.changed.add(path);
    c.events.push({ type, path });
  }

  private drop(path: string, node: Znode): void {
    this.nodes.delete(path);
    this.nodes.get(parentOf(path))?.children.delete(nameOf(path));
    this.containers.delete(path);
    if (node.ephemeralOwner === 0n) return;
    const owned = this.ephemerals.get(node.ephemeralOwner);
    owned?.delete(path);
    if (owned?.size === 0) this.ephemerals.delete(node.ephemeralOwner);
  }

  private index(path: string, node: Znode): void {
    if (node.kind !== 'normal') this.containers.add(path);
    if (node.ephemeralOwner === 0n) return;
    let owned = this.ephemerals.get(node.ephemeralOwner);
    if (!owned) this.ephemerals.set(node.ephemeralOwner, (owned = new Set()));
    owned.add(path);
  }

  private authorize(node: Znode, need: number, identities: readonly Identity[]): void {
    for (const acl of node.acl) {
      if ((acl.perms & need) === 0) continue;
      if (acl.scheme === 'world' && acl.id === 'anyone') return;
      if (identities.some((identity) => identity.scheme === 'super' || (identity.scheme === acl.scheme && identity.id === acl.id))) {
        return;
      }
    }
    throw new Refusal(errorCode.noAuth);
  }

  private fixAcl(acl: readonly WireAcl[], identities: readonly Identity[]): readonly WireAcl[] {
    if (acl.length === 0) throw new Refusal(errorCode.invalidAcl);
    if (acl.length === 1 && acl[0]!.scheme === 'world' && acl[0]!.id === 'anyone' && acl[0]!.perms === permission.all) return world;
    return acl.flatMap((entry) => {
      if (entry.scheme === 'auth') {
        const own = identities.filter((identity) => identity.scheme !== 'ip');
        if (own.length === 0) throw new Refusal(errorCode.invalidAcl);
        return own.map((identity) => ({ perms: entry.perms, scheme: identity.scheme, id: identity.id }));
      }
      const valid =
        (entry.scheme === 'world' && entry.id === 'anyone') ||
        (entry.scheme === 'digest' && entry.id.split(':').length === 2) ||
        entry.scheme === 'ip' ||
        entry.scheme === 'x509';
      if (!valid) throw new Refusal(errorCode.invalidAcl);
      return [entry];
    });
  }
}

export class RefusedTransaction extends Refusal {
  readonly index: number;

  constructor(code: number, index: number) {
    super(code);
    this.index = index;
  }
}

interface Context {
  readonly zxid: bigint;
  readonly now: bigint;
  readonly sessionId: bigint;
  readonly identities: readonly Identity[];
  readonly undo: (() => void)[];
  readonly events: TreeEvent[];
  readonly changed: Set<string>;
}

export function newZnode(zxid: bigint, now: bigint, data: Buffer = empty, acl: readonly WireAcl[] = world): Znode {
  return {
    data,
    acl,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: now,
    mtime: now,
    version: 0,
    created: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    kind: 'normal',
    ttlMs: 0,
    children: new Set(),
  };
}

export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
