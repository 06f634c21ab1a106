/** The launcher as a whole: providers, their pools, and the reconcilers that bring requests and nodes on. */
import type { NodepoolConfig, ProviderConfig } from '../config/model.ts';
import type { Adapter, BackingNodes } from '../driver-kit/contract.ts';
import type { Logger } from '../base/logger.ts';
import { Provider } from '../provider/provider.ts';
import { RateLimiter } from '../provider/rate-limiter.ts';
import type { ComponentRecord } from '../records/component.ts';
import type { Runtime } from '../base/runtime.ts';
import { ComponentHandle } from '../store/transactions/components.ts';
import { isBroken } from '../records/broken.ts';
import { CapacityMemory } from '../scheduling/capacity-memory.ts';
import { Operations } from '../store/transactions/operations.ts';
import type { Store } from '../store/mirrors/store.ts';
import { BackingBrokers } from './backing/backing-brokers.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { StatsSink } from '../telemetry/statsd.ts';
import { noTracing, type Tracer } from '../telemetry/tracing.ts';
import { DeletionReconciler } from './upkeep/deletion.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Eviction } from './upkeep/eviction.ts';
import { HealthPublisher } from '../reconcile/health-publisher.ts';
import { Housekeeping } from './upkeep/housekeeping.ts';
import { InventoryReconciler } from './pools/inventory.ts';
import { LaunchContext } from './serving/launch-context.ts';
import { LauncherMetrics } from './figures/launcher-metrics.ts';
import { LostRequestReconciler, type Successor } from './serving/lost-requests.ts';
import { MinReadyReconciler } from './upkeep/min-ready.ts';
import { NodeAccounting } from './pools/node-accounting.ts';
import { Overcommit } from './serving/overcommit.ts';
import { ServedPools } from './pools/served-pools.ts';
import { Providers } from './pools/providers.ts';
import { Registry } from './pools/registry.ts';
import { Statistics } from './figures/statistics.ts';
import { Deadlocks } from './dispatch/deadlocks.ts';
import { StoreTroubles } from '../reconcile/store-troubles.ts';
import { Traces } from './serving/traces.ts';
import { Watchdog } from '../reconcile/watchdog.ts';

export interface LauncherOptions {
  readonly config: NodepoolConfig;
  readonly store: Store;
  /** Makes the adapter of a provider; a rejection is a failed start of that provider alone. */
  readonly createAdapter: (config: ProviderConfig, backing: () => BackingNodes) => Promise<Adapter>;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Loggers of their own; default: `log`. */
  readonly providerLog?: (config: ProviderConfig) => Logger;
  readonly watchdogLog?: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Short and full name of this machine. */
  readonly hostname: string;
  readonly fqdn: string;
  readonly version: string;
  /** Where to report figures; null: nowhere. */
  readonly stats: StatsSink | null;
  /** Where to keep the figures that are asked for; default: nowhere. */
  readonly metrics?: Metrics;
  /** Who collects spans; default: nobody. */
  readonly tracer?: Tracer;
  readonly processId: number;
}

/** So long a provider may take to come up before requests that only it could serve are declined. */
const startGraceMs = 10_000;

/** So long its own work may fail or be missing before a launcher counts as dead. */
const deadAfterMs = 60_000;

/** The registry hears of a pause only when it lasts: capacity comes and goes many times a second. */
const pauseSettleMs = 150;

export class Launcher {
  private readonly o: LauncherOptions;
  private readonly operations: Operations;
  private readonly providers: Providers;
  private readonly pools: ServedPools;
  private readonly accounting: NodeAccounting;
  private readonly registry: Registry;
  private readonly dispatcher: Dispatcher;
  private readonly deletion: DeletionReconciler;
  private readonly lostRequests: LostRequestReconciler;
  private readonly minReady: MinReadyReconciler;
  private readonly housekeeping: Housekeeping;
  private readonly eviction: Eviction;
  private readonly deadlocks: Deadlocks;
  private readonly backing: BackingBrokers;
  private readonly statistics: Statistics | null;
  private readonly metrics: LauncherMetrics;
  readonly watchdog: Watchdog;
  private readonly storeTroubles: StoreTroubles;
  private readonly health: HealthPublisher;
  private readonly limiters = new Map<string, RateLimiter>();
  private readonly memory = new CapacityMemory();
  private readonly unfollow: (() => void)[] = [];
  private config: NodepoolConfig;
  private component: ComponentHandle | null = null;
  private pauseTimer = false;
  private stopped = false;

  constructor(options: LauncherOptions) {
    this.o = options;
    this.config = options.config;
    const { store, runtime, log } = options;
    const createdMs = runtime.monotonicMs();
    this.operations = new Operations(store);
    const traces = new Traces(options.tracer ?? noTracing, runtime);
    this.statistics = options.stats
      ? new Statistics({
          sink: options.stats,
          store,
          runtime,
          log,
          config: () => this.config,
          hostname: options.fqdn,
          processId: options.processId,
        })
      : null;
    this.accounting = new NodeAccounting(
      (name, poolName, labelName) => {
        const provider = this.providers.serving(name);
        const label = provider?.config.pools.get(poolName)?.labels.get(labelName);
        return provider && label ? provider.labelStatus(label).need : null;
      },
      (tenant) => this.dispatcher.tenantFreed(tenant),
    );
    this.providers = new Providers({
      store,
      log,
      createProvider: (config) =>
        new Provider({
          config,
          createAdapter: () => options.createAdapter(config, () => this.backing.of(config.name)),
          runtime,
          log: options.providerLog?.(config) ?? log,
          isKnownNode: (id) => store.nodes.get(id) !== undefined,
          limiter: this.limiterOf(config.name),
        }),
      createInventory: (provider) =>
        new InventoryReconciler({
          provider,
          store,
          operations: this.operations,
          runtime,
          log,
          retryMs: Math.min(5000, this.seconds('NODEPOOL_TEST_CLEANUP_INTERVAL', 60)),
          evict,
        }),
      onServing: (provider) => {
        this.pools.set(provider, provider.config.pools);
        this.deletion.resync();
      },
      onRemoved: (name) => {
        this.pools.retireAllOf(name);
        this.backing.removed(name);
      },
      onChange: () => this.settingsChanged(),
    });
    this.pools = new ServedPools({
      store,
      runtime,
      log,
      accounting: this.accounting,
      memory: this.memory,
      fqdn: options.fqdn,
      record: () => this.record('pool', 'running'),
      onRegistered: (pool) => {
        this.dispatcher.addPool(pool);
        this.minReady.resync();
      },
      onRetired: (pool) => {
        this.registry.retire(pool.id);
        this.dispatcher.removePool(pool);
      },
    });
    this.registry = new Registry(store, runtime, () => this.dispatcher.touchAll());
    const evict = (nodeId: string) => this.deletion.evict(nodeId);
    const context = new LaunchContext({
      store,
      accounting: this.accounting,
      runtime,
      log,
      attempts: {
        attempted: (result, of, ms) => {
          this.statistics?.attempted(result, of, ms);
          this.metrics.attempted(result, of, ms);
        },
      },
      onEnded: (request, outcome) => this.metrics.ended(request, outcome, runtime.nowMs()),
      traces,
      memory: this.memory,
      overcommit: new Overcommit(store, this.accounting, runtime),
      onRefusal: (againInMs) => this.refused(againInMs),
      onDeadHost: evict,
    });
    this.dispatcher = new Dispatcher({
      store,
      operations: this.operations,
      registry: this.registry,
      context,
      runtime,
      log,
      startingUp: () =>
        runtime.monotonicMs() - createdMs < startGraceMs && (this.providers.comingUp || !this.pools.allRegistered),
      tenantLimits: (tenant) => this.config.tenantLimits.get(tenant),
      onHandlerChange: () => this.publishPauseSoon(),
      onEnded: (id) => this.lostRequests.look(id),
    });
    this.deletion = new DeletionReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      provider: (name) => this.providers.forDeletion(name),
      isOurs: (name) => this.providers.isOurs(name),
      traces,
    });
    this.backing = new BackingBrokers({ store, operations: this.operations, runtime, log, evict });
    this.eviction = new Eviction(this.accounting, this.deletion);
    this.deadlocks = new Deadlocks({
      store,
      runtime,
      log,
      pools: () => this.pools.all(),
      onOver: () => this.dispatcher.touchCapacity(),
    });
    this.lostRequests = new LostRequestReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      isMine: (id) => this.dispatcher.handler(id) !== undefined,
      successor: (provider, pool) => this.successor(provider, pool),
      takeOver: (held, pool, nodes) => this.dispatcher.takeOver(held, pool, nodes),
    });
    this.minReady = new MinReadyReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      labels: () => this.config.labels,
      available: (label) =>
        [...this.pools.all()].some((pool) => pool.label(label)?.available === true && !pool.disabled && pool.launches),
    });
    this.housekeeping = new Housekeeping({
      store,
      operations: this.operations,
      runtime,
      log,
      config: () => this.config,
      providers: () => this.providers.running(),
      onLeak: (provider, type) => {
        this.statistics?.leaked(provider, type);
        this.metrics.leaked(provider, type);
      },
      evict,
      intervalMs: this.seconds('NODEPOOL_TEST_CLEANUP_INTERVAL', 60),
      requestLockAgeMs: this.seconds('NODEPOOL_TEST_LOCK_CLEANUP', 28_800),
    });
    const { hostname, version, processId } = options;
    this.storeTroubles = new StoreTroubles(store, runtime);
    this.health = new HealthPublisher({ store, runtime, log, hostname, version, processId });
    this.watchdog = new Watchdog({
      runtime,
      log: options.watchdogLog ?? log,
      sources: [
        this.storeTroubles,
        this.providers,
        this.pools,
        this.dispatcher,
        this.deletion,
        this.lostRequests,
        this.minReady,
        this.backing,
        this.housekeeping,
        ...(this.statistics ? [this.statistics] : []),
      ],
      onLook: (facts) => this.health.publish(facts),
      onTick: (lateMs) => this.metrics.late(lateMs),
    });
    this.metrics = new LauncherMetrics(options.metrics ?? new Metrics(), {
      pools: () => this.pools.all(),
      providers: () => this.config.providers.values(),
      isRunning: (name) => this.providers.serving(name)?.state === 'running',
      queued: () => this.dispatcher.queued,
      deletions: () => this.deletion.length,
      hasLabel: (label) => this.config.labels.has(label) || this.registry.hasLabel(label),
      tenants: () =>
        Array.from(this.config.tenantLimits, ([tenant, limits]) => ({
          tenant,
          limits,
          used: this.accounting.usedByTenant(tenant).toObject(),
        })),
      troubles: () => this.watchdog.snapshot(),
    });
  }

  /** Ready: at least one pool is registered, or there is none to register. */
  get ready(): boolean {
    return this.component !== null && (this.config.providers.size === 0 || this.pools.registered > 0);
  }

  /** False when only a restart can help: its own work does not get done, whatever clouds and ZooKeeper do. */
  get alive(): boolean {
    const now = this.o.runtime.monotonicMs();
    const failing = this.dispatcher.failingSinceMs;
    return now - this.watchdog.lookedMs < deadAfterMs && (failing === null || now - failing < deadAfterMs);
  }

  async start(): Promise<void> {
    const { store } = this.o;
    this.unfollow.push(
      this.accounting.follow(store.nodes),
      store.nodes.onChange((_id, before, after) => {
        const gone = after ? null : before?.node;
        // Nodes that never were in the cloud, such as those that it refused, leave no room.
        if (gone && !isBroken(gone) && gone.provider !== null && gone.externalId !== null)
          this.memory.freed(gone.provider);
        this.capacityChanged();
      }),
      store.images.onChange(() => this.dispatcher.touchAll()),
      store.client.onState((state) => {
        if (state === 'expired') this.dispatcher.sessionLost();
      }),
    );
    const component = await ComponentHandle.register(store, this.record('launcher', 'running'));
    if (this.stopped) return component.unregister();
    this.component = component;
    this.providers.apply(this.config.providers);
    this.lostRequests.resync();
    this.deadlocks.start();
    this.o.log.info({ providers: this.providers.names, version: this.o.version }, 'The launcher has started');
  }

  /** Works with another configuration from now on; what is under way goes on. */
  reload(config: NodepoolConfig): void {
    if (this.stopped) return;
    this.config = config;
    this.providers.apply(config.providers);
    this.statistics?.limits();
    this.settingsChanged();
    this.capacityChanged();
  }

  /** Takes nothing new, hands requests and nodes back, unregisters. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.o.log.info({}, 'The launcher stops');
    this.housekeeping.stop();
    this.watchdog.stop();
    this.deadlocks.stop();
    this.storeTroubles.close();
    for (const off of this.unfollow) off();
    // Side by side: whoever waits for an answer holds up none of the others.
    await Promise.allSettled([
      this.dispatcher.stop(),
      this.minReady.stop(),
      this.lostRequests.stop(),
      this.statistics?.stop(),
      this.health.close(),
    ]);
    await Promise.allSettled([
      this.providers.stopInventories(),
      this.backing.stop(),
      this.deletion.stop(),
      this.pools.stop(),
      this.component?.unregister(),
    ]);
    await this.providers.stop();
    this.registry.close();
  }

  /** One for each name, whatever becomes of its configuration. */
  private limiterOf(provider: string): RateLimiter {
    let limiter = this.limiters.get(provider);
    if (!limiter) this.limiters.set(provider, (limiter = new RateLimiter(0, this.o.runtime)));
    return limiter;
  }

  private record(kind: ComponentRecord['kind'], state: string): ComponentRecord {
    return {
      kind,
      hostname: this.o.hostname,
      state,
      version: this.o.version,
      modelApi: 0,
      id: null,
      name: null,
      providerName: null,
      supportedLabels: [],
      priority: 100,
      paused: false,
    };
  }

  private successor(provider: string | null, pool: string | null): Successor {
    if (provider === null || pool === null) return null;
    const own = this.dispatcher.poolNamed(provider, pool);
    if (own) return own;
    const coming = this.config.providers.get(provider)?.pools.has(pool) === true;
    return coming || [...this.registry.pools()].some((p) => p.providerName === provider && p.name === pool)
      ? 'soon'
      : null;
  }

  private settingsChanged(): void {
    this.dispatcher.touchAll();
    this.minReady.resync();
  }

  /** A cloud has begun to refuse something: other pools may do, and it may itself in a while. */
  private refused(againInMs: number): void {
    this.dispatcher.touchAll();
    // The machine's timers may be early by a part of a millisecond; looked at then, it would be refused and not looked at again.
    this.o.runtime.setBackgroundTimer(againInMs + 1, () => {
      if (this.stopped) return;
      this.dispatcher.touchAll();
      this.dispatcher.touchCapacity();
    });
  }

  private capacityChanged(): void {
    this.dispatcher.touchCapacity();
    this.publishPauseSoon();
  }

  private publishPauseSoon(): void {
    if (this.pauseTimer || this.stopped) return;
    this.pauseTimer = true;
    this.o.runtime.setBackgroundTimer(pauseSettleMs, () => {
      this.pauseTimer = false;
      // What has come free meanwhile is enough for some: no stock needs to make way for them.
      this.dispatcher.flush();
      this.pools.publishPauses();
      const pools = [...this.pools.all()];
      for (const pool of pools) {
        if (!pool.paused) continue;
        const siblings = pools.filter((other) => other !== pool && other.providerName === pool.providerName);
        this.eviction.makeRoom(pool, siblings);
      }
    });
  }

  private seconds(name: string, normal: number): number {
    const value = Number(this.o.env[name] ?? '');
    return (this.o.env[name] !== undefined && Number.isFinite(value) && value > 0 ? value : normal) * 1000;
  }
}
