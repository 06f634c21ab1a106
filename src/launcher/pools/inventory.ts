/**
 * Keeps the nodes of an inventory (static hosts) registered: one ready node a slot, re-registered as soon as the last user's
 * node is gone. One owner a provider: reconciled host by host, never two runs of one host at once; a lock for each host
 * keeps several launchers with the same inventory from registering one slot twice.
 */
import { errorText } from '../../base/error-text.ts';
import type { HostCheck, InventoryHost } from '../../driver-kit/contract.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeFields, NodeRecord } from '../../records/node.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import { registerHost } from '../../store/transactions/host-registration.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import type { ProviderPort } from './provider-port.ts';

export interface InventoryDeps {
  readonly provider: ProviderPort;
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Has a free node removed. */
  readonly evict: (nodeId: string) => void;
}

export interface InventoryOptions {
  /** Pause between looks at a host whose slots are not all registered. */
  readonly retryMs: number;
}

/** Another launcher is registering the same host; what it has done is known by then. */
const lostRaceRetryMs = 200;
/** Hosts of which a trouble tells. */
const mostNamed = 5;

type Identity = Pick<InventoryHost, 'name' | 'username' | 'connectionPort'>;

const keyOf = (h: Identity) => `${h.name}\n${h.username ?? ''}\n${h.connectionPort}`;
const keyOfNode = (n: NodeRecord) => `${n.hostname ?? ''}\n${n.username ?? ''}\n${String(n.connectionPort)}`;

export class InventoryReconciler {
  private readonly deps: InventoryDeps;
  private readonly options: InventoryOptions;
  private readonly hosts: ReadonlyMap<string, InventoryHost>;
  /** What is registered, by host and node id. */
  private readonly nodes = new Map<string, Map<string, NodeRecord>>();
  private readonly queue: KeyedQueue;
  private readonly abort = new AbortController();
  /** Last problem of each host, so that it is logged once. */
  private readonly problems = new Map<string, string>();
  private readonly unfollow: (() => void)[];

  constructor(deps: InventoryDeps, options: InventoryOptions) {
    this.deps = deps;
    this.options = options;
    this.hosts = new Map((deps.provider.inventory?.hosts ?? []).map((host) => [keyOf(host), host]));
    this.queue = new KeyedQueue(
      {
        runtime: deps.runtime,
        log: deps.log,
        work: (key) => this.reconcile(key),
      },
      {
        name: `inventory of ${deps.provider.name}`,
        concurrency: 100,
      },
    );
    const { store } = deps;
    for (const entry of store.nodes.all()) this.note(undefined, entry);
    this.unfollow = [
      store.nodes.onChange((_id, before, after) => this.note(before, after)),
      store.onSync(() => this.resync()),
    ];
    this.resync();
    this.dropUnconfigured();
  }

  resync(): void {
    for (const key of this.hosts.keys()) this.queue.add(key);
  }

  /** Hosts that cannot be used, and the state of the queue. */
  *troubles(): Iterable<Trouble> {
    if (this.problems.size > 0) {
      yield {
        key: `hosts of ${this.deps.provider.name}`,
        severity: 'warning',
        what: `provider ${this.deps.provider.name}: hosts cannot be used`,
        why: this.namedProblems(),
        sinceMs: null,
        hint: 'they are looked at again and again; the log names each of them',
        said: true,
        figures: { hosts: this.problems.size, ofHosts: this.hosts.size },
      };
    }
    yield* this.queue.troubles();
  }

  private namedProblems(): string {
    const named = [...this.problems].slice(0, mostNamed).map(([key, problem]) => `${key.split('\n')[0]}: ${problem}`);
    const others = this.problems.size - named.length;
    return [...named, ...(others > 0 ? [`${others} more`] : [])].join('; ');
  }

  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    this.abort.abort(new Error('the inventory stops'));
    await this.queue.stop();
  }

  private note(before: NodeEntry | undefined, after: NodeEntry | undefined): void {
    const was = this.ownNode(before);
    const is = this.ownNode(after);
    if (was) {
      const key = keyOfNode(was);
      const others = this.nodes.get(key);
      others?.delete(was.id);
      if (others?.size === 0) this.nodes.delete(key);
      if (!is) this.queue.add(key);
    }
    if (!is) return;
    const key = keyOfNode(is);
    // Somebody who does not know of our lock may have registered a slot that was taken.
    if (!was) this.queue.add(key);
    const others = this.nodes.get(key) ?? new Map<string, NodeRecord>();
    this.nodes.set(key, others.set(is.id, is));
  }

  private ownNode(entry: NodeEntry | undefined): NodeRecord | null {
    const node = entry?.node;
    return node && !isBroken(node) && node.provider === this.deps.provider.name ? node : null;
  }

  private dropUnconfigured(): void {
    for (const [key, nodes] of this.nodes) {
      if (this.hosts.has(key)) continue;
      for (const node of nodes.values()) {
        if (!isStock(node)) continue;
        this.deps.log.info({ nodeId: node.id, host: node.hostname }, 'A host has left the configuration');
        this.deps.evict(node.id);
      }
    }
  }

  private async reconcile(key: string): Promise<number | undefined> {
    const host = this.hosts.get(key);
    if (!host || !this.deps.store.synced || this.abort.signal.aborted) return undefined;
    const slots = this.assign(host);
    const stock = slots.filter((node): node is NodeRecord => node !== undefined && isStock(node));
    const outdated = stock.some((node) => this.differs(node, host));
    const complete = emptySlots(slots, host).length === 0;
    if (complete && !outdated) return undefined;
    const found = await this.look(host, key);
    if (this.abort.signal.aborted) return undefined;
    if (found === null) {
      // Nobody can use a host that is not there.
      for (const node of stock) this.deps.evict(node.id);
      return this.options.retryMs;
    }
    if (outdated) for (const node of stock) await this.update(node, host, this.fields(host, found));
    return complete || (await this.register(host, key, found)) ? undefined : lostRaceRetryMs;
  }

  /** null: the host cannot be used. */
  private async look(host: InventoryHost, key: string): Promise<HostCheck | null> {
    try {
      const found = await this.deps.provider.inventory!.check(host, this.abort.signal);
      this.problems.delete(key);
      return found;
    } catch (error) {
      if (this.abort.signal.aborted) return null;
      const problem = errorText(error);
      if (this.problems.get(key) !== problem) {
        this.deps.log.warn(
          { provider: this.deps.provider.name, host: host.name, port: host.connectionPort, problem },
          'A host cannot be registered',
        );
      }
      this.problems.set(key, problem);
      return null;
    }
  }

  private register(host: InventoryHost, key: string, found: HostCheck): Promise<boolean> {
    return registerHost(this.deps.store, this.deps.provider.name, key, () =>
      this.abort.signal.aborted
        ? []
        : emptySlots(this.assign(host), host).map((slot) => ({
            ...this.fields(host, found),
            state: 'ready',
            slot,
          })),
    );
  }

  /** Nodes by slot; nodes without a slot of their own take free ones, what is too many and free goes. */
  private assign(host: InventoryHost): (NodeRecord | undefined)[] {
    const nodes = [...(this.nodes.get(keyOf(host))?.values() ?? [])];
    const slots: (NodeRecord | undefined)[] = [];
    const rest: NodeRecord[] = [];
    for (const node of nodes.sort((a, b) => Number(isStock(a)) - Number(isStock(b)) || (a.id < b.id ? -1 : 1))) {
      if (node.slot !== null && node.slot < host.slots && slots[node.slot] === undefined) slots[node.slot] = node;
      else rest.push(node);
    }
    for (const node of rest) {
      const free =
        node.slot === null
          ? Array.from({ length: host.slots }, (_, i) => i).find((i) => slots[i] === undefined)
          : undefined;
      if (free !== undefined) slots[free] = node;
      else if (isStock(node)) this.deps.evict(node.id);
    }
    return slots;
  }

  private fields(host: InventoryHost, found: HostCheck): NodeFields {
    return {
      provider: this.deps.provider.name,
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
    const locked = await this.deps.operations.lockNode(seen.id, { expect: isStock });
    if (!locked.ok) return;
    await locked.node.write(fields);
    await locked.node.release();
  }
}

function emptySlots(slots: readonly (NodeRecord | undefined)[], host: InventoryHost): number[] {
  return Array.from({ length: host.slots }, (_, slot) => slot).filter((slot) => slots[slot] === undefined);
}

function isStock(node: NodeRecord): boolean {
  return node.state === 'ready' && node.allocatedTo === null;
}
