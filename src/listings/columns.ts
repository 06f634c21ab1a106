/** The columns of each listing: keys and headers are those of the Python commands. */
import type { ComponentRecord } from '../records/component.ts';
import type { NodeRecord } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import { age, type Cell, type Column } from './table.ts';

export interface ListedNode {
  readonly node: NodeRecord;
  readonly locked: boolean;
}

/** The Kubernetes family keeps credentials where others have a port. */
function portOrRedacted(port: unknown): string | number {
  if (typeof port === 'number') return port;
  return typeof port === 'string' && /^\s*[+-]?\d{1,10}\s*$/.test(port) ? port : 'redacted';
}

export function nodeColumns(detail: boolean, nowMs: number): Column<ListedNode>[] {
  const column = (
    key: string,
    header: string,
    cell: (node: NodeRecord, locked: boolean) => Cell,
  ): Column<ListedNode> => ({
    key,
    header,
    cell: (row) => cell(row.node, row.locked),
  });
  const base = [
    column('id', 'ID', (n) => n.id),
    column('provider', 'Provider', (n) => n.provider),
    column('label', 'Label', (n) => n.labels),
    column('server_id', 'Server ID', (n) => n.externalId),
    column('public_ipv4', 'Public IPv4', (n) => n.publicIpv4),
    column('ipv6', 'IPv6', (n) => n.publicIpv6),
    column('state', 'State', (n) => n.state),
    column('age', 'Age', (n) => age(n.stateTime, nowMs)),
    column('locked', 'Locked', (_n, locked) => (locked ? 'locked' : 'unlocked')),
  ];
  if (!detail) return base;
  return [
    ...base,
    column('pool', 'Pool', (n) => n.pool),
    column('hostname', 'Hostname', (n) => n.hostname),
    column('private_ipv4', 'Private IPv4', (n) => n.privateIpv4),
    column('AZ', 'AZ', (n) => n.az),
    column('username', 'Username', (n) => n.username),
    column('connection_port', 'Port', (n) => portOrRedacted(n.connectionPort)),
    column('launcher', 'Launcher', (n) => n.launcher),
    column('allocated_to', 'Allocated To', (n) => n.allocatedTo),
    column('hold_job', 'Hold Job', (n) => n.holdJob),
    column('comment', 'Comment', (n) => n.comment),
    column('user_data', 'User Data', (n) => n.userData),
    column('driver_data', 'Driver Data', (n) => n.driverData),
  ];
}

export const requestColumns: readonly Column<RequestRecord>[] = [
  { key: 'id', header: 'Request ID', cell: (r) => r.id },
  { key: 'relative_priority', header: 'Priority', cell: (r) => r.relativePriority },
  { key: 'state', header: 'State', cell: (r) => r.state },
  { key: 'requestor', header: 'Requestor', cell: (r) => r.requestor },
  { key: 'node_types', header: 'Node Types', cell: (r) => r.nodeTypes },
  { key: 'nodes', header: 'Nodes', cell: (r) => r.nodes },
  { key: 'declined_by', header: 'Declined By', cell: (r) => r.declinedBy },
  { key: 'event_id', header: 'Event ID', cell: (r) => r.eventId },
];

export const poolColumns: readonly Column<ComponentRecord>[] = [
  { key: 'id', header: 'ID', cell: (c) => c.id },
  { key: 'hostname', header: 'Host', cell: (c) => c.hostname },
  { key: 'provider', header: 'Provider', cell: (c) => c.providerName },
  { key: 'pool', header: 'Pool', cell: (c) => c.name },
  { key: 'labels', header: 'Labels', cell: (c) => c.supportedLabels },
  { key: 'priority', header: 'Priority', cell: (c) => c.priority },
  { key: 'paused', header: 'Paused', cell: (c) => c.paused },
  { key: 'state', header: 'State', cell: (c) => c.state },
];

/** All labels that some registered pool supports. */
export const labelColumns: readonly Column<string>[] = [{ key: 'label', header: 'Label', cell: (label) => label }];
