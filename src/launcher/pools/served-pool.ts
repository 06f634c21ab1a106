/**
 * One provider-pool that this launcher serves, as scheduling sees it (RoutingPool, PlanPool), with the requests that it has
 * accepted.
 */
import type { PoolConfig, PoolLabelConfig } from '../../config/model.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { ResourceTotal, Resources } from '../../base/resources.ts';
import type { Avoided, CapacityMemory } from '../../scheduling/capacity-memory.ts';
import {
  competes,
  concernsProvider,
  type Plan,
  type PlanPool,
  type StockNode,
  type Waiting,
} from '../../scheduling/plan.ts';
import type { LabelStatus, RoutingPool } from '../../scheduling/routing.ts';
import type { NodeAccounting } from './node-accounting.ts';
import type { ProviderPort } from './provider-port.ts';

/** A request that the pool has accepted (request-handler.ts). */
export interface ServedRequest {
  /** What it waits for; null while it does not. */
  readonly waiting: Waiting | null;
  /** Launches under way, or decided upon. */
  readonly launching: number;
  /** Labels that still need a node. */
  readonly openLabels: readonly string[];
  readonly request: RequestRecord;
  readonly id: string;
  readonly pool: ServedPool;
  /** It has given back what it had, so that earlier ones get what they need (deadlocks.ts). */
  readonly standsBack: boolean;
  /** It waits for room with part of its nodes in its hands, and nothing of it is under way. */
  readonly isStuck: boolean;
  /** Its pool has left the configuration. */
  retire(): void;
  /** Gives back what it has, and waits until all those requests have ended, but not longer than that. */
  standBack(earlier: readonly string[], forMs: number): void;
  /** Those that it stands back behind have not ended yet. */
  mustStandBack(): boolean;
  /** Capacity may have come free for it and those `before` it; false when it still waits. */
  fill(before: readonly ServedRequest[]): boolean;
}

export interface ServedPoolDeps {
  readonly provider: ProviderPort;
  readonly accounting: NodeAccounting;
  /** Is there a ready upload of this disk image for the provider? */
  readonly diskImageReady: (image: string) => boolean;
  /** Launches under way in all pools of this launcher at the pool's provider. */
  readonly launchesOfProvider: () => number;
  /** Waiting requests of all pools of this launcher at the pool's provider. */
  readonly waitingAtProvider: Set<ServedRequest>;
  readonly memory: CapacityMemory;
  readonly nowMs: () => number;
}

export interface ServedPoolOptions {
  /** `<fqdn>-PoolWorker.<provider>-<pool>-<32 hex>`, new at each start. */
  readonly id: string;
  readonly config: PoolConfig;
}

export class ServedPool implements RoutingPool, PlanPool {
  readonly id: string;
  /** It has left the configuration: takes nothing new, finishes or hands back what it has. */
  retired = false;
  private currentProvider: ProviderPort;
  private currentConfig: PoolConfig;
  /** Accepted requests, in the order of acceptance. */
  readonly handlers = new Set<ServedRequest>();
  /** Those of them that wait. */
  readonly waiting = new Set<ServedRequest>();
  private readonly deps: ServedPoolDeps;
  private readonly options: ServedPoolOptions;

  constructor(deps: ServedPoolDeps, options: ServedPoolOptions) {
    this.deps = deps;
    this.options = options;
    this.id = options.id;
    this.currentProvider = deps.provider;
    this.currentConfig = options.config;
  }

  get provider(): ProviderPort {
    return this.currentProvider;
  }

  get config(): PoolConfig {
    return this.currentConfig;
  }

  /** From now on; launches under way stay with the provider that began them. */
  serveWith(provider: ProviderPort, config: PoolConfig): void {
    this.currentProvider = provider;
    this.currentConfig = config;
  }

  get providerName(): string {
    return this.provider.name;
  }

  get poolName(): string {
    return this.config.name;
  }

  get priority(): number {
    return this.config.priority;
  }

  get takesNothing(): boolean {
    return this.provider.config.maxConcurrency === 0;
  }

  get disabled(): boolean {
    return this.config.maxServers <= 0;
  }

  get launches(): boolean {
    return this.provider.inventory === undefined;
  }

  /** Requests wait here: whatever would take away what they wait for has to wait too. */
  get paused(): boolean {
    return this.waiting.size > 0;
  }

  setWaiting(handler: ServedRequest, waits: boolean): void {
    for (const set of [this.waiting, this.deps.waitingAtProvider]) {
      if (waits) set.add(handler);
      else set.delete(handler);
    }
  }

  /** Would a request with this plan take what a waiting one waits for? */
  isKeptBack(plan: Plan): boolean {
    for (const other of this.deps.waitingAtProvider) if (this.takesFrom(plan, other)) return true;
    return false;
  }

  /** Would a request of this pool with this plan take what the other one waits for? */
  takesFrom(plan: Plan, { pool, waiting, openLabels }: ServedRequest): boolean {
    if (!waiting) return false;
    if (pool === this) return competes(plan, this, waiting, openLabels);
    if (pool.providerName !== this.providerName || !concernsProvider(waiting)) return false;
    // The stock of one pool is of no use to another one.
    const inCloud = { ...plan, slots: plan.slots.filter((slot) => slot.kind !== 'stock') };
    return competes(inCloud, this, waiting, openLabels);
  }

  get launchesLeft(): number {
    const most = this.provider.config.maxConcurrency;
    return most === Number.POSITIVE_INFINITY ? most : most - this.deps.launchesOfProvider();
  }

  /** Where its nodes may be. */
  get zones(): readonly (string | null)[] {
    return this.config.availabilityZones ?? this.provider.zones() ?? [null];
  }

  refusedLately(name: string): Avoided | null {
    const label = this.config.labels.get(name);
    if (!label || !this.launches) return null;
    const { memory, nowMs } = this.deps;
    const place = { provider: this.providerName, zone: null, label: name, instanceType: label.instanceType };
    return memory.avoided(place, 'quota', nowMs()) ?? memory.nowhere(this.zones, place, nowMs());
  }

  get limits(): Resources {
    return this.config.limits;
  }

  get used(): ResourceTotal {
    return this.deps.accounting.usedByPool(this.providerName, this.poolName);
  }

  get providerLimits(): Resources | null {
    return this.config.ignoreProviderQuota || !this.launches ? {} : this.provider.limits();
  }

  get providerUsed(): ResourceTotal {
    return this.deps.accounting.usedByProvider(this.providerName);
  }

  labelConfig(name: string): PoolLabelConfig | undefined {
    return this.config.labels.get(name);
  }

  label(name: string): LabelStatus | undefined {
    const label = this.config.labels.get(name);
    if (!label) return undefined;
    const status = this.provider.labelStatus(label);
    if (label.image?.kind !== 'diskimage' || status.available === false) return status;
    return this.deps.diskImageReady(label.image.name)
      ? { ...status, available: true }
      : { ...status, available: false, reason: `disk image ${label.image.name} has no ready upload for this provider` };
  }

  slotsEver(name: string): number | null {
    const inventory = this.provider.inventory;
    if (!inventory) return null;
    let slots = 0;
    for (const host of inventory.hosts) {
      if (host.poolName === this.poolName && host.labels.includes(name)) slots += host.slots;
    }
    return slots;
  }

  need(label: string): Resources | null {
    const config = this.config.labels.get(label);
    return config ? this.provider.labelStatus(config).need : null;
  }

  stock(label: string): Iterable<StockNode> {
    return this.deps.accounting.stock(this.providerName, this.poolName, label);
  }

  /** Launches under way, and one for each request in an inventory (what `max-concurrency` counts). */
  get activeLaunches(): number {
    let active = 0;
    for (const handler of this.handlers) active += this.launches ? handler.launching : 1;
    return active;
  }
}
