/** Puts together what is served: providers, their pools, the registry, and what they have in use. */
import type { Logger } from '../../base/logger.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { ProviderConfig } from '../../config/model.ts';
import type { Adapter } from '../../driver-kit/contract.ts';
import { Provider } from '../../provider/provider.ts';
import { RateLimiter } from '../../provider/rate-limiter.ts';
import type { ComponentRecord } from '../../records/component.ts';
import { CapacityMemory } from '../../scheduling/capacity-memory.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Evictions } from './evictions.ts';
import { InventoryReconciler } from './inventory.ts';
import { type NeedOf, NodeAccounting } from './node-accounting.ts';
import { PoolEvents } from './pool-events.ts';
import { Providers } from './providers.ts';
import { Registry } from './registry.ts';
import { ServedPools } from './served-pools.ts';

export interface PoolsDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly providerLog: (config: ProviderConfig) => Logger;
  /** A rejection is a failed start of that provider alone. */
  readonly createAdapter: (config: ProviderConfig) => Promise<Adapter>;
  readonly evictions: Evictions;
}

export interface PoolsOptions {
  readonly fqdn: string;
  /** The record of a pool of this process, to be completed with what the pool says. */
  readonly record: () => ComponentRecord;
  /** Pause between looks at a host whose slots are not all registered. */
  readonly hostRetryMs: number;
}

export interface Pools {
  readonly events: PoolEvents;
  readonly memory: CapacityMemory;
  readonly accounting: NodeAccounting;
  readonly providers: Providers;
  readonly pools: ServedPools;
  readonly registry: Registry;
}

export function createPools(deps: PoolsDeps, options: PoolsOptions): Pools {
  const { store, runtime, log } = deps;
  const events = new PoolEvents();
  const memory = new CapacityMemory();
  const providers = createProviders(deps, options, events);
  const accounting = new NodeAccounting(needAt(providers), (tenant) => events.tenantFreed.emit(tenant));
  const pools = new ServedPools(
    {
      store,
      runtime,
      log,
      accounting,
      memory,
      record: options.record,
      onRegistered: (pool) => events.poolRegistered.emit(pool),
      onRetired: (pool) => events.poolRetired.emit(pool),
    },
    {
      fqdn: options.fqdn,
    },
  );
  const registry = new Registry(store, runtime, () => events.registryChanged.emit());
  events.providerServing.on((provider) => pools.set(provider, provider.config.pools));
  events.providerRemoved.on((name) => pools.retireAllOf(name));
  events.poolRetired.on((pool) => registry.retire(pool.id));
  return { events, memory, accounting, providers, pools, registry };
}

function createProviders(deps: PoolsDeps, { hostRetryMs }: PoolsOptions, events: PoolEvents): Providers {
  const { store, operations, runtime, log, evictions } = deps;
  const limiterOf = limiters(runtime);
  return new Providers({
    store,
    log,
    createProvider: (config) =>
      new Provider(
        {
          createAdapter: () => deps.createAdapter(config),
          runtime,
          log: deps.providerLog(config),
          isKnownNode: (id) => store.nodes.get(id) !== undefined,
          limiter: limiterOf(config.name),
        },
        config,
      ),
    createInventory: (provider) =>
      new InventoryReconciler(
        {
          provider,
          store,
          operations,
          runtime,
          log,
          evict: (nodeId) => evictions.evict(nodeId),
        },
        {
          retryMs: hostRetryMs,
        },
      ),
    onServing: (provider) => events.providerServing.emit(provider),
    onRemoved: (name) => events.providerRemoved.emit(name),
    onChange: () => events.providerChanged.emit(),
  });
}

/** One for each name, whatever becomes of its configuration. */
function limiters(runtime: Runtime): (provider: string) => RateLimiter {
  const made = new Map<string, RateLimiter>();
  return (provider) => {
    let limiter = made.get(provider);
    if (!limiter) made.set(provider, (limiter = new RateLimiter(0, runtime)));
    return limiter;
  };
}

function needAt(providers: Providers): NeedOf {
  return (name, pool, labelName) => {
    const provider = providers.serving(name);
    const label = provider?.config.pools.get(pool)?.labels.get(labelName);
    return provider && label ? provider.labelStatus(label).need : null;
  };
}
