import { expect, test } from 'vitest';
import type { CloudResource, ListedInstance } from '../driver-kit/contract.ts';
import { LeakDetector } from './leaks.ts';

const resource = (id: string, o: { type?: string; provider?: string; node?: string } = {}): CloudResource => ({
  type: o.type ?? 'instance',
  id,
  metadata: { nodepool_provider_name: o.provider ?? 'cloud', nodepool_node_id: o.node ?? '7' },
});
const nobody = () => false;

test('removed after two passes in a row, never after one', () => {
  const detector = new LeakDetector('cloud');
  expect(detector.pass([resource('a')], nobody)).toEqual([]);
  expect(detector.pass([resource('a')], nobody)).toEqual([resource('a')]);
});

test('a pass in which it was not suspect starts over', () => {
  const detector = new LeakDetector('cloud');
  detector.pass([resource('a')], nobody);
  detector.pass([resource('a')], () => true);
  expect(detector.pass([resource('a')], nobody)).toEqual([]);
  detector.pass([], nobody);
  expect(detector.pass([resource('a')], nobody)).toEqual([]);
});

test('what belongs to others, or to nobody, is never a leak', () => {
  const detector = new LeakDetector('cloud');
  const foreign = [resource('a', { provider: 'other' }), { type: 'instance', id: 'b', metadata: {} }];
  const half = { type: 'disk', id: 'c', metadata: { nodepool_provider_name: 'cloud' } };
  for (let i = 0; i < 3; i++) expect(detector.pass([...foreign, half], nobody)).toEqual([]);
});

test('one id of two kinds are two resources', () => {
  const detector = new LeakDetector('cloud');
  detector.pass([resource('a')], nobody);
  const both = [resource('a'), resource('a', { type: 'disk' })];
  expect(detector.pass(both, nobody)).toEqual([resource('a')]);
});

test('an instance of a node that has another one is surplus after two passes', () => {
  const detector = new LeakDetector('cloud');
  const listed = (id: string, node: string, provider = 'cloud'): ListedInstance => ({
    externalId: id,
    metadata: { nodepool_provider_name: provider, nodepool_node_id: node },
    resources: {},
    native: null,
  });
  const all = [listed('own', '7'), listed('twin', '7'), listed('early', '8'), listed('theirs', '7', 'other')];
  const instanceOf = (nodeId: string) => (nodeId === '7' ? 'own' : null);
  expect(detector.surplus(all, instanceOf)).toEqual([]);
  expect(detector.surplus(all, instanceOf)).toEqual([listed('twin', '7')]);
  expect(detector.surplus([], instanceOf)).toEqual([]);
  expect(detector.surplus(all, instanceOf)).toEqual([]);
});
