/** A tree in which all is well, to be changed by tests. */
import { loadConfig } from '../../config/load.ts';
import type { ComponentRecord } from '../../records/component.ts';
import { newNode, type NodeFields, type NodeRecord, withNodeId } from '../../records/node.ts';
import {
  newRequest,
  parseRequest,
  encodeRequest,
  type RequestFields,
  type RequestRecord,
} from '../../records/request.ts';
import { configFile, temporaryDirectory } from '../../base/testing/files.ts';
import { driverDefinitions } from '../../drivers/catalogue.ts';
import type { Snapshot, SeenNode, SeenRequest } from '../snapshot.ts';

export const nowMs = 1_700_000_000_000;
export const minuteMs = 60_000;

export const pool: ComponentRecord = {
  kind: 'pool',
  hostname: 'host',
  state: 'running',
  version: '1',
  modelApi: 0,
  id: 'host-PoolWorker.cloud-main-1',
  name: 'main',
  providerName: 'cloud',
  supportedLabels: ['small', 'large'],
  priority: 100,
  paused: false,
};

const launcher: ComponentRecord = { ...pool, kind: 'launcher', id: null, name: null, providerName: null };

const text = `
labels: [{name: small}, {name: large, max-ready-age: 3600}]
max-hold-age: 7200
tenant-resource-limits: [{tenant-name: t, max-servers: 2}]
providers:
  - name: cloud
    driver: fake
    cloud: cloud
    launch-timeout: 600
    launch-retries: 2
    cloud-images: [{name: debian, image-id: i}]
    pools:
      - name: main
        max-servers: 3
        labels: [{name: small, cloud-image: debian, min-ram: 1}, {name: large, cloud-image: debian, min-ram: 1}]
`;

export function healthyTree(o: Partial<Snapshot> = {}, config = text): Snapshot {
  const path = configFile(temporaryDirectory(), config);
  return {
    nowMs,
    patienceMs: 5 * minuteMs,
    config: loadConfig({ path, env: {}, drivers: driverDefinitions }).config,
    launchers: [launcher],
    pools: [pool],
    requests: [],
    nodes: [],
    broken: [],
    strayLocks: [],
    hasUpload: () => false,
    health: [],
    holder: () => Promise.resolve(null),
    ...o,
  };
}

let made = 0;

/** `minutes` old in that state. */
export function request(minutes: number, fields: RequestFields = {}, o: Partial<SeenRequest> = {}): SeenRequest {
  const atMs = nowMs - minutes * minuteMs;
  const id = `200-${String(++made).padStart(10, '0')}`;
  const document = newRequest({ nodeTypes: ['small'], requestor: 'zuul', ...fields }, atMs);
  const parsed = parseRequest(id, encodeRequest(document)) as RequestRecord;
  return { request: parsed, locked: false, createdMs: atMs, changedMs: atMs, version: 0, ...o };
}

export function node(
  minutes: number,
  fields: NodeFields & Pick<NodeRecord, 'state'>,
  o: Partial<SeenNode> = {},
): SeenNode {
  const atMs = nowMs - minutes * minuteMs;
  const id = String(++made).padStart(10, '0');
  const document = newNode({ provider: 'cloud', pool: 'main', labels: ['small'], ...fields }, atMs);
  return { node: withNodeId(document, id), locked: false, createdMs: atMs, changedMs: atMs, version: 0, ...o };
}
