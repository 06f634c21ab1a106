/**
 * The tree of znodes in memory with ZooKeeper's semantics: versions, zxids, sequence numbers, ephemerals, containers, ACLs.
 * A transaction happens as a whole or not at all. Knows nothing of connections, watches and files.
 */
import { createFlags, errorCode, permission } from '../../protocol/constants.ts';
import type { WireOperation, WireResult } from '../../protocol/messages/multi.ts';
import { pathProblem } from '../../protocol/path.ts';
import { type Acl } from '../../protocol/records.ts';
import { authorize, fixAcl, type Identity } from './acl.ts';
import { Refusal, RefusedTransaction } from './refusal.ts';
import {
  childrenOf,
  containerMark,
  kindOf,
  lengthOf,
  longestTtlMs,
  nameOf,
  newZnode,
  ownCopy,
  parentPathOf,
  sequenceSuffix,
  statOf,
  ttlOwner,
  type Znode,
} from './znode.ts';

export interface TreeEvent {
  readonly type: 'created' | 'deleted' | 'data-changed';
  readonly path: string;
  /** Of the znode in question. */
  readonly acl: readonly Acl[];
  readonly parentAcl: readonly Acl[];
}

export interface Transaction {
  readonly zxid: bigint;
  readonly results: readonly WireResult[];
  readonly events: readonly TreeEvent[];
  /** By id: znodes to be stored, null for those to be removed. Empty where nothing has changed. */
  readonly changed: ReadonlyMap<number, Znode | null>;
}

type CreateOperation = Extract<WireOperation, { type: 'create' }>;

/** They are always there and can't be deleted. Their ids never change, since storage knows znodes by them. */
export const builtIn = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'] as const;
/** Apache protects the configuration from writing. */
const configAcl: readonly Acl[] = [{ perms: permission.read, scheme: 'world', id: 'anyone' }];
const special: ReadonlySet<string> = new Set(builtIn);

export class Database {
  readonly nodes = new Map<string, Znode>();
  readonly ephemerals = new Map<bigint, Set<string>>();
  /** Containers and TTL znodes. */
  readonly mortals = new Set<Znode>();
  zxid = 0n;
  nextId: number = builtIn.length + 1;
  /** Sum over all znodes, for `mntr`. */
  dataBytes = 0;
  private readonly maxDataBytes: number;

  constructor(maxDataBytes: number) {
    this.maxDataBytes = maxDataBytes;
    builtIn.forEach((path, index) => {
      const node = newZnode(index + 1, path, path === '/' ? null : this.nodes.get(parentPathOf(path))!, 0n, 0n);
      if (path === '/zookeeper/config') node.acl = configAcl;
      this.link(node);
    });
  }

  /** Puts a znode that storage has loaded into the tree; a built-in one takes over what was stored. */
  restore(node: Znode): Znode {
    const before = this.nodes.get(node.path);
    if (!before) {
      this.link(node);
      return node;
    }
    this.dataBytes += lengthOf(node) - lengthOf(before);
    return Object.assign(before, node, { parent: before.parent, children: before.children });
  }

  private link(node: Znode): void {
    this.nodes.set(node.path, node);
    this.dataBytes += lengthOf(node);
    if (node.parent) (node.parent.children ??= new Set()).add(nameOf(node.path));
    const kind = kindOf(node);
    if (kind === 'container' || kind === 'ttl') this.mortals.add(node);
    if (kind !== 'ephemeral') return;
    const owned = this.ephemerals.get(node.ephemeralOwner);
    if (owned) owned.add(node.path);
    else this.ephemerals.set(node.ephemeralOwner, new Set([node.path]));
  }

  /** The znode, if it exists and may be read. Throws Refusal. */
  read(path: string, identities: readonly Identity[], need: number = permission.read): Znode {
    const node = this.nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    authorize(node.acl, need, identities);
    return node;
  }

  /** Applies the operations as one transaction. Throws RefusedTransaction when one is refused; nothing has changed then. */
  apply(
    operations: readonly WireOperation[],
    sessionId: bigint,
    identities: readonly Identity[],
    nowMs: number,
  ): Transaction {
    const results: WireResult[] = [];
    const c: Context = {
      zxid: this.zxid + 1n,
      now: BigInt(Math.floor(nowMs)),
      sessionId,
      identities,
      // An operation that is refused has changed nothing itself, so that a lone one needs no way back.
      undo: operations.length > 1 ? [] : null,
      events: [],
      changed: new Map(),
    };
    for (let index = 0; index < operations.length; index++) {
      try {
        results.push(this.one(operations[index]!, c));
      } catch (error) {
        for (const step of (c.undo ?? []).reverse()) step();
        if (error instanceof Refusal) throw new RefusedTransaction(error.code, index);
        throw error;
      }
    }
    return this.finish(c, results);
  }

  setAcl(path: string, acl: readonly Acl[], aversion: number, identities: readonly Identity[]): Transaction {
    if (pathProblem(path) !== null) throw new Refusal(errorCode.badArguments);
    const fixed = fixAcl(acl, identities);
    const node = this.read(path, identities, permission.admin);
    if (aversion !== -1 && node.aversion !== aversion) throw new Refusal(errorCode.badVersion);
    node.acl = fixed;
    node.aversion = (node.aversion + 1) | 0;
    return this.finish({ zxid: this.zxid + 1n, events: [], changed: new Map([[node.id, node]]) }, []);
  }

  /** A transaction that changes no znode, e.g. a session that begins. */
  advance(): bigint {
    return ++this.zxid;
  }

  /** How many znodes there are below this one, at any depth. */
  countBelow(node: Znode): number {
    if (node.parent === null) return this.nodes.size - 1;
    let count = 0;
    const open = [node];
    for (let at = open.pop(); at; at = open.pop()) {
      for (const name of childrenOf(at)) {
        count++;
        const child = this.nodes.get(`${at.path}/${name}`)!;
        if (child.children) open.push(child);
      }
    }
    return count;
  }

  private finish(c: Pick<Context, 'zxid' | 'events' | 'changed'>, results: WireResult[]): Transaction {
    // A transaction that only checks leaves no trace, so that nothing waits for it to become durable.
    if (c.changed.size > 0) this.zxid = c.zxid;
    return { zxid: this.zxid, results, events: c.events, changed: c.changed };
  }

  private one(operation: WireOperation, c: Context): WireResult {
    switch (operation.type) {
      case 'create':
        return this.create(operation, c);
      case 'delete':
        this.delete(operation.path, operation.version, c);
        return { type: 'delete' };
      case 'set':
        return this.set(operation.path, operation.data, operation.version, c);
      case 'check':
        this.versioned(operation.path, operation.version, permission.read, c);
        return { type: 'check' };
      default:
        throw new Refusal(errorCode.unimplemented);
    }
  }

  private versioned(path: string, version: number, need: number, c: Context): Znode {
    if (pathProblem(path) !== null) throw new Refusal(errorCode.badArguments);
    const node = this.read(path, c.identities, need);
    if (version !== -1 && node.version !== version) throw new Refusal(errorCode.badVersion);
    return node;
  }

  private set(path: string, bytes: Uint8Array | null, expected: number, c: Context): WireResult {
    if (tooLong(bytes, this.maxDataBytes)) throw new Refusal(errorCode.badArguments);
    const node = this.versioned(path, expected, permission.write, c);
    const { data, mzxid, mtime, version } = node;
    c.undo?.push(() => {
      this.dataBytes += (data?.length ?? 0) - lengthOf(node);
      Object.assign(node, { data, mzxid, mtime, version });
    });
    this.dataBytes += (bytes?.length ?? 0) - lengthOf(node);
    node.data = ownCopy(bytes);
    node.mzxid = c.zxid;
    node.mtime = c.now;
    node.version = (version + 1) | 0;
    c.changed.set(node.id, node);
    c.events.push({ type: 'data-changed', path, acl: node.acl, parentAcl: [] });
    return { type: 'set', stat: statOf(node) };
  }

  /** The order of the checks is Apache's (PrepRequestProcessor), since it decides which error a client sees. */
  private create(operation: CreateOperation, c: Context): WireResult {
    const owner = this.ownerOf(operation, c.sessionId);
    if (tooLong(operation.data, this.maxDataBytes) || !operation.path.includes('/') || operation.path.includes('\0'))
      throw new Refusal(errorCode.badArguments);
    const acl = fixAcl(operation.acl, c.identities);
    const parent = this.nodes.get(parentPathOf(operation.path));
    if (!parent) throw new Refusal(errorCode.noNode);
    authorize(parent.acl, permission.create, c.identities);
    const path = isSequential(operation.flags) ? operation.path + sequenceSuffix(parent.created) : operation.path;
    if (pathProblem(path) !== null) throw new Refusal(errorCode.badArguments);
    if (this.nodes.has(path)) throw new Refusal(errorCode.nodeExists);
    if (kindOf(parent) === 'ephemeral') throw new Refusal(errorCode.noChildrenForEphemerals);

    const node = newZnode(this.nextId++, path, parent, c.zxid, c.now);
    node.data = ownCopy(operation.data);
    node.acl = acl;
    node.ephemeralOwner = owner;
    const { created, pzxid } = parent;
    c.undo?.push(() => {
      this.unlink(node);
      Object.assign(parent, { created, pzxid });
    });
    parent.created = (created + 1) | 0;
    parent.pzxid = c.zxid;
    this.link(node);
    c.changed.set(parent.id, parent).set(node.id, node);
    c.events.push({ type: 'created', path, acl, parentAcl: parent.acl });
    return { type: 'create', path, stat: operation.withStat ? statOf(node) : null };
  }

  private ownerOf(operation: CreateOperation, sessionId: bigint): bigint {
    switch (operation.flags) {
      case createFlags.persistent:
      case createFlags['persistent-sequential']:
        return 0n;
      case createFlags.ephemeral:
      case createFlags['ephemeral-sequential']:
        return sessionId;
      case createFlags.container:
        return containerMark;
      case createFlags['persistent-ttl']:
      case createFlags['persistent-sequential-ttl']: {
        const ttlMs = operation.ttlMs ?? 0n;
        if (ttlMs <= 0n || ttlMs > longestTtlMs) throw new Refusal(errorCode.badArguments);
        return ttlOwner(ttlMs);
      }
      default:
        throw new Refusal(errorCode.badArguments);
    }
  }

  private delete(path: string, version: number, c: Context): void {
    if (!path.includes('/') || path.includes('\0') || special.has(path)) throw new Refusal(errorCode.badArguments);
    const parent = this.nodes.get(parentPathOf(path));
    if (!parent) throw new Refusal(errorCode.noNode);
    authorize(parent.acl, permission.delete, c.identities);
    const node = this.nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    if (version !== -1 && node.version !== version) throw new Refusal(errorCode.badVersion);
    if (childrenOf(node).size > 0) throw new Refusal(errorCode.notEmpty);
    const { pzxid } = parent;
    c.undo?.push(() => {
      this.link(node);
      parent.pzxid = pzxid;
    });
    this.unlink(node);
    parent.pzxid = c.zxid;
    c.changed.set(parent.id, parent).set(node.id, null);
    c.events.push({ type: 'deleted', path, acl: node.acl, parentAcl: parent.acl });
  }

  private unlink(node: Znode): void {
    this.nodes.delete(node.path);
    this.dataBytes -= lengthOf(node);
    node.parent?.children?.delete(nameOf(node.path));
    this.mortals.delete(node);
    const owned = this.ephemerals.get(node.ephemeralOwner);
    owned?.delete(node.path);
    if (owned?.size === 0) this.ephemerals.delete(node.ephemeralOwner);
  }
}

interface Context {
  readonly zxid: bigint;
  readonly now: bigint;
  readonly sessionId: bigint;
  readonly identities: readonly Identity[];
  readonly undo: (() => void)[] | null;
  readonly events: TreeEvent[];
  readonly changed: Map<number, Znode | null>;
}

const tooLong = (data: Uint8Array | null, mostBytes: number) => data !== null && data.length > mostBytes;

function isSequential(flags: number): boolean {
  return (
    flags === createFlags['persistent-sequential'] ||
    flags === createFlags['ephemeral-sequential'] ||
    flags === createFlags['persistent-sequential-ttl']
  );
}
