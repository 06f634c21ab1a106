/**
 * The backing nodes of one metastatic provider: asks for them, puts them to use, grants slots, and releases them when they
 * have been empty for long enough. What is owned is read from the tree, so restarts and other launchers need no messages.
 */
import type {
  BackingEnd,
  BackingInstance,
  BackingNode,
  BackingNodes,
  BackingRequest,
  Json,
  KeepRule,
} from '../../driver-kit/contract.ts';
import type { Logger } from '../../base/logger.ts';
import { onAbort } from '../../base/signals.ts';
import type { Trouble } from '../../base/trouble.ts';
import { type BackingMark, parseBackingUse } from '../../records/backing.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import type { Runtime } from '../../base/runtime.ts';
import { BackingOperations } from '../../store/transactions/backing-operations.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import { BackingView, type OwnedEntry } from './backing-view.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import { PythonNeighbours } from './python-neighbours.ts';

export interface BackingBrokerDeps {
  readonly providerName: string;
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Has a free node removed. */
  readonly evict: (nodeId: string) => void;
}

interface Pending extends BackingRequest {
  readonly end: (end: BackingEnd) => void;
  /** Monotonic milliseconds since when nobody waits for it. */
  idleSinceMs: number | null;
}

/** Before that, somebody may be on the way from the lock to its note on the node. */
const halfBoundGraceMs = 60_000;
const lockWaitMs = 30_000;
/** So long a node that was just put to use is kept for those who have asked for it. */
const firstUseMs = 30_000;
const foreignFirstUseMs = 5000;
const sweepKey = 'sweep';
const requestPriority = '100';

export class BackingBroker implements BackingNodes {
  private readonly deps: BackingBrokerDeps;
  private readonly owner: string;
  private readonly writes: BackingOperations;
  private readonly view: BackingView;
  private readonly queue: KeyedQueue;
  private readonly neighbours: PythonNeighbours;
  private readonly pending = new Map<string, Pending>();
  private readonly idleSinceMs = new Map<string, number>();
  /** Of nodes that were put to use here: who has asked for them and has not come yet. Nobody, once they have been used. */
  private readonly awaited = new Map<string, Set<string>>();
  private readonly halfBoundSinceMs = new Map<string, number>();
  private readonly unfollow: (() => void)[];
  private readonly abort = new AbortController();
  private rule: (label: string) => KeepRule | null = () => null;

  constructor(deps: BackingBrokerDeps) {
    this.deps = deps;
    const { store, runtime, log, providerName } = deps;
    this.owner = `NodePool:metastatic:${providerName}`;
    this.writes = new BackingOperations(store, this.owner);
    this.queue = new KeyedQueue(
      {
        runtime,
        log,
        work: (key) => (key === sweepKey ? this.sweep() : this.follow(key)),
      },
      {
        name: `backing nodes of ${providerName}`,
        concurrency: 50,
      },
    );
    this.neighbours = new PythonNeighbours({
      store,
      providerName,
      runtime,
      onChange: () => this.queue.add(sweepKey),
    });
    this.view = new BackingView({
      store,
      owner: this.owner,
      providerName,
      holder: (nodeId) => this.writes.holder(nodeId),
      onChange: () => this.queue.add(sweepKey),
    });
    this.unfollow = [
      store.requests.onChange((id) => {
        if (this.pending.has(id)) this.queue.add(id);
      }),
      store.onSync(() => {
        for (const id of this.pending.keys()) this.queue.add(id);
        this.queue.add(sweepKey);
      }),
    ];
  }

  keep(rule: (label: string) => KeepRule | null): void {
    this.rule = rule;
    this.queue.add(sweepKey);
  }

  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      onAbort(signal, () => reject(signal.reason as Error));
      void this.view.settled().then(resolve);
    });
  }

  nodes(): readonly BackingNode[] {
    return this.view
      .owned()
      .filter(({ mark }) => !this.neighbours.mayUse(mark))
      .map(({ id, mark, taken }) => ({
        id,
        label: mark.label,
        slots: mark.slots,
        failed: mark.failed,
        launchedMs: mark.launched * 1000,
        taken: taken.size,
      }))
      .sort((a, b) => a.launchedMs - b.launchedMs || (a.id < b.id ? -1 : 1));
  }

  requests(): readonly BackingRequest[] {
    return [...this.pending.values()];
  }

  async request(backingLabel: string, label: string, slots: number): Promise<BackingRequest> {
    const { id } = await this.deps.operations.createRequest(
      { nodeTypes: [backingLabel], requestor: this.owner },
      requestPriority,
      { ephemeral: true },
    );
    let end: (end: BackingEnd) => void = () => {};
    const ended = new Promise<BackingEnd>((resolve) => (end = resolve));
    const made: Pending = { id, label, slots, waiters: new Set(), ended, end, idleSinceMs: null };
    this.pending.set(id, made);
    this.deps.log.info(
      { provider: this.deps.providerName, requestId: id, label, backingLabel },
      'Asking for a backing node',
    );
    this.queue.add(id);
    return made;
  }

  async claim(backingId: string, nodeId: string): Promise<{ slot: number; instance: BackingInstance } | null> {
    try {
      return await this.take(backingId, nodeId);
    } finally {
      for (const waiters of this.awaited.values()) waiters.delete(nodeId);
    }
  }

  private async take(backingId: string, nodeId: string): Promise<{ slot: number; instance: BackingInstance } | null> {
    const known = this.view.get(backingId);
    if (!known || (slotOf(known.mark, nodeId) === null && this.neighbours.mayUse(known.mark))) return null;
    let slot = -1;
    const owned = await this.writes.change(backingId, ({ mark }) => {
      slot = slotOf(mark, nodeId) ?? this.freeSlot(backingId, mark);
      if (slot < 0) return null;
      return { ...mark, claims: new Map(mark.claims).set(slot, nodeId) };
    });
    if (!owned) return null;
    this.idleSinceMs.delete(backingId);
    return { slot, instance: instanceOf(owned.node) };
  }

  async free(nodeId: string): Promise<void> {
    const backing = this.under(nodeId);
    if (backing) await this.unclaim(backing.id, (id) => id === nodeId);
  }

  async fail(nodeId: string): Promise<void> {
    const backing = this.under(nodeId);
    if (!backing) return;
    this.deps.log.warn({ nodeId, backingNode: backing.id }, 'A backing node cannot be reached and takes no new nodes');
    await this.writes.change(backing.id, ({ mark }) => ({ ...mark, failed: true }));
  }

  troubles(): Trouble[] {
    return this.queue.troubles();
  }

  /** Requests that are under way are withdrawn; nodes stay for the next launcher. */
  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    this.neighbours.close();
    this.view.stop();
    this.abort.abort(new Error('the launcher stops'));
    await this.queue.stop();
    await Promise.allSettled([...this.pending.keys()].map((id) => this.deps.operations.deleteRequest(id)));
  }

  private under(nodeId: string): OwnedEntry | undefined {
    return this.view
      .owned()
      .find(({ mark, taken }) => slotOf(mark, nodeId) !== null || taken.get(nodeId) !== undefined);
  }

  private freeSlot(backingId: string, mark: BackingMark): number {
    const used = new Set([...mark.claims.keys(), ...this.view.uses(backingId).values()]);
    for (let slot = 0; slot < mark.slots; slot++) if (!used.has(slot)) return slot;
    return -1;
  }

  private unclaim(backingId: string, gone: (nodeId: string) => boolean): Promise<unknown> {
    return this.writes.change(backingId, ({ mark }) => {
      const claims = new Map([...mark.claims].filter(([, id]) => !gone(id)));
      return claims.size === mark.claims.size ? null : { ...mark, claims };
    });
  }

  // --- requests

  private async follow(id: string): Promise<number | undefined> {
    const pending = this.pending.get(id);
    const { store, operations } = this.deps;
    if (!pending || !store.synced) return undefined;
    const entry = store.requests.get(id);
    if (!entry) {
      this.end(pending, { kind: 'failed', reason: `request ${id} has vanished` });
      return undefined;
    }
    if (isBroken(entry.request) || entry.request.state === 'failed') {
      await operations.deleteRequest(id);
      this.end(pending, { kind: 'failed', reason: `request ${id} has failed` });
      return undefined;
    }
    if (entry.request.state !== 'fulfilled') return undefined;
    const nodeId = entry.request.nodes[0];
    const wait = { timeoutMs: lockWaitMs, signal: this.abort.signal };
    const bound = nodeId === undefined ? null : await this.writes.bind(nodeId, id, this.mark(pending), wait);
    await operations.deleteRequest(id);
    if (nodeId !== undefined && bound?.result === 'bound') {
      this.awaited.set(nodeId, new Set(pending.waiters));
      this.view.know(nodeId, bound.contender);
      await this.view.shown(nodeId);
      this.deps.log.info(
        { provider: this.deps.providerName, nodeId, label: pending.label },
        'A backing node is in use',
      );
      this.end(pending, { kind: 'bound' });
    } else this.end(pending, { kind: 'lost' });
    return undefined;
  }

  private mark({ label, slots }: Pending): BackingMark {
    const launched = this.deps.runtime.nowMs() / 1000;
    return { owner: this.owner, label, slots, failed: false, launched, claims: new Map(), claimable: true };
  }

  private end(pending: Pending, end: BackingEnd): void {
    this.pending.delete(pending.id);
    pending.end(end);
    this.queue.add(sweepKey);
  }

  // --- what time brings

  /** Looks at everything once; returns when something will be due. */
  private async sweep(): Promise<number | undefined> {
    if (!this.deps.store.synced || !this.view.isSettled) return undefined;
    let next = Number.POSITIVE_INFINITY;
    const later = (ms: number) => (next = Math.min(next, ms));
    for (const pending of this.pending.values()) await this.withdrawIfIdle(pending, later);
    for (const owned of this.view.owned()) {
      await this.dropDeadClaims(owned);
      await this.releaseIfDue(owned, later);
    }
    for (const entry of this.view.halfBound()) await this.releaseHalfBound(entry, later);
    this.evictStranded();
    for (const known of [this.idleSinceMs, this.awaited])
      for (const id of known.keys()) if (!this.deps.store.nodes.get(id)) known.delete(id);
    return Number.isFinite(next) ? next : undefined;
  }

  private async withdrawIfIdle(pending: Pending, later: (ms: number) => void): Promise<void> {
    const now = this.deps.runtime.monotonicMs();
    if (pending.waiters.size > 0) pending.idleSinceMs = null;
    else pending.idleSinceMs ??= now;
    const graceMs = this.rule(pending.label)?.graceMs ?? 0;
    // Nobody tells when a waiter gives up.
    if (pending.idleSinceMs === null || now - pending.idleSinceMs <= graceMs) {
      later(pending.idleSinceMs === null ? 1000 : pending.idleSinceMs + graceMs - now + 1);
      return;
    }
    await this.deps.operations.deleteRequest(pending.id);
    // Should it have been fulfilled at this very moment, its node returns to stock: its request is gone.
    this.end(pending, { kind: 'lost' });
  }

  /** Nodes that died before they gave their slot back. */
  private async dropDeadClaims({ id, mark }: OwnedEntry): Promise<void> {
    const dead = new Set<string>();
    for (const nodeId of mark.claims.values()) {
      if (!this.deps.store.nodes.get(nodeId) && !(await this.writes.nodeExists(nodeId))) dead.add(nodeId);
    }
    if (dead.size > 0) await this.unclaim(id, (nodeId) => dead.has(nodeId));
  }

  private async releaseIfDue(seen: OwnedEntry, later: (ms: number) => void): Promise<void> {
    const owned = this.view.get(seen.id);
    if (!owned) return;
    if (this.neighbours.mayUse(owned.mark)) return;
    const now = this.deps.runtime.monotonicMs();
    const ageMs = this.deps.runtime.nowMs() - owned.mark.launched * 1000;
    const rule = this.rule(owned.mark.label);
    const old = rule !== null && rule.maxAgeMs !== null && ageMs > rule.maxAgeMs;
    const keeps = rule !== null && !owned.mark.failed && !old;
    if (owned.taken.size > 0) {
      this.idleSinceMs.delete(owned.id);
      if (!this.awaited.has(owned.id)) this.awaited.set(owned.id, new Set());
      return;
    }
    const idleSince = this.idleSinceMs.get(owned.id) ?? now;
    this.idleSinceMs.set(owned.id, idleSince);
    const awaitedMs = this.awaitedMs(owned.id);
    if (ageMs < awaitedMs) {
      later(Math.min(awaitedMs, awaitedMs - ageMs) + 1);
      return;
    }
    if (keeps) {
      const leftMs = Math.max(rule.graceMs - (now - idleSince), rule.retentionMs - ageMs);
      if (leftMs >= 0) {
        later(Math.min(leftMs, rule.maxAgeMs === null ? leftMs : Math.max(0, rule.maxAgeMs - ageMs)) + 1);
        return;
      }
    }
    const released = await this.writes.release(
      owned.id,
      (node, mark) => node.state === 'in-use' && mark !== null && mark.claims.size === 0,
    );
    this.idleSinceMs.delete(owned.id);
    if (released) this.deps.log.info({ provider: this.deps.providerName, nodeId: owned.id }, 'Released a backing node');
  }

  /** How old it must be to be released without having been used. */
  private awaitedMs(id: string): number {
    const waiters = this.awaited.get(id);
    if (waiters) return waiters.size > 0 ? firstUseMs : 0;
    // Whoever has put it to use elsewhere may have waiters too.
    return foreignFirstUseMs;
  }

  /** Locked for us without a note of ours: whoever did it has died in between. */
  private async releaseHalfBound(entry: NodeEntry, later: (ms: number) => void): Promise<void> {
    const now = this.deps.runtime.monotonicMs();
    const since = this.halfBoundSinceMs.get(entry.id) ?? now;
    this.halfBoundSinceMs.set(entry.id, since);
    if (now - since < halfBoundGraceMs) {
      later(halfBoundGraceMs - (now - since) + 1);
      return;
    }
    this.halfBoundSinceMs.delete(entry.id);
    const released = await this.writes.release(entry.id, (_node, mark) => mark === null);
    if (released) this.deps.log.warn({ nodeId: entry.id }, 'Released a backing node that was locked and never used');
  }

  /** Stock whose machine is no longer there is of no use to anybody. */
  private evictStranded(): void {
    for (const id of this.deps.store.nodes.byProvider(this.deps.providerName)) {
      const entry = this.deps.store.nodes.get(id);
      const node = entry?.node;
      if (!node || isBroken(node) || entry.locked || node.state !== 'ready' || node.allocatedTo !== null) continue;
      const use = parseBackingUse(node.driverData);
      if (use && !this.view.get(use.backingNode)) this.deps.evict(id);
    }
  }
}

function slotOf(mark: BackingMark, nodeId: string): number | null {
  for (const [slot, id] of mark.claims) if (id === nodeId) return slot;
  return null;
}

function instanceOf(node: NodeRecord): BackingInstance {
  return {
    interfaceIp: node.interfaceIp,
    publicIpv4: node.publicIpv4,
    privateIpv4: node.privateIpv4,
    publicIpv6: node.publicIpv6,
    cloud: node.cloud,
    availabilityZone: node.az,
    region: node.region,
    connectionPort: node.connectionPort as number,
    hostKeys: node.hostKeys,
    nodeAttributes: (node.attributes ?? {}) as Record<string, Json>,
    nodeProperties: (node.nodeProperties ?? {}) as Record<string, Json>,
    username: node.username,
    pythonPath: node.pythonPath,
    shellType: node.shellType,
    connectionType: node.connectionType,
  };
}
