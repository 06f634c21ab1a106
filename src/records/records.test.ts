import { describe, expect, test } from 'vitest';
import { isBroken } from './broken.ts';
import { JsonDocument } from './json-document.ts';
import { encodeNode, newNode, parseNode, updateNode } from './node.ts';
import { compareRequests, encodeRequest, newRequest, parseRequest, updateRequest } from './request.ts';

const bytes = (text: string) => Buffer.from(text);

describe('documents', () => {
  test('numbers beyond a double, NaN and unknown keys survive an update to the digit', () => {
    const text =
      '{"state": "requested", "node_types": ["a"], "requestor_data": {"span_info": {"trace_id": 243758281276797397330304997386949176101}}, "odd": NaN, "ours": 1.10}';
    const request = parseRequest('200-0000000001', bytes(text));
    if (isBroken(request)) throw new Error(request.message);
    const written = encodeRequest(updateRequest(request, { state: 'pending' }, 5000)).toString();
    expect(written).toContain('"trace_id": 243758281276797397330304997386949176101');
    expect(written).toContain('"odd": NaN');
    expect(written).toContain('"ours": 1.10');
    expect(written).toContain('"state": "pending"');
    expect(written).toContain('"state_time": 5');
    expect(written).toContain('"declined_by": []');
  });

  test.each(['', '{', '[1]', '{"a": }', '{"a": 1} x', '{"state": "nonsense"}', `${'{"a":'.repeat(5000)}1`])(
    'what cannot be used is a value, not an exception: %s',
    (text) => {
      expect(isBroken(parseNode('1', bytes(text)))).toBe(true);
      expect(isBroken(parseRequest('200-1', bytes(text)))).toBe(true);
    },
  );

  test('a new node has every key of the contract, and ssh_port follows connection_port', () => {
    const node = updateNode(newNode({ state: 'init', labels: ['a'] }, 1000), { connectionPort: 2222 }, 2000);
    const document = JSON.parse(encodeNode(node).toString()) as Record<string, unknown>;
    expect(document).toMatchObject({
      state: 'init',
      state_time: 1,
      created_time: 1,
      type: ['a'],
      connection_port: 2222,
      ssh_port: 2222,
    });
    for (const key of ['external_id', 'hold_job', 'driver_data', 'host_keys', 'resources'])
      expect(document).toHaveProperty(key);
    expect(document).not.toHaveProperty('nodepool_machine');
  });

  test('state_time moves only with the state', () => {
    const node = newNode({ state: 'ready' }, 1000);
    expect(updateNode(node, { allocatedTo: 'x' }, 9000).stateTime).toBe(1);
    expect(updateNode(node, { state: 'ready' }, 9000).stateTime).toBe(9);
  });

  test('requests are ordered by priority, relative priority, sequence', () => {
    const make = (id: string, relativePriority: number) => {
      const request = parseRequest(id, encodeRequest(newRequest({ relativePriority }, 0)));
      if (isBroken(request)) throw new Error(request.message);
      return request;
    };
    const sorted = [
      make('200-0000000001', 0),
      make('100-0000000005', 2),
      make('100-0000000006', 1),
      make('100-0000000004', 2),
    ];
    sorted.sort(compareRequests);
    expect(sorted.map((r) => r.id)).toEqual(['100-0000000006', '100-0000000004', '100-0000000005', '200-0000000001']);
  });

  test('escapes and white space of other writers are understood', () => {
    const d = JsonDocument.parse(' { "a\\u00e9" : "x\\n" , "b":[1, {"c":"}"}] } ');
    expect(d.get('aé')).toBe('x\n');
    expect(d.rawText('b')).toBe('[1, {"c":"}"}]');
  });
});
