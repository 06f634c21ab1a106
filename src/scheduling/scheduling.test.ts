import { describe, expect, test } from 'vitest';
import { isBroken } from '../records/broken.ts';
import { encodeRequest, newRequest, parseRequest, type RequestFields } from '../records/request.ts';
import { ResourceTotal, type Resources } from '../base/resources.ts';
import { plan, type PlanPool, type StockNode } from './plan.ts';
import { candidates, type RegisteredPool, route, type RoutingPool, stateAfterDecline } from './routing.ts';

function request(fields: RequestFields) {
  const made = parseRequest('200-0000000000', encodeRequest(newRequest(fields, 0)));
  if (isBroken(made)) throw new Error(made.message);
  return made;
}

const registered = (id: string, labels: string[], more: Partial<RegisteredPool> = {}): RegisteredPool => ({
  id,
  providerName: id,
  name: 'main',
  priority: 100,
  paused: false,
  labels: new Set(labels),
  ...more,
});

const pool = (labels: string[], more: Partial<RoutingPool> = {}): RoutingPool => ({
  id: 'mine',
  providerName: 'mine',
  poolName: 'main',
  priority: 100,
  takesNothing: false,
  disabled: false,
  limits: { instances: 5 },
  providerLimits: { cores: 8 },
  label: (name) =>
    labels.includes(name) ? { available: true, reason: '', need: { instances: 1, cores: 4 } } : undefined,
  slotsEver: () => null,
  ...more,
});

describe('routing', () => {
  const kind = (fields: RequestFields, p: RoutingPool, registry: RegisteredPool[]) => {
    const r = request(fields);
    return route(r, p, candidates(r, registry)).kind;
  };
  const mine = registered('mine', ['a']);

  test.each<[string, RequestFields, RoutingPool, RegisteredPool[], string]>([
    ['served', { nodeTypes: ['a'] }, pool(['a']), [mine], 'eligible'],
    ['declined before', { nodeTypes: ['a'], declinedBy: ['mine'] }, pool(['a']), [mine], 'ignore'],
    [
      'other provider preferred',
      { nodeTypes: ['a'], provider: 'other' },
      pool(['a']),
      [mine, registered('other', ['a'])],
      'yield',
    ],
    [
      'preferred provider cannot',
      { nodeTypes: ['a'], provider: 'other' },
      pool(['a']),
      [mine, registered('other', ['b'])],
      'eligible',
    ],
    ['better pool', { nodeTypes: ['a'] }, pool(['a']), [mine, registered('other', ['a'], { priority: 1 })], 'yield'],
    [
      'better pool is full',
      { nodeTypes: ['a'] },
      pool(['a']),
      [mine, registered('other', ['a'], { priority: 1, paused: true })],
      'eligible',
    ],
    [
      'preferred, with a better pool that yields to it',
      { nodeTypes: ['a'], provider: mine.providerName },
      pool(['a']),
      [mine, registered('other', ['a'], { priority: 1 })],
      'eligible',
    ],
    ['label elsewhere', { nodeTypes: ['b'] }, pool(['a']), [mine, registered('other', ['b'])], 'yield'],
    ['label nowhere', { nodeTypes: ['b'] }, pool(['a']), [mine], 'decline'],
    ['disabled', { nodeTypes: ['a'] }, pool(['a'], { disabled: true }), [mine], 'decline'],
    ['too large for the provider', { nodeTypes: ['a', 'a', 'a'] }, pool(['a']), [mine], 'decline'],
    [
      'too large for the pool',
      { nodeTypes: Array<string>(6).fill('a') },
      pool(['a'], { providerLimits: {} }),
      [mine],
      'decline',
    ],
    ['quota unknown', { nodeTypes: ['a'] }, pool(['a'], { providerLimits: null }), [mine], 'defer'],
    ['takes nothing', { nodeTypes: ['b'] }, pool(['a'], { takesNothing: true }), [mine], 'ignore'],
    ['more hosts than there are', { nodeTypes: ['a', 'a'] }, pool(['a'], { slotsEver: () => 1 }), [mine], 'decline'],
  ])('%s', (_name, fields, p, registry, expected) => {
    expect(kind(fields, p, registry)).toBe(expected);
  });

  test('a request fails when every registered pool has declined', () => {
    expect(stateAfterDecline(['a', 'b'], [registered('a', []), registered('b', [])])).toBe('failed');
    expect(stateAfterDecline(['a'], [registered('a', []), registered('b', [])])).toBe('requested');
  });
});

describe('plan', () => {
  const total = (use: Resources) => {
    const t = new ResourceTotal();
    t.add(use);
    return t;
  };
  const planPool = (used: number, stock: StockNode[] = [], more: Partial<PlanPool> = {}): PlanPool => ({
    launches: true,
    limits: { instances: 3 },
    used: total({ instances: used }),
    providerLimits: {},
    providerUsed: total({}),
    need: () => ({ instances: 1 }),
    launchesLeft: Number.POSITIVE_INFINITY,
    refusedLately: () => null,
    stock: () => stock,
    ...more,
  });
  const node = (id: string, az: string | null = null, hostname: string | null = null): StockNode => ({
    id,
    az,
    stateTime: 0,
    hostname,
  });
  const kinds = (labels: string[], p: PlanPool, reuse = true) =>
    plan(labels, p, { reuse }).slots.map((s) => (s.kind === 'stock' ? s.nodeId : s.kind));

  test('stock first, launches up to the limit, then waiting', () => {
    expect(kinds(['a', 'a', 'a', 'a'], planPool(1, [node('1')]))).toEqual(['1', 'launch', 'launch', 'wait']);
  });

  test('without reuse the stock is left alone', () => {
    expect(kinds(['a'], planPool(0, [node('1')]), false)).toEqual(['launch']);
  });

  test('the first zone binds the others', () => {
    expect(kinds(['a', 'a', 'a'], planPool(0, [node('1', 'z1'), node('2', 'z2'), node('3', 'z1')]))).toEqual([
      '1',
      '3',
      'launch',
    ]);
  });

  test('an inventory spreads over hosts and launches nothing', () => {
    const inventory = planPool(0, [node('1', null, 'h1'), node('2', null, 'h1'), node('3', null, 'h2')], {
      launches: false,
    });
    expect(kinds(['a', 'a', 'a', 'a'], inventory)).toEqual(['1', '3', '2', 'wait']);
  });

  test('an inventory finds the one way to serve all labels', () => {
    const byLabel: Record<string, StockNode[]> = {
      any: [node('1', null, 'h1'), node('2', null, 'h2'), node('3', null, 'h3')],
      some: [node('1', null, 'h1'), node('2', null, 'h2')],
      special: [node('1', null, 'h1')],
    };
    const inventory = planPool(0, [], { launches: false, stock: (label) => byLabel[label]! });
    expect(kinds(['any', 'some', 'special'], inventory)).toEqual(['3', '2', '1']);
    expect(kinds(['special', 'any', 'special'], inventory)).toEqual(['1', '2', 'wait']);
  });
});
