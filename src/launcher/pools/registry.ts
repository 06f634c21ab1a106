/**
 * The component registry as scheduling sees it: every registered pool, whoever runs it. A pool that vanishes may come back
 * soon, since its launcher has lost its session or is being restarted: it is remembered for a while.
 */
import type { ComponentRecord } from '../../records/component.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { RegisteredPool } from '../../scheduling/routing.ts';
import type { Store } from '../../store/mirrors/store.ts';

const returnMs = 10_000;

export class Registry {
  private readonly store: Store;
  private readonly runtime: Runtime;
  private readonly onChange: () => void;
  private readonly made = new WeakMap<ComponentRecord, RegisteredPool>();
  private cache: ReadonlyMap<string, RegisteredPool>;
  private readonly vanished = new Map<string, { readonly pool: RegisteredPool; readonly timer: Timer }>();
  /** Pools of this launcher that have left its configuration. */
  private readonly retired = new Set<string>();
  private readonly unfollow: () => void;

  constructor(store: Store, runtime: Runtime, onChange: () => void) {
    this.store = store;
    this.runtime = runtime;
    this.onChange = onChange;
    this.cache = this.read();
    this.unfollow = store.components.onChange(() => this.changed());
  }

  pools(): Iterable<RegisteredPool> {
    return this.cache.values();
  }

  hasLabel(label: string): boolean {
    for (const pool of this.cache.values()) if (pool.labels.has(label)) return true;
    return false;
  }

  /** With a registry that does not show oneself every decline could become a failure. */
  shows(poolIds: Iterable<string>): boolean {
    for (const id of poolIds) if (!this.cache.has(id)) return false;
    return true;
  }

  /** Could a pool that has just vanished serve a request that those others have declined? */
  mayReturn(labels: readonly string[], declinedBy: readonly string[]): boolean {
    for (const { pool } of this.vanished.values()) {
      if (!declinedBy.includes(pool.id) && labels.every((label) => pool.labels.has(label))) return true;
    }
    return false;
  }

  /** It will not come back. */
  retire(poolId: string): void {
    this.retired.add(poolId);
  }

  close(): void {
    this.unfollow();
    for (const { timer } of this.vanished.values()) timer.cancel();
    this.vanished.clear();
  }

  private changed(): void {
    const before = this.cache;
    this.cache = this.read();
    for (const [id, pool] of before) {
      if (!this.cache.has(id) && !this.retired.has(id) && !this.vanished.has(id)) this.remember(pool);
    }
    for (const [id, { timer }] of this.vanished) {
      if (!this.cache.has(id)) continue;
      timer.cancel();
      this.vanished.delete(id);
    }
    this.onChange();
  }

  private remember(pool: RegisteredPool): void {
    const timer = this.runtime.setBackgroundTimer(returnMs, () => {
      this.vanished.delete(pool.id);
      this.onChange();
    });
    this.vanished.set(pool.id, { pool, timer });
  }

  private read(): ReadonlyMap<string, RegisteredPool> {
    const pools = new Map<string, RegisteredPool>();
    for (const record of this.store.components.pools()) {
      const pool = this.made.get(record) ?? asPool(record);
      if (!pool) continue;
      this.made.set(record, pool);
      pools.set(pool.id, pool);
    }
    return pools;
  }
}

function asPool(record: ComponentRecord): RegisteredPool | null {
  if (record.id === null) return null;
  return {
    id: record.id,
    providerName: record.providerName ?? '',
    name: record.name ?? '',
    priority: record.priority,
    paused: record.paused,
    labels: new Set(record.supportedLabels),
  };
}
