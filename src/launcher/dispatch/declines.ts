/**
 * Declines requests that the pools of this launcher cannot serve, all in one write, and brings to its end what every
 * registered pool has declined. Woken by the dispatcher.
 */
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { Runtime } from '../../base/runtime.ts';
import { candidates, type RegisteredPool, route, stateAfterDecline } from '../../scheduling/routing.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { LaunchContext } from '../serving/launch-context.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import type { Registry } from '../pools/registry.ts';
import { isFull, minReadyRequestor } from '../../scheduling/plan.ts';

export interface DeclinesDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly registry: Registry;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Own providers are on their way up for the first time: who cannot serve yet does not say that it never will. */
  readonly startingUp: () => boolean;
  /** Of this launcher, by id. */
  readonly pools: ReadonlyMap<string, ServedPool>;
  readonly isServed: (requestId: string) => boolean;
}

/** After a lock attempt that somebody else won. */
const lostRaceRetryMs = 1000;

export class Declines {
  private readonly deps: DeclinesDeps;
  private readonly queue: KeyedQueue;

  constructor(deps: DeclinesDeps) {
    this.deps = deps;
    this.queue = new KeyedQueue(
      {
        runtime: deps.runtime,
        log: deps.log,
        work: (id) => this.decline(id),
      },
      {
        name: 'declines',
        concurrency: 50,
      },
    );
  }

  /** A pool of this launcher has reason to decline it, or all have. */
  add(requestId: string): void {
    this.queue.add(requestId);
  }

  troubles(): Trouble[] {
    return this.queue.troubles();
  }

  stop(): Promise<void> {
    return this.queue.stop();
  }

  /** Registered pools that could serve it, less own ones whose clouds have just refused such nodes. */
  candidates(request: RequestRecord): RegisteredPool[] {
    return candidates(request, this.deps.registry.pools()).filter((possible) => {
      const own = this.deps.pools.get(possible.id);
      return !own?.launches || !request.nodeTypes.some((label) => own.refusedLately(label) !== null);
    });
  }

  /** Every registered pool has declined it, and it waits all the same. */
  isAbandoned(request: RequestRecord): boolean {
    return request.declinedBy.length > 0 && this.stateAfter(request, request.declinedBy) === 'failed';
  }

  /** Not failed yet while a pool that could serve it may come back. */
  stateAfter({ nodeTypes }: RequestRecord, declinedBy: readonly string[]): 'failed' | 'requested' {
    const { registry } = this.deps;
    return registry.mayReturn(nodeTypes, declinedBy) ? 'requested' : stateAfterDecline(declinedBy, registry.pools());
  }

  /** All pools of this launcher that decline the request say so in one write. */
  private async decline(id: string): Promise<number | undefined> {
    const { store, registry, operations, log } = this.deps;
    const entry = store.requests.get(id);
    if (!entry || isBroken(entry.request) || this.deps.isServed(id) || !store.synced) return undefined;
    // Declining before one's own pools are visible to all could fail a request that they can serve.
    if (!registry.shows(this.deps.pools.keys()) || this.deps.startingUp()) return 100;
    const request = entry.request;
    const possible = this.candidates(request);
    const reasons = new Map<string, string>();
    for (const pool of this.deps.pools.values()) {
      const routing = route(request, pool, possible);
      if (routing.kind === 'decline') reasons.set(pool.id, routing.reason);
      else if (routing.kind === 'eligible' && request.requestor === minReadyRequestor && pool.launches) {
        const made = this.deps.context.plan(pool, request.nodeTypes, request, undefined);
        if (made.waiting && isFull(made)) reasons.set(pool.id, made.waiting.reason);
      }
    }
    if (reasons.size === 0 && !this.isAbandoned(request)) return undefined;
    const declinedBy = [...new Set([...request.declinedBy, ...reasons.keys()])];
    const state = this.stateAfter(request, declinedBy);
    killPoint('before-decline');
    const result = await operations.acceptRequest(entry, { state, declinedBy }, []);
    if (!result.ok) return result.reason === 'gone' ? undefined : lostRaceRetryMs;
    killPoint('after-decline');
    this.deps.context.onEnded(request, state === 'failed' ? 'failed' : 'declined');
    if (state === 'failed') this.deps.context.traces.refused(request, [...reasons.values()].join('; '));
    await result.request.release();
    log.info(
      { requestId: id, eventId: request.eventId, state, reasons: Object.fromEntries(reasons) },
      'Declined request',
    );
    return undefined;
  }
}
