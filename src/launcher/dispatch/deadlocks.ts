/**
 * Requests for several nodes that wait for the last ones of each other, here or in other launchers, would do so for ever.
 * Where nothing moves any more in a pool or at a provider, the last in order of those that have part of their nodes gives
 * them back, and waits until those before it have ended.
 */
import type { Logger } from '../../base/logger.ts';
import { isBroken } from '../../records/broken.ts';
import { compareRequests, type RequestRecord } from '../../records/request.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Waiting } from '../../scheduling/plan.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { ServedPool, ServedRequest } from '../pools/served-pool.ts';

export interface DeadlocksDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly pools: () => Iterable<ServedPool>;
  /** Somebody need not stand back any longer. */
  readonly onOver: () => void;
}

const lookMs = 2500;
/** What has not changed for so many looks does not move. */
const patienceLooks = 4;
/** After that many others than the last one stand back too: it may be a launcher that knows nothing of this. */
const longPatienceLooks = 12;
const standBackMs = 60_000;

/** The nodes that compete for what a request waits for. */
interface Scope {
  readonly provider: string;
  /** null: all of the provider. */
  readonly pool: string | null;
}

interface Still {
  readonly state: string;
  readonly looks: number;
}

export class Deadlocks {
  private readonly deps: DeadlocksDeps;
  /** What did not move at the last look, by the waiting request. */
  private readonly still = new Map<string, Still>();
  private timer: Timer | null = null;

  constructor(deps: DeadlocksDeps) {
    this.deps = deps;
  }

  start(): void {
    this.timer = this.deps.runtime.setBackgroundTimer(lookMs, () => {
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.timer?.cancel();
  }

  private look(): void {
    const seen = new Set<string>();
    for (const pool of this.deps.pools()) {
      for (const handler of [...pool.waiting]) {
        const { waiting } = handler;
        if (handler.standsBack && !handler.mustStandBack()) this.deps.onOver();
        if (!waiting || !handler.isStuck || !this.deps.store.synced) continue;
        seen.add(handler.id);
        this.consider(pool, handler, scopeOf(pool, waiting));
      }
    }
    for (const id of this.still.keys()) if (!seen.has(id)) this.still.delete(id);
  }

  private consider(pool: ServedPool, handler: ServedRequest, scope: Scope): void {
    const state = this.stateOf(scope);
    const before = this.still.get(handler.id);
    const looks = state !== null && before?.state === state ? before.looks + 1 : 0;
    this.still.set(handler.id, { state: state ?? '', looks });
    if (looks < patienceLooks) return;
    const rivals = this.rivals(pool, handler, scope);
    const earlier = rivals.filter((rival) => compareRequests(rival, handler.request) < 0);
    if (earlier.length === 0) return;
    const isLast = rivals.every((rival) => earlier.includes(rival) || !this.hasNodes(rival.id, scope));
    if (!isLast && looks < longPatienceLooks) return;
    this.still.delete(handler.id);
    const ids = earlier.map(({ id }) => id);
    this.deps.log.info(
      { requestId: handler.id, pool: pool.id, earlier: ids },
      'A request stands back behind earlier ones',
    );
    handler.standBack(ids, standBackMs);
  }

  /** Equal states at two times: nothing has happened in between. null: something will, for a node is on its way. */
  private stateOf(scope: Scope): string | null {
    const { nodes } = this.deps.store;
    let count = 0;
    let sum = 0;
    for (const id of nodes.byProvider(scope.provider)) {
      const entry = nodes.get(id);
      if (!entry?.node || isBroken(entry.node)) continue;
      if (scope.pool !== null && entry.node.pool !== scope.pool) continue;
      if (entry.node.state === 'init' || entry.node.state === 'building') return null;
      count++;
      sum += Number(id) + 7 * entry.version + 13 * entry.contenders.size;
    }
    return `${count} ${sum}`;
  }

  /** Other requests under way that may want the same. */
  private rivals(pool: ServedPool, handler: ServedRequest, scope: Scope): RequestRecord[] {
    const { store } = this.deps;
    const pools =
      scope.pool !== null ? [pool] : [...this.deps.pools()].filter((p) => p.providerName === scope.provider);
    const found: RequestRecord[] = [];
    for (const id of store.requests.byState('pending')) {
      const request = store.requests.get(id)?.request;
      if (!request || isBroken(request) || id === handler.id) continue;
      const fits = pools.some((one) => request.nodeTypes.every((label) => one.labelConfig(label) !== undefined));
      if (fits && !this.isElsewhere(id, scope)) found.push(request);
    }
    return found;
  }

  private isElsewhere(requestId: string, scope: Scope): boolean {
    return [...this.deps.store.nodes.byAllocatedTo(requestId)].some((id) => !this.isIn(id, scope));
  }

  private hasNodes(requestId: string, scope: Scope): boolean {
    return [...this.deps.store.nodes.byAllocatedTo(requestId)].some((id) => this.isIn(id, scope));
  }

  private isIn(nodeId: string, scope: Scope): boolean {
    const node = this.deps.store.nodes.get(nodeId)?.node;
    if (!node || isBroken(node)) return false;
    return node.provider === scope.provider && (scope.pool === null || node.pool === scope.pool);
  }
}

function scopeOf(pool: ServedPool, waiting: Waiting): Scope {
  return { provider: pool.providerName, pool: waiting.scope === 'pool' ? pool.poolName : null };
}
