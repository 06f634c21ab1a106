/** What a request handler asks the launcher for: plans with reservations, node documents, images, zones, stock checks. */
import type { PoolLabelConfig } from '../../config/model.ts';
import type { RequestView } from '../../driver-kit/contract.ts';
import type { Logger } from '../../base/logger.ts';
import { isBroken } from '../../records/broken.ts';
import { newNode, type NodeFields, type NodeRecord } from '../../records/node.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { ResourceTotal } from '../../base/resources.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { CapacityMemory, Place } from '../../scheduling/capacity-memory.ts';
import { plan, type Plan, type Waiting } from '../../scheduling/plan.ts';
import type { HeldNode } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import type { NodeAccounting, Reservation } from '../pools/node-accounting.ts';
import type { Overcommit } from './overcommit.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import type { AttemptEnd, AttemptListener, RequestOutcome } from './outcomes.ts';
import type { Traces } from './traces.ts';

export interface ResolvedImage {
  /** What the node's `image_id` says. */
  readonly imageId: string;
  /** The cloud's id of an uploaded disk image; null for a cloud image. */
  readonly externalId: string | null;
  readonly fields: NodeFields;
}

export class LaunchContext {
  private readonly store: Store;
  private readonly accounting: NodeAccounting;
  private readonly runtime: Runtime;
  private readonly log: Logger;
  private readonly attempts: AttemptListener;
  /** Told of each request that this launcher is done with. */
  readonly onEnded: (request: RequestRecord, outcome: RequestOutcome) => void;
  readonly traces: Traces;
  private readonly memory: CapacityMemory;
  private readonly overcommit: Overcommit;
  /** Something that was refused may be asked for again after that many milliseconds. */
  private readonly onRefusal: (againInMs: number) => void;
  /** Has a node of an inventory removed whose host does not answer. */
  private readonly onDeadHost: (nodeId: string) => void;

  constructor(o: {
    store: Store;
    accounting: NodeAccounting;
    runtime: Runtime;
    log: Logger;
    attempts: AttemptListener;
    onEnded: (request: RequestRecord, outcome: RequestOutcome) => void;
    traces: Traces;
    memory: CapacityMemory;
    overcommit: Overcommit;
    onRefusal: (againInMs: number) => void;
    onDeadHost: (nodeId: string) => void;
  }) {
    this.store = o.store;
    this.accounting = o.accounting;
    this.runtime = o.runtime;
    this.log = o.log;
    this.attempts = o.attempts;
    this.onEnded = o.onEnded;
    this.traces = o.traces;
    this.memory = o.memory;
    this.overcommit = o.overcommit;
    this.onRefusal = o.onRefusal;
    this.onDeadHost = o.onDeadHost;
  }

  plan(pool: ServedPool, labels: readonly string[], request: RequestRecord, az: string | null | undefined): Plan {
    return plan(labels, pool, { reuse: request.reuse, az });
  }

  /** Every reservation must be released, at the latest when the node's record counts. */
  reserveAll(pool: ServedPool, made: Plan): Reservation[] {
    return made.slots.map((slot) => this.reserve(pool, slot));
  }

  private reserve(pool: ServedPool, slot: Plan['slots'][number]): Reservation {
    if (slot.kind === 'stock') return this.accounting.reserveStock(slot.nodeId);
    if (slot.kind === 'launch') return this.accounting.reserve(pool.providerName, pool.poolName, slot.need);
    return { release: () => undefined };
  }

  usedByTenant(tenant: string): ResourceTotal {
    return this.accounting.usedByTenant(tenant);
  }

  /** One for each label, until the node's own document counts for the tenant. */
  holdForTenant(pool: ServedPool, request: RequestRecord, labels = request.nodeTypes): Reservation[] {
    const { tenantName } = request;
    if (tenantName === null) return [];
    return labels.map((label) => this.accounting.reserveForTenant(tenantName, pool.need(label) ?? {}));
  }

  /** Remembers how it ended; returns how long not to try again there (milliseconds). */
  attempted(pool: ServedPool, label: PoolLabelConfig, request: RequestRecord, end: AttemptEnd): number {
    const { result, zone } = end;
    const provider = pool.providerName;
    const { requestor } = request;
    this.attempts.attempted(result, { provider, label: label.name, az: zone, requestor }, end.tookMs);
    const place: Place = { provider, zone, label: label.name, instanceType: label.instanceType };
    if (result === 'ready') this.memory.worked(place);
    if (result !== 'quota' && result !== 'capacity') return 0;
    const nowMs = this.runtime.monotonicMs();
    const isNew = this.memory.avoided(place, result, nowMs) === null;
    const { untilMs } = this.memory.refused(place, result, end.said, nowMs, end.retryAfterMs);
    if (isNew) this.onRefusal(untilMs - nowMs);
    const elsewhere = result === 'capacity' && this.memory.nowhere(pool.zones, place, nowMs) === null;
    return elsewhere ? 0 : untilMs - nowMs;
  }

  /** What a node whose launch is about to begin has to wait for after all; null: nothing. */
  overcommitted(pool: ServedPool, node: HeldNode, signal: AbortSignal): Promise<Waiting | null> {
    return this.overcommit.check(pool, node, signal);
  }

  newNode(pool: ServedPool, label: string, request: RequestRecord): NodeRecord {
    return newNode(
      {
        state: 'init',
        provider: pool.providerName,
        pool: pool.poolName,
        labels: [label],
        allocatedTo: request.id,
        launcher: pool.id,
        attributes: pool.config.nodeAttributes,
        requestor: request.requestor,
        tenantName: request.tenantName,
        resources: pool.need(label),
        nodeProperties: {},
      },
      this.runtime.nowMs(),
    );
  }

  /** Nodes made for the request in that pool that nobody has begun to launch; null: the mirrors are behind. */
  newNodesOf(requestId: string, pool: ServedPool): NodeEntry[] | null {
    if (!this.store.synced) return null;
    return [...this.store.nodes.byAllocatedTo(requestId)].flatMap((id) => {
      const entry = this.store.nodes.get(id);
      if (!entry?.node || isBroken(entry.node) || entry.locked) return [];
      const { state, provider, pool: poolName } = entry.node;
      return state === 'init' && provider === pool.providerName && poolName === pool.poolName ? [entry] : [];
    });
  }

  /** Is somebody at work on that request? */
  isPending(requestId: string): boolean {
    const request = this.store.requests.get(requestId)?.request;
    return request !== undefined && !isBroken(request) && request.state === 'pending';
  }

  buildingFields(pool: ServedPool, label: PoolLabelConfig, image: ResolvedImage | null): NodeFields {
    return {
      state: 'building',
      resources: pool.need(label.name),
      connectionType: label.connection.connectionType,
      connectionPort: label.connection.connectionPort,
      username: label.connection.username,
      pythonPath: label.connection.pythonPath,
      shellType: label.connection.shellType,
      imageId: image?.imageId ?? null,
      ...image?.fields,
    };
  }

  /** Throws when the disk image has no ready upload (any more). */
  image(pool: ServedPool, label: PoolLabelConfig): ResolvedImage | null {
    if (label.image === null) return null;
    if (label.image.kind === 'cloud') return { imageId: label.image.name, externalId: null, fields: {} };
    const found = this.store.images.mostRecentUpload(pool.providerName, label.image.name);
    if (!found) throw new Error(`disk image ${label.image.name} has no ready upload for provider ${pool.providerName}`);
    const { upload } = found;
    return {
      imageId: found.path,
      externalId: upload.externalId,
      fields: { username: upload.username, pythonPath: upload.pythonPath, shellType: upload.shellType },
    };
  }

  imageIfReady(pool: ServedPool, label: PoolLabelConfig): ResolvedImage | null {
    if (label.image?.kind === 'diskimage' && !this.store.images.mostRecentUpload(pool.providerName, label.image.name))
      return null;
    return this.image(pool, label);
  }

  /** At random among those that have not just refused such a node. */
  chooseZone(pool: ServedPool, label: PoolLabelConfig): string | null {
    const place = { provider: pool.providerName, label: label.name, instanceType: label.instanceType };
    const zones = this.memory.bestZones(pool.zones, place, this.runtime.monotonicMs());
    return zones[Math.floor(this.runtime.random() * zones.length)] ?? null;
  }

  requestView(request: RequestRecord): RequestView {
    return {
      id: request.id,
      labels: request.nodeTypes,
      requestor: request.requestor,
      get requestorData() {
        return request.requestorData;
      },
      relativePriority: request.relativePriority,
      eventId: request.eventId,
      createdTime: request.createdTime,
      tenantName: request.tenantName,
    };
  }

  /** Inventories: is the host behind a free node there? A dead host's node leaves the stock. */
  async checkStock(pool: ServedPool, nodeId: string, signal: AbortSignal): Promise<boolean> {
    const inventory = pool.provider.inventory;
    if (!inventory) return true;
    const node = this.store.nodes.get(nodeId)?.node;
    if (!node || isBroken(node)) return false;
    const host = inventory.hosts.find(
      (h) => h.name === node.hostname && h.username === node.username && h.connectionPort === node.connectionPort,
    );
    if (!host) return false;
    try {
      await inventory.alive(host, signal);
      return true;
    } catch (error) {
      this.log.warn(
        { nodeId, host: host.name, port: host.connectionPort, err: error },
        'A host in stock does not answer',
      );
      this.onDeadHost(nodeId);
      return false;
    }
  }
}
