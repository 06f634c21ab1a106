/**
 * Keeps the nodes of an inventory (static hosts) registered: one ready node a slot, re-registered as soon as the last user's
 * node is gone. One owner a provider: reconciled host by host, never two runs of one host at once.
 */
import type { InventoryHost } from '../provider/adapter.ts';
import type { Logger } from '../provider/logger.ts';
import { isBroken } from '../records/broken.ts';
import type { NodeFields, NodeRecord } from '../records/node.ts';
import type { Runtime } from '../runtime.ts';
import type { Operations } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { ProviderPort } from './ports.ts';

export interface InventoryOptions {
  readonly provider: ProviderPort;
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Pause between looks at a host whose slots are not all registered. */
  readonly retryMs: number;
  /** Has a free node removed. */
  readonly evict: (nodeId: string) => void;
}

type Identity = Pick<InventoryHost, 'name' | 'username' | 'connectionPort'>;

const keyOf = (h: Identity) => `${h.name}\n${h.username ?? ''}\n${h.connectionPort}`;
const keyOfNode = (n: NodeRecord) => `${n.hostname ?? ''}\n${n.username ?? ''}\n${String(n.connectionPort)}`;

export class InventoryReconciler {
  private readonly o: InventoryOptions;
  private readonly hosts: ReadonlyMap<string, InventoryHost>;
  private readonly queue: KeyedQueue;
  private readonly abort = new AbortController();
  /** Last problem of each host, so that it is logged once. */
  private readonly problems = new Map<string, string>();
  private readonly unfollow: (() => void)[];

  constructor(options: InventoryOptions) {
    this.o = options;
    this.hosts = new Map((options.provider.inventory?.hosts ?? []).map((host) => [keyOf(host), host]));
    this.queue = new KeyedQueue({
      name: `inventory of ${options.provider.name}`,
      runtime: options.runtime,
      log: options.log,
      concurrency: 100,
      work: (key) => this.reconcile(key),
    });
    const { store } = options;
    this.unfollow = [
      store.nodes.onChange((_id, before, after) => {
        const node = before?.node;
        if (!after && node && !isBroken(node) && node.provider === options.provider.name)
          this.queue.add(keyOfNode(node));
      }),
      store.onSync(() => this.resync()),
    ];
    this.resync();
    this.dropUnconfigured();
  }

  resync(): void {
    for (const key of this.hosts.keys()) this.queue.add(key);
  }

  /** Why slots of hosts are missing, a line a host. */
  problemList(): string[] {
    return [...this.problems].map(([key, problem]) => `${key.replaceAll('\n', ' ')}: ${problem}`);
  }

  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    this.abort.abort(new Error('the inventory stops'));
    await this.queue.stop();
  }

  private nodes(): NodeRecord[] {
    return [...this.o.store.nodes.byProvider(this.o.provider.name)].flatMap((id) => {
      const node = this.o.store.nodes.get(id)?.node;
      return node && !isBroken(node) ? [node] : [];
    });
  }

  private dropUnconfigured(): void {
    for (const node of this.nodes()) {
      if (this.hosts.has(keyOfNode(node)) || !isStock(node)) continue;
      this.o.log.info({ nodeId: node.id, host: node.hostname }, 'A host has left the configuration');
      this.o.evict(node.id);
    }
  }

  private async reconcile(key: string): Promise<number | undefined> {
    const host = this.hosts.get(key);
    if (!host || !this.o.store.synced || this.abort.signal.aborted) return undefined;
    const slots = this.assign(
      host,
      this.nodes().filter((node) => keyOfNode(node) === key),
    );
    const stock = slots.filter((node): node is NodeRecord => node !== undefined && isStock(node));
    const missing = Array.from({ length: host.slots }, (_, slot) => slot).filter((slot) => slots[slot] === undefined);
    const outdated = stock.some((node) => this.differs(node, host));
    if (missing.length === 0 && !outdated) return undefined;
    try {
      const found = await this.o.provider.inventory!.check(host, this.abort.signal);
      this.problems.delete(key);
      for (const slot of missing)
        await this.o.operations.registerNode({ ...this.fields(host, found), state: 'ready', slot });
      if (outdated) for (const node of stock) await this.update(node, host, this.fields(host, found));
      return undefined;
    } catch (error) {
      if (this.abort.signal.aborted) return undefined;
      const problem = error instanceof Error ? error.message : String(error);
      if (this.problems.get(key) !== problem) {
        this.o.log.warn(
          { provider: this.o.provider.name, host: host.name, port: host.connectionPort, problem },
          'A host cannot be registered',
        );
      }
      this.problems.set(key, problem);
      // Nobody can use a host that is not there.
      for (const node of stock) this.o.evict(node.id);
      return this.o.retryMs;
    }
  }

  /** Nodes by slot; nodes without a slot of their own take free ones, what is too many and free goes. */
  private assign(host: InventoryHost, nodes: readonly NodeRecord[]): (NodeRecord | undefined)[] {
    const slots: (NodeRecord | undefined)[] = [];
    const rest: NodeRecord[] = [];
    for (const node of [...nodes].sort((a, b) => Number(isStock(a)) - Number(isStock(b)) || (a.id < b.id ? -1 : 1))) {
      if (node.slot !== null && node.slot < host.slots && slots[node.slot] === undefined) slots[node.slot] = node;
      else rest.push(node);
    }
    for (const node of rest) {
      const free =
        node.slot === null
          ? Array.from({ length: host.slots }, (_, i) => i).find((i) => slots[i] === undefined)
          : undefined;
      if (free !== undefined) slots[free] = node;
      else if (isStock(node)) this.o.evict(node.id);
    }
    return slots;
  }

  private fields(
    host: InventoryHost,
    found: { hostKeys: readonly string[]; publicIpv4: string | null; publicIpv6: string | null },
  ): NodeFields {
    return {
      provider: this.o.provider.name,
      pool: host.poolName,
      launcher: 'static driver',
      labels: host.labels,
      externalId: host.name,
      hostname: host.name,
      interfaceIp: host.name,
      username: host.username,
      connectionPort: host.connectionPort,
      connectionType: host.connectionType,
      pythonPath: host.pythonPath,
      shellType: host.shellType,
      publicIpv4: found.publicIpv4,
      publicIpv6: found.publicIpv6,
      hostKeys: found.hostKeys,
      attributes: host.nodeAttributes,
      nodeProperties: {},
      resources: { instances: 1, cores: 0, ram: 0 },
    };
  }

  private differs(node: NodeRecord, host: InventoryHost): boolean {
    const seen = [node.labels, node.connectionType, node.pythonPath, node.shellType, node.pool, node.attributes];
    const wanted = [
      host.labels,
      host.connectionType,
      host.pythonPath,
      host.shellType,
      host.poolName,
      host.nodeAttributes,
    ];
    return JSON.stringify(seen) !== JSON.stringify(wanted);
  }

  private async update(seen: NodeRecord, host: InventoryHost, fields: NodeFields): Promise<void> {
    if (!this.differs(seen, host)) return;
    const locked = await this.o.operations.lockNode(seen.id, { expect: isStock });
    if (!locked.ok) return;
    await locked.node.write(fields);
    await locked.node.release();
  }
}

function isStock(node: NodeRecord): boolean {
  return node.state === 'ready' && node.allocatedTo === null;
}
