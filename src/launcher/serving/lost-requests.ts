/**
 * A pending request that nobody has locked has lost its launcher. With launches under way a launcher of the same pool goes
 * on with it; else it is reset to `requested` and its nodes are freed, so that any launcher can take it. Woken by the lock's
 * disappearance, and by the end of what this launcher served; every launcher does it for all.
 */
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { HeldRequest, Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import { awaitsTakeOver } from './stored-launch.ts';

/** Mirrors of requests and locks are not in step to the moment; what lasts this long is real. */
const settleMs = 500;
/** So long a launcher that could go on with the launches has time to do so. */
const takeOverPatienceMs = 5000;
const takeOverRetryMs = 500;

/** Who could go on with the launches of a pool: a pool of this launcher; soon, somebody; nobody. */
export type Successor = ServedPool | 'soon' | null;

export interface LostRequestDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Being served by this process: never lost. */
  readonly isMine: (id: string) => boolean;
  readonly successor: (provider: string | null, pool: string | null) => Successor;
  readonly takeOver: (held: HeldRequest, pool: ServedPool, nodes: readonly NodeEntry[]) => void;
}

export class LostRequestReconciler {
  private readonly deps: LostRequestDeps;
  private readonly store: Store;
  private readonly operations: Operations;
  private readonly log: Logger;
  private readonly queue: KeyedQueue;
  private readonly isMine: (id: string) => boolean;
  private readonly unfollow: (() => void)[];
  /** Since when a request waits for somebody who could go on with its launches. */
  private readonly waitingSinceMs = new Map<string, number>();

  constructor(deps: LostRequestDeps) {
    this.deps = deps;
    this.store = deps.store;
    this.operations = deps.operations;
    this.log = deps.log;
    this.isMine = deps.isMine;
    this.queue = new KeyedQueue(
      {
        runtime: deps.runtime,
        log: deps.log,
        work: (id) => this.reconcile(id),
      },
      {
        name: 'lost requests',
        concurrency: 50,
      },
    );
    this.unfollow = [
      deps.store.requests.onChange((id, _before, after) => {
        if (after) this.look(id);
      }),
      deps.store.requestLocks.onChange((id) => this.look(id)),
      deps.store.onSync(() => this.resync()),
    ];
  }

  resync(): void {
    for (const id of this.store.requests.byState('pending')) this.look(id);
  }

  /** Something has changed by which it may be lost. */
  look(id: string): void {
    if (this.seemsLost(id)) this.queue.add(id, settleMs);
  }

  troubles(): Trouble[] {
    return this.queue.troubles();
  }

  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    await this.queue.stop();
  }

  private seemsLost(id: string): boolean {
    const request = this.store.requests.get(id)?.request;
    if (!request || isBroken(request) || request.state !== 'pending' || !this.store.synced) return false;
    return !this.isMine(id) && !this.store.requestLocks.isLocked(id);
  }

  private async reconcile(id: string): Promise<number | undefined> {
    if (!this.seemsLost(id)) {
      this.waitingSinceMs.delete(id);
      return undefined;
    }
    const successor = this.successorOf(id);
    if (successor === 'soon' && this.waitsMs(id) < takeOverPatienceMs) return takeOverRetryMs;
    this.waitingSinceMs.delete(id);
    const locked = await this.operations.lockRequest(id, (request) => request.state === 'pending');
    if (!locked.ok) return undefined;
    const held = locked.request;
    if (successor && successor !== 'soon' && !successor.retired && !this.isMine(id)) {
      this.log.info({ requestId: id, pool: successor.id }, 'Taking over a request whose launcher is gone');
      this.deps.takeOver(held, successor, this.nodesOf(id));
      return undefined;
    }
    try {
      for (const { id: nodeId } of this.nodesOf(id)) {
        // What is being removed goes by itself; whoever removes it may take away the locks of others.
        const node = await this.operations.lockNode(nodeId, {
          expect: (n) => n.allocatedTo === id && n.state !== 'deleting' && n.state !== 'deleted',
        });
        // Locked elsewhere: somebody is at work on it; this request is looked at again later.
        if (!node.ok && node.reason === 'locked') return 1000;
        if (!node.ok) continue;
        // Locked under a new session, perhaps: then the request is not ours any more, and may be served elsewhere.
        if (!held.held) {
          await node.node.release();
          return undefined;
        }
        const state = node.node.node.state === 'init' ? ({ state: 'deleting' } as const) : {};
        await node.node.write({ ...state, allocatedTo: null });
        await node.node.release();
      }
      this.log.info({ requestId: id }, 'Resetting a request whose launcher is gone');
      await held.update({ state: 'requested', nodes: [] });
    } finally {
      await held.release();
    }
    return undefined;
  }

  private nodesOf(id: string): NodeEntry[] {
    return [...this.store.nodes.byAllocatedTo(id)].flatMap((nodeId) => this.store.nodes.get(nodeId) ?? []);
  }

  /** Only launches under way are worth it: everything else is quickly decided anew. */
  private successorOf(id: string): Successor {
    for (const entry of this.nodesOf(id)) {
      if (!awaitsTakeOver(this.store, entry) || !entry.node || isBroken(entry.node)) continue;
      return this.deps.successor(entry.node.provider, entry.node.pool);
    }
    return null;
  }

  private waitsMs(id: string): number {
    const now = this.deps.runtime.monotonicMs();
    const since = this.waitingSinceMs.get(id) ?? now;
    this.waitingSinceMs.set(id, since);
    return now - since;
  }
}
