/** What time brings: nodes that are too old, lock directories that nobody needs, resources that the clouds leak. */
import type { CloudResource } from '../provider/adapter.ts';
import { LeakDetector } from '../provider/leaks.ts';
import type { Logger } from '../provider/logger.ts';
import { isBroken } from '../records/broken.ts';
import type { NodeRecord } from '../records/node.ts';
import type { NodepoolConfig } from '../config/model.ts';
import type { Runtime, Timer } from '../runtime.ts';
import type { Operations } from '../store/operations.ts';
import type { Store } from '../store/store.ts';

interface LeakyProvider {
  readonly name: string;
  listResources(signal: AbortSignal): Promise<readonly CloudResource[]>;
  deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void>;
}

export interface HousekeepingOptions {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: () => NodepoolConfig;
  readonly providers: () => Iterable<LeakyProvider>;
  readonly onLeak: (provider: string, type: string) => void;
  readonly evict: (nodeId: string) => void;
  readonly intervalMs: number;
  readonly requestLockAgeMs: number;
}

export class Housekeeping {
  private readonly o: HousekeepingOptions;
  private readonly detectors = new Map<string, LeakDetector>();
  private readonly busy = new Set<string>();
  private timer: Timer | null = null;
  private readonly abort = new AbortController();

  constructor(options: HousekeepingOptions) {
    this.o = options;
    this.arm();
  }

  stop(): void {
    this.timer?.cancel();
    this.abort.abort(new Error('the launcher stops'));
  }

  private arm(): void {
    this.timer = this.o.runtime.setBackgroundTimer(this.o.intervalMs, () => {
      if (this.o.store.synced) this.round();
      this.arm();
    });
  }

  /** Each task is on its own: one that fails or hangs keeps no other from its turn. */
  private round(): void {
    this.task('ages', async () => this.ages());
    this.task('request locks', () => this.o.operations.sweepRequestLocks(this.o.requestLockAgeMs));
    for (const provider of this.o.providers()) this.task(`leaks of ${provider.name}`, () => this.leaks(provider));
  }

  private task(name: string, work: () => Promise<void>): void {
    if (this.busy.has(name)) return;
    this.busy.add(name);
    void work()
      .catch((error: unknown) => {
        if (!this.abort.signal.aborted) this.o.log.warn({ task: name, err: error }, 'A housekeeping task failed');
      })
      .finally(() => this.busy.delete(name));
  }

  private ages(): void {
    const now = this.o.runtime.nowMs();
    const config = this.o.config();
    for (const entry of this.o.store.nodes.all()) {
      const node = entry.node;
      if (!node || isBroken(node) || entry.locked || node.provider === null || !config.providers.has(node.provider))
        continue;
      if (isTooOld(node, now - node.stateTime * 1000, config)) {
        this.o.log.info({ nodeId: node.id, state: node.state }, 'A node has reached its age limit');
        this.o.evict(node.id);
      }
    }
  }

  private async leaks(provider: LeakyProvider): Promise<void> {
    const { name } = provider;
    let detector = this.detectors.get(name);
    if (!detector) this.detectors.set(name, (detector = new LeakDetector(name)));
    const { signal } = this.abort;
    const resources = await provider.listResources(signal);
    for (const leaked of detector.pass(resources, (id) => this.o.store.nodes.get(id) !== undefined)) {
      this.o.log.warn(
        { provider: name, type: leaked.type, id: leaked.id, nodeId: leaked.metadata['nodepool_node_id'] },
        'Removing a leaked resource',
      );
      await provider.deleteResource(leaked, signal);
      this.o.onLeak(name, leaked.type);
    }
  }
}

function isTooOld(node: NodeRecord, ageMs: number, config: NodepoolConfig): boolean {
  if (node.state === 'ready' && node.allocatedTo === null) {
    return node.labels.some((label) => {
      const limit = config.labels.get(label)?.maxReadyAgeMs ?? 0;
      return limit > 0 && ageMs >= limit;
    });
  }
  if (node.state !== 'hold') return false;
  const limits = [(node.holdExpiration ?? 0) * 1000, config.maxHoldAgeMs].filter((limit) => limit > 0);
  return limits.length > 0 && ageMs >= Math.min(...limits);
}
