import { describe, expect, test } from 'vitest';
import { isBroken } from './broken.ts';
import { encodeComponent, parseComponent } from './component.ts';
import { parseUpload } from './image.ts';
import { encodeNode, newNode, type NodeRecord, parseNode, updateNode, withNodeId } from './node.ts';
import {
  compareRequests,
  encodeRequest,
  newRequest,
  parseRequest,
  type RequestRecord,
  updateRequest,
} from './request.ts';

const bytes = (text: string) => Buffer.from(text);
const good = <T extends object>(record: T): Exclude<T, { broken: true }> => {
  if (isBroken(record)) throw new Error(record.message);
  return record as Exclude<T, { broken: true }>;
};
const node = (text: string): NodeRecord => good(parseNode('0000000001', bytes(text)));
const request = (text: string, id = '200-0000000001'): RequestRecord => good(parseRequest(id, bytes(text)));

describe('nodes', () => {
  test('a new one has every key of the contract, null where unknown', () => {
    const made = newNode({ state: 'init', provider: 'p', pool: 'main', labels: ['small'] }, 1_795_217_480_100);
    expect(made.id).toBe('');
    expect(JSON.parse(encodeNode(made).toString())).toEqual({
      state: 'init',
      state_time: 1795217480.1,
      created_time: 1795217480.1,
      cloud: null,
      provider: 'p',
      pool: 'main',
      type: ['small'],
      allocated_to: null,
      az: null,
      region: null,
      public_ipv4: null,
      private_ipv4: null,
      public_ipv6: null,
      host_id: null,
      interface_ip: null,
      connection_port: 22,
      ssh_port: 22,
      image_id: null,
      launcher: null,
      external_id: null,
      hostname: null,
      comment: null,
      user_data: null,
      hold_job: null,
      host_keys: [],
      username: null,
      connection_type: null,
      shell_type: null,
      hold_expiration: null,
      resources: null,
      slot: null,
      attributes: null,
      python_path: null,
      tenant_name: null,
      driver_data: null,
      requestor: null,
      node_properties: null,
    });
  });

  test('a consumer’s additions are kept, state_time moves only with state', () => {
    const seen = node(
      '{"state": "in-use", "state_time": 5.25, "created_time": 4, "id": "0000000001", "user_data": {"n": 12345678901234567890}}',
    );
    const same = updateNode(seen, { comment: 'x' }, 9000);
    expect([same.stateTime, same.createdTime, same.comment]).toEqual([5.25, 4, 'x']);
    const moved = updateNode(same, { state: 'in-use' }, 9000);
    expect(moved.stateTime).toBe(9);
    const text = encodeNode(moved).toString();
    expect(text).toContain('"id": "0000000001"');
    expect(text).toContain('12345678901234567890');
    expect(withNodeId(moved, '7').id).toBe('7');
  });

  test('ssh_port follows connection_port, and stands in for it', () => {
    expect(node('{"state": "ready", "ssh_port": 2222}').connectionPort).toBe(2222);
    expect(node('{"state": "ready"}').connectionPort).toBe(22);
    const port = { namespace: 'n', token: 't' };
    expect(
      JSON.parse(encodeNode(updateNode(node('{"state": "ready"}'), { connectionPort: port }, 0)).toString()),
    ).toMatchObject({
      connection_port: port,
      ssh_port: port,
    });
  });

  test('defaults are for absent keys, not for null', () => {
    expect(node('{"state": "ready"}').username).toBe('zuul');
    expect(node('{"state": "ready", "username": null}').username).toBeNull();
  });

  test.each([
    ['"3600"', 3600],
    ['3600.9', 3600],
    ['"soon"', 0],
    ['null', null],
    ['0', 0],
  ])('hold_expiration %s is %s', (text, expected) => {
    expect(node(`{"state": "hold", "hold_expiration": ${text}}`).holdExpiration).toBe(expected);
  });

  test('one label as text is a list; values of a wrong type count as absent', () => {
    const seen = node(
      '{"state": "ready", "type": "small", "provider": 7, "host_keys": [1, "k"], "state_time": "x", "resources": [], "slot": "a"}',
    );
    expect(seen).toMatchObject({
      labels: ['small'],
      provider: null,
      hostKeys: ['k'],
      stateTime: 0,
      resources: null,
      slot: null,
    });
  });
});

describe('requests', () => {
  const zuul =
    '{"requestor_data": {"span_info": {"trace_id": 243758281276797397330304997386949176101, "span_id": 5453246484714244990, "start_time": 1795219800112188416}}, "node_types": ["alpha", "alpha"], "requestor": "e1", "created_time": 1795219800.1121883, "provider": null, "state": "requested", "state_time": 1795219800.112179, "relative_priority": 0, "event_id": "event", "tenant_name": "t"}';

  test('what the launcher writes gives everything back and adds what consumers leave out', () => {
    const text = encodeRequest(
      updateRequest(request(zuul), { state: 'fulfilled', nodes: ['5', '6'] }, 2_000),
    ).toString();
    for (const number of [
      '243758281276797397330304997386949176101',
      '5453246484714244990',
      '1795219800112188416',
      '1795219800.1121883',
    ])
      expect(text).toContain(number);
    expect(JSON.parse(text)).toMatchObject({
      state: 'fulfilled',
      state_time: 2,
      nodes: ['5', '6'],
      declined_by: [],
      reuse: true,
    });
  });

  test('a new one is complete', () => {
    const made = newRequest({ nodeTypes: ['a'], reuse: false }, 1_500);
    expect(JSON.parse(encodeRequest(made).toString())).toEqual({
      state: 'requested',
      state_time: 1.5,
      declined_by: [],
      node_types: ['a'],
      nodes: [],
      reuse: false,
      requestor: null,
      requestor_data: null,
      provider: null,
      relative_priority: 0,
      event_id: null,
      created_time: 1.5,
      tenant_name: null,
    });
  });

  test('order: priority as text, relative priority, sequence as text', () => {
    const make = (id: string, relative: number) =>
      request(`{"state": "requested", "relative_priority": ${relative}}`, id);
    const sorted = [
      make('300-0000000000', 0),
      make('200-0000000010', 2),
      make('200-0000000009', 2),
      make('100-0000000011', 50),
      make('200-0000000012', -1),
    ].sort(compareRequests);
    expect(sorted.map((r) => r.id)).toEqual([
      '100-0000000011',
      '200-0000000012',
      '200-0000000009',
      '200-0000000010',
      '300-0000000000',
    ]);
  });
});

describe('documents that cannot be used are values', () => {
  test.each([
    ['', 'empty'],
    ['{"state": "ready"', 'syntax'],
    ['[1]', 'syntax'],
    ['{"state": "sleeping"}', 'unknown-state'],
    ['{}', 'unknown-state'],
    ['{"state": {"a": 1}}', 'unknown-state'],
    ['{"state": NaN}', 'unknown-state'],
  ])('%j: %s', (text, reason) => {
    for (const record of [parseNode('1', bytes(text)), parseRequest('1', bytes(text))])
      expect(record).toMatchObject({ broken: true, id: '1', reason });
  });

  test('bytes that are no UTF-8 do not throw', () => {
    expect(parseNode('1', Buffer.from([0xff, 0xfe, 0x7b]))).toMatchObject({ broken: true });
  });

  test('what is said about them is short', () => {
    const record = parseNode('1', bytes(`{"state": "${'x'.repeat(500_000)}"}`));
    expect(isBroken(record) && record.message.length).toBeLessThan(200);
  });
});

describe('components and uploads', () => {
  test('a pool is written with sorted keys and read back', () => {
    const pool = {
      kind: 'pool',
      hostname: 'h',
      state: 'running',
      version: '1',
      modelApi: 0,
      id: 'i',
      name: 'main',
      providerName: 'p',
      supportedLabels: ['a'],
      priority: 100,
      paused: true,
    } as const;
    const data = encodeComponent(pool);
    expect(Object.keys(JSON.parse(data.toString()) as object)).toEqual([
      'hostname',
      'id',
      'kind',
      'model_api',
      'name',
      'paused',
      'priority',
      'provider_name',
      'state',
      'supported_labels',
      'version',
    ]);
    expect(parseComponent('pool', data)).toEqual(pool);
    expect(parseComponent('pool', bytes('nonsense'))).toBeNull();
    expect(parseComponent('pool', bytes('{"id": "i"}'))).toMatchObject({
      priority: 100,
      paused: false,
      supportedLabels: [],
    });
  });

  test('an upload', () => {
    expect(
      parseUpload(bytes('{"state": "ready", "state_time": 2, "external_id": "e", "username": null}')),
    ).toMatchObject({
      state: 'ready',
      stateTime: 2,
      externalId: 'e',
      username: null,
      pythonPath: '/usr/bin/python2',
    });
    expect(parseUpload(bytes(''))).toBeNull();
  });
});
