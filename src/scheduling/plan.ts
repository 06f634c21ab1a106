/**
 * How a pool would fill the open labels of a request right now: a node of the stock, a launch, or waiting, each with the
 * reason. Pure; the launcher reserves and carries out what it says.
 */
import type { Avoided } from './capacity-memory.ts';
import { plus, type ResourceTotal, type Resources, type Shortage, shortage } from '../base/resources.ts';

export interface StockNode {
  readonly id: string;
  readonly az: string | null;
  readonly stateTime: number;
  /** Name of the machine behind it where several nodes may share one (inventories). */
  readonly hostname: string | null;
}

export interface PlanPool {
  /** False for inventories: nothing is launched, a request is served whole or not at all. */
  readonly launches: boolean;
  readonly limits: Resources;
  readonly used: ResourceTotal;
  /** null: not known; the plan then waits. */
  readonly providerLimits: Resources | null;
  readonly providerUsed: ResourceTotal;
  need(label: string): Resources | null;
  /** Launches that may be begun beside those under way (max-concurrency); Infinity: no limit. */
  readonly launchesLeft: number;
  /** Why the cloud should not be asked for such a node just now; null: it can be. */
  refusedLately(label: string): Pick<Avoided, 'kind' | 'reason'> | null;
  /** Unallocated, unlocked, not reserved nodes of this pool with the label, oldest first. */
  stock(label: string): Iterable<StockNode>;
}

export type PlannedSlot =
  | { readonly kind: 'stock'; readonly label: string; readonly nodeId: string; readonly az: string | null }
  | { readonly kind: 'launch'; readonly label: string; readonly need: Resources }
  | { readonly kind: 'wait'; readonly label: string };

/**
 * What a label waits for, and with whom it competes for it:
 * `resource`: the pool's or the provider's quota of that name · `quota`: that the provider's quota becomes known ·
 * `turn`: the end of one of the provider's launches · `refused`: the cloud, which has refused such a node just now ·
 * `host`: a free host of an inventory.
 */
export type WaitKind = 'resource' | 'quota' | 'turn' | 'refused' | 'host';

export interface Waiting {
  readonly kind: WaitKind;
  /** Of kind `resource`: its name; else ''. */
  readonly resource: string;
  /** Of kind `resource`: whose limit is reached. `provider` for kind `refused` too, where the cloud has spoken of its quota. */
  readonly scope?: 'pool' | 'provider';
  /** In words. */
  readonly reason: string;
}

export interface Plan {
  readonly slots: readonly PlannedSlot[];
  /** Set when a slot waits: what the first one of them waits for. */
  readonly waiting: Waiting | null;
}

export interface PlanOptions {
  readonly reuse: boolean;
  /** Zone that the request is bound to already; undefined: none yet. */
  readonly az?: string | null | undefined;
}

export function plan(labels: readonly string[], pool: PlanPool, options: PlanOptions): Plan {
  const slots: PlannedSlot[] = [];
  const taken = new Set<string>();
  const hosts = new Set<string>();
  let az = options.az;
  let launching: Resources = {};
  let launches = 0;
  let waiting: Waiting | null = null;

  for (const label of labels) {
    const node = options.reuse || !pool.launches ? pick(pool.stock(label), taken, hosts, az) : undefined;
    if (node) {
      taken.add(node.id);
      if (node.hostname !== null) hosts.add(node.hostname);
      if (az === undefined && node.az !== null) az = node.az;
      slots.push({ kind: 'stock', label, nodeId: node.id, az: node.az });
      continue;
    }
    // Once something has to wait, later labels wait too: requests are filled in order.
    waiting ??= whyNotLaunch(label, pool, launching, launches);
    if (waiting !== null) {
      slots.push({ kind: 'wait', label });
      continue;
    }
    const need = pool.need(label) ?? {};
    launching = plus(launching, need);
    launches++;
    slots.push({ kind: 'launch', label, need });
  }
  if (waiting !== null && !pool.launches) return matchWhole(labels, pool) ?? { slots, waiting };
  return { slots, waiting };
}

/**
 * A host often has several labels: what was taken for the first label of a request may be the only one for its last. Tries
 * all ways (augmenting paths) to give each label a node of its own.
 */
function matchWhole(labels: readonly string[], pool: PlanPool): Plan | null {
  // More choices for a label than there are labels can never be needed.
  const choices = labels.map((label) => firstOf(pool.stock(label), labels.length));
  const ownerOf = new Map<string, { readonly index: number; readonly node: StockNode }>();
  const place = (index: number, tried: Set<string>): boolean => {
    for (const node of choices[index]!) {
      if (tried.has(node.id)) continue;
      tried.add(node.id);
      const owner = ownerOf.get(node.id);
      if (owner && !place(owner.index, tried)) continue;
      ownerOf.set(node.id, { index, node });
      return true;
    }
    return false;
  };
  if (!labels.every((_, index) => place(index, new Set()))) return null;
  const slots: PlannedSlot[] = [];
  for (const { index, node } of ownerOf.values()) {
    slots[index] = { kind: 'stock', label: labels[index]!, nodeId: node.id, az: node.az };
  }
  return { slots, waiting: null };
}

function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= count) break;
    first.push(item);
  }
  return first;
}

/** Oldest first, but a host that this request uses already comes last. */
function pick(
  stock: Iterable<StockNode>,
  taken: ReadonlySet<string>,
  hosts: ReadonlySet<string>,
  az: string | null | undefined,
): StockNode | undefined {
  let second: StockNode | undefined;
  for (const node of stock) {
    if (taken.has(node.id)) continue;
    if (az !== undefined && az !== null && node.az !== null && node.az !== az) continue;
    if (node.hostname === null || !hosts.has(node.hostname)) return node;
    second ??= node;
  }
  return second;
}

function whyNotLaunch(label: string, pool: PlanPool, launching: Resources, launches: number): Waiting | null {
  if (!pool.launches) return { kind: 'host', resource: '', reason: `no free host with label ${label}` };
  const need = pool.need(label);
  if (need === null || pool.providerLimits === null)
    return { kind: 'quota', resource: '', reason: "the provider's quota is not known yet" };
  const wanted = plus(launching, need);
  const inPool = shortage(pool.limits, pool.used, wanted);
  if (inPool) return waitingForRoom('pool', inPool);
  const inCloud = shortage(pool.providerLimits, pool.providerUsed, wanted);
  if (inCloud) return waitingForRoom('provider', inCloud);
  const refused = pool.refusedLately(label);
  if (refused !== null) {
    const scope = refused.kind === 'quota' ? ({ scope: 'provider' } as const) : {};
    return { kind: 'refused', resource: '', reason: refused.reason, ...scope };
  }
  if (launches >= pool.launchesLeft)
    return { kind: 'turn', resource: '', reason: 'the provider makes as many nodes at once as max-concurrency allows' };
  return null;
}

/** Would a request with this plan take away what another one, with these open labels, waits for? */
export function competes(made: Plan, pool: PlanPool, waiting: Waiting, openLabels: readonly string[]): boolean {
  // Hosts often have several labels: any may be what the other one needs.
  if (waiting.kind === 'host') return true;
  return made.slots.some((slot) => {
    if (slot.kind === 'stock') return openLabels.includes(slot.label);
    if (waiting.kind !== 'resource') return waiting.kind !== 'refused' || openLabels.includes(slot.label);
    return (pool.need(slot.label)?.[waiting.resource] ?? 0) > 0;
  });
}

/** Is it something that all pools of a provider have together? */
export function concernsProvider({ kind, scope }: Waiting): boolean {
  return kind === 'turn' || scope === 'provider';
}

export function waitingForRoom(scope: 'pool' | 'provider', short: Shortage): Waiting {
  const where = scope === 'pool' ? 'the pool is full' : "the provider's quota is used up";
  const { used, limit, resource, needed } = short;
  return {
    kind: 'resource',
    resource,
    scope,
    reason: `${where}: ${used} of ${limit} ${resource} in use, ${needed} more needed`,
  };
}

/** Who asks for the nodes of `min-ready`. */
export const minReadyRequestor = 'NodePool:min-ready';

/** For want of capacity, which a request of min-ready does not wait for. */
export function isFull(plan: Plan): boolean {
  return plan.waiting !== null && plan.waiting.kind !== 'turn';
}
