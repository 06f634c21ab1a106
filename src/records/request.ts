/** The document of a node request (`/nodepool/requests/<priority>-<sequence>`). */
import { type BrokenRecord, isBroken, parseDocument, unknownState } from './broken.ts';
import { number, seconds, text, textList } from './fields.ts';
import { JsonDocument } from './json-document.ts';

const requestStates = ['requested', 'pending', 'fulfilled', 'failed'] as const;
type RequestState = (typeof requestStates)[number];

interface RequestValues {
  readonly state: RequestState;
  readonly declinedBy: readonly string[];
  readonly nodeTypes: readonly string[];
  readonly nodes: readonly string[];
  readonly reuse: boolean;
  readonly requestor: string | null;
  readonly requestorData: unknown;
  readonly provider: string | null;
  readonly relativePriority: number;
  readonly eventId: string | null;
  readonly createdTime: number | null;
  readonly tenantName: string | null;
}

export type RequestFields = Partial<RequestValues>;

export interface RequestRecord extends RequestValues {
  readonly broken?: never;
  readonly id: string;
  readonly stateTime: number;
  readonly document: JsonDocument;
}

const keys: Readonly<Record<keyof RequestValues, string>> = {
  state: 'state',
  declinedBy: 'declined_by',
  nodeTypes: 'node_types',
  nodes: 'nodes',
  reuse: 'reuse',
  requestor: 'requestor',
  requestorData: 'requestor_data',
  provider: 'provider',
  relativePriority: 'relative_priority',
  eventId: 'event_id',
  createdTime: 'created_time',
  tenantName: 'tenant_name',
};

const states = new Set<unknown>(requestStates);

export function parseRequest(id: string, data: Uint8Array): RequestRecord | BrokenRecord {
  const document = parseDocument(id, data);
  return isBroken(document) ? document : fromDocument(id, document);
}

function fromDocument(id: string, document: JsonDocument): RequestRecord | BrokenRecord {
  const state = document.get('state');
  return states.has(state) ? new DocumentedRequest(id, state as RequestState, document) : unknownState(id, state);
}

class DocumentedRequest implements RequestRecord {
  readonly id: string;
  readonly state: RequestState;
  readonly stateTime: number;
  readonly declinedBy: readonly string[];
  readonly nodeTypes: readonly string[];
  readonly nodes: readonly string[];
  readonly reuse: boolean;
  readonly requestor: string | null;
  readonly provider: string | null;
  readonly relativePriority: number;
  readonly eventId: string | null;
  readonly tenantName: string | null;
  readonly document: JsonDocument;

  constructor(id: string, state: RequestState, d: JsonDocument) {
    this.id = id;
    this.state = state;
    this.stateTime = number(d, 'state_time') ?? 0;
    this.declinedBy = textList(d, 'declined_by');
    this.nodeTypes = textList(d, 'node_types');
    this.nodes = textList(d, 'nodes');
    this.reuse = d.get('reuse') !== false;
    this.requestor = text(d, 'requestor');
    this.provider = text(d, 'provider');
    this.relativePriority = number(d, 'relative_priority') ?? 0;
    this.eventId = text(d, 'event_id');
    this.tenantName = text(d, 'tenant_name');
    this.document = d;
  }

  get requestorData(): unknown {
    return this.document.get('requestor_data') ?? null;
  }

  get createdTime(): number | null {
    return number(this.document, 'created_time');
  }
}

export function newRequest(fields: RequestFields, nowMs: number): RequestRecord {
  const document = JsonDocument.empty.with({
    state: 'requested',
    state_time: seconds(nowMs),
    declined_by: [],
    node_types: [],
    nodes: [],
    reuse: true,
    requestor: null,
    requestor_data: null,
    provider: null,
    relative_priority: 0,
    event_id: null,
    created_time: seconds(nowMs),
    tenant_name: null,
  });
  return rebuild('', document.with(changesOf(fields)));
}

/** What the launcher writes always has `nodes`, `declined_by` and `reuse`, which consumers may leave out. */
export function updateRequest(request: RequestRecord, fields: RequestFields, nowMs: number): RequestRecord {
  const changes = changesOf({
    declinedBy: request.declinedBy,
    nodes: request.nodes,
    reuse: request.reuse,
    ...fields,
  });
  if (fields.state !== undefined) changes['state_time'] = seconds(nowMs);
  return rebuild(request.id, request.document.with(changes));
}

export function withRequestId(request: RequestRecord, id: string): RequestRecord {
  return rebuild(id, request.document);
}

export function encodeRequest(request: RequestRecord): Buffer {
  return Buffer.from(request.document.toText());
}

/** The order in which requests are served: priority (text), relative priority, sequence (text). */
export function compareRequests(a: RequestRecord, b: RequestRecord): number {
  const [priorityA, sequenceA] = split(a.id);
  const [priorityB, sequenceB] = split(b.id);
  if (priorityA !== priorityB) return priorityA < priorityB ? -1 : 1;
  if (a.relativePriority !== b.relativePriority) return a.relativePriority - b.relativePriority;
  return sequenceA < sequenceB ? -1 : sequenceA > sequenceB ? 1 : 0;
}

function split(id: string): [string, string] {
  const at = id.indexOf('-');
  return at < 0 ? [id, ''] : [id.slice(0, at), id.slice(at + 1)];
}

function changesOf(fields: RequestFields): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(fields)) changes[keys[field as keyof RequestValues]] = value;
  return changes;
}

function rebuild(id: string, document: JsonDocument): RequestRecord {
  const record = fromDocument(id, document);
  if (isBroken(record)) throw new TypeError(record.message);
  return record;
}
