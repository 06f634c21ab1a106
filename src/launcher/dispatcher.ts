/**
 * Brings open requests and own pools together: routes each request when it or what it depends on has changed, keeps those
 * that a pool could serve in order, and accepts from the front while a pool takes requests. Woken by changes only.
 */
import type { Logger } from '../provider/logger.ts';
import { isBroken } from '../records/broken.ts';
import { compareRequests, type RequestRecord } from '../records/request.ts';
import type { Runtime, Timer } from '../runtime.ts';
import type { Resources } from '../records/resources.ts';
import type { Plan } from '../scheduling/plan.ts';
import { candidates, route, type Routing, stateAfterDecline } from '../scheduling/routing.ts';
import { requestNeed, type TenantShortage, tenantShortage } from '../scheduling/tenants.ts';
import type { HeldRequest, Operations } from '../store/operations.ts';
import type { NodeEntry, Store } from '../store/store.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { killPoint } from './kill-points.ts';
import type { LaunchContext } from './launch-context.ts';
import type { Reservation } from './node-books.ts';
import type { OwnPool } from './own-pool.ts';
import type { Registry } from './registry.ts';
import { minReadyRequestor, RequestHandler } from './request-handler.ts';
import { SortedList } from './sorted-list.ts';
import { TenantQueue } from './tenant-queue.ts';

export interface DispatcherOptions {
  readonly store: Store;
  readonly operations: Operations;
  readonly registry: Registry;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** A request has begun or ended to wait, or has ended: its pool may have paused or go on. */
  /** Own providers are on their way up for the first time: who cannot serve yet does not say that it never will. */
  readonly startingUp: () => boolean;
  readonly tenantLimits: (tenant: string) => Resources | undefined;
  readonly onHandlerChange: () => void;
}

interface Open {
  readonly request: RequestRecord;
  readonly pools: readonly OwnPool[];
}

interface Choice {
  readonly pool: OwnPool;
  readonly plan: Plan;
}

const byRequest = (a: Open, b: Open) => compareRequests(a.request, b.request);

/** What is counted as used from the decision on. */
interface Holds {
  readonly capacity: readonly Reservation[];
  /** One for each label of the request; none where it has no tenant. */
  readonly tenant: readonly Reservation[];
}

/** After a lock attempt that somebody else won, the request is looked at again at its next change or after this. */
const lostRaceRetryMs = 1000;

export class Dispatcher {
  private readonly o: DispatcherOptions;
  private readonly pools = new Map<string, OwnPool>();
  private readonly handlers = new Map<string, RequestHandler>();
  private readonly open = new Map<string, Open>();
  private readonly order = new SortedList<Open>(byRequest);
  private readonly overTenantLimit = new TenantQueue<Open>(byRequest);
  private readonly dirty = new Set<string>();
  private readonly declines: KeyedQueue;
  private allDirty = true;
  private capacityChanged = false;
  private scheduled: Timer | null = null;
  private stopped = false;
  private readonly unfollow: (() => void)[];

  constructor(options: DispatcherOptions) {
    this.o = options;
    this.declines = new KeyedQueue({
      name: 'declines',
      runtime: options.runtime,
      log: options.log,
      concurrency: 50,
      work: (id) => this.decline(id),
    });
    this.unfollow = [
      options.store.requests.onChange((id, _before, after) => {
        if (!after) this.handlers.get(id)?.requestGone();
        this.touchRequest(id);
      }),
      options.store.onSync(() => this.touchAll()),
    ];
  }

  addPool(pool: OwnPool): void {
    this.pools.set(pool.id, pool);
    this.touchAll();
  }

  removePool(pool: OwnPool): void {
    this.pools.delete(pool.id);
    for (const handler of [...pool.handlers]) handler.retire();
    this.touchAll();
  }

  handler(requestId: string): RequestHandler | undefined {
    return this.handlers.get(requestId);
  }

  get activeHandlers(): Iterable<RequestHandler> {
    return this.handlers.values();
  }

  /** Labels, quota, images, registry or configuration have changed: every open request is routed again. */
  touchAll(): void {
    this.allDirty = true;
    this.schedule();
  }

  touchRequest(id: string): void {
    this.dirty.add(id);
    this.schedule();
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

  /** Nothing new is accepted; requests under way are handed back. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.scheduled?.cancel();
    for (const off of this.unfollow) off();
    await this.declines.stop();
    await Promise.allSettled([...this.handlers.values()].map((handler) => handler.handBackForStop()));
  }

  /** Everything that was locked under the lost session is forgotten. */
  sessionLost(): void {
    for (const handler of [...this.handlers.values()]) handler.drop('the ZooKeeper session was lost');
    this.touchAll();
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = this.o.runtime.setTimer(0, () => {
      this.scheduled = null;
      try {
        this.pass();
      } catch (error) {
        this.o.log.error({ err: error }, 'A dispatch pass failed');
      }
    });
  }

  private pass(): void {
    if (this.stopped || !this.o.store.synced) return;
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
      for (const id of new Set([...this.open.keys(), ...this.o.store.requests.byState('requested')])) this.routeOne(id);
      return;
    }
    for (const id of this.dirty) this.routeOne(id);
    this.dirty.clear();
  }

  private routeOne(id: string): void {
    const before = this.open.get(id);
    if (before) {
      this.order.remove(before);
      this.overTenantLimit.remove(before.request.tenantName, before);
      this.open.delete(id);
    }
    const request = this.o.store.requests.get(id)?.request;
    if (!request || isBroken(request) || request.state !== 'requested' || this.handlers.has(id)) return;
    const possible = candidates(request, this.o.registry.pools());
    const pools: OwnPool[] = [];
    let declines = false;
    for (const pool of this.pools.values()) {
      const routing: Routing = route(request, pool, possible);
      if (routing.kind === 'eligible') pools.push(pool);
      else if (routing.kind === 'decline') declines = true;
    }
    // Also when a pool that had not declined yet has gone: nobody else would bring the request to its end.
    if (declines || this.isAbandoned(request)) this.declines.add(id);
    if (pools.length === 0) return;
    pools.sort((a, b) => a.priority - b.priority);
    const open = { request, pools };
    this.open.set(id, open);
    this.order.insert(open);
  }

  private refillWaiting(): void {
    for (const pool of this.pools.values()) {
      if (!pool.paused) continue;
      const waiting = [...pool.handlers].filter((handler) => handler.waiting);
      waiting.sort((a, b) => compareRequests(a.request, b.request));
      // Order among the waiting: who cannot be served keeps those behind it waiting too.
      for (const handler of waiting) if (!handler.fill()) break;
    }
  }

  private acceptFromFront(): void {
    for (const open of this.overTenantLimit.takeNext()) this.order.insert(open);
    let taking = 0;
    for (const pool of this.pools.values()) if (this.takesMore(pool)) taking++;
    if (taking === 0 || this.order.size === 0) return;
    const accepted: [Open, Choice, Holds][] = [];
    const parked: [Open, TenantShortage][] = [];
    for (const open of this.order) {
      const pools = open.pools.filter((pool) => this.takesMore(pool));
      if (pools.length === 0) continue;
      const short = this.tenantShortage(open.request, pools[0]!);
      if (short) {
        parked.push([open, short]);
        continue;
      }
      const choice = this.choose(open.request, pools);
      if (!choice) continue;
      const holds = this.prepare(open.request, choice);
      accepted.push([open, choice, holds]);
      if (!this.takesMore(choice.pool) && --taking === 0) break;
    }
    for (const [open, short] of parked) {
      this.order.remove(open);
      this.overTenantLimit.park(short.tenant, open, short.never);
    }
    for (const [open, choice, holds] of accepted) {
      this.order.remove(open);
      this.open.delete(open.request.id);
      // There may be room for the next one of that tenant too.
      if (open.request.tenantName !== null) this.tenantFreed(open.request.tenantName);
      void this.accept(open.request, choice, holds);
    }
  }

  private tenantShortage(request: RequestRecord, pool: OwnPool): TenantShortage | null {
    const tenant = request.tenantName;
    const limits = tenant === null ? undefined : this.o.tenantLimits(tenant);
    if (tenant === null || !limits) return null;
    return tenantShortage(tenant, limits, this.o.context.usedByTenant(tenant), requestNeed(request, pool));
  }

  private takesMore(pool: OwnPool): boolean {
    if (pool.paused || this.pausing.has(pool)) return false;
    const most = pool.provider.config.maxConcurrency;
    return most === Number.POSITIVE_INFINITY || this.launchesOf(pool.providerName) < most;
  }

  private launchesOf(provider: string): number {
    let active = 0;
    for (const pool of this.pools.values()) if (pool.providerName === provider) active += pool.activeLaunches;
    return active;
  }

  /** The pool that can serve it whole, stock first; else the first one that may wait for it. */
  private choose(request: RequestRecord, pools: readonly OwnPool[]): Choice | null {
    let best: (Choice & { stock: number }) | null = null;
    let waiting: Choice | null = null;
    for (const pool of pools) {
      const made = this.o.context.plan(pool, request.nodeTypes, request, undefined);
      if (made.waitsFor !== null) {
        if (pool.launches) waiting ??= { pool, plan: made };
        continue;
      }
      const stock = made.slots.filter((slot) => slot.kind === 'stock').length;
      if (!best || stock > best.stock) best = { pool, plan: made, stock };
    }
    if (best) return best;
    if (waiting && request.requestor === minReadyRequestor) {
      this.declines.add(request.id);
      return null;
    }
    return waiting;
  }

  /** Pools whose next waiting request is being accepted at this moment. */
  private readonly pausing = new Map<OwnPool, number>();

  private prepare(request: RequestRecord, choice: Choice): Holds {
    if (choice.plan.waitsFor !== null) this.pausing.set(choice.pool, (this.pausing.get(choice.pool) ?? 0) + 1);
    const { context } = this.o;
    return {
      capacity: context.reserveAll(choice.pool, choice.plan),
      tenant: context.holdForTenant(choice.pool, request),
    };
  }

  private async accept(request: RequestRecord, choice: Choice, holds: Holds): Promise<void> {
    const { pool, plan } = choice;
    const { operations, log } = this.o;
    const handler = this.newHandler(request, pool, holds.tenant);
    let why: string;
    try {
      const entry = this.o.store.requests.get(request.id);
      const created = plan.slots.flatMap((slot) =>
        slot.kind === 'launch' ? [this.o.context.newNode(pool, slot.label, request)] : [],
      );
      killPoint('before-accept');
      const result = entry
        ? await operations.acceptRequest(entry, { state: 'pending' }, created)
        : ({ ok: false, reason: 'gone' } as const);
      this.unpausing(choice);
      if (result.ok) {
        killPoint('after-accept');
        if (this.stopped || pool.retired) return await this.giveBack(handler, result.request);
        handler.begin(result.request, plan, holds.capacity, result.nodes);
        if (!this.o.store.requests.get(request.id)) handler.requestGone();
        return;
      }
      why = result.reason;
    } catch (error) {
      this.unpausing(choice);
      why = 'error';
      log.warn({ requestId: request.id, err: error }, 'Accepting a request failed');
    }
    for (const reservation of [...holds.capacity, ...holds.tenant]) reservation.release();
    this.handlers.delete(request.id);
    pool.handlers.delete(handler);
    if (why !== 'gone') this.o.runtime.setBackgroundTimer(lostRaceRetryMs, () => this.touchRequest(request.id));
    this.touchCapacity();
  }

  /** Serves a locked `pending` request of a launcher that has gone, with what that one had begun. */
  takeOver(held: HeldRequest, pool: OwnPool, nodes: readonly NodeEntry[]): void {
    const { request } = held.entry;
    const handler = this.newHandler(request, pool, this.o.context.holdForTenant(pool, request));
    handler.takeOver(held, nodes);
    if (!this.o.store.requests.get(held.id)) handler.requestGone();
    this.touchCapacity();
  }

  /** The own pool that could go on with launches there. */
  poolNamed(provider: string | null, name: string | null): OwnPool | undefined {
    for (const pool of this.pools.values()) if (pool.providerName === provider && pool.poolName === name) return pool;
    return undefined;
  }

  private newHandler(request: RequestRecord, pool: OwnPool, tenantHolds: readonly Reservation[]): RequestHandler {
    const handler = new RequestHandler({
      request,
      pool,
      tenantHolds,
      operations: this.o.operations,
      context: this.o.context,
      runtime: this.o.runtime,
      log: this.o.log,
      onChange: (changed) => this.handlerChanged(changed),
      declinedState: (declinedBy) => stateAfterDecline(declinedBy, this.o.registry.pools()),
    });
    this.handlers.set(request.id, handler);
    pool.handlers.add(handler);
    return handler;
  }

  private async giveBack(handler: RequestHandler, held: Parameters<RequestHandler['begin']>[0]): Promise<void> {
    this.handlers.delete(handler.id);
    handler.pool.handlers.delete(handler);
    await held.update({ state: 'requested' });
    await held.release();
  }

  private unpausing(choice: Choice): void {
    if (choice.plan.waitsFor === null) return;
    const left = (this.pausing.get(choice.pool) ?? 1) - 1;
    if (left > 0) this.pausing.set(choice.pool, left);
    else this.pausing.delete(choice.pool);
  }

  private handlerChanged(handler: RequestHandler): void {
    if (!handler.pool.handlers.has(handler)) {
      if (this.handlers.get(handler.id) === handler) this.handlers.delete(handler.id);
      this.touchRequest(handler.id);
    }
    this.o.onHandlerChange();
    this.touchCapacity();
  }

  /** Every registered pool has declined it, and it waits all the same. */
  private isAbandoned(request: RequestRecord): boolean {
    return request.declinedBy.length > 0 && stateAfterDecline(request.declinedBy, this.o.registry.pools()) === 'failed';
  }

  /** All pools of this launcher that decline the request say so in one write. */
  private async decline(id: string): Promise<number | undefined> {
    const { store, registry, operations, log } = this.o;
    const entry = store.requests.get(id);
    if (!entry || isBroken(entry.request) || this.handlers.has(id) || !store.synced) return undefined;
    // Declining before one's own pools are visible to all could fail a request that they can serve.
    if (!registry.shows(this.pools.keys()) || this.o.startingUp()) return 100;
    const request = entry.request;
    const possible = candidates(request, registry.pools());
    const reasons = new Map<string, string>();
    for (const pool of this.pools.values()) {
      const routing = route(request, pool, possible);
      if (routing.kind === 'decline') reasons.set(pool.id, routing.reason);
      else if (routing.kind === 'eligible' && request.requestor === minReadyRequestor && pool.launches) {
        const made = this.o.context.plan(pool, request.nodeTypes, request, undefined);
        if (made.waitsFor !== null) reasons.set(pool.id, made.waitsFor);
      }
    }
    if (reasons.size === 0 && !this.isAbandoned(request)) return undefined;
    const declinedBy = [...new Set([...request.declinedBy, ...reasons.keys()])];
    const state = stateAfterDecline(declinedBy, registry.pools());
    killPoint('before-decline');
    const result = await operations.acceptRequest(entry, { state, declinedBy }, []);
    if (!result.ok) return result.reason === 'gone' ? undefined : lostRaceRetryMs;
    killPoint('after-decline');
    await result.request.release();
    log.info(
      { requestId: id, eventId: request.eventId, state, reasons: Object.fromEntries(reasons) },
      'Declined request',
    );
    return undefined;
  }
}
