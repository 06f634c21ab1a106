/** The life of a launcher: start, reload, stop, and how it does in between. Its parts are put together in assembly.ts. */
import { processRecord } from '../reconcile/process-record.ts';
import type { NodepoolConfig } from '../config/model.ts';
import type { Watchdog } from '../reconcile/watchdog.ts';
import { isBroken } from '../records/broken.ts';
import type { NodeEntry } from '../store/mirrors/store.ts';
import { ComponentHandle } from '../store/transactions/components.ts';
import { assemble, type LauncherParts } from './assembly.ts';
import type { LauncherOptions } from './launcher-options.ts';

/** So long its own work may fail or be missing before a launcher counts as dead. */
const deadAfterMs = 60_000;

export class Launcher {
  private readonly options: LauncherOptions;
  private readonly parts: LauncherParts;
  private readonly unfollow: (() => void)[] = [];
  private config: NodepoolConfig;
  private component: ComponentHandle | null = null;
  private stopped = false;

  constructor(options: LauncherOptions) {
    this.options = options;
    this.config = options.config;
    this.parts = assemble(options, () => this.config);
  }

  get watchdog(): Watchdog {
    return this.parts.health.watchdog;
  }

  /** Ready: at least one pool is registered, or there is none to register. */
  get ready(): boolean {
    return this.component !== null && (this.config.providers.size === 0 || this.parts.pools.registered > 0);
  }

  /** False when only a restart can help: its own work does not get done, whatever clouds and ZooKeeper do. */
  get alive(): boolean {
    const now = this.options.runtime.monotonicMs();
    const failing = this.parts.dispatcher.failingSinceMs;
    return now - this.watchdog.lookedMs < deadAfterMs && (failing === null || now - failing < deadAfterMs);
  }

  async start(): Promise<void> {
    const { store, log, version } = this.options;
    const { providers, lostRequests, deadlocks } = this.parts;
    this.follow();
    const component = await ComponentHandle.register(store, processRecord(this.options, 'launcher'));
    if (this.stopped) return component.unregister();
    this.component = component;
    providers.apply(this.config.providers);
    lostRequests.resync();
    deadlocks.start();
    log.info({ providers: providers.names, version }, 'The launcher has started');
  }

  /** Works with another configuration from now on; what is under way goes on. */
  reload(config: NodepoolConfig): void {
    if (this.stopped) return;
    const { providers, figures, dispatcher, minReady, pauses } = this.parts;
    this.config = config;
    providers.apply(config.providers);
    figures.statistics?.limits();
    dispatcher.touchAll();
    minReady.resync();
    pauses.capacityChanged();
  }

  /** Takes nothing new, hands requests and nodes back, unregisters. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.options.log.info({}, 'The launcher stops');
    const { parts } = this;
    parts.pauses.stop();
    parts.housekeeping.stop();
    parts.deadlocks.stop();
    for (const off of this.unfollow) off();
    // Side by side: whoever waits for an answer holds up none of the others.
    await Promise.allSettled([
      parts.health.stop(),
      parts.dispatcher.stop(),
      parts.minReady.stop(),
      parts.lostRequests.stop(),
      parts.figures.statistics?.stop(),
    ]);
    await Promise.allSettled([
      parts.providers.stopInventories(),
      parts.backing.stop(),
      parts.deletion.stop(),
      parts.pools.stop(),
      this.component?.unregister(),
    ]);
    await parts.providers.stop();
    parts.registry.close();
  }

  private follow(): void {
    const { store } = this.options;
    const { accounting, dispatcher, pauses } = this.parts;
    this.unfollow.push(
      accounting.follow(store.nodes),
      store.nodes.onChange((_id, before, after) => {
        if (!after) this.nodeGone(before);
        pauses.capacityChanged();
      }),
      store.images.onChange(() => dispatcher.touchAll()),
      store.client.onState((state) => {
        if (state === 'expired') dispatcher.sessionLost();
      }),
    );
  }

  private nodeGone(entry: NodeEntry | undefined): void {
    const node = entry?.node;
    // Nodes that never were in the cloud, such as those that it refused, leave no room.
    if (node && !isBroken(node) && node.provider !== null && node.externalId !== null)
      this.parts.memory.freed(node.provider);
  }
}
