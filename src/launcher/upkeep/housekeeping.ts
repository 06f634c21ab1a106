/** What time brings: nodes that are too old, lock directories that nobody needs, resources that the clouds leak. */
import { errorText } from '../../base/error-text.ts';
import type { CloudResource, ExternalId, ListedInstance } from '../../driver-kit/contract.ts';
import { LeakDetector } from '../../provider/leaks.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord, NodeState } from '../../records/node.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Store } from '../../store/mirrors/store.ts';

interface LeakyProvider {
  readonly name: string;
  listResources(signal: AbortSignal): Promise<readonly CloudResource[]>;
  deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void>;
  listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]>;
  remove(externalId: ExternalId, options: { timeoutMs: number; signal: AbortSignal }): Promise<void>;
}

const settledStates: readonly NodeState[] = ['ready', 'in-use', 'testing', 'used', 'hold'];
const removalTimeoutMs = 600_000;

export interface HousekeepingDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: () => NodepoolConfig;
  readonly providers: () => Iterable<LeakyProvider>;
  readonly onLeak: (provider: string, type: string) => void;
  readonly evict: (nodeId: string) => void;
}

export interface HousekeepingOptions {
  readonly intervalMs: number;
  readonly requestLockAgeMs: number;
}

/** Deletions of leaked resources of one provider that are under way together. */
const leaksAtOnce = 10;
const longTaskMs = 120_000;

export class Housekeeping {
  private readonly deps: HousekeepingDeps;
  private readonly options: HousekeepingOptions;
  private readonly detectors = new Map<string, LeakDetector>();
  /** Tasks under way, with the monotonic time since when. */
  private readonly busy = new Map<string, number>();
  private readonly failing = new Map<string, { readonly error: unknown; readonly sinceMs: number }>();
  private timer: Timer | null = null;
  private readonly abort = new AbortController();

  constructor(deps: HousekeepingDeps, options: HousekeepingOptions) {
    this.deps = deps;
    this.options = options;
    this.arm();
  }

  stop(): void {
    this.timer?.cancel();
    this.abort.abort(new Error('the launcher stops'));
  }

  *troubles(): Iterable<Trouble> {
    const now = this.deps.runtime.monotonicMs();
    for (const [name, sinceMs] of this.busy) {
      if (now - sinceMs < Math.max(longTaskMs, 2 * this.options.intervalMs)) continue;
      yield {
        key: `housekeeping: ${name} takes long`,
        severity: 'warning',
        what: `housekeeping: ${name} takes long`,
        why: 'a cloud or ZooKeeper does not answer, or there is very much to do',
        sinceMs,
        hint: 'the other tasks go on; see what else is said of the provider',
      };
    }
    for (const [name, { error, sinceMs }] of this.failing) {
      yield {
        key: `housekeeping: ${name} fails`,
        severity: 'warning',
        what: `housekeeping: ${name} fails`,
        why: errorText(error),
        sinceMs,
        hint: 'it is tried again in the next round; the reason says what to mend',
      };
    }
  }

  private arm(): void {
    this.timer = this.deps.runtime.setBackgroundTimer(this.options.intervalMs, () => {
      this.arm();
      if (this.deps.store.synced) this.round();
    });
  }

  /** Each task is on its own: one that fails or hangs keeps no other from its turn. */
  private round(): void {
    this.task('ages', async () => this.ages());
    this.task('request locks', () => this.deps.operations.sweepRequestLocks(this.options.requestLockAgeMs));
    for (const provider of this.deps.providers()) this.task(`leaks of ${provider.name}`, () => this.leaks(provider));
  }

  private task(name: string, work: () => Promise<void>): void {
    if (this.busy.has(name)) return;
    const startedMs = this.deps.runtime.monotonicMs();
    this.busy.set(name, startedMs);
    void work()
      .then(
        () => this.failing.delete(name),
        (error: unknown) => {
          this.failing.set(name, { error, sinceMs: this.failing.get(name)?.sinceMs ?? startedMs });
          if (!this.abort.signal.aborted) this.deps.log.warn({ task: name, err: error }, 'A housekeeping task failed');
        },
      )
      .finally(() => this.busy.delete(name));
  }

  private ages(): void {
    const now = this.deps.runtime.nowMs();
    const config = this.deps.config();
    for (const entry of this.deps.store.nodes.all()) {
      const node = entry.node;
      if (!node || isBroken(node) || entry.locked || node.provider === null || !config.providers.has(node.provider))
        continue;
      if (isTooOld(node, now - node.stateTime * 1000, config)) {
        this.deps.log.info({ nodeId: node.id, state: node.state }, 'A node has reached its age limit');
        this.deps.evict(node.id);
      }
    }
  }

  private async leaks(provider: LeakyProvider): Promise<void> {
    const { name } = provider;
    let detector = this.detectors.get(name);
    if (!detector) this.detectors.set(name, (detector = new LeakDetector(name)));
    const { signal } = this.abort;
    const resources = await provider.listResources(signal);
    const leaks = detector.pass(resources, (id) => this.deps.store.nodes.get(id) !== undefined);
    const surplus = detector.surplus(await provider.listInstances(signal), (id) => this.instanceOf(id));
    const removals = [
      ...leaks.map((leaked) => () => this.removeLeak(provider, leaked)),
      ...surplus.map((instance) => () => this.removeSurplus(provider, instance)),
    ];
    let failure: unknown;
    const next = async () => {
      // One that cannot be deleted, or whose deletion hangs, keeps no other.
      for (let remove = removals.shift(); remove && !signal.aborted; remove = removals.shift()) {
        try {
          await remove();
        } catch (error) {
          failure = error;
        }
      }
    };
    await Promise.all(Array.from({ length: leaksAtOnce }, next));
    if (failure !== undefined) throw failure as Error;
  }

  private async removeLeak(provider: LeakyProvider, { type, id, metadata }: CloudResource): Promise<void> {
    const nodeId = metadata['nodepool_node_id']!;
    // The mirror may be behind: only a direct look proves that the node is gone.
    if (await this.deps.operations.nodeExists(nodeId)) return;
    const fields = { provider: provider.name, type, id, nodeId };
    this.deps.log.warn(fields, 'Removing a leaked resource');
    await provider.deleteResource({ type, id, metadata }, this.abort.signal);
    this.deps.onLeak(provider.name, type);
  }

  private async removeSurplus(provider: LeakyProvider, { externalId, metadata }: ListedInstance): Promise<void> {
    const fields = { provider: provider.name, externalId, nodeId: metadata['nodepool_node_id'] };
    this.deps.log.warn(fields, 'Removing an instance whose node has another one');
    await provider.remove(externalId, { timeoutMs: removalTimeoutMs, signal: this.abort.signal });
    this.deps.onLeak(provider.name, 'instance');
  }

  /** A node that was ready once keeps its instance to its end. */
  private instanceOf(nodeId: string): ExternalId | null {
    const node = this.deps.store.nodes.get(nodeId)?.node;
    if (!node || isBroken(node) || !settledStates.includes(node.state)) return null;
    return node.externalId as ExternalId | null;
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
