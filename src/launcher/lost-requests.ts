/**
 * A pending request that nobody has locked has lost its launcher: it is reset to `requested` and its nodes are freed, so
 * that any launcher can take it. Woken by the lock's disappearance; every launcher does it for all.
 */
import type { Logger } from '../provider/logger.ts';
import { isBroken } from '../records/broken.ts';
import type { Runtime } from '../runtime.ts';
import type { Operations } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { KeyedQueue } from './keyed-queue.ts';

/** Mirrors of requests and locks are not in step to the moment; what lasts this long is real. */
const settleMs = 500;

export class LostRequestReconciler {
  private readonly store: Store;
  private readonly operations: Operations;
  private readonly log: Logger;
  private readonly queue: KeyedQueue;
  private readonly isMine: (id: string) => boolean;
  private readonly unfollow: (() => void)[];

  constructor(o: {
    store: Store;
    operations: Operations;
    runtime: Runtime;
    log: Logger;
    /** Being served by this process: never lost. */
    isMine: (id: string) => boolean;
  }) {
    this.store = o.store;
    this.operations = o.operations;
    this.log = o.log;
    this.isMine = o.isMine;
    this.queue = new KeyedQueue({
      name: 'lost requests',
      runtime: o.runtime,
      log: o.log,
      concurrency: 50,
      work: (id) => this.reconcile(id),
    });
    this.unfollow = [
      o.store.requests.onChange((id, _before, after) => {
        if (after && this.seemsLost(id)) this.queue.add(id, settleMs);
      }),
      o.store.requestLocks.onChange((id) => {
        if (this.seemsLost(id)) this.queue.add(id, settleMs);
      }),
      o.store.onSync(() => this.resync()),
    ];
  }

  resync(): void {
    for (const id of this.store.requests.byState('pending')) if (this.seemsLost(id)) this.queue.add(id, settleMs);
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
    if (!this.seemsLost(id)) return undefined;
    const locked = await this.operations.lockRequest(id, (request) => request.state === 'pending');
    if (!locked.ok) return undefined;
    const held = locked.request;
    try {
      for (const nodeId of [...this.store.nodes.byAllocatedTo(id)]) {
        const node = await this.operations.lockNode(nodeId, { expect: (n) => n.allocatedTo === id });
        // Locked elsewhere: somebody is at work on it; this request is looked at again later.
        if (!node.ok && node.reason === 'locked') return 1000;
        if (!node.ok) continue;
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
}
