/** The document of a node (`/nodepool/nodes/<id>`). Every key of the contract is written, unknown ones are kept. */
import { type BrokenRecord, isBroken, parseDocument, unknownState } from './broken.ts';
import { number, object, seconds, text, textList } from './fields.ts';
import { JsonDocument } from './json-document.ts';
import type { Resources } from './resources.ts';

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

function fromDocument(id: string, d: JsonDocument): NodeRecord | BrokenRecord {
  const state = d.get('state');
  if (!states.has(state)) return unknownState(id, state);
  return {
    id,
    state: state as NodeState,
    stateTime: number(d, 'state_time') ?? 0,
    createdTime: number(d, 'created_time'),
    cloud: text(d, 'cloud'),
    provider: text(d, 'provider'),
    pool: text(d, 'pool'),
    labels: textList(d, 'type'),
    allocatedTo: text(d, 'allocated_to'),
    az: text(d, 'az'),
    region: text(d, 'region'),
    publicIpv4: text(d, 'public_ipv4'),
    privateIpv4: text(d, 'private_ipv4'),
    publicIpv6: text(d, 'public_ipv6'),
    hostId: text(d, 'host_id'),
    interfaceIp: text(d, 'interface_ip'),
    connectionPort: d.get('connection_port') ?? d.get('ssh_port') ?? 22,
    imageId: text(d, 'image_id'),
    launcher: text(d, 'launcher'),
    externalId: d.get('external_id') ?? null,
    hostname: text(d, 'hostname'),
    comment: text(d, 'comment'),
    get userData() {
      return d.get('user_data') ?? null;
    },
    holdJob: text(d, 'hold_job'),
    hostKeys: textList(d, 'host_keys'),
    username: text(d, 'username', 'zuul'),
    connectionType: text(d, 'connection_type'),
    shellType: text(d, 'shell_type'),
    holdExpiration: holdExpiration(d.get('hold_expiration')),
    resources: resources(object(d, 'resources')),
    slot: number(d, 'slot'),
    attributes: object(d, 'attributes'),
    pythonPath: text(d, 'python_path'),
    tenantName: text(d, 'tenant_name'),
    get driverData() {
      return d.get('driver_data') ?? null;
    },
    requestor: text(d, 'requestor'),
    get nodeProperties() {
      return d.get('node_properties') ?? null;
    },
    get machine() {
      return d.get('nodepool_machine') ?? null;
    },
    document: d,
  };
}

/** Consumers have written it as text too; what is no number counts as 0. */
function holdExpiration(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const coerced = Math.trunc(Number(value));
  return Number.isFinite(coerced) ? coerced : 0;
}

function resources(value: Readonly<Record<string, unknown>> | null): Resources | null {
  if (value === null) return null;
  return Object.fromEntries(Object.entries(value).filter((e): e is [string, number] => typeof e[1] === 'number'));
}

/** A node that has no znode yet; its id is ''. */
export function newNode(fields: NodeFields & { readonly state: NodeState }, nowMs: number): NodeRecord {
  const blank: Record<string, unknown> = {};
  for (const [field, key] of Object.entries(keys)) if (field !== 'machine') blank[key] = null;
  const document = JsonDocument.empty.with({
    ...blank,
    state: fields.state,
    state_time: seconds(nowMs),
    created_time: seconds(nowMs),
    type: [],
    host_keys: [],
    connection_port: 22,
    ssh_port: 22,
  });
  return rebuild('', document.with(changesOf(fields)));
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
