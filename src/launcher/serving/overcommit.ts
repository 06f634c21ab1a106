/**
 * Launchers that share a provider decide without asking one another. What they have decided beyond a limit is taken back
 * before the cloud hears of it: of the nodes made for one pool or provider those made first go first, whoever made them.
 */
import type { Resources } from '../../base/resources.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { type Waiting, waitingForRoom } from '../../scheduling/plan.ts';
import type { HeldNode } from '../../store/transactions/operations.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { NodeAccounting, Use } from '../pools/node-accounting.ts';
import type { ServedPool } from '../pools/served-pool.ts';

const retryMs = 100;
/** Going over a limit for once is better than never launching. */
const mostTries = 50;

type Launch = Pick<HeldNode, 'id' | 'node' | 'held'>;

export class Overcommit {
  private readonly store: Store;
  private readonly accounting: NodeAccounting;
  private readonly runtime: Runtime;

  constructor(store: Store, accounting: NodeAccounting, runtime: Runtime) {
    this.store = store;
    this.accounting = accounting;
    this.runtime = runtime;
  }

  /** What the new node has to wait for, whose record is written; null: its instance may be made. */
  async check(pool: ServedPool, launch: Launch, signal: AbortSignal): Promise<Waiting | null> {
    const need = launch.node.resources;
    if (need === null || !pool.launches) return null;
    const all = { pool: pool.used, provider: pool.providerUsed };
    // One launcher alone never comes further than here: it counts what it decides upon at once.
    if (!beyond(pool, all, need, this.unknown(pool, launch.id, need))) return null;
    if (!(await this.catchUp(launch, signal))) return null;
    return beyond(pool, this.accounting.usedUpTo(launch.id, pool.providerName, pool.poolName), need, {});
  }

  /**
   * What at most is taken by earlier nodes of which only the names are known. Their names are: ZooKeeper tells each change
   * before it answers a later write.
   */
  private unknown(pool: ServedPool, nodeId: string, need: Resources): Resources {
    const { nodes } = this.store;
    let count = 0;
    for (const path of nodes.mirror.announced()) if (path < nodeId && !nodes.get(path)?.node) count++;
    if (count === 0 && nodes.mirror.synced) return {};
    const most: Record<string, number> = {};
    for (const resource of Object.keys(need)) {
      let largest = 0;
      for (const label of pool.config.labels.keys()) largest = Math.max(largest, pool.need(label)?.[resource] ?? 0);
      most[resource] = nodes.mirror.synced ? largest * count : Number.POSITIVE_INFINITY;
    }
    return most;
  }

  /** False when the launch is not ours any more. */
  private async catchUp(launch: Launch, signal: AbortSignal): Promise<boolean> {
    const { mirror } = this.store.nodes;
    for (let tries = 0; tries < mostTries && launch.held && !signal.aborted; tries++) {
      if (await mirror.catchUp().catch(() => false)) break;
      await sleep(this.runtime, retryMs, signal).catch(() => undefined);
    }
    return launch.held && !signal.aborted;
  }
}

/** `used` has the need in it already, but not what there may be `more`. */
function beyond(pool: ServedPool, used: Use, need: Resources, more: Resources): Waiting | null {
  for (const scope of ['pool', 'provider'] as const) {
    const limits = scope === 'pool' ? pool.limits : (pool.providerLimits ?? {});
    for (const [resource, needed] of Object.entries(need)) {
      const limit = limits[resource];
      const all = used[scope].get(resource);
      if (limit === undefined || needed <= 0 || all + (more[resource] ?? 0) <= limit) continue;
      return waitingForRoom(scope, { resource, limit, used: all - needed, needed });
    }
  }
  return null;
}
