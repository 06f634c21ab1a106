/** The launcher as a whole: providers, their pools, and the reconcilers that bring requests and nodes on. */
import type { NodepoolConfig, ProviderConfig } from '../config/model.ts';
import type { Adapter } from '../provider/adapter.ts';
import type { Logger } from '../provider/logger.ts';
import { Provider } from '../provider/provider.ts';
import type { ComponentRecord } from '../records/component.ts';
import type { Runtime } from '../runtime.ts';
import { ComponentHandle } from '../store/components.ts';
import { Operations } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { DeletionReconciler } from './deletion.ts';
import { Dispatcher } from './dispatcher.ts';
import { Eviction } from './eviction.ts';
import { Housekeeping } from './housekeeping.ts';
import { InventoryReconciler } from './inventory.ts';
import { LaunchContext } from './launch-context.ts';
import { LostRequestReconciler } from './lost-requests.ts';
import { MinReadyReconciler } from './min-ready.ts';
import { NodeBooks } from './node-books.ts';
import { OwnPool } from './own-pool.ts';
import { Registry } from './registry.ts';

export interface LauncherOptions {
  readonly config: NodepoolConfig;
  readonly store: Store;
  /** Makes the adapter of a provider; a rejection is a failed start of that provider alone. */
  readonly createAdapter: (config: ProviderConfig) => Promise<Adapter>;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Short and full name of this machine. */
  readonly hostname: string;
  readonly fqdn: string;
  readonly version: string;
}

interface PoolParts {
  readonly pool: OwnPool;
  component: ComponentHandle | null;
}

/** The registry hears of a pause only when it lasts: capacity comes and goes many times a second. */
const pauseSettleMs = 150;

export class Launcher {
  private readonly o: LauncherOptions;
  private readonly operations: Operations;
  private readonly providers = new Map<string, Provider>();
  private readonly pools: PoolParts[] = [];
  private readonly inventories = new Map<string, InventoryReconciler>();
  private readonly books: NodeBooks;
  private readonly registry: Registry;
  private readonly dispatcher: Dispatcher;
  private readonly deletion: DeletionReconciler;
  private readonly lostRequests: LostRequestReconciler;
  private readonly minReady: MinReadyReconciler;
  private readonly housekeeping: Housekeeping;
  private readonly eviction: Eviction;
  private readonly unfollow: (() => void)[] = [];
  private component: ComponentHandle | null = null;
  private pauseTimer = false;
  private stopped = false;

  constructor(options: LauncherOptions) {
    this.o = options;
    const { store, runtime, log, config } = options;
    this.operations = new Operations(store);
    this.books = new NodeBooks((provider, pool, label) => {
      const config = options.config.providers.get(provider)?.pools.get(pool)?.labels.get(label);
      return config ? (this.providers.get(provider)?.labelStatus(config).need ?? null) : null;
    });
    this.registry = new Registry(store, () => this.dispatcher.touchAll());
    const evict = (nodeId: string) => this.deletion.evict(nodeId);
    const context = new LaunchContext({ store, books: this.books, runtime, log, onDeadHost: evict });
    this.dispatcher = new Dispatcher({
      store,
      operations: this.operations,
      registry: this.registry,
      context,
      runtime,
      log,
      onHandlerEnd: () => this.publishPauseSoon(),
    });
    this.deletion = new DeletionReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      provider: (name) => {
        const provider = this.providers.get(name);
        return provider?.running ? provider : undefined;
      },
      isOurs: (name) => config.providers.has(name),
      onRemoved: () => undefined,
    });
    this.eviction = new Eviction(this.books, this.deletion, store);
    this.lostRequests = new LostRequestReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      isMine: (id) => this.dispatcher.handler(id) !== undefined,
    });
    this.minReady = new MinReadyReconciler({
      store,
      operations: this.operations,
      runtime,
      log,
      labels: () => config.labels,
      available: (label) =>
        this.pools.some(({ pool }) => pool.label(label)?.available === true && !pool.disabled && pool.launches),
    });
    this.housekeeping = new Housekeeping({
      store,
      operations: this.operations,
      runtime,
      log,
      config: () => config,
      adapters: () => this.runningAdapters(),
      evict,
      intervalMs: this.seconds('NODEPOOL_TEST_CLEANUP_INTERVAL', 60),
      requestLockAgeMs: this.seconds('NODEPOOL_TEST_LOCK_CLEANUP', 28_800),
    });
  }

  /** Ready: at least one pool is registered, or there is none to register. */
  get ready(): boolean {
    return (
      this.component !== null && (this.o.config.providers.size === 0 || this.pools.some((p) => p.component !== null))
    );
  }

  async start(): Promise<void> {
    const { store } = this.o;
    this.unfollow.push(
      this.books.follow(store.nodes),
      store.nodes.onChange(() => this.capacityChanged()),
      store.images.onChange(() => this.dispatcher.touchAll()),
      store.client.onState((state) => {
        if (state === 'expired') this.dispatcher.sessionLost();
      }),
    );
    this.component = await ComponentHandle.register(store, this.record('launcher', 'running'));
    for (const config of this.o.config.providers.values()) this.addProvider(config);
    this.lostRequests.resync();
    this.o.log.info(
      { providers: [...this.o.config.providers.keys()], version: this.o.version },
      'The launcher has started',
    );
  }

  /** Takes nothing new, hands requests and nodes back, unregisters. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.o.log.info({}, 'The launcher stops');
    this.housekeeping.stop();
    for (const off of this.unfollow) off();
    await Promise.allSettled([this.dispatcher.stop(), this.minReady.stop(), this.lostRequests.stop()]);
    await Promise.allSettled([...this.inventories.values()].map((inventory) => inventory.stop()));
    await this.deletion.stop();
    await Promise.allSettled(this.pools.flatMap((p) => (p.component ? [p.component.unregister()] : [])));
    await this.component?.unregister();
    await Promise.allSettled([...this.providers.values()].map((provider) => provider.stop()));
    this.registry.close();
  }

  // --- providers and pools

  private addProvider(config: ProviderConfig): void {
    const provider = new Provider({
      config,
      createAdapter: () => this.o.createAdapter(config),
      runtime: this.o.runtime,
      log: this.o.log,
      isKnownNode: (id) => this.o.store.nodes.get(id) !== undefined,
    });
    this.providers.set(config.name, provider);
    let wasRunning = false;
    provider.onChange(() => {
      if (this.stopped) return;
      if (provider.running && !wasRunning) {
        wasRunning = true;
        this.providerStarted(provider);
      }
      this.dispatcher.touchAll();
      this.minReady.resync();
    });
    provider.start();
  }

  private providerStarted(provider: Provider): void {
    for (const config of provider.config.pools.values()) {
      const pool = new OwnPool({
        id: `${this.o.fqdn}-PoolWorker.${provider.name}-${config.name}-${this.o.runtime.randomHex(32)}`,
        provider,
        config,
        books: this.books,
        diskImageReady: (image) => this.o.store.images.mostRecentUpload(provider.name, image) !== undefined,
      });
      void this.register(pool);
    }
    if (provider.inventory) {
      this.inventories.set(
        provider.name,
        new InventoryReconciler({
          provider,
          store: this.o.store,
          operations: this.operations,
          runtime: this.o.runtime,
          log: this.o.log,
          retryMs: Math.min(5000, this.seconds('NODEPOOL_TEST_CLEANUP_INTERVAL', 60)),
          evict: (id) => this.deletion.evict(id),
        }),
      );
    }
    this.deletion.resync();
  }

  private async register(pool: OwnPool): Promise<void> {
    const parts: PoolParts = { pool, component: null };
    this.pools.push(parts);
    const record: ComponentRecord = {
      ...this.record('pool', 'running'),
      id: pool.id,
      name: pool.poolName,
      providerName: pool.providerName,
      supportedLabels: [...pool.config.labels.keys()],
      priority: pool.priority,
    };
    try {
      parts.component = await ComponentHandle.register(this.o.store, record);
      if (this.stopped) return await parts.component.unregister();
      this.dispatcher.addPool(pool);
      this.minReady.resync();
    } catch (error) {
      if (this.stopped) return;
      this.o.log.warn({ pool: pool.id, err: error }, 'A pool could not be registered, trying again');
      this.pools.splice(this.pools.indexOf(parts), 1);
      this.o.runtime.setBackgroundTimer(1000, () => void this.register(pool));
    }
  }

  private *runningAdapters(): Iterable<readonly [string, Adapter]> {
    for (const provider of this.providers.values()) {
      if (provider.state === 'running' && provider.adapter) yield [provider.name, provider.adapter];
    }
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

  // --- capacity and pauses

  private capacityChanged(): void {
    this.dispatcher.touchCapacity();
    this.publishPauseSoon();
  }

  private publishPauseSoon(): void {
    if (this.pauseTimer || this.stopped) return;
    this.pauseTimer = true;
    this.o.runtime.setBackgroundTimer(pauseSettleMs, () => {
      this.pauseTimer = false;
      for (const { pool, component } of this.pools) {
        component?.update({ paused: pool.paused });
        if (pool.paused) this.eviction.makeRoom(pool);
      }
    });
  }

  private seconds(name: string, normal: number): number {
    const value = Number(this.o.env[name] ?? '');
    return (this.o.env[name] !== undefined && Number.isFinite(value) && value > 0 ? value : normal) * 1000;
  }
}
