import { beforeEach, expect, test } from 'vitest';
import { newNode, type NodeState, withNodeId } from '../../records/node.ts';
import { statOf } from '../../store/testing/stat.ts';
import { NodeView } from '../../store/mirrors/views.ts';
import type { Waiting } from '../../scheduling/plan.ts';
import { Eviction } from './eviction.ts';
import { NodeAccounting } from '../pools/node-accounting.ts';

let view: NodeView;
let evicted: Set<string>;
let waiting: number;
let requests: { waiting: Waiting; standsBack: boolean; openLabels: string[] }[];
let eviction: Eviction;
let version: number;

const put = (id: string, state: NodeState, pool = 'main') => {
  const fields = { provider: 'cloud', pool, labels: ['a'], resources: { instances: 1 } };
  view.apply(id, { value: withNodeId(newNode({ ...fields, state }, Number(id) * 1000), id), stat: statOf(++version) });
};
const lock = (id: string) => view.apply(`${id}/lock/${'f'.repeat(32)}__lock__0000000001`, null);
const makeRoom = (what: Partial<Waiting> = {}): string[] => {
  while (requests.length < waiting) {
    const waitsFor: Waiting = { kind: 'resource', resource: 'instances', reason: '', ...what };
    requests.push({ waiting: waitsFor, standsBack: false, openLabels: ['b'] });
  }
  eviction.makeRoom({
    id: 'pool',
    launches: true,
    providerName: 'cloud',
    poolName: 'main',
    waiting: requests,
  });
  return [...evicted];
};

beforeEach(() => {
  view = new NodeView(
    () => undefined,
    (error) => {
      throw error;
    },
  );
  version = 0;
  waiting = 1;
  requests = [];
  evicted = new Set();
  const accounting = new NodeAccounting(() => null);
  accounting.follow(view);
  eviction = new Eviction(accounting, {
    evict: (id) => void evicted.add(id),
    isEvicting: (id) => evicted.has(id),
  });
  for (const id of ['1', '2', '3']) put(id, 'ready');
  put('0', 'ready', 'other');
});

test('one node makes way for one request, at each step of its going', () => {
  expect(makeRoom()).toEqual(['1']);
  // Locked for its deletion, which its document does not show yet.
  lock('1');
  expect(makeRoom()).toEqual(['1']);
  put('1', 'deleting');
  expect(makeRoom()).toEqual(['1']);
});

test('what has gone without being of use makes room for another one', () => {
  makeRoom();
  view.apply('1', undefined);
  expect(makeRoom()).toEqual(['1', '2']);
});

test('a node that somebody else took in time is replaced by the next', () => {
  makeRoom();
  evicted.delete('1');
  put('1', 'in-use');
  expect(makeRoom()).toEqual(['2']);
});

test('no more than are missing, oldest first, nodes on their way out count', () => {
  waiting = 3;
  put('4', 'used');
  expect(makeRoom()).toEqual(['1', '2']);
  waiting = 9;
  expect(makeRoom()).toEqual(['1', '2', '3']);
});

test('one node makes way for a request that the cloud has refused for its quota, and no second one when that was of no use', () => {
  expect(makeRoom({ kind: 'refused', scope: 'provider' })).toEqual(['1']);
  expect(makeRoom()).toEqual(['1']);
  view.apply('1', undefined);
  expect(makeRoom()).toEqual(['1']);
});

test('nothing makes way for want of capacity in the cloud, nor for a request that stands back', () => {
  expect(makeRoom({ kind: 'refused' })).toEqual([]);
  requests = [
    { waiting: { kind: 'resource', resource: 'instances', reason: '' }, standsBack: true, openLabels: ['b'] },
  ];
  expect(makeRoom()).toEqual([]);
});
