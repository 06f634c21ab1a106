/**
 * Which pool of this launcher takes a request now, if any: the one that can serve it whole, or else one where it may wait,
 * unless that would take what somebody waits for. One for each pass over the queue, which is shown in order.
 */
import type { RequestRecord } from '../../records/request.ts';
import type { Plan } from '../../scheduling/plan.ts';
import type { LaunchContext } from '../serving/launch-context.ts';
import type { ServedPool } from '../pools/served-pool.ts';

export interface Choice {
  readonly pool: ServedPool;
  readonly plan: Plan;
}

/** So long a request waits for enough hosts to be free by themselves; then those behind it leave it what becomes free. */
const hostPatienceMs = 60_000;

export class PoolChoice {
  private readonly context: LaunchContext;
  private readonly nowMs: number;
  /** Requests that have waited long for hosts. They hold none meanwhile, but those behind them do not get any of theirs. */
  private readonly missingHosts: { readonly pool: ServedPool; readonly labels: readonly string[] }[] = [];

  constructor(context: LaunchContext, nowMs: number) {
    this.context = context;
    this.nowMs = nowMs;
  }

  /** The pool that can serve it whole, stock first; else the first one where it may wait. */
  choose(request: RequestRecord, pools: readonly ServedPool[]): Choice | null {
    let best: (Choice & { stock: number }) | null = null;
    let waiting: Choice | null = null;
    const missingHosts: ServedPool[] = [];
    for (const pool of pools) {
      // Where nothing is launched, each request counts as one launch.
      if (!pool.launches && pool.launchesLeft <= 0) continue;
      const made = this.context.plan(pool, request.nodeTypes, request, undefined);
      if (made.waiting?.kind === 'host') missingHosts.push(pool);
      if (pool.isKeptBack(made) || this.takesHosts(pool, made)) continue;
      if (made.waiting) {
        if (mayWait(made)) waiting ??= { pool, plan: made };
        continue;
      }
      const stock = made.slots.filter((slot) => slot.kind === 'stock').length;
      if (!best || stock > best.stock) best = { pool, plan: made, stock };
    }
    const waitedMs = this.nowMs - (request.createdTime ?? 0) * 1000;
    if (!best && !waiting && waitedMs > hostPatienceMs) {
      for (const pool of missingHosts) this.missingHosts.push({ pool, labels: request.nodeTypes });
    }
    return best ?? waiting;
  }

  /** Would it take a host that a request before it needs? */
  private takesHosts(pool: ServedPool, { slots }: Plan): boolean {
    if (pool.launches) return false;
    const taken = new Set(slots.flatMap((slot) => (slot.kind === 'stock' ? [slot.nodeId] : [])));
    return this.missingHosts.some(
      (missing) =>
        missing.pool === pool && missing.labels.some((label) => [...pool.stock(label)].some(({ id }) => taken.has(id))),
    );
  }
}

/** Accepted although not everything is there: for capacity, or when max-concurrency lets it begin at least. */
function mayWait({ waiting, slots }: Plan): boolean {
  switch (waiting?.kind) {
    case 'resource':
    case 'quota':
      return true;
    case 'turn':
      return slots.some((slot) => slot.kind !== 'wait');
    default:
      return false;
  }
}
