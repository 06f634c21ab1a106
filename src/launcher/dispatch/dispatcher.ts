/**
 * Brings open requests and own pools together: routes each request when it or what it depends on has changed, keeps those
 * that a pool could serve in order, and has the first ones accepted while a pool takes requests. Woken by changes only.
 */
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import { compareRequests, type RequestRecord } from '../../records/request.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Resources } from '../../base/resources.ts';
import { route, type Routing } from '../../scheduling/routing.ts';
import { requestNeed, type TenantShortage, tenantShortage } from '../../scheduling/tenants.ts';
import type { HeldRequest, Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import { Acceptance } from './acceptance.ts';
import { Declines } from './declines.ts';
import type { LaunchContext } from '../serving/launch-context.ts';
import type { ServedPool, ServedRequest } from '../pools/served-pool.ts';
import { PoolChoice } from './pool-choice.ts';
import type { Registry } from '../pools/registry.ts';
import { isFull, minReadyRequestor } from '../../scheduling/plan.ts';
import { compareOpen, type OpenRequest, RequestQueue, type Verdict } from './request-queue.ts';
import { TenantQueue } from './tenant-queue.ts';

export interface DispatcherOptions {
  readonly store: Store;
  readonly operations: Operations;
  readonly registry: Registry;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Own providers are on their way up for the first time: who cannot serve yet does not say that it never will. */
  readonly startingUp: () => boolean;
  readonly tenantLimits: (tenant: string) => Resources | undefined;
  /** A request has begun or ended to wait, or has ended: its pool may have paused or go on. */
  readonly onHandlerChange: () => void;
  /** The request is served here no more. Where ending it went wrong, it is pending and unlocked already. */
  readonly onEnded: (requestId: string) => void;
}

const failedPassRetryMs = 1000;

export class Dispatcher {
  private readonly options: DispatcherOptions;
  private readonly pools = new Map<string, ServedPool>();
  private readonly acceptance: Acceptance;
  private readonly open = new Map<string, OpenRequest>();
  private readonly queue = new RequestQueue();
  private readonly overTenantLimit = new TenantQueue<OpenRequest>(compareOpen);
  private readonly dirty = new Set<string>();
  private readonly declines: Declines;
  private allDirty = true;
  private capacityChanged = false;
  private scheduled: Timer | null = null;
  /** Monotonic milliseconds since when each pass has failed; null: the last one went through. */
  failingSinceMs: number | null = null;
  private stopped = false;
  private readonly unfollow: (() => void)[];

  constructor(options: DispatcherOptions) {
    this.options = options;
    this.declines = new Declines({
      ...options,
      pools: this.pools,
      isServed: (id) => this.isServed(id),
    });
    this.acceptance = new Acceptance(
      {
        ...options,
        stateAfterDecline: (request, declinedBy) => this.declines.stateAfter(request, declinedBy),
      },
      {
        onRequest: (id) => this.touchRequest(id),
        onCapacity: () => this.touchCapacity(),
        onHandlerChange: options.onHandlerChange,
        onEnded: options.onEnded,
      },
    );
    this.unfollow = [
      options.store.requests.onChange((id, _before, after) => {
        if (!after) this.acceptance.handler(id)?.requestGone();
        this.touchRequest(id);
      }),
      options.store.onSync(() => this.touchAll()),
    ];
  }

  addPool(pool: ServedPool): void {
    this.pools.set(pool.id, pool);
    this.touchAll();
  }

  removePool(pool: ServedPool): void {
    this.pools.delete(pool.id);
    for (const handler of [...pool.handlers]) handler.retire();
    this.touchAll();
  }

  isServed(requestId: string): boolean {
    return this.acceptance.handler(requestId) !== undefined;
  }

  /** Labels, quota, images, registry or configuration have changed: every open request is routed again. */
  touchAll(): void {
    this.allDirty = true;
    // What a waiting request waits for may be among it: a quota that was not known yet, for one.
    this.capacityChanged = true;
    this.schedule();
  }

  touchRequest(id: string): void {
    this.dirty.add(id);
    this.schedule();
  }

  /** Requests that no pool of this launcher has accepted yet. */
  get queued(): number {
    return this.queue.size;
  }

  /** Nodes have come or gone: waiting requests and the front of the queue are looked at again. */
  touchCapacity(): void {
    this.capacityChanged = true;
    this.schedule();
  }

  /** Nodes of the tenant have gone. */
  tenantFreed(tenant: string): void {
    if (this.overTenantLimit.markFreed(tenant)) this.schedule();
  }

  troubles(): Trouble[] {
    return this.declines.troubles();
  }

  /** Nothing new is accepted; requests under way are handed back. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.scheduled?.cancel();
    for (const off of this.unfollow) off();
    await Promise.allSettled([this.acceptance.stop(), this.declines.stop()]);
  }

  /** Everything that was locked under the lost session is forgotten. */
  sessionLost(): void {
    this.acceptance.sessionLost();
    this.touchAll();
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = this.options.runtime.setTimer(0, () => this.flush());
  }

  /** Acts on what has changed at once: whoever asks afterwards what waits gets no old answer. */
  flush(): void {
    if (!this.scheduled) return;
    this.scheduled.cancel();
    this.scheduled = null;
    try {
      this.pass();
      this.failingSinceMs = null;
    } catch (error) {
      this.failingSinceMs ??= this.options.runtime.monotonicMs();
      this.options.log.error({ err: error }, 'A dispatch pass failed');
      // It may have got lost what it was about to look at.
      this.allDirty = true;
      this.capacityChanged = true;
      if (!this.stopped) this.scheduled = this.options.runtime.setTimer(failedPassRetryMs, () => this.flush());
    }
  }

  private pass(): void {
    if (this.stopped || !this.options.store.synced) return;
    this.routeDirty();
    if (this.capacityChanged) {
      this.capacityChanged = false;
      this.refillWaiting();
    }
    this.acceptFromFront();
  }

  private routeDirty(): void {
    if (this.allDirty) {
      this.allDirty = false;
      this.dirty.clear();
      for (const id of new Set([...this.open.keys(), ...this.options.store.requests.byState('requested')]))
        this.routeOne(id);
      return;
    }
    for (const id of this.dirty) this.routeOne(id);
    this.dirty.clear();
  }

  private routeOne(id: string): void {
    const before = this.open.get(id);
    if (before) {
      this.queue.remove(before);
      this.overTenantLimit.remove(before.request.tenantName, before);
      this.open.delete(id);
    }
    const request = this.options.store.requests.get(id)?.request;
    if (!request || isBroken(request) || request.state !== 'requested' || this.isServed(id)) return;
    const possible = this.declines.candidates(request);
    const pools: ServedPool[] = [];
    let declines = false;
    for (const pool of this.pools.values()) {
      const routing: Routing = route(request, pool, possible);
      if (routing.kind === 'eligible') pools.push(pool);
      else if (routing.kind === 'decline') declines = true;
    }
    // Also when a pool that had not declined yet has gone: nobody else would bring the request to its end.
    if (declines || this.declines.isAbandoned(request)) this.declines.add(id);
    if (pools.length === 0) return;
    pools.sort((a, b) => a.priority - b.priority);
    const open = { request, pools, lane: laneOf(request, pools) };
    this.open.set(id, open);
    this.queue.insert(open);
  }

  private refillWaiting(): void {
    const lines = new Map<string, ServedRequest[]>();
    for (const pool of this.pools.values()) {
      if (!pool.paused) continue;
      const line = lines.get(pool.providerName);
      if (line) line.push(...pool.waiting);
      else lines.set(pool.providerName, [...pool.waiting]);
    }
    for (const line of lines.values()) {
      line.sort((a, b) => compareRequests(a.request, b.request));
      // Order among the waiting: who cannot be served keeps those behind it from what it waits for.
      const still: ServedRequest[] = [];
      for (const handler of line) if (!handler.fill(still)) still.push(handler);
    }
  }

  private acceptFromFront(): void {
    const woken = new Set(this.overTenantLimit.takeNext());
    for (const open of woken) this.queue.insert(open);
    const choice = new PoolChoice(this.options.context, this.options.runtime.nowMs());
    if (this.queue.size > 0 && this.pools.size > 0) {
      this.queue.visit((open) => {
        const verdict = this.decide(open, choice);
        if (verdict === 'taken') woken.delete(open);
        return verdict;
      });
    }
    // What was woken and waits for something else now has not used its tenant's room: the next one may.
    for (const { request } of woken) if (request.tenantName !== null) this.tenantFreed(request.tenantName);
  }

  private decide(open: OpenRequest, among: PoolChoice): Verdict {
    const { request } = open;
    const choice = among.choose(request, open.pools);
    if (!choice) return 'blocked';
    if (request.requestor === minReadyRequestor && isFull(choice.plan)) {
      this.declines.add(request.id);
      return 'blocked';
    }
    const short = this.tenantShortage(request, choice.pool);
    if (short) {
      this.overTenantLimit.park(short.tenant, open, short.never);
      return 'taken';
    }
    if (request.tenantName !== null && this.overTenantLimit.isBehind(request.tenantName, open)) {
      this.overTenantLimit.park(request.tenantName, open, false);
      return 'taken';
    }
    this.open.delete(request.id);
    // There may be room for the next one of that tenant too.
    if (request.tenantName !== null) this.tenantFreed(request.tenantName);
    this.acceptance.begin(request, choice);
    return 'taken';
  }

  private tenantShortage(request: RequestRecord, pool: ServedPool): TenantShortage | null {
    const tenant = request.tenantName;
    const limits = tenant === null ? undefined : this.options.tenantLimits(tenant);
    if (tenant === null || !limits) return null;
    return tenantShortage(tenant, limits, this.options.context.usedByTenant(tenant), requestNeed(request, pool));
  }

  /** Serves a locked `pending` request of a launcher that has gone, with what that one had begun. */
  takeOver(held: HeldRequest, pool: ServedPool, nodes: readonly NodeEntry[]): void {
    this.acceptance.takeOver(held, pool, nodes);
  }

  /** The own pool that could go on with launches there. */
  poolNamed(provider: string | null, name: string | null): ServedPool | undefined {
    for (const pool of this.pools.values()) if (pool.providerName === provider && pool.poolName === name) return pool;
    return undefined;
  }
}

/** Everything that makes one request's fate in a pass differ from another's, but for its tenant's limit. */
function laneOf(request: RequestRecord, pools: readonly ServedPool[]): string {
  const isMinReady = request.requestor === minReadyRequestor;
  return JSON.stringify([request.nodeTypes, request.reuse, isMinReady, pools.map((pool) => pool.id)]);
}
