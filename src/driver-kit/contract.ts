/**
 * The whole contract of a driver, in one file. An adapter knows a cloud; it knows nothing of ZooKeeper, locks, retries,
 * pools or timers. A launch or a deletion is a machine: plain serialisable state and a function that does one cloud step
 * and says what to wait for. The framework (runner.ts) drives all machines of a provider.
 */
import type { Resources } from '../base/resources.ts';
import type { PoolLabelConfig, ProviderConfig } from '../config/model.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Logger } from '../base/logger.ts';
import type { Trouble } from '../base/trouble.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What every resource made for a node carries, so that leaks are found by it. */
interface NodeMetadata {
  readonly nodepool_node_id: string;
  readonly nodepool_pool_name: string;
  readonly nodepool_provider_name: string;
}

/** What a driver may read of the request (dynamic tags). */
export interface RequestView {
  readonly id: string;
  readonly labels: readonly string[];
  readonly requestor: string | null;
  readonly requestorData: unknown;
  readonly relativePriority: number;
  readonly eventId: string | null;
  readonly createdTime: number | null;
  readonly tenantName: string | null;
}

/** What is to be launched; `Label`: the driver's own part of a label. */
export interface LaunchSpec<Label = unknown> {
  /** `np<node id>`. */
  readonly hostname: string;
  readonly nodeId: string;
  readonly poolName: string;
  readonly label: PoolLabelConfig<Label>;
  /** The external id of the uploaded disk image; null for a cloud image, which the adapter resolves by the label. */
  readonly imageExternalId: string | null;
  readonly metadata: NodeMetadata;
  readonly request: RequestView | null;
  readonly availabilityZone: string | null;
  /** 1, 2, …; names that must not collide with a failed attempt's carry it. */
  readonly attempt: number;
}

/** Cloud id: a string, or an object where a driver needs more than one id. */
export type ExternalId = string | { readonly [key: string]: Json };

export interface Instance {
  readonly externalId: ExternalId;
  readonly interfaceIp: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly publicIpv4?: string | null;
  readonly privateIpv4?: string | null;
  readonly publicIpv6?: string | null;
  readonly cloud?: string | null;
  readonly availabilityZone?: string | null;
  readonly region?: string | null;
  readonly hostId?: string | null;
  readonly driverData?: Json;
  readonly slot?: number | null;
  readonly nodeProperties?: { readonly [key: string]: Json };
  readonly nodeAttributes?: { readonly [key: string]: Json };
  /** Only where the instance knows better than the configuration. */
  readonly username?: string | null;
  readonly pythonPath?: string | null;
  readonly shellType?: string | null;
  readonly connectionPort?: number | { readonly [key: string]: Json };
  readonly connectionType?: string | null;
  readonly hostKeys?: readonly string[];
  /** Quota use; becomes the node's `resources`. */
  readonly resources: Resources;
}

/** What a machine waits for before its next step; `what` in words, for people. */
export type Wait =
  /** A listing that began after now (or at all, for the first step). */
  | { readonly kind: 'listing' }
  | { readonly kind: 'delay'; readonly ms: number; readonly what?: string }
  /** Its turn by the provider's `rate`: the next step changes something in the cloud. First steps have always waited so. */
  | { readonly kind: 'turn' }
  /** Resolved by the adapter itself (a watch, an operation's end). A rejection is the failure of the machine. */
  | { readonly kind: 'event'; readonly promise: Promise<void>; readonly what?: string };

export type CreateStep<S extends Json> =
  | { readonly done: false; readonly state: S; readonly externalId?: ExternalId; readonly wait: Wait }
  | { readonly done: true; readonly instance: Instance };

export type DeleteStep<S extends Json> =
  | { readonly done: false; readonly state: S; readonly wait: Wait }
  | { readonly done: true };

export interface StepContext {
  readonly signal: AbortSignal;
  /** The provider's shared listing, by external id as text (JSON of it where it is an object). */
  readonly listing: () => ReadonlyMap<string, ListedInstance>;
  readonly log: Logger;
}

/** An instance as the cloud lists it, ours or not. */
export interface ListedInstance {
  readonly externalId: ExternalId;
  readonly metadata: Readonly<Record<string, string>>;
  readonly resources: Resources;
  /** The driver's own view of it, used only by its machines. */
  readonly native: unknown;
}

/** Something that may leak: instance, disk, address, image, snapshot … */
export interface CloudResource {
  /** Singular, e.g. 'instance'; statistics use `<type>s`. */
  readonly type: string;
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An image of its own that a cloud keeps for this account, whoever put it there. */
export interface CloudImage {
  readonly id: string;
  readonly name: string;
  /** Builders mark theirs with `nodepool_build_id`, `nodepool_upload_id` and `nodepool_provider_name`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Upper limits; an absent key is unlimited. */
export type QuotaLimits = Resources;

/** `S`: the state of its machines. `Label`: the driver's own part of a label. */
export interface Adapter<S extends Json = Json, Label = unknown> {
  /** From one shared listing to the next, at least; default 1000. */
  readonly listingIntervalMs?: number;
  /**
   * Creations may be repeated. It obliges to two things, which the conformance suite tests: `advanceCreate` with the same
   * state, however often and in whichever process, makes one instance; and `beginCreate` for the same node and attempt leads
   * to that instance too, unless nothing is made before its id is told. Another attempt is another instance. In return a
   * step whose answer was lost is repeated; without it the launch fails with `network`, and the leak search finds the rest.
   */
  readonly createIsIdempotent?: boolean;
  /** What a failed attempt left may still be going when the next one begins: each has names of its own. */
  readonly attemptsHaveOwnNames?: boolean;
  /** A cloud image that was not there is looked up again after this; default 300,000. */
  readonly imageCheckMs?: number;

  /** Connects and checks; a rejection makes the provider "failed", retried with back-off. */
  start(signal: AbortSignal): Promise<void>;
  /** Releases everything; no call is under way any more. */
  stop(): Promise<void>;

  beginCreate(spec: LaunchSpec<Label>): S;
  /**
   * One step. Never blocks for long; throws an error of errors.ts. May be repeated with the same state after a crash, and
   * after an error that says that nothing was done (throttled).
   *
   * Tells the id of what it makes with the first step that knows it, before the instance is usable: the framework stores it,
   * with the state beside it, before the next step, and a launch that is killed is finished or deleted by that. May be done
   * at once: then the id is stored with the state that the step began with, and after a crash this step is carried out again,
   * so it must find the same instance again. The id never changes. A driver stores nothing itself.
   */
  advanceCreate(state: S, spec: LaunchSpec<Label>, context: StepContext): Promise<CreateStep<S>>;
  /** Must accept the id of a half-made instance. Not found is done. */
  beginDelete(externalId: ExternalId): S;
  advanceDelete(state: S, context: StepContext): Promise<DeleteStep<S>>;

  listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]>;
  listResources(signal: AbortSignal): Promise<readonly CloudResource[]>;
  deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void>;

  quotaLimits(signal: AbortSignal): Promise<QuotaLimits>;
  /** Throws a ProviderError `permanent` when the label can never work here. */
  quotaForLabel(label: PoolLabelConfig<Label>, signal: AbortSignal): Promise<Resources>;
  /** Zones to choose from where the pool names none; [null] where the cloud has none. */
  availabilityZones(signal: AbortSignal): Promise<readonly (string | null)[]>;
  /** Is the label's cloud image there? Disk images are looked up by the launcher. */
  labelReady(label: PoolLabelConfig<Label>, signal: AbortSignal): Promise<boolean>;
  consoleLog?(label: PoolLabelConfig<Label>, externalId: ExternalId, signal: AbortSignal): Promise<string | null>;

  /** Present where disk images are uploaded to. Making images (uploads as machines, like launches) will be declared here. */
  listImages?(signal: AbortSignal): Promise<readonly CloudImage[]>;

  /** The host keys of a new instance could not be read; for drivers whose instances share a machine. */
  unreachable?(externalId: ExternalId, signal: AbortSignal): Promise<void>;

  /** What does not go as it should and is nobody's launch, e.g. a watch that breaks off. */
  troubles?(): Iterable<Trouble>;

  /** Present where nodes are registered, not launched (static). */
  readonly inventory?: Inventory;
}

/** One host of an inventory; its slots are 0 … slots-1. */
export interface InventoryHost {
  readonly poolName: string;
  /** Name or address, the node's hostname, interface_ip and external_id. */
  readonly name: string;
  readonly username: string | null;
  readonly connectionPort: number;
  readonly connectionType: string;
  readonly pythonPath: string | null;
  readonly shellType: string | null;
  readonly labels: readonly string[];
  readonly slots: number;
  /** How long it may take to answer. */
  readonly timeoutMs?: number;
  readonly nodeAttributes: { readonly [key: string]: Json } | null;
}

export interface HostCheck {
  readonly hostKeys: readonly string[];
  readonly publicIpv4: string | null;
  readonly publicIpv6: string | null;
}

export interface Inventory {
  readonly hosts: readonly InventoryHost[];
  /** Reaches the host, scans and compares its keys as configured. Throws an error whose message says why it can't be used. */
  check(host: InventoryHost, signal: AbortSignal): Promise<HostCheck>;
  /** Quick look before a node of it is handed out; throws when the host does not answer. */
  alive(host: InventoryHost, signal: AbortSignal): Promise<void>;
}

/** What a node in a slot takes over from the node under it. */
export type BackingInstance = Omit<
  Instance,
  'externalId' | 'metadata' | 'driverData' | 'slot' | 'resources' | 'hostId' | 'nodeAttributes'
> & { readonly nodeAttributes: { readonly [key: string]: Json } };

/** A node of another provider that this one owns and hands out in slots. */
export interface BackingNode {
  readonly id: string;
  /** Requested label that its slots are for. */
  readonly label: string;
  readonly slots: number;
  /** Takes no new nodes. */
  readonly failed: boolean;
  readonly launchedMs: number;
  /** How many slots are taken. */
  readonly taken: number;
}

export type BackingEnd =
  | { readonly kind: 'bound' }
  /** The node was gone before it could be put to use: ask again. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'failed'; readonly reason: string };

/** A request for a backing node that is under way. */
export interface BackingRequest {
  readonly id: string;
  readonly label: string;
  readonly slots: number;
  /** Ids of the nodes that count on it; without any it is withdrawn after a while. */
  readonly waiters: Set<string>;
  readonly ended: Promise<BackingEnd>;
}

/** How long an empty backing node is kept. */
export interface KeepRule {
  readonly graceMs: number;
  readonly retentionMs: number;
  readonly maxAgeMs: number | null;
}

/**
 * Nodes to carve slots out of, asked for by a driver that has no cloud of its own (metastatic). One for each provider
 * name, whatever becomes of its configuration: what it owns outlives adapters and processes.
 */
export interface BackingNodes {
  /** From now on; null: the label is not configured any more, nothing is kept for it. */
  keep(rule: (label: string) => KeepRule | null): void;
  /** Resolves when what is owned from before is known. */
  settled(signal: AbortSignal): Promise<void>;
  /** Oldest first. */
  nodes(): readonly BackingNode[];
  requests(): readonly BackingRequest[];
  request(backingLabel: string, label: string, slots: number): Promise<BackingRequest>;
  /** The lowest free slot; the one that the node has already, if it has one. null: nothing free, or the node has vanished. */
  claim(
    backingId: string,
    nodeId: string,
  ): Promise<{ readonly slot: number; readonly instance: BackingInstance } | null>;
  free(nodeId: string): Promise<void>;
  /** The backing node under this node can't be reached: it takes no new nodes and goes when it is empty. */
  fail(nodeId: string): Promise<void>;
}

/** What an adapter is made with; the parameters are the driver's own parts of provider, pool and label. */
export interface AdapterContext<Provider = unknown, Pool = unknown, Label = unknown> {
  readonly provider: ProviderConfig<Provider, Pool, Label>;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly backing?: () => BackingNodes;
}

/** What a driver's index.ts exports as `driver`; made by defineDriver. */
export interface Driver {
  readonly name: string;
  createAdapter(context: AdapterContext): Adapter;
}

export const idText = (externalId: unknown): string =>
  typeof externalId === 'string' ? externalId : JSON.stringify(externalId);
