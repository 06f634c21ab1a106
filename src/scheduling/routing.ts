/**
 * Which pool should take a request: a pure function of the request, the registered pools of all launchers and one pool
 * of ours. Rules and their order: the launcher's specification, "Assignment" tests 1 to 8. Every answer carries its reason.
 */
import type { RequestRecord } from '../records/request.ts';
import { plus, type Resources, shortage } from '../base/resources.ts';

/** A pool as the component registry shows it, whoever runs it. */
export interface RegisteredPool {
  readonly id: string;
  readonly providerName: string;
  /** As the configuration names it. */
  readonly name: string;
  readonly priority: number;
  readonly paused: boolean;
  readonly labels: ReadonlySet<string>;
}

/** What is known of one label in one pool of ours. */
export interface LabelStatus {
  /** null: not known yet. */
  readonly available: boolean | null;
  /** Why it is not available. */
  readonly reason: string;
  /** What one node takes; null: not known yet. */
  readonly need: Resources | null;
}

export interface RoutingPool {
  readonly id: string;
  readonly providerName: string;
  readonly poolName: string;
  readonly priority: number;
  /** `max-concurrency: 0`: touches nothing. */
  readonly takesNothing: boolean;
  /** `max-servers` of 0 or less: declines everything. */
  readonly disabled: boolean;
  readonly limits: Resources;
  /** Total limits of the account less what others use there; null: not known yet; {} where the pool ignores them. */
  readonly providerLimits: Resources | null;
  label(name: string): LabelStatus | undefined;
  /** For inventories: how many slots could ever serve the label; null where nodes are launched. */
  slotsEver(name: string): number | null;
}

export type Routing =
  | { readonly kind: 'ignore'; readonly reason: string }
  | { readonly kind: 'yield'; readonly reason: string }
  | { readonly kind: 'defer'; readonly reason: string }
  | { readonly kind: 'decline'; readonly reason: string }
  | { readonly kind: 'eligible'; readonly reason: string };

/** Registered pools that could still serve the request. */
export function candidates(request: RequestRecord, registry: Iterable<RegisteredPool>): RegisteredPool[] {
  const found: RegisteredPool[] = [];
  for (const pool of registry) {
    if (request.declinedBy.includes(pool.id)) continue;
    if (request.nodeTypes.every((label) => pool.labels.has(label))) found.push(pool);
  }
  return found;
}

export function route(request: RequestRecord, pool: RoutingPool, possible: readonly RegisteredPool[]): Routing {
  if (request.state !== 'requested') return { kind: 'ignore', reason: `the request is ${request.state}` };
  if (request.declinedBy.includes(pool.id)) return { kind: 'ignore', reason: 'this pool has declined it already' };
  if (pool.takesNothing) return { kind: 'ignore', reason: 'max-concurrency is 0: the provider takes no requests' };

  const wish = request.provider;
  if (wish !== null && wish !== pool.providerName && possible.some((p) => p.providerName === wish)) {
    return { kind: 'yield', reason: `the request prefers provider ${wish}, which can serve it` };
  }
  // One of another provider than the preferred one yields to this pool: yielding to it would leave the request to nobody.
  const better = possible.find(
    (p) =>
      p.id !== pool.id &&
      p.priority < pool.priority &&
      !p.paused &&
      (wish !== pool.providerName || p.providerName === wish),
  );
  if (better) {
    return {
      kind: 'yield',
      reason: `a pool of provider ${better.providerName} with priority ${better.priority} goes before this one (${pool.priority})`,
    };
  }
  const missing = request.nodeTypes.find((label) => pool.label(label) === undefined);
  if (missing !== undefined && possible.length > 0) {
    return { kind: 'yield', reason: `label ${missing} is not in this pool, but another pool has all labels` };
  }
  return declineOrDefer(request, pool) ?? { kind: 'eligible', reason: 'this pool can serve it' };
}

/** The reasons for which a pool declines, and what it does not know yet. null: nothing is in the way. */
function declineOrDefer(request: RequestRecord, pool: RoutingPool): Routing | null {
  if (pool.disabled) return { kind: 'decline', reason: 'the pool is disabled (max-servers is 0)' };
  let total: Resources = {};
  const wanted = new Map<string, number>();
  for (const name of request.nodeTypes) {
    const label = pool.label(name);
    if (!label) return { kind: 'decline', reason: `label ${name} is not available in this pool` };
    if (label.available === false) return { kind: 'decline', reason: label.reason };
    wanted.set(name, (wanted.get(name) ?? 0) + 1);
    if (label.available === null || label.need === null) {
      return { kind: 'defer', reason: `the provider has not answered yet what label ${name} needs` };
    }
    total = plus(total, label.need);
  }
  for (const [name, count] of wanted) {
    const slots = pool.slotsEver(name);
    if (slots !== null && slots < count) {
      return {
        kind: 'decline',
        reason: `the request needs ${count} hosts with label ${name}, ${slots} are configured`,
      };
    }
  }
  const inPool = shortage(pool.limits, {}, total);
  if (inPool) {
    return {
      kind: 'decline',
      reason: `it would exceed the pool's quota: ${inPool.needed} ${inPool.resource} of at most ${inPool.limit}`,
    };
  }
  if (pool.providerLimits === null) return { kind: 'defer', reason: "the provider's quota is not known yet" };
  const inCloud = shortage(pool.providerLimits, {}, total);
  if (inCloud) {
    return {
      kind: 'decline',
      reason: `it would exceed the provider's quota: ${inCloud.needed} ${inCloud.resource} of at most ${inCloud.limit}`,
    };
  }
  return null;
}

/** Why the pool can never serve the request as things stand; null when it can, or when that is not known yet. */
export function refusal(request: RequestRecord, pool: RoutingPool): string | null {
  const routing = declineOrDefer(request, pool);
  return routing?.kind === 'decline' ? routing.reason : null;
}

/** After this pool has declined: failed when no registered pool is left that has not, else requested again. */
export function stateAfterDecline(
  declinedBy: readonly string[],
  registry: Iterable<RegisteredPool>,
): 'failed' | 'requested' {
  for (const pool of registry) if (!declinedBy.includes(pool.id)) return 'requested';
  return 'failed';
}
