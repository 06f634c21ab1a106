/** Puts together what looks after nodes that no request is being served with: stock, deletion, eviction, remains. */
import type { Logger } from '../../base/logger.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Pools } from '../pools/create-pools.ts';
import type { Evictions } from '../pools/evictions.ts';
import type { ServedPools } from '../pools/served-pools.ts';
import type { Traces } from '../serving/traces.ts';
import { DeletionReconciler } from './deletion.ts';
import { Eviction } from './eviction.ts';
import { Housekeeping } from './housekeeping.ts';
import { MinReadyReconciler } from './min-ready.ts';

export interface UpkeepDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: () => NodepoolConfig;
  readonly pools: Pick<Pools, 'accounting' | 'events' | 'pools' | 'providers'>;
  readonly evictions: Evictions;
  readonly traces: Traces;
  /** Told of what has leaked and was removed. */
  readonly onLeak: (provider: string, type: string) => void;
}

export interface UpkeepOptions {
  readonly intervalMs: number;
  readonly requestLockAgeMs: number;
}

export interface Upkeep {
  readonly deletion: DeletionReconciler;
  readonly eviction: Eviction;
  readonly minReady: MinReadyReconciler;
  readonly housekeeping: Housekeeping;
}

export function createUpkeep(deps: UpkeepDeps, options: UpkeepOptions): Upkeep {
  const { store, operations, runtime, log, config, evictions, traces, onLeak } = deps;
  const { accounting, events, pools, providers } = deps.pools;
  const deletion = new DeletionReconciler({
    store,
    operations,
    runtime,
    log,
    provider: (name) => providers.forDeletion(name),
    isOurs: (name) => providers.isOurs(name),
    evictions,
    traces,
  });
  const minReady = new MinReadyReconciler({
    store,
    operations,
    runtime,
    log,
    labels: () => config().labels,
    available: (label) => isAvailable(pools, label),
  });
  const housekeeping = new Housekeeping(
    {
      store,
      operations,
      runtime,
      log,
      config,
      providers: () => providers.running(),
      onLeak,
      evict: (nodeId) => evictions.evict(nodeId),
    },
    options,
  );
  events.providerServing.on(() => deletion.resync());
  events.poolRegistered.on(() => minReady.resync());
  events.providerChanged.on(() => minReady.resync());
  return { deletion, eviction: new Eviction(accounting, evictions), minReady, housekeeping };
}

function isAvailable(pools: ServedPools, label: string): boolean {
  return [...pools.all()].some((pool) => pool.label(label)?.available === true && !pool.disabled && pool.launches);
}
