/**
 * The promises of the launcher, checked at every transaction, at every instance that goes, and once a second of virtual
 * time (vigil.ts). The first one that is broken ends the run.
 *
 *   P1 a node is never handed to two requests       P6 a hanging provider delays no other
 *   P2 a fulfilled request keeps its nodes          P7 quota is not exceeded beyond the slack
 *   P3 a used node is never handed out again        P8 a reload drops no healthy node
 *   P4 every cloud resource is recorded or deleted  P9 a launcher's death delays its launches by a session at most
 *   P5 an accepted request ends within a bound      P10 every document is as the contract says
 */
import {
  allocatedTo,
  type Before,
  type Books,
  type Change,
  externalId,
  holderOf,
  type NodeBook,
  type RequestBook,
  stateOf,
  textOf,
} from './books.ts';
import type { CloudInstance, SimulatedCloud } from './cloud.ts';
import { type Document, problemOf, type Shapes } from './documents.ts';

export type PromiseName = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10' | 'crash';

export interface Broken {
  readonly promise: PromiseName;
  readonly message: string;
}

export interface PromisesDeps {
  readonly books: Books;
  readonly shapes: Shapes;
  readonly nowMs: () => number;
  readonly cloudOf: (provider: string) => SimulatedCloud | undefined;
  /** The most nodes that any launcher may have in the pool by its configuration, and how many more records for want of news. */
  readonly mostNodes: (provider: string, pool: string) => { readonly limit: number; readonly slack: number };
  /** The most nodes of the tenant, slack included. */
  readonly mostOfTenant: (tenant: string) => number;
  readonly onBroken: (broken: Broken) => void;
}

export interface PromisesOptions {
  /** How long one answer of ZooKeeper may take. */
  readonly slowestMs: number;
  /** Nothing goes wrong in this run but reloads: a launch that has begun ends well. */
  readonly nothingFails: boolean;
}

/** From which state a launcher may bring a node to which. */
const steps: Readonly<Record<string, readonly string[]>> = {
  init: ['init', 'building', 'deleting'],
  building: ['building', 'ready', 'failed', 'aborted', 'deleting'],
  ready: ['ready', 'deleting'],
  'in-use': ['deleting'],
  testing: ['deleting'],
  used: ['deleting'],
  hold: ['deleting'],
  // A write whose answer was lost is repeated.
  failed: ['failed', 'deleting'],
  aborted: ['aborted', 'deleting'],
  deleting: ['deleting', 'deleted'],
  deleted: ['deleting', 'deleted'],
};

const requestSteps: Readonly<Record<string, readonly string[]>> = {
  requested: ['requested', 'pending', 'failed'],
  pending: ['pending', 'requested', 'fulfilled', 'failed'],
  fulfilled: [],
  // A write whose answer was lost is repeated.
  failed: ['failed'],
};

const lasting = new Set(['init', 'building', 'ready']);
/** The promise is one launch. */
const instanceSlack = 0;
/** Room was made for a request that may have been withdrawn just before. */
const evictionLagMs = 5000;
/** So long a pool may be registered without everybody knowing. */
const registryLagMs = 2000;

export const isLauncher = (name: string | null): boolean => name !== null && name.startsWith('launcher');
const isConsumer = (name: string | null): boolean => name !== null && name.startsWith('consumer');

export class Promises {
  private readonly deps: PromisesDeps;
  private readonly options: PromisesOptions;
  private lastWaitingMs = Number.NEGATIVE_INFINITY;
  /** Of the pool, when the node was made. */
  private readonly limits = new Map<string, number>();
  /** How far the nodes of a pool that have instances have ever gone over its limit. */
  worstOvershoot = 0;

  constructor(deps: PromisesDeps, options: PromisesOptions) {
    this.deps = deps;
    this.options = options;
  }

  // --- at every transaction

  transaction(change: Change): void {
    const { books, shapes } = this.deps;
    for (const { kind, document, path } of change.written) {
      shapes.add(kind, document);
      const problem = problemOf(kind, document);
      if (problem !== null) this.broken('P10', `${path}: ${problem}`);
    }
    for (const [node, before] of change.nodes) this.node(node, before, change.by);
    for (const [request, before] of change.requests) this.request(request, before, change);
    for (const request of change.requests.keys()) {
      if (!request.document) this.forget(request);
    }
    for (const node of change.nodes.keys()) {
      const state = stateOf(node.document);
      if (!node.document || (state !== null && !lasting.has(state))) node.spent = true;
    }
    for (const request of books.liveRequests()) {
      if (stateOf(request.document) === 'pending') {
        this.lastWaitingMs = this.deps.nowMs();
        break;
      }
    }
  }

  private forget(request: RequestBook): void {
    for (const id of (request.openSinceMs < 0 ? this.handed.get(request.id) : undefined) ?? []) {
      const node = this.deps.books.nodes.get(id);
      if (node?.handedTo === request.id) node.handedTo = null;
    }
    this.handed.delete(request.id);
    if (request.contenders.size === 0) this.deps.books.requests.delete(request.id);
  }

  private readonly handed = new Map<string, readonly string[]>();

  private request(request: RequestBook, before: Before, { by }: Change): void {
    const { document } = request;
    const from = stateOf(before.document);
    const to = stateOf(document);
    if (!isLauncher(by) || before.document === document) return;
    if (!before.document) {
      if (textOf(document, 'requestor') !== 'NodePool:min-ready')
        this.broken('P10', `${by} made request ${request.id} for somebody else`);
      return;
    }
    if (!document) {
      if (request.by !== by) this.broken('P5', `${by} deleted request ${request.id} of ${request.by}`);
      return;
    }
    if (!requestSteps[from!]!.includes(to!))
      this.broken('P2', `${by} brought request ${request.id} from ${from} to ${to}`);
    const holder = holderOf(request.contenders);
    if (before.holder !== by && holder !== by)
      this.broken('P1', `${by} wrote request ${request.id} without its lock (held by ${before.holder ?? 'nobody'})`);
    if (to === 'fulfilled' && from !== 'fulfilled') this.fulfilled(request, document, by!);
    if (to === 'failed' && from !== 'failed') this.failed(request, document, by!);
  }

  private fulfilled(request: RequestBook, document: Document, by: string): void {
    const { books } = this.deps;
    const ids = document['nodes'] as string[];
    const labels = document['node_types'] as string[];
    request.openSinceMs = -1;
    this.handed.set(request.id, ids);
    if (new Set(ids).size !== ids.length)
      this.broken('P1', `request ${request.id} was given a node twice: ${ids.join()}`);
    ids.forEach((id, index) => {
      const node = books.nodes.get(id);
      const what = `${by} fulfilled request ${request.id} with node ${id}`;
      if (!node?.document) {
        this.broken('P2', `${what}, which is not there`);
        return;
      }
      if (node.handedTo !== null && node.handedTo !== request.id)
        this.broken('P1', `${what}, which ${node.handedTo} has`);
      if (node.spent) this.broken('P3', `${what}, which had been used or given up before`);
      if (stateOf(node.document) !== 'ready') this.broken('P3', `${what}, which is ${stateOf(node.document)}`);
      if (allocatedTo(node.document) !== request.id)
        this.broken('P1', `${what}, which is allocated to ${allocatedTo(node.document)}`);
      if (!(node.document['type'] as string[]).includes(labels[index]!))
        this.broken('P2', `${what}, which is no ${labels[index]}`);
      const instance = externalId(node.document);
      const cloud = this.deps.cloudOf(textOf(node.document, 'provider') ?? '');
      if (instance === null || !cloud?.has(instance)) this.broken('P2', `${what}, whose instance is not there`);
      node.handedTo = request.id;
    });
  }

  private failed(request: RequestBook, document: Document, by: string): void {
    request.openSinceMs = -1;
    const declined = document['declined_by'] as string[];
    const now = this.deps.nowMs();
    for (const pool of this.deps.books.pools.values()) {
      if (declined.includes(pool.id) || now - pool.sinceMs < registryLagMs) continue;
      this.broken('P5', `${by} failed request ${request.id}, which ${pool.id} has not declined`);
    }
  }

  private node(node: NodeBook, before: Before, by: string | null): void {
    const { document } = node;
    if (document === before.document) return;
    if (document) this.instance(node, document);
    if (!isLauncher(by)) return;
    const from = stateOf(before.document);
    const to = stateOf(document);
    const what = `${by} brought node ${node.id} from ${from ?? 'nothing'} to ${to ?? 'nothing'}`;
    const holder = before.holder ?? holderOf(node.contenders);
    if (!before.document) {
      if (to !== 'init') this.broken('P3', what);
      if (document) this.quota(node.id, document);
      return;
    }
    this.checkLock(node, before, what, by!, holder);
    this.checkOwner(node, before, what, by!);
    if (!document) return;
    if (!steps[from!]!.includes(to!)) this.broken('P3', what);
    if (from === 'ready' && to === 'deleting') this.checkStock(before, what);
    // Withdrawn before the cloud has heard of it.
    const isWithdrawn = to === 'aborted' && externalId(document) === null;
    if (this.options.nothingFails && from === 'building' && to !== 'building' && to !== 'ready' && !isWithdrawn)
      this.broken('P8', `${what}, where nothing but the configuration had changed`);
  }

  private checkLock(node: NodeBook, before: Before, what: string, by: string, holder: string | null): void {
    if (holder === by) return;
    const { document } = node;
    if (holder === null) {
      // Nodes of its own request for stock are set free without locking them.
      const isFreed =
        document !== null &&
        stateOf(document) === 'ready' &&
        stateOf(before.document) === 'ready' &&
        allocatedTo(document) === null;
      // Whoever removes a node takes the locks of others who would remove it away with it.
      const isRemoved = stateOf(before.document) === 'deleting' && stateOf(document) === 'deleted';
      if (!isFreed && !isRemoved && document) this.broken('P1', `${what} without having locked it`);
      return;
    }
    // Whoever marks a node as `deleting` looks at the lock afterwards: all who do so want the same.
    if (isLauncher(holder) && stateOf(document) === 'deleting' && stateOf(before.document) !== 'ready') return;
    this.broken(isConsumer(holder) ? 'P2' : 'P1', `${what}, which ${holder} has locked`);
  }

  private checkOwner(node: NodeBook, before: Before, what: string, by: string): void {
    const owner = node.handedTo;
    if (owner === null || !this.deps.books.exists(owner)) return;
    // A launcher may do as it likes with what it has asked for itself.
    const { document } = node;
    if (this.deps.books.requests.get(owner)!.by === by) {
      if (allocatedTo(document) === null) node.handedTo = null;
      return;
    }
    const isSame =
      document !== null &&
      stateOf(document) === stateOf(before.document) &&
      allocatedTo(document) === owner &&
      externalId(document) === externalId(before.document);
    if (!isSame) this.broken('P2', `${what}, which belongs to the fulfilled request ${owner}`);
  }

  private checkStock(before: Before, what: string): void {
    const owner = allocatedTo(before.document);
    if (owner !== null && this.deps.books.exists(owner)) this.broken('P8', `${what}, which request ${owner} waits for`);
    // It is locked, read and written: three answers.
    if (this.deps.nowMs() - this.lastWaitingMs > evictionLagMs + 2 * this.options.slowestMs)
      this.broken('P8', `${what}, for which nobody needs the room`);
  }

  /** An instance belongs to one node. */
  private instance(node: NodeBook, document: Document): void {
    const id = externalId(document);
    if (id === null) return;
    const { nodeOfInstance } = this.deps.books;
    const first = nodeOfInstance.get(id);
    if (!first) nodeOfInstance.set(id, node);
    else if (first !== node) this.broken('P1', `instance ${id} is that of node ${first.id} and of node ${node.id}`);
  }

  private quota(id: string, document: Document): void {
    const provider = textOf(document, 'provider')!;
    const pool = textOf(document, 'pool')!;
    const tenant = textOf(document, 'tenant_name');
    let inPool = 0;
    let ofTenant = 0;
    for (const node of this.deps.books.liveNodes()) {
      if (textOf(node.document, 'provider') === provider && textOf(node.document, 'pool') === pool) inPool++;
      if (tenant !== null && textOf(node.document, 'tenant_name') === tenant) ofTenant++;
    }
    const { limit, slack } = this.deps.mostNodes(provider, pool);
    this.limits.set(id, limit);
    if (inPool > limit + slack)
      this.broken('P7', `${inPool} nodes in pool ${pool} of ${provider}, at most ${limit} and ${slack} are allowed`);
    if (tenant === null) return;
    const mostOf = this.deps.mostOfTenant(tenant);
    if (ofTenant > mostOf) this.broken('P7', `${ofTenant} nodes of ${tenant}, at most ${mostOf} are allowed`);
  }

  // --- at every instance that comes or goes

  made(cloud: SimulatedCloud, instance: CloudInstance): void {
    const provider = instance.metadata['nodepool_provider_name']!;
    const pool = instance.metadata['nodepool_pool_name']!;
    const ids = new Set<string>();
    for (const { metadata } of cloud.instances()) {
      const id = metadata['nodepool_node_id']!;
      const isThere = (this.deps.books.nodes.get(id)?.document ?? null) !== null;
      if (isThere && metadata['nodepool_provider_name'] === provider && metadata['nodepool_pool_name'] === pool)
        ids.add(id);
    }
    // Launches that were begun go on, whatever the configuration says by then.
    const atFirst = [...ids].map((id) => this.limits.get(id) ?? 0);
    const limit = Math.max(...atFirst, this.deps.mostNodes(provider, pool).limit);
    this.worstOvershoot = Math.max(this.worstOvershoot, ids.size - limit);
    if (ids.size > limit + instanceSlack)
      this.broken(
        'P7',
        `${ids.size} nodes of pool ${pool} of ${provider} have instances, at most ${limit} are allowed`,
      );
  }

  gone(cloud: SimulatedCloud, instance: CloudInstance): void {
    const node = this.deps.books.nodeOfInstance.get(instance.id);
    if (!node?.document || externalId(node.document) !== instance.id) return;
    const what = `instance ${instance.id} of node ${node.id} was deleted in ${cloud.name}`;
    const owner = node.handedTo;
    if (owner !== null && this.deps.books.exists(owner))
      this.broken('P2', `${what}, which belongs to request ${owner}`);
    const holder = holderOf(node.contenders);
    if (isConsumer(holder)) this.broken('P2', `${what}, which ${holder} uses`);
    if (stateOf(node.document) === 'ready') this.broken('P8', `${what}, while its node was ready`);
  }

  broken(promise: PromiseName, message: string): void {
    this.deps.onBroken({ promise, message });
  }
}
