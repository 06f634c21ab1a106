/** What a request handler asks the launcher for: plans with reservations, node documents, images, zones, stock checks. */
import type { PoolLabelConfig } from '../config/model.ts';
import type { RequestView } from '../provider/adapter.ts';
import type { Logger } from '../provider/logger.ts';
import { isBroken } from '../records/broken.ts';
import { newNode, type NodeFields, type NodeRecord } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import type { ResourceTotal } from '../records/resources.ts';
import type { Runtime } from '../runtime.ts';
import { plan, type Plan } from '../scheduling/plan.ts';
import type { Store } from '../store/store.ts';
import type { NodeBooks, Reservation } from './node-books.ts';
import type { OwnPool } from './own-pool.ts';
import type { AttemptResult, Statistics } from './statistics.ts';

export interface ResolvedImage {
  /** What the node's `image_id` says. */
  readonly imageId: string;
  /** The cloud's id of an uploaded disk image; null for a cloud image. */
  readonly externalId: string | null;
  readonly fields: NodeFields;
}

export class LaunchContext {
  private readonly store: Store;
  private readonly books: NodeBooks;
  private readonly runtime: Runtime;
  private readonly log: Logger;
  private readonly statistics: Pick<Statistics, 'attempted'> | null;
  /** Has a node of an inventory removed whose host does not answer. */
  private readonly onDeadHost: (nodeId: string) => void;

  constructor(o: {
    store: Store;
    books: NodeBooks;
    runtime: Runtime;
    log: Logger;
    statistics: Pick<Statistics, 'attempted'> | null;
    onDeadHost: (nodeId: string) => void;
  }) {
    this.store = o.store;
    this.books = o.books;
    this.runtime = o.runtime;
    this.log = o.log;
    this.statistics = o.statistics;
    this.onDeadHost = o.onDeadHost;
  }

  /** Plans and reserves; every reservation must be released, at the latest when the node's record counts. */
  planFor(
    pool: OwnPool,
    labels: readonly string[],
    request: RequestRecord,
    az: string | null | undefined,
  ): { plan: Plan; reservations: Reservation[] } {
    const made = this.plan(pool, labels, request, az);
    return { plan: made, reservations: this.reserveAll(pool, made) };
  }

  plan(pool: OwnPool, labels: readonly string[], request: RequestRecord, az: string | null | undefined): Plan {
    return plan(labels, pool, { reuse: request.reuse, az });
  }

  reserveAll(pool: OwnPool, made: Plan): Reservation[] {
    return made.slots.map((slot) => this.reserve(pool, slot));
  }

  private reserve(pool: OwnPool, slot: Plan['slots'][number]): Reservation {
    if (slot.kind === 'stock') return this.books.reserveStock(slot.nodeId);
    if (slot.kind === 'launch') return this.books.reserve(pool.providerName, pool.poolName, slot.need);
    return { release: () => undefined };
  }

  usedByTenant(tenant: string): ResourceTotal {
    return this.books.usedByTenant(tenant);
  }

  /** One for each label, until the node's own document counts for the tenant. */
  holdForTenant(pool: OwnPool, request: RequestRecord, labels = request.nodeTypes): Reservation[] {
    const { tenantName } = request;
    if (tenantName === null) return [];
    return labels.map((label) => this.books.reserveForTenant(tenantName, pool.need(label) ?? {}));
  }

  attempted(pool: OwnPool, request: RequestRecord, az: string | null, result: AttemptResult, ms: number): void {
    this.statistics?.attempted(result, { provider: pool.providerName, az, requestor: request.requestor }, ms);
  }

  newNode(pool: OwnPool, label: string, request: RequestRecord): NodeRecord {
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

  buildingFields(pool: OwnPool, label: PoolLabelConfig, image: ResolvedImage | null): NodeFields {
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
  image(pool: OwnPool, label: PoolLabelConfig): ResolvedImage | null {
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

  imageIfReady(pool: OwnPool, label: PoolLabelConfig): ResolvedImage | null {
    if (label.image?.kind === 'diskimage' && !this.store.images.mostRecentUpload(pool.providerName, label.image.name))
      return null;
    return this.image(pool, label);
  }

  chooseZone(pool: OwnPool): string | null {
    const zones = pool.config.availabilityZones ?? pool.provider.zones() ?? [null];
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
  async checkStock(pool: OwnPool, nodeId: string, signal: AbortSignal): Promise<boolean> {
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
