/** The document of a node (`/nodepool/nodes/<id>`). Every key of the contract is written, unknown ones are kept. */
import { type BrokenRecord, isBroken, parseDocument, unknownState } from './broken.ts';
import { number, object, seconds, text, textList } from './fields.ts';
import { JsonDocument } from './json-document.ts';
import { copyOf } from './json-shape.ts';
import type { Resources } from '../base/resources.ts';

export const nodeStates = [
  'init',
  'building',
  'ready',
  'in-use',
  'testing',
  'used',
  'hold',
  'deleting',
  'failed',
  'aborted',
  'deleted',
] as const;
export type NodeState = (typeof nodeStates)[number];

interface NodeValues {
  readonly state: NodeState;
  readonly cloud: string | null;
  readonly provider: string | null;
  readonly pool: string | null;
  readonly labels: readonly string[];
  readonly allocatedTo: string | null;
  readonly az: string | null;
  readonly region: string | null;
  readonly publicIpv4: string | null;
  readonly privateIpv4: string | null;
  readonly publicIpv6: string | null;
  readonly hostId: string | null;
  readonly interfaceIp: string | null;
  /** A number; an object with credentials for the Kubernetes family; anything from others. */
  readonly connectionPort: unknown;
  readonly imageId: string | null;
  readonly launcher: string | null;
  readonly externalId: unknown;
  readonly hostname: string | null;
  readonly comment: string | null;
  readonly userData: unknown;
  readonly holdJob: string | null;
  readonly hostKeys: readonly string[];
  readonly username: string | null;
  readonly connectionType: string | null;
  readonly shellType: string | null;
  /** Seconds after `stateTime`. */
  readonly holdExpiration: number | null;
  readonly resources: Resources | null;
  readonly slot: number | null;
  readonly attributes: Readonly<Record<string, unknown>> | null;
  readonly pythonPath: string | null;
  readonly tenantName: string | null;
  readonly driverData: unknown;
  readonly requestor: string | null;
  readonly nodeProperties: unknown;
  /** State of the launch machine; ours alone, unknown to the Python Nodepool. */
  readonly machine: unknown;
}

export type NodeFields = Partial<NodeValues>;

export interface NodeRecord extends NodeValues {
  readonly broken?: never;
  readonly id: string;
  /** Seconds since the epoch, like `createdTime`. */
  readonly stateTime: number;
  readonly createdTime: number | null;
  readonly document: JsonDocument;
}

/** Key in the document for each field; the order is that of a new document. */
const keys: Readonly<Record<keyof NodeValues, string>> = {
  state: 'state',
  cloud: 'cloud',
  provider: 'provider',
  pool: 'pool',
  labels: 'type',
  allocatedTo: 'allocated_to',
  az: 'az',
  region: 'region',
  publicIpv4: 'public_ipv4',
  privateIpv4: 'private_ipv4',
  publicIpv6: 'public_ipv6',
  hostId: 'host_id',
  interfaceIp: 'interface_ip',
  connectionPort: 'connection_port',
  imageId: 'image_id',
  launcher: 'launcher',
  externalId: 'external_id',
  hostname: 'hostname',
  comment: 'comment',
  userData: 'user_data',
  holdJob: 'hold_job',
  hostKeys: 'host_keys',
  username: 'username',
  connectionType: 'connection_type',
  shellType: 'shell_type',
  holdExpiration: 'hold_expiration',
  resources: 'resources',
  slot: 'slot',
  attributes: 'attributes',
  pythonPath: 'python_path',
  tenantName: 'tenant_name',
  driverData: 'driver_data',
  requestor: 'requestor',
  nodeProperties: 'node_properties',
  machine: 'nodepool_machine',
};

const states = new Set<unknown>(nodeStates);

export function parseNode(id: string, data: Uint8Array): NodeRecord | BrokenRecord {
  const document = parseDocument(id, data);
  return isBroken(document) ? document : fromDocument(id, document);
}

function fromDocument(id: string, document: JsonDocument): NodeRecord | BrokenRecord {
  const state = document.get('state');
  return states.has(state) ? new DocumentedNode(id, state as NodeState, document) : unknownState(id, state);
}

/** What everybody asks for is read at once, the rest when it is wanted. */
class DocumentedNode implements NodeRecord {
  readonly id: string;
  readonly state: NodeState;
  readonly stateTime: number;
  readonly provider: string | null;
  readonly pool: string | null;
  readonly labels: readonly string[];
  readonly allocatedTo: string | null;
  readonly tenantName: string | null;
  readonly document: JsonDocument;

  constructor(id: string, state: NodeState, d: JsonDocument) {
    this.id = id;
    this.state = state;
    this.stateTime = number(d, 'state_time') ?? 0;
    this.provider = text(d, 'provider');
    this.pool = text(d, 'pool');
    this.labels = textList(d, 'type');
    this.allocatedTo = text(d, 'allocated_to');
    this.tenantName = text(d, 'tenant_name');
    this.document = d;
  }

  get createdTime(): number | null {
    return number(this.document, 'created_time');
  }

  get cloud(): string | null {
    return text(this.document, 'cloud');
  }

  get az(): string | null {
    return text(this.document, 'az');
  }

  get region(): string | null {
    return text(this.document, 'region');
  }

  get publicIpv4(): string | null {
    return text(this.document, 'public_ipv4');
  }

  get privateIpv4(): string | null {
    return text(this.document, 'private_ipv4');
  }

  get publicIpv6(): string | null {
    return text(this.document, 'public_ipv6');
  }

  get hostId(): string | null {
    return text(this.document, 'host_id');
  }

  get interfaceIp(): string | null {
    return text(this.document, 'interface_ip');
  }

  get connectionPort(): unknown {
    return this.document.get('connection_port') ?? this.document.get('ssh_port') ?? 22;
  }

  get imageId(): string | null {
    return text(this.document, 'image_id');
  }

  get launcher(): string | null {
    return text(this.document, 'launcher');
  }

  get externalId(): unknown {
    return this.document.get('external_id') ?? null;
  }

  get hostname(): string | null {
    return text(this.document, 'hostname');
  }

  get comment(): string | null {
    return text(this.document, 'comment');
  }

  get userData(): unknown {
    return this.document.get('user_data') ?? null;
  }

  get holdJob(): string | null {
    return text(this.document, 'hold_job');
  }

  get hostKeys(): readonly string[] {
    return textList(this.document, 'host_keys');
  }

  get username(): string | null {
    return text(this.document, 'username', 'zuul');
  }

  get connectionType(): string | null {
    return text(this.document, 'connection_type');
  }

  get shellType(): string | null {
    return text(this.document, 'shell_type');
  }

  get holdExpiration(): number | null {
    return holdExpiration(this.document.get('hold_expiration'));
  }

  get resources(): Resources | null {
    return resources(this.document);
  }

  get slot(): number | null {
    return number(this.document, 'slot');
  }

  get attributes(): Readonly<Record<string, unknown>> | null {
    return object(this.document, 'attributes');
  }

  get pythonPath(): string | null {
    return text(this.document, 'python_path');
  }

  get driverData(): unknown {
    return this.document.get('driver_data') ?? null;
  }

  get requestor(): string | null {
    return text(this.document, 'requestor');
  }

  get nodeProperties(): unknown {
    return this.document.get('node_properties') ?? null;
  }

  get machine(): unknown {
    return this.document.get('nodepool_machine') ?? null;
  }
}

/** Consumers have written it as text too; what is no number counts as 0. */
function holdExpiration(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const coerced = Math.trunc(Number(value));
  return Number.isFinite(coerced) ? coerced : 0;
}

/** By their text: the same for all nodes of a label. */
const knownResources = new Map<string, Resources>();
const mostKnown = 500;
const longestKnown = 200;

function resources(d: JsonDocument): Resources | null {
  const raw = d.rawText('resources') ?? '';
  const known = knownResources.get(raw);
  if (known) return known;
  const value = object(d, 'resources');
  if (value === null) return null;
  const read: Resources = Object.freeze(
    Object.fromEntries(Object.entries(value).filter((e): e is [string, number] => typeof e[1] === 'number')),
  );
  if (knownResources.size < mostKnown && raw.length <= longestKnown) knownResources.set(copyOf(raw), read);
  return read;
}

/** Every key, as Python writes it. */
const blank = JsonDocument.empty.with(
  Object.fromEntries(Object.values(keys).flatMap((key) => (key === keys.machine ? [] : [[key, null]]))),
);

/** A node that has no znode yet; its id is ''. */
export function newNode(fields: NodeFields & { readonly state: NodeState }, nowMs: number): NodeRecord {
  const now = seconds(nowMs);
  const given = {
    state_time: now,
    created_time: now,
    type: [],
    host_keys: [],
    connection_port: 22,
    ssh_port: 22,
    ...changesOf(fields),
  };
  return rebuild('', blank.with(given));
}

/** `state_time` moves when `state` is among the fields, even to the same value. */
export function updateNode(node: NodeRecord, fields: NodeFields, nowMs: number): NodeRecord {
  const changes = changesOf(fields);
  if (fields.state !== undefined) changes['state_time'] = seconds(nowMs);
  return rebuild(node.id, node.document.with(changes));
}

export function withNodeId(node: NodeRecord, id: string): NodeRecord {
  return rebuild(id, node.document);
}

export function encodeNode(node: NodeRecord): Buffer {
  return Buffer.from(node.document.toText());
}

function changesOf(fields: NodeFields): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(fields)) changes[keys[field as keyof NodeValues]] = value;
  // Old consumers read ssh_port.
  if (fields.connectionPort !== undefined) changes['ssh_port'] = fields.connectionPort;
  return changes;
}

function rebuild(id: string, document: JsonDocument): NodeRecord {
  const record = fromDocument(id, document);
  if (isBroken(record)) throw new TypeError(record.message);
  return record;
}
