import { expect, test } from 'vitest';
import { newNode, withNodeId } from '../../records/node.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import { Slot } from './slot.ts';
import { inherit } from './take-over.ts';

type Fields = Parameters<typeof newNode>[0];

const pool = { providerName: 'cloud', poolName: 'main' };
const entry = (id: string, fields: Fields): NodeEntry =>
  ({
    id,
    node: withNodeId(newNode({ provider: 'cloud', pool: 'main', labels: ['a'], ...fields }, 0), id),
  }) as NodeEntry;
const launch = { state: 'building', externalId: 'vm', machine: { attempt: 2, az: null, state: {} } } as const;
const found = (entries: NodeEntry[], ...labels: string[]) =>
  inherit(
    entries,
    labels.map((label) => new Slot(label, null)),
    pool,
  ).map(({ slot, entry: { id }, kind, zone }) => [slot.label, id, kind, zone]);

test('what is there counts in the order of its creation, each node for one slot', () => {
  const nodes = [
    entry('3', { state: 'init' }),
    entry('1', launch),
    entry('2', { state: 'ready', az: 'west', labels: ['b'] }),
    entry('4', { state: 'ready', az: null }),
    entry('5', { state: 'ready' }),
  ];
  expect(found(nodes, 'a', 'b', 'a', 'a')).toEqual([
    ['a', '1', 'resume', null],
    ['b', '2', 'ready', 'west'],
    ['a', '3', 'launch', undefined],
    ['a', '4', 'ready', undefined],
  ]);
});

test('what cannot be gone on with, or is of another pool, leaves its slot to others', () => {
  const nodes = [
    entry('1', { state: 'building' }),
    entry('2', { ...launch, pool: 'other' }),
    entry('3', { ...launch, provider: 'other' }),
    entry('4', { state: 'ready', labels: ['b'] }),
    entry('5', launch),
  ];
  expect(found(nodes, 'a')).toEqual([['a', '5', 'resume', null]]);
});
