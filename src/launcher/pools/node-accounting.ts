/**
 * What the node records add up to, kept incrementally from the mirror: resources in use by provider and by pool, with
 * reservations for nodes that are about to be written, and the stock of free ready nodes by pool and label.
 */
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import { ResourceTotal, type Resources } from '../../base/resources.ts';
import type { StockNode } from '../../scheduling/plan.ts';
import { tenantOf } from '../../scheduling/tenants.ts';
import type { NodeEntry, NodeView } from '../../store/mirrors/store.ts';
import { SortedList } from '../../base/sorted-list.ts';

export interface Reservation {
  /** Idempotent. */
  release(): void;
}

/** Finds what a node takes whose record does not say: its label's need. */
export type NeedOf = (provider: string, pool: string, label: string) => Resources | null;

interface Counted {
  readonly provider: string;
  readonly pool: string;
  readonly tenant: string | null;
  readonly resources: Resources;
}

/** What one pool takes, and its whole provider. */
export interface Use {
  readonly pool: ResourceTotal;
  readonly provider: ResourceTotal;
}

interface Stocked {
  readonly node: StockNode;
  readonly keys: readonly string[];
}

const poolKey = (provider: string, pool: string) => `${provider}\n${pool}`;
const labelKey = (provider: string, pool: string, label: string) => `${provider}\n${pool}\n${label}`;
const byAge = (a: StockNode, b: StockNode) => a.stateTime - b.stateTime || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

export class NodeAccounting {
  private readonly needOf: NeedOf;
  private readonly byProvider = new Map<string, ResourceTotal>();
  private readonly byPool = new Map<string, ResourceTotal>();
  private readonly byTenant = new Map<string, ResourceTotal>();
  private readonly counted = new Map<string, Counted>();
  /** By pool, and by pool and label. */
  private readonly stockLists = new Map<string, SortedList<StockNode>>();
  private readonly stocked = new Map<string, Stocked>();
  /** Stock nodes that a handler of this process has chosen and not yet written. */
  private readonly reserved = new Set<string>();
  private readonly leaving = new Map<string, Set<string>>();
  private readonly leavingFrom = new Map<string, string>();

  /** Nodes of the tenant have gone: it has room for more. */
  private readonly onTenantFreed: (tenant: string) => void;

  constructor(needOf: NeedOf, onTenantFreed: (tenant: string) => void = () => undefined) {
    this.needOf = needOf;
    this.onTenantFreed = onTenantFreed;
  }

  /** Takes in what is there and follows the changes; returns the function that ends it. */
  follow(nodes: NodeView): () => void {
    for (const entry of nodes.all()) this.update(entry.id, undefined, entry);
    return nodes.onChange((id, before, after) => this.update(id, before, after));
  }

  usedByProvider(provider: string): ResourceTotal {
    return total(this.byProvider, provider);
  }

  usedByPool(provider: string, pool: string): ResourceTotal {
    return total(this.byPool, poolKey(provider, pool));
  }

  /** By the records of that node and of all that were made before it. Walks over all nodes. */
  usedUpTo(nodeId: string, provider: string, pool: string): Use {
    const use = { pool: new ResourceTotal(), provider: new ResourceTotal() };
    for (const [id, counted] of this.counted) {
      if (id > nodeId || counted.provider !== provider) continue;
      use.provider.add(counted.resources);
      if (counted.pool === pool) use.pool.add(counted.resources);
    }
    return use;
  }

  /** On all providers, whoever launched them. */
  usedByTenant(tenant: string): ResourceTotal {
    return total(this.byTenant, tenant);
  }

  /** Counts `resources` as used until released. */
  reserve(provider: string, pool: string, resources: Resources): Reservation {
    const counted = { provider, pool, tenant: null, resources };
    this.count(counted, 1);
    return once(() => this.count(counted, -1));
  }

  /** Counts `resources` as the tenant's until released: for nodes that are not yet its own by their documents. */
  reserveForTenant(tenant: string, resources: Resources): Reservation {
    const use = total(this.byTenant, tenant);
    use.add(resources, 1);
    return once(() => {
      use.add(resources, -1);
      this.onTenantFreed(tenant);
    });
  }

  /** Free nodes of the pool with the label, oldest first. */
  *stock(provider: string, pool: string, label: string): Iterable<StockNode> {
    for (const node of this.stockLists.get(labelKey(provider, pool, label)) ?? []) {
      if (!this.reserved.has(node.id)) yield node;
    }
  }

  /** All free nodes of the pool, oldest first. */
  *stockOfPool(provider: string, pool: string): Iterable<StockNode> {
    for (const node of this.stockLists.get(poolKey(provider, pool)) ?? []) {
      if (!this.reserved.has(node.id)) yield node;
    }
  }

  /** Nodes of the pool that are on their way out: their resources come free without further action. */
  leavingCount(provider: string, pool: string): number {
    return this.leaving.get(poolKey(provider, pool))?.size ?? 0;
  }

  /** It is there, and not on its way out yet. */
  isStaying(provider: string, pool: string, nodeId: string): boolean {
    return this.counted.has(nodeId) && this.leaving.get(poolKey(provider, pool))?.has(nodeId) !== true;
  }

  /** Keeps the stock node from being chosen again. */
  reserveStock(nodeId: string): Reservation {
    this.reserved.add(nodeId);
    return once(() => this.reserved.delete(nodeId));
  }

  private update(id: string, before: NodeEntry | undefined, entry: NodeEntry | undefined): void {
    const isSame = before?.node === entry?.node;
    if (isSame && before?.locked === entry?.locked) return;
    const node = entry?.node && !isBroken(entry.node) ? entry.node : null;
    if (!isSame) this.updateUse(id, node);
    this.updateStock(id, entry, node);
    if (!isSame) this.updateLeaving(id, node);
  }

  private updateUse(id: string, node: NodeRecord | null): void {
    const before = this.counted.get(id);
    const now = node ? this.useOf(node) : null;
    if (before && now && sameUse(before, now)) return;
    if (before) this.count(before, -1);
    if (now) {
      this.count(now, 1);
      this.counted.set(id, now);
    } else this.counted.delete(id);
  }

  private useOf(node: NodeRecord): Counted | null {
    if (node.provider === null || node.pool === null) return null;
    const resources = node.resources ?? this.needOf(node.provider, node.pool, node.labels[0] ?? '') ?? { instances: 1 };
    return { provider: node.provider, pool: node.pool, tenant: tenantOf(node), resources };
  }

  private count(counted: Counted, sign: 1 | -1): void {
    total(this.byProvider, counted.provider).add(counted.resources, sign);
    total(this.byPool, poolKey(counted.provider, counted.pool)).add(counted.resources, sign);
    if (counted.tenant === null) return;
    total(this.byTenant, counted.tenant).add(counted.resources, sign);
    if (sign < 0) this.onTenantFreed(counted.tenant);
  }

  private updateStock(id: string, entry: NodeEntry | undefined, node: NodeRecord | null): void {
    const before = this.stocked.get(id);
    const isStock =
      node !== null && entry !== undefined && node.state === 'ready' && node.allocatedTo === null && !entry.locked;
    if (before) {
      for (const key of before.keys) this.stockLists.get(key)?.remove(before.node);
      this.stocked.delete(id);
    }
    if (!isStock || node.provider === null || node.pool === null) return;
    const { provider, pool } = node;
    const stock: StockNode = {
      id,
      az: node.az,
      stateTime: node.stateTime,
      hostname: node.slot === null ? null : node.hostname,
    };
    const keys = [poolKey(provider, pool), ...[...new Set(node.labels)].map((l) => labelKey(provider, pool, l))];
    for (const key of keys) {
      let list = this.stockLists.get(key);
      if (!list) this.stockLists.set(key, (list = new SortedList(byAge)));
      list.insert(stock);
    }
    this.stocked.set(id, { node: stock, keys });
  }

  private updateLeaving(id: string, node: NodeRecord | null): void {
    const before = this.leavingFrom.get(id);
    if (before !== undefined) this.leaving.get(before)?.delete(id);
    this.leavingFrom.delete(id);
    if (node === null || node.provider === null || node.pool === null) return;
    if (!['used', 'deleting', 'deleted', 'failed', 'aborted'].includes(node.state)) return;
    const key = poolKey(node.provider, node.pool);
    let ids = this.leaving.get(key);
    if (!ids) this.leaving.set(key, (ids = new Set()));
    ids.add(id);
    this.leavingFrom.set(id, key);
  }
}

/** Each reading of a document makes new objects. */
function sameUse(a: Counted, b: Counted): boolean {
  return (
    a.provider === b.provider && a.pool === b.pool && a.tenant === b.tenant && sameResources(a.resources, b.resources)
  );
}

function sameResources(a: Resources, b: Resources): boolean {
  if (a === b) return true;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function once(release: () => void): Reservation {
  let open = true;
  return {
    release: () => {
      if (open) release();
      open = false;
    },
  };
}

function total(map: Map<string, ResourceTotal>, key: string): ResourceTotal {
  let found = map.get(key);
  if (!found) map.set(key, (found = new ResourceTotal()));
  return found;
}
