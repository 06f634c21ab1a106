/**
 * The pools of this launcher and their records in the component registry. A pool survives a change of its provider: same
 * id, same registration; its labels and priority are published anew.
 */
import { errorText } from '../../base/error-text.ts';
import type { PoolConfig } from '../../config/model.ts';
import type { Logger } from '../../base/logger.ts';
import type { ComponentRecord } from '../../records/component.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Trouble } from '../../base/trouble.ts';
import type { CapacityMemory } from '../../scheduling/capacity-memory.ts';
import { ComponentHandle } from '../../store/transactions/components.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { ServedPool, type ServedRequest } from './served-pool.ts';
import type { NodeAccounting } from './node-accounting.ts';
import type { ProviderPort } from './provider-port.ts';

export interface ServedPoolsDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly accounting: NodeAccounting;
  /** The record of this process, to be completed with what the pool says. */
  readonly record: () => ComponentRecord;
  /** The pool is visible to all launchers: it may take requests. */
  readonly onRegistered: (pool: ServedPool) => void;
  readonly onRetired: (pool: ServedPool) => void;
  readonly memory: CapacityMemory;
}

export interface ServedPoolsOptions {
  readonly fqdn: string;
}

interface Parts {
  readonly pool: ServedPool;
  component: ComponentHandle | null;
  /** Since when (monotonic) and why it cannot be registered. */
  failing: { readonly sinceMs: number; readonly why: string } | null;
}

const registerRetryMs = 1000;

export class ServedPools {
  private readonly deps: ServedPoolsDeps;
  private readonly options: ServedPoolsOptions;
  private readonly parts = new Map<string, Parts>();
  /** Those that have left the configuration and still have launches under way. */
  private readonly leaving = new Set<ServedPool>();
  private readonly waiting = new Map<string, Set<ServedRequest>>();
  private stopped = false;

  constructor(deps: ServedPoolsDeps, options: ServedPoolsOptions) {
    this.deps = deps;
    this.options = options;
  }

  *all(): Iterable<ServedPool> {
    for (const { pool } of this.parts.values()) yield pool;
  }

  get allRegistered(): boolean {
    return this.registered === this.parts.size;
  }

  get registered(): number {
    let count = 0;
    for (const { component } of this.parts.values()) if (component) count++;
    return count;
  }

  /** The provider runs with these pools from now on: new ones are registered, others change, the rest retires. */
  set(provider: ProviderPort, configs: ReadonlyMap<string, PoolConfig>): void {
    for (const { pool } of [...this.parts.values()]) {
      if (pool.providerName === provider.name && !configs.has(pool.poolName)) this.retire(pool);
    }
    for (const config of configs.values()) {
      const parts = this.parts.get(keyOf(provider.name, config.name));
      if (parts) {
        parts.pool.serveWith(provider, config);
        this.publish(parts);
      } else this.add(provider, config);
    }
  }

  /** The provider has left the configuration. */
  retireAllOf(providerName: string): void {
    for (const { pool } of [...this.parts.values()]) if (pool.providerName === providerName) this.retire(pool);
  }

  publishPauses(): void {
    for (const parts of this.parts.values()) this.publish(parts);
  }

  *troubles(): Iterable<Trouble> {
    for (const { pool, failing } of this.parts.values()) {
      if (!failing) continue;
      yield {
        key: `pool ${pool.providerName} ${pool.poolName}: registration`,
        severity: 'critical',
        what: `pool ${pool.poolName} of provider ${pool.providerName} takes no requests: it cannot be registered`,
        why: failing.why,
        sinceMs: failing.sinceMs,
        hint: 'it is tried again every second; see what else is said of ZooKeeper',
        said: true,
      };
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled([...this.parts.values()].map(async ({ component }) => component?.unregister()));
  }

  private add(provider: ProviderPort, config: PoolConfig): void {
    const { fqdn } = this.options;
    const { accounting, memory, runtime, store } = this.deps;
    const pool = new ServedPool(
      {
        provider,
        accounting,
        launchesOfProvider: () => this.launchesOf(provider.name),
        waitingAtProvider: this.waitingAt(provider.name),
        memory,
        nowMs: () => runtime.monotonicMs(),
        diskImageReady: (image) => store.images.mostRecentUpload(provider.name, image) !== undefined,
      },
      { id: `${fqdn}-PoolWorker.${provider.name}-${config.name}-${runtime.randomHex(32)}`, config },
    );
    const parts: Parts = { pool, component: null, failing: null };
    this.parts.set(keyOf(provider.name, config.name), parts);
    void this.register(parts);
  }

  private launchesOf(provider: string): number {
    let launches = 0;
    for (const { pool } of this.parts.values()) if (pool.providerName === provider) launches += pool.activeLaunches;
    for (const pool of this.leaving) {
      if (pool.handlers.size === 0) this.leaving.delete(pool);
      else if (pool.providerName === provider) launches += pool.activeLaunches;
    }
    return launches;
  }

  private waitingAt(provider: string): Set<ServedRequest> {
    let waiting = this.waiting.get(provider);
    if (!waiting) this.waiting.set(provider, (waiting = new Set()));
    return waiting;
  }

  private async register(parts: Parts): Promise<void> {
    const { pool } = parts;
    if (this.stopped || pool.retired) return;
    try {
      const component = await ComponentHandle.register(this.deps.store, this.recordOf(pool));
      if (this.stopped || pool.retired) return await component.withdraw();
      parts.component = component;
      parts.failing = null;
      this.publish(parts);
      this.deps.onRegistered(pool);
    } catch (error) {
      if (this.stopped || pool.retired) return;
      const sinceMs = parts.failing?.sinceMs ?? this.deps.runtime.monotonicMs();
      parts.failing = { sinceMs, why: errorText(error) };
      this.deps.log.warn({ pool: pool.id, err: error }, 'A pool could not be registered, trying again');
      this.deps.runtime.setBackgroundTimer(registerRetryMs, () => void this.register(parts));
    }
  }

  private retire(pool: ServedPool): void {
    const key = keyOf(pool.providerName, pool.poolName);
    const component = this.parts.get(key)?.component;
    this.parts.delete(key);
    pool.retired = true;
    if (pool.handlers.size > 0) this.leaving.add(pool);
    this.deps.log.info({ pool: pool.id }, 'A pool has left the configuration');
    component?.withdraw().catch((error: unknown) => {
      this.deps.log.warn({ pool: pool.id, err: error }, 'A pool could not be taken from the registry');
    });
    this.deps.onRetired(pool);
  }

  private publish(parts: Parts): void {
    parts.component?.update(this.recordOf(parts.pool));
  }

  private recordOf(pool: ServedPool): ComponentRecord {
    return {
      ...this.deps.record(),
      id: pool.id,
      name: pool.poolName,
      providerName: pool.providerName,
      supportedLabels: [...pool.config.labels.keys()],
      priority: pool.priority,
      paused: pool.paused,
    };
  }
}

const keyOf = (provider: string, pool: string) => `${provider}\n${pool}`;
