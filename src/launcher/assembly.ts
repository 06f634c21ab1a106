/** Puts the parts of a launcher together, each from those before it; what goes the other way are events of the pools. */
import { Emitter } from '../base/emitter.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { NodepoolConfig } from '../config/model.ts';
import { ProcessHealth } from '../reconcile/process-health.ts';
import { processRecord } from '../reconcile/process-record.ts';
import type { Store } from '../store/mirrors/store.ts';
import { Operations } from '../store/transactions/operations.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { noTracing } from '../telemetry/tracing.ts';
import { BackingBrokers } from './backing/backing-brokers.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Deadlocks } from './dispatch/deadlocks.ts';
import { createFigures, type Figures } from './figures/create-figures.ts';
import { declareGauges } from './figures/launcher-gauges.ts';
import type { LauncherOptions } from './launcher-options.ts';
import { Pauses } from './pauses.ts';
import { createPools, type Pools } from './pools/create-pools.ts';
import { Evictions } from './pools/evictions.ts';
import { LaunchContext } from './serving/launch-context.ts';
import { LostRequestReconciler, type Successor } from './serving/lost-requests.ts';
import { Overcommit } from './serving/overcommit.ts';
import { Traces } from './serving/traces.ts';
import { createUpkeep, type Upkeep } from './upkeep/create-upkeep.ts';

/** So long a provider may take to come up before requests that only it could serve are declined. */
const startGraceMs = 10_000;

/** The configuration as it is now. */
type CurrentConfig = () => NodepoolConfig;

interface Ground {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: CurrentConfig;
  readonly evictions: Evictions;
  readonly traces: Traces;
}

interface Requests {
  readonly dispatcher: Dispatcher;
  readonly deadlocks: Deadlocks;
  readonly lostRequests: LostRequestReconciler;
}

export interface LauncherParts extends Pools, Requests, Upkeep {
  readonly figures: Figures;
  readonly backing: BackingBrokers;
  readonly pauses: Pauses;
  readonly health: ProcessHealth;
}

export function assemble(options: LauncherOptions, config: CurrentConfig): LauncherParts {
  const { store, runtime, log, metrics = new Metrics(), tracer = noTracing } = options;
  const operations = new Operations(store);
  const evictions = new Evictions();
  const traces = new Traces(tracer, runtime);
  const ground: Ground = { store, operations, runtime, log, config, evictions, traces };
  const backing = new BackingBrokers({ store, operations, runtime, log, evict: (id) => evictions.evict(id) });
  const pools = poolsOf(options, ground, backing);
  const figures = createFigures({ ...ground, ...pools, metrics, stats: options.stats }, options);
  const requests = createRequests(ground, pools, figures);
  const upkeep = createUpkeep(
    { ...ground, pools, onLeak: (provider, type) => figures.leaked(provider, type) },
    {
      intervalMs: cleanupIntervalMs(options),
      requestLockAgeMs: secondsFrom(options.env, 'NODEPOOL_TEST_LOCK_CLEANUP', 28_800),
    },
  );
  const pauses = new Pauses({ runtime, ...pools, ...requests, ...upkeep });
  pools.events.waitingChanged.on(() => pauses.publishSoon());
  pools.events.refused.on((againInMs) => pauses.refused(againInMs));
  const parts = { ...pools, ...requests, ...upkeep, figures, backing, pauses };
  const health = healthOf(options, parts);
  declareOwnGauges(metrics, parts, health, config);
  return { ...parts, health };
}

function poolsOf(options: LauncherOptions, ground: Ground, backing: BackingBrokers): Pools {
  const { fqdn, createAdapter, providerLog = () => options.log } = options;
  const pools = createPools(
    { ...ground, providerLog, createAdapter: (config) => createAdapter(config, () => backing.of(config.name)) },
    {
      fqdn,
      record: () => processRecord(options, 'pool'),
      hostRetryMs: Math.min(5000, cleanupIntervalMs(options)),
    },
  );
  pools.events.providerRemoved.on((name) => backing.removed(name));
  return pools;
}

function createRequests(ground: Ground, served: Pools, figures: Figures): Requests {
  const { store, operations, runtime, log, config } = ground;
  const { events, pools, providers, registry } = served;
  const createdMs = runtime.monotonicMs();
  const ended = new Emitter<[requestId: string]>();
  const dispatcher = new Dispatcher({
    store,
    operations,
    registry,
    context: launchContext(ground, served, figures),
    runtime,
    log,
    startingUp: () => runtime.monotonicMs() - createdMs < startGraceMs && (providers.comingUp || !pools.allRegistered),
    tenantLimits: (tenant) => config().tenantLimits.get(tenant),
    onHandlerChange: () => events.waitingChanged.emit(),
    onEnded: (id) => ended.emit(id),
  });
  events.poolRegistered.on((pool) => dispatcher.addPool(pool));
  events.poolRetired.on((pool) => dispatcher.removePool(pool));
  events.providerChanged.on(() => dispatcher.touchAll());
  events.registryChanged.on(() => dispatcher.touchAll());
  events.tenantFreed.on((tenant) => dispatcher.tenantFreed(tenant));
  const deadlocks = new Deadlocks({
    store,
    runtime,
    log,
    pools: () => pools.all(),
    onOver: () => dispatcher.touchCapacity(),
  });
  const lostRequests = new LostRequestReconciler({
    store,
    operations,
    runtime,
    log,
    isMine: (id) => dispatcher.isServed(id),
    successor: (provider, pool) => successor(served, dispatcher, config(), provider, pool),
    takeOver: (held, pool, nodes) => dispatcher.takeOver(held, pool, nodes),
  });
  ended.on((id) => lostRequests.look(id));
  return { dispatcher, deadlocks, lostRequests };
}

function launchContext(ground: Ground, { accounting, memory, events }: Pools, figures: Figures): LaunchContext {
  const { store, runtime, log, traces, evictions } = ground;
  return new LaunchContext({
    store,
    accounting,
    runtime,
    log,
    attempts: figures,
    onEnded: (request, outcome) => figures.ended(request, outcome),
    traces,
    memory,
    overcommit: new Overcommit(store, accounting, runtime),
    onRefusal: (againInMs) => events.refused.emit(againInMs),
    onDeadHost: (nodeId) => evictions.evict(nodeId),
  });
}

/** Who could go on with launches of that pool. */
function successor(
  { registry }: Pools,
  dispatcher: Dispatcher,
  config: NodepoolConfig,
  provider: string | null,
  pool: string | null,
): Successor {
  if (provider === null || pool === null) return null;
  const own = dispatcher.poolNamed(provider, pool);
  if (own) return own;
  const isComing = config.providers.get(provider)?.pools.has(pool) === true;
  return isComing || [...registry.pools()].some((p) => p.providerName === provider && p.name === pool) ? 'soon' : null;
}

function healthOf(options: LauncherOptions, parts: Omit<LauncherParts, 'health'>): ProcessHealth {
  const { store, runtime, log, watchdogLog = log } = options;
  const { providers, pools, dispatcher, deletion, lostRequests, minReady, backing, housekeeping, figures } = parts;
  const sources = [providers, pools, dispatcher, deletion, lostRequests, minReady, backing, housekeeping];
  return new ProcessHealth(
    {
      store,
      runtime,
      log,
      watchdogLog,
      sources: figures.statistics ? [...sources, figures.statistics] : sources,
      onTick: (lateMs) => figures.late(lateMs),
    },
    options,
  );
}

function declareOwnGauges(
  metrics: Metrics,
  { pools, providers, dispatcher, deletion, accounting }: Omit<LauncherParts, 'health'>,
  { watchdog }: ProcessHealth,
  config: CurrentConfig,
): void {
  declareGauges(metrics, {
    pools: () => pools.all(),
    providers: () => config().providers.values(),
    isRunning: (name) => providers.serving(name)?.state === 'running',
    queued: () => dispatcher.queued,
    deletions: () => deletion.length,
    tenants: () =>
      Array.from(config().tenantLimits, ([tenant, limits]) => ({
        tenant,
        limits,
        used: accounting.usedByTenant(tenant).toObject(),
      })),
    troubles: () => watchdog.snapshot(),
  });
}

const cleanupIntervalMs = ({ env }: LauncherOptions) => secondsFrom(env, 'NODEPOOL_TEST_CLEANUP_INTERVAL', 60);

/** In milliseconds. */
function secondsFrom(env: LauncherOptions['env'], name: string, normal: number): number {
  const value = Number(env[name] ?? '');
  return (env[name] !== undefined && Number.isFinite(value) && value > 0 ? value : normal) * 1000;
}
