/**
 * The steps in the life of requests and nodes, each in as few transactions as the contract allows (spec: ZooKeeper data
 * model, "The fewest transactions"). A multi that is refused leaves nothing behind; then the same goes step by step.
 */
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeFields, type NodeRecord, parseNode, updateNode, withNodeId } from '../../records/node.ts';
import {
  encodeRequest,
  newRequest,
  parseRequest,
  type RequestFields,
  type RequestRecord,
  updateRequest,
  withRequestId,
} from '../../records/request.ts';
import {
  BadVersionError,
  HeldLock,
  MultiError,
  type MultiOperation,
  type MultiResult,
  newContenderPrefix,
  NodeExistsError,
  NoNodeError,
  NotEmptyError,
  removeContender,
  removeLockDirectory,
  SessionExpiredError,
  sortContenders,
  type Stat,
  tryLock,
} from '@nodepool/zookeeper';
import { sleep } from '../../base/runtime.ts';
import { findContender, isUncertain } from './certainty.ts';
import { done, HeldNode, HeldRequest, mostAttempts, type Outcome, type Refused, refused } from './held.ts';
import { lastName, paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import { deleteTree } from './tree.ts';
import type { NodeEntry, RequestEntry } from '../mirrors/views.ts';

export { HeldNode, HeldRequest, type Outcome, type Refused } from './held.ts';

export type Accepted = { readonly ok: true; readonly request: HeldRequest; readonly nodes: readonly NodeEntry[] };
export type LockedNode = { readonly ok: true; readonly node: HeldNode };
export type LockedRequest = { readonly ok: true; readonly request: HeldRequest };

const empty = Buffer.alloc(0);
/** So long others have to leave a lock that they only tried. */
const othersLeaveMs = 20;

export class Operations {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  private get client() {
    return this.store.client;
  }

  private now(): number {
    return this.store.runtime.nowMs();
  }

  // --- requests

  async createRequest(fields: RequestFields, priority: string, o: { ephemeral: boolean }): Promise<RequestEntry> {
    const eventId = fields.eventId ?? this.store.runtime.randomHex(32);
    const request = newRequest({ ...fields, eventId }, this.now());
    const data = encodeRequest(request);
    const mode = o.ephemeral ? 'ephemeral-sequential' : 'persistent-sequential';
    const create = () => this.client.create(`${paths.requests}/${priority}-`, data, { mode });
    const made = await create().catch(async (error: unknown) => {
      if (!(error instanceof NoNodeError)) throw error;
      await this.client.ensurePath(paths.requests);
      return create();
    });
    const id = lastName(made.path);
    const created = withRequestId(request, id);
    this.store.requests.mirror.ownCreate(id, created, made.stat);
    return { id, request: created, version: made.stat.version };
  }

  async deleteRequest(id: string): Promise<void> {
    await this.client.delete(paths.request(id)).catch(ignore(NoNodeError));
  }

  async requestExists(id: string): Promise<boolean> {
    return (await this.client.exists(paths.request(id))) !== null;
  }

  /**
   * Locks the request, writes `change` and creates the nodes, in one transaction: a lock directory that one makes oneself
   * has no earlier contender. Where the directory exists, the lock's recipe goes first.
   */
  async acceptRequest(
    entry: RequestEntry,
    change: RequestFields,
    nodes: readonly NodeRecord[],
  ): Promise<Accepted | Refused> {
    if (isBroken(entry.request)) return refused('changed');
    const directory = paths.requestLock(entry.id);
    const contender = `${directory}/${newContenderPrefix(this.store.runtime)}`;
    const request = updateRequest(entry.request, change, this.now());
    const data = encodeRequest(request);
    const own = this.store.requests.mirror.ownWrite(entry.id);
    try {
      const results = await this.client.multi([
        { type: 'create', path: directory, data: empty },
        { type: 'create', path: contender, data: empty, mode: 'ephemeral-sequential' },
        { type: 'set', path: paths.request(entry.id), data, version: entry.version },
        ...nodes.map((node) => this.nodeCreation(node)),
      ]);
      const stat = setStat(results[2]!);
      own.committed(request, stat);
      const lock = new HeldLock(this.client, directory, lastName(createdPath(results[1]!)));
      return {
        ok: true,
        request: new HeldRequest(this.store, lock, request, stat.version),
        nodes: this.created(nodes, results.slice(3)),
      };
    } catch (error) {
      own.failed();
      if (error instanceof SessionExpiredError) return refused('session');
      if (!(error instanceof MultiError)) {
        await this.withdraw(error, directory, lastName(contender));
        throw error;
      }
      if (error.error instanceof NoNodeError && error.index === 2) return refused('gone');
      if (error.error instanceof BadVersionError) return refused('changed');
      if (error.error instanceof NoNodeError) {
        await Promise.all([this.client.ensurePath(paths.requestLocks), this.client.ensurePath(paths.nodes)]);
        return this.acceptRequest(entry, change, nodes);
      }
      if (!(error.error instanceof NodeExistsError)) throw error;
    }
    return this.acceptStepwise(entry, change, nodes);
  }

  private async acceptStepwise(
    entry: RequestEntry,
    change: RequestFields,
    nodes: readonly NodeRecord[],
  ): Promise<Accepted | Refused> {
    const seen = entry.request as RequestRecord;
    const locked = await this.lockRequest(entry.id, (request) => request.state === seen.state);
    if (!locked.ok) return locked;
    try {
      const written = await locked.request.update(change);
      if (written.ok) {
        return { ok: true, request: locked.request, nodes: await this.createNodes(locked.request, nodes) };
      }
      await locked.request.release();
      return written;
    } catch (error) {
      // Unlocked, it is repaired as a lost request.
      await locked.request.release();
      throw error;
    }
  }

  /** Non-blocking; `expect` is asked about what is read under the lock. */
  async lockRequest(id: string, expect: (request: RequestRecord) => boolean): Promise<LockedRequest | Refused> {
    const directory = paths.requestLock(id);
    const result = await tryLock({
      client: this.client,
      runtime: this.store.runtime,
      path: directory,
      createParents: true,
    });
    if (result.result === 'locked') return refused('locked');
    if (result.result === 'gone') return refused('gone');
    try {
      const { data, stat } = await this.client.get(paths.request(id));
      const request = parseRequest(id, data);
      const held = isBroken(request) ? null : new HeldRequest(this.store, result.lock, request, stat.version);
      if (held && !isBroken(request) && expect(request)) return { ok: true, request: held };
      await this.unlockDirectory(result.lock);
      return refused('changed');
    } catch (error) {
      await this.unlockDirectory(result.lock);
      if (error instanceof NoNodeError) return refused('gone');
      throw error;
    }
  }

  private async unlockDirectory(lock: HeldLock): Promise<void> {
    await lock.release();
    await removeLockDirectory(this.client, lock.directory);
  }

  /** An answer that got lost may have left a contender: it must not stand there as long as the session lives. */
  private async withdraw(error: unknown, directory: string, prefix: string): Promise<void> {
    if (!isUncertain(error)) return;
    const found = await findContender(this.client, directory, prefix);
    if (found === 'session' || found.name === null) return;
    await removeContender(this.client, `${directory}/${found.name}`, this.client.sessionId);
  }

  // --- launching

  async createNodes(_held: HeldRequest, nodes: readonly NodeRecord[]): Promise<readonly NodeEntry[]> {
    if (nodes.length === 0) return [];
    const create = () => this.client.multi(nodes.map((node) => this.nodeCreation(node)));
    const results = await create().catch(async (error: unknown) => {
      if (!(error instanceof MultiError && error.error instanceof NoNodeError)) throw error;
      await this.client.ensurePath(paths.nodes);
      return create();
    });
    return this.created(nodes, results);
  }

  private nodeCreation(node: NodeRecord): MultiOperation {
    return { type: 'create', path: `${paths.nodes}/`, data: encodeNode(node), mode: 'persistent-sequential' };
  }

  private created(nodes: readonly NodeRecord[], results: readonly MultiResult[]): NodeEntry[] {
    return nodes.map((node, index) => {
      const result = results[index] as Extract<MultiResult, { type: 'create' }>;
      const id = lastName(result.path);
      const created = withNodeId(node, id);
      this.store.nodes.mirror.ownCreate(id, created, result.stat);
      return { id, node: created, version: result.stat.version, contenders: new Set(), locked: false };
    });
  }

  /** Locks a node that nobody else has touched yet and marks it `building`. */
  async startBuilding(entry: NodeEntry, fields: NodeFields): Promise<LockedNode | Refused> {
    if (!entry.node || isBroken(entry.node)) return refused('changed');
    const directory = paths.nodeLock(entry.id);
    const prefix = newContenderPrefix(this.store.runtime);
    const node = updateNode(entry.node, fields, this.now());
    const data = encodeNode(node);
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const own = this.store.nodes.mirror.ownWrite(entry.id);
      try {
        const results = await this.client.multi([
          { type: 'create', path: directory, data: empty },
          { type: 'create', path: `${directory}/${prefix}`, data: empty, mode: 'ephemeral-sequential' },
          { type: 'set', path: paths.node(entry.id), data, version: entry.version },
        ]);
        const stat = setStat(results[2]!);
        own.committed(node, stat);
        const lock = new HeldLock(this.client, directory, lastName(createdPath(results[1]!)));
        return { ok: true, node: new HeldNode(this.store, lock, node, stat.version) };
      } catch (error) {
        own.failed();
        if (error instanceof SessionExpiredError) return refused('session');
        if (error instanceof MultiError) {
          if (error.error instanceof NoNodeError) return refused('gone');
          return refused(error.error instanceof BadVersionError ? 'changed' : 'locked');
        }
        if (!isUncertain(error)) throw error;
        const found = await findContender(this.client, directory, prefix);
        if (found === 'session') return refused('session');
        if (found.name === null) continue;
        const lock = new HeldLock(this.client, directory, found.name);
        // It was applied, so the version is the one after what we had read.
        return { ok: true, node: new HeldNode(this.store, lock, node, entry.version + 1) };
      }
    }
    return refused('changed');
  }

  /** Hands the nodes over: all writes, all unlocking and `fulfilled` in one transaction. */
  async fulfil(
    held: HeldRequest,
    nodes: readonly { readonly held: HeldNode; readonly fields: NodeFields }[],
    fields: RequestFields,
  ): Promise<Outcome> {
    const handedOver = () => {
      for (const n of nodes) n.held.lock.forget();
      held.lock.forget();
    };
    for (let withDirectory = true, attempt = 0; attempt < mostAttempts; attempt++) {
      if (!held.held || nodes.some((n) => !n.held.held)) return refused('session');
      const { request, version } = held.entry;
      const next = updateRequest(request, fields, this.now());
      const writes = nodes
        .filter((n) => Object.keys(n.fields).length > 0)
        .map((n) => ({
          held: n.held,
          node: updateNode(n.held.node, n.fields, this.now()),
          own: this.store.nodes.mirror.ownWrite(n.held.id),
        }));
      const own = this.store.requests.mirror.ownWrite(held.id);
      // In the contract's order: nodes ready, nodes unlocked, request fulfilled, request unlocked.
      const operations: MultiOperation[] = [
        ...writes.map(
          (w): MultiOperation => ({
            type: 'set',
            path: paths.node(w.held.id),
            data: encodeNode(w.node),
            version: w.held.version,
          }),
        ),
        ...nodes.map((n) => n.held.lock.releaseOperation()),
        { type: 'set', path: paths.request(held.id), data: encodeRequest(next), version },
        held.lock.releaseOperation(),
        ...(withDirectory ? [{ type: 'delete', path: held.lock.directory } as const] : []),
      ];
      const requestAt = writes.length + nodes.length;
      try {
        const results = await this.client.multi(operations);
        writes.forEach((w, i) => {
          w.own.committed(w.node, setStat(results[i]!));
          w.held.wrote(w.node, setStat(results[i]!));
        });
        own.committed(next, setStat(results[requestAt]!));
        handedOver();
        return done;
      } catch (error) {
        for (const w of writes) w.own.failed();
        own.failed();
        if (error instanceof SessionExpiredError) return refused('session');
        if (isUncertain(error)) {
          // The request itself tells nothing: a consumer may have taken the nodes and deleted it already.
          const found = await findContender(this.client, held.lock.directory, held.lock.contender);
          if (found === 'session') return refused('session');
          if (found.name !== null) continue;
          // Somebody else may have removed it; with the nodes still locked nothing was handed over.
          const first = nodes[0]?.held.lock;
          const kept = first && (await findContender(this.client, first.directory, first.contender));
          if (kept === 'session') return refused('session');
          if (kept && kept.name !== null) return refused('gone');
          handedOver();
          return done;
        }
        if (!(error instanceof MultiError)) throw error;
        if (error.index > requestAt + 1 && error.error instanceof NotEmptyError) {
          // Somebody else tries for the lock at this moment: the directory stays.
          withDirectory = false;
        } else if (error.index === requestAt && error.error instanceof BadVersionError) {
          if (!(await held.refresh())) return refused('gone');
        } else return refused(error.index === requestAt ? 'gone' : 'changed');
      }
    }
    return refused('changed');
  }

  // --- stock

  /** Non-blocking; makes no node that is not there. `expect` is asked about what is read under the lock. */
  async lockNode(id: string, o: { expect?: (node: NodeRecord) => boolean } = {}): Promise<LockedNode | Refused> {
    const result = await tryLock({
      client: this.client,
      runtime: this.store.runtime,
      path: paths.nodeLock(id),
      createParents: false,
    });
    if (result.result !== 'acquired') return refused(result.result);
    try {
      const { data, stat } = await this.client.get(paths.node(id));
      const node = parseNode(id, data);
      if (!isBroken(node) && (o.expect?.(node) ?? true)) {
        return { ok: true, node: new HeldNode(this.store, result.lock, node, stat.version) };
      }
      await result.lock.release();
      return refused('changed');
    } catch (error) {
      await result.lock.release();
      if (error instanceof NoNodeError) return refused('gone');
      throw error;
    }
  }

  /** A fulfilled request for stock has done its duty: its nodes are free, the request goes. */
  async freeNodesOf(requestId: string, nodeIds: readonly string[]): Promise<void> {
    for (const id of nodeIds) {
      const entry = this.store.nodes.get(id);
      if (!entry?.node || isBroken(entry.node) || entry.node.allocatedTo !== requestId || entry.node.state !== 'ready')
        continue;
      const node = updateNode(entry.node, { allocatedTo: null }, this.now());
      const own = this.store.nodes.mirror.ownWrite(id);
      try {
        own.committed(node, await this.client.set(paths.node(id), encodeNode(node), entry.version));
      } catch (error) {
        own.failed();
        if (!(error instanceof NoNodeError || error instanceof BadVersionError)) throw error;
      }
    }
    await this.deleteRequest(requestId);
  }

  // --- deleting

  /**
   * Locks the node and marks it `deleting` in one transaction, then makes sure that nobody stood in the lock before us; the
   * versioned write and the same goal of all who would delete it make that order safe.
   */
  async startDeleting(id: string, expect: (node: NodeRecord) => boolean): Promise<LockedNode | Refused> {
    const entry = this.store.nodes.get(id);
    if (!entry?.node || isBroken(entry.node)) return refused('gone');
    if (entry.locked) return refused('locked');
    if (!expect(entry.node)) return refused('changed');
    // Others may want such a node for something else: it is not written before it is locked.
    if (entry.node.state === 'ready' || entry.node.state === 'hold') return this.deleteLocked(id, expect);
    const directory = paths.nodeLock(id);
    const prefix = newContenderPrefix(this.store.runtime);
    const contender: MultiOperation = {
      type: 'create',
      path: `${directory}/${prefix}`,
      data: empty,
      mode: 'ephemeral-sequential',
    };
    const node = updateNode(entry.node, { state: 'deleting' }, this.now());
    const data = encodeNode(node);
    const set: MultiOperation = { type: 'set', path: paths.node(id), data, version: entry.version };
    const own = this.store.nodes.mirror.ownWrite(id);
    let held: HeldNode | null = null;
    try {
      const results = await this.client.multi([contender, set]);
      const stat = setStat(results[1]!);
      own.committed(node, stat);
      const lock = new HeldLock(this.client, directory, lastName(createdPath(results[0]!)));
      held = new HeldNode(this.store, lock, node, stat.version);
    } catch (error) {
      own.failed();
      if (error instanceof SessionExpiredError) return refused('session');
      if (!(error instanceof MultiError)) {
        await this.withdraw(error, directory, prefix);
        throw error;
      }
      if (error.error instanceof BadVersionError) return refused('changed');
      if (!(error.error instanceof NoNodeError)) throw error;
    }
    if (held) return this.ifFirst(held);
    // There is no lock directory yet (or no node any more): the recipe makes it.
    return this.deleteLocked(id, expect);
  }

  private async deleteLocked(id: string, expect: (node: NodeRecord) => boolean): Promise<LockedNode | Refused> {
    const locked = await this.lockNode(id, { expect });
    if (!locked.ok) return locked;
    const written = await locked.node.write({ state: 'deleting' });
    if (written.ok) return locked;
    await locked.node.release();
    return written;
  }

  /** Withdraws when somebody stood in the lock before us. */
  private async ifFirst(held: HeldNode): Promise<LockedNode | Refused> {
    try {
      const { children } = await this.client.children(held.lock.directory);
      if (sortContenders(children)[0] === held.lock.contender) return { ok: true, node: held };
    } catch (error) {
      await held.release();
      throw error;
    }
    await held.release();
    return refused('locked');
  }

  /**
   * Removes contender, lock directory and node together. With others in the lock it is tried again for a moment; then the
   * node is left as `deleted`, unlocked, for whoever finds it next.
   */
  async finishDeleting(held: HeldNode): Promise<void> {
    const path = paths.node(held.id);
    let tries = 0;
    while (held.held) {
      try {
        await this.client.multi([
          held.lock.releaseOperation(),
          { type: 'delete', path: held.lock.directory },
          { type: 'delete', path },
        ]);
        held.lock.forget();
        return;
      } catch (error) {
        // Whoever holds the lock after our session goes on.
        if (error instanceof SessionExpiredError) return;
        if (isUncertain(error)) {
          const found = await findContender(this.client, held.lock.directory, held.lock.contender);
          if (found === 'session') return;
          if (found.name !== null) continue;
          held.lock.forget();
          return;
        }
        if (!(error instanceof MultiError)) throw error;
        if (error.index === 2 && error.error instanceof NoNodeError) return;
      }
      // Somebody else stands in the lock. Their contenders are theirs: without one its owner would believe to be alone with
      // the node. Who only tries goes at once, who waits has to see what has become of the node.
      if (held.node.state !== 'deleted') {
        const written = await held.write({ state: 'deleted' });
        if (!written.ok && written.reason !== 'changed') return;
      }
      if (++tries >= mostAttempts) return held.release();
      await sleep(this.store.runtime, othersLeaveMs);
    }
  }

  async nodeExists(id: string): Promise<boolean> {
    await this.client.sync(paths.node(id));
    return (await this.client.exists(paths.node(id))) !== null;
  }

  /** A node znode without a usable document, with whatever hangs below it. */
  async removeBrokenNode(id: string): Promise<void> {
    const { data } = await this.client.get(paths.node(id)).catch(() => ({ data: null }));
    if (data && data.length > 0) return;
    await deleteTree(this.client, paths.node(id));
  }

  /** Lock directories of requests that are no more, untouched for `olderThanMs`. */
  async sweepRequestLocks(olderThanMs: number): Promise<void> {
    const { children } = await this.client.children(paths.requestLocks).catch(() => ({ children: [] }));
    for (const id of children) {
      if (this.store.requests.get(id)) continue;
      const stat = await this.client.exists(paths.requestLock(id));
      // A contender goes with its session: whoever stands there is still at work.
      if (!stat || stat.numChildren > 0 || Number(stat.mtime) > this.now() - olderThanMs) continue;
      if (!(await this.requestExists(id))) await removeLockDirectory(this.client, paths.requestLock(id));
    }
  }
}

function setStat(result: MultiResult): Stat {
  return (result as Extract<MultiResult, { type: 'set' }>).stat;
}

function createdPath(result: MultiResult): string {
  return (result as Extract<MultiResult, { type: 'create' }>).path;
}

function ignore(kind: new (...args: never[]) => Error): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof kind)) throw error;
  };
}
