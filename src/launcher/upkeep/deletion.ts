/**
 * Removes what nobody needs any more: a node of a provider of ours that is unlocked and used, failed, aborted, deleting,
 * orphaned in building or in-use. Also frees reserved ready nodes whose request is gone. Woken by the node's own change.
 */
import type { ExternalId } from '../../driver-kit/contract.ts';
import { asProviderError } from '../../driver-kit/errors.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord, NodeState } from '../../records/node.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { Evictions } from '../pools/evictions.ts';
import type { ProviderPort } from '../pools/provider-port.ts';
import { awaitsTakeOver } from '../serving/stored-launch.ts';
import type { Traces } from '../serving/traces.ts';

/** A node in one of these states that nobody has locked is deleted (spec: node life cycle). */
const removableStates: readonly NodeState[] = [
  'used',
  'in-use',
  'testing',
  'building',
  'failed',
  'deleting',
  'deleted',
  'aborted',
];

const removalTimeoutMs = 600_000;
const unlockedInitGraceMs = 10_000;
/** The request of an unfinished launch is taken over or reset before that, if any launcher is there. */
const takeOverGraceMs = 15_000;
/** With nobody at work on its request a new node has no future; the mirrors need a moment to agree on that. */
const orphanedInitGraceMs = 1000;
const emptyNodeGraceMs = 5_000;
/** Whoever writes `deleted` removes the record right after that, the Python `erase` without a lock: one would be in its way. */
const deletedGraceMs = 5_000;
const behindMs = 10;
const lockedPauseMs = 2000;

export interface DeletionDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** The provider of that name if it is ours and running or finishing. */
  readonly provider: (name: string) => ProviderPort | undefined;
  /** Is the provider in our configuration at all? */
  readonly isOurs: (name: string) => boolean;
  /** Nodes that are to go although nothing is wrong with them. */
  readonly evictions: Evictions;
  readonly traces: Traces;
}

export class DeletionReconciler {
  private readonly deps: DeletionDeps;
  private readonly queue: KeyedQueue;
  private readonly abort = new AbortController();
  /** Before another try at a node that somebody has locked. It does not grow: such locks are short. */
  private readonly lockedPause: Backoff;
  private readonly unfollow: (() => void)[];
  /** When a node without lock was first seen in a state that may be a passing one. */
  private readonly firstSeenMs = new Map<string, number>();

  constructor(deps: DeletionDeps) {
    this.deps = deps;
    this.lockedPause = new Backoff({ runtime: deps.runtime, firstMs: lockedPauseMs, mostMs: lockedPauseMs });
    this.queue = new KeyedQueue(
      {
        runtime: deps.runtime,
        log: deps.log,
        // A cloud that does not answer holds up no other one.
        lane: (id) => this.providerOf(id),
        work: (id) => this.reconcile(id),
      },
      {
        name: 'deletion',
        concurrency: 1000,
        longWorkMs: removalTimeoutMs + 60_000,
      },
    );
    const { store, evictions } = deps;
    this.unfollow = [
      evictions.onEvict((id) => this.queue.add(id)),
      store.nodes.onChange((id, _before, after) => {
        if (!after || after.locked) this.firstSeenMs.delete(id);
        if (!after || !mayBeEvicted(after)) this.deps.evictions.end(id);
        if (after && this.concerns(after)) this.queue.add(id);
      }),
      store.requests.onChange((id, _before, after) => {
        if (!after) for (const nodeId of store.nodes.byAllocatedTo(id)) this.queue.add(nodeId);
      }),
      store.onSync(() => this.resync()),
    ];
  }

  /** Looks at every node again: after start, after a lost session, when a provider comes up. */
  resync(): void {
    for (const entry of this.deps.store.nodes.all()) if (this.concerns(entry)) this.queue.add(entry.id);
  }

  get length(): number {
    return this.queue.length;
  }

  troubles(): Trouble[] {
    return this.queue.troubles();
  }

  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    this.abort.abort(new Error('the launcher stops'));
    await this.queue.stop();
  }

  private providerOf(id: string): string {
    const node = this.deps.store.nodes.get(id)?.node;
    return node && !isBroken(node) ? (node.provider ?? '') : '';
  }

  private concerns(entry: NodeEntry): boolean {
    if (entry.locked || entry.node === null) return false;
    if (isBroken(entry.node)) return entry.node.reason === 'empty';
    const { node } = entry;
    if (node.provider === null || !this.deps.isOurs(node.provider)) return false;
    if (removableStates.includes(node.state) || node.state === 'init') return true;
    if (node.state === 'hold') return this.deps.evictions.isEvicting(node.id);
    return node.state === 'ready' && (this.deps.evictions.isEvicting(node.id) || this.isOrphaned(node));
  }

  private isOrphaned(node: NodeRecord): boolean {
    return node.allocatedTo !== null && this.deps.store.requests.get(node.allocatedTo) === undefined;
  }

  private async reconcile(id: string): Promise<number | undefined> {
    const entry = this.deps.store.nodes.get(id);
    if (!entry || !this.deps.store.synced || !this.concerns(entry) || entry.node === null) {
      if (!entry) this.deps.evictions.end(id);
      return undefined;
    }
    if (isBroken(entry.node)) return this.removeEmpty(id);
    // A write would only fail on its version.
    if (this.deps.store.nodes.mirror.isBehind(id)) return behindMs;
    const { node } = entry;
    if (node.state === 'ready' && !this.deps.evictions.isEvicting(id)) return this.deallocate(node);
    if (node.state === 'init') {
      const leftMs = this.initGraceLeftMs(node);
      if (leftMs > 0) return leftMs;
    }
    if (node.state === 'deleted') {
      const leftMs = deletedGraceMs - this.seenForMs(id);
      if (leftMs > 0) return leftMs;
    }
    if (awaitsTakeOver(this.deps.store, entry) && this.seenForMs(id) < takeOverGraceMs) return takeOverGraceMs;
    return this.remove(node);
  }

  /** `init` nodes are unlocked for a moment in every launch; only with their request out of the way are they orphans. */
  private initGraceLeftMs(node: NodeRecord): number {
    const request = node.allocatedTo === null ? undefined : this.deps.store.requests.get(node.allocatedTo);
    if (request && node.allocatedTo !== null && this.deps.store.requestLocks.isLocked(node.allocatedTo)) {
      this.firstSeenMs.delete(node.id);
      return unlockedInitGraceMs;
    }
    const isPending = request !== undefined && !isBroken(request.request) && request.request.state === 'pending';
    return (isPending ? unlockedInitGraceMs : orphanedInitGraceMs) - this.seenForMs(node.id);
  }

  private seenForMs(id: string): number {
    const now = this.deps.runtime.monotonicMs();
    const first = this.firstSeenMs.get(id) ?? now;
    this.firstSeenMs.set(id, first);
    return now - first;
  }

  private async removeEmpty(id: string): Promise<number | undefined> {
    const seenMs = this.seenForMs(id);
    if (seenMs < emptyNodeGraceMs) return emptyNodeGraceMs - seenMs + 1;
    this.firstSeenMs.delete(id);
    this.deps.log.info({ nodeId: id }, 'Removing a node without a document');
    await this.deps.operations.removeBrokenNode(id);
    return undefined;
  }

  private async deallocate(node: NodeRecord): Promise<number | undefined> {
    const { operations, log } = this.deps;
    const locked = await operations.lockNode(node.id, {
      expect: (n) => n.state === 'ready' && n.allocatedTo === node.allocatedTo,
    });
    if (!locked.ok) return undefined;
    try {
      // The mirror may be behind: only a direct look proves that the request is gone.
      if (node.allocatedTo !== null && (await operations.requestExists(node.allocatedTo))) return undefined;
      log.info({ nodeId: node.id, requestId: node.allocatedTo }, 'Freeing a ready node whose request is gone');
      await locked.node.write({ allocatedTo: null });
    } finally {
      await locked.node.release();
    }
    return undefined;
  }

  private async remove(seen: NodeRecord): Promise<number | undefined> {
    const { operations, log } = this.deps;
    const provider = seen.provider === null ? undefined : this.deps.provider(seen.provider);
    // Without its provider the instance could not be removed; the provider's start brings the node back here.
    if (!provider) return undefined;
    killPoint('before-start-deleting');
    const started = await operations.startDeleting(seen.id, (n) => this.mayDelete(n));
    if (!started.ok) {
      if (started.reason !== 'locked') this.deps.evictions.end(seen.id);
      return started.reason === 'gone' ? undefined : this.lockedPause.nextMs();
    }
    killPoint('after-deleting-written');
    const held = started.node;
    const { node } = held;
    const span = this.deps.traces.deletion(seen);
    try {
      if (node.externalId !== null) {
        await provider.remove(node.externalId as ExternalId, {
          timeoutMs: removalTimeoutMs,
          signal: this.abort.signal,
        });
      }
      killPoint('after-cloud-delete');
    } catch (error) {
      const { code, message } = asProviderError(error);
      span.fail(code, message);
      await held.release().catch(() => undefined);
      if (this.abort.signal.aborted) return undefined;
      throw error;
    } finally {
      span.end();
    }
    if (!held.held) return undefined;
    killPoint('before-node-removed');
    await operations.finishDeleting(held);
    this.deps.evictions.end(seen.id);
    killPoint('after-node-removed');
    log.debug({ nodeId: node.id, provider: node.provider, state: seen.state }, 'Removed node');
    return undefined;
  }

  private mayDelete(node: NodeRecord): boolean {
    if (removableStates.includes(node.state)) return true;
    if (node.state === 'init') return true;
    if (!this.deps.evictions.isEvicting(node.id)) return false;
    return isFreeOrHeld(node);
  }
}

/** Once it is somebody's it is not told to go any more: what becomes of it then, a held node for one, is to stay. */
function mayBeEvicted({ node }: NodeEntry): boolean {
  return node === null || isBroken(node) || isFreeOrHeld(node);
}

function isFreeOrHeld(node: NodeRecord): boolean {
  return node.state === 'hold' || (node.state === 'ready' && node.allocatedTo === null);
}
