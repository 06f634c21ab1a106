/** The accounting agrees with a recount of all nodes after any history, and its stock is in order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isBroken } from '../../records/broken.ts';
import { newNode, type NodeRecord, type NodeState, parseNode, withNodeId } from '../../records/node.ts';
import { ResourceTotal } from '../../base/resources.ts';
import { statOf } from '../../store/testing/stat.ts';
import { NodeView } from '../../store/mirrors/views.ts';
import { NodeAccounting } from './node-accounting.ts';

const providers = ['p', 'q'];
const pools = ['one', 'two'];
const labels = ['a', 'b'];
const tenants = ['t', 'u'];
const states: NodeState[] = ['init', 'building', 'ready', 'in-use', 'used', 'deleting', 'hold'];
const need = { instances: 1, cores: 2 };

const change = fc.record({
  id: fc.integer({ min: 0, max: 11 }),
  what: fc.constantFrom('write', 'write', 'write', 'delete', 'lock', 'unlock', 'break'),
  state: fc.constantFrom(...states),
  provider: fc.constantFrom(...providers),
  pool: fc.constantFrom(...pools),
  labels: fc.subarray(labels, { minLength: 1 }),
  tenant: fc.option(fc.constantFrom(...tenants)),
  allocated: fc.boolean(),
  resources: fc.option(fc.record({ instances: fc.constant(1), ram: fc.integer({ min: 1, max: 9 }) })),
  seconds: fc.integer({ min: 0, max: 5 }),
});

/** Free nodes are nobody's, whoever had them made. */
const isStock = (node: NodeRecord) => node.state === 'ready' && node.allocatedTo === null;

function recount(nodes: readonly NodeRecord[]): ResourceTotal {
  const total = new ResourceTotal();
  for (const node of nodes) total.add(node.resources ?? need);
  return total;
}

test('property: the accounting agrees with a recount after every change', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const view = new NodeView(
        () => undefined,
        (error) => {
          throw error;
        },
      );
      const accounting = new NodeAccounting(() => need);
      accounting.follow(view);
      changes.forEach((one, version) => {
        const id = `000000000${one.id}`.slice(-10);
        if (one.what === 'delete') view.apply(id, undefined);
        else if (one.what === 'lock') view.apply(`${id}/lock/${'f'.repeat(32)}__lock__0000000001`, null);
        else if (one.what === 'unlock') view.apply(`${id}/lock/${'f'.repeat(32)}__lock__0000000001`, undefined);
        else if (one.what === 'break')
          view.apply(id, { value: parseNode(id, Buffer.from('{')), stat: statOf(version) });
        else {
          const { state, provider, pool, resources } = one;
          const fields = {
            provider,
            pool,
            labels: one.labels,
            tenantName: one.tenant,
            allocatedTo: one.allocated ? 'r' : null,
          };
          const value = withNodeId(newNode({ ...fields, state, resources }, one.seconds * 1000), id);
          view.apply(id, { value, stat: statOf(version) });
        }
        compare(view, accounting);
      });
    }),
    { numRuns: 300 },
  );
});

function compare(view: NodeView, accounting: NodeAccounting): void {
  const entries = [...view.all()];
  const nodes = entries.flatMap(({ node }) => (node && !isBroken(node) ? [node] : []));
  const free = entries.flatMap(({ node, locked }) =>
    node && !isBroken(node) && !locked && isStock(node) ? [node] : [],
  );
  for (const tenant of tenants) {
    expect(accounting.usedByTenant(tenant).toObject()).toEqual(
      recount(nodes.filter((node) => node.tenantName === tenant && !isStock(node))).toObject(),
    );
  }
  for (const provider of providers) {
    const its = nodes.filter((node) => node.provider === provider);
    expect(accounting.usedByProvider(provider).toObject()).toEqual(recount(its).toObject());
    for (const pool of pools) {
      expect(accounting.usedByPool(provider, pool).toObject()).toEqual(
        recount(its.filter((node) => node.pool === pool)).toObject(),
      );
      for (const label of labels) {
        const wanted = free
          .filter((node) => node.provider === provider && node.pool === pool && node.labels.includes(label))
          .sort((a, b) => a.stateTime - b.stateTime || (a.id < b.id ? -1 : 1))
          .map((node) => node.id);
        expect([...accounting.stock(provider, pool, label)].map((node) => node.id)).toEqual(wanted);
      }
    }
  }
}

test('what is reserved counts once, however often it is released', () => {
  const accounting = new NodeAccounting(() => need);
  const reservation = accounting.reserve('p', 'one', { instances: 2 });
  expect(accounting.usedByProvider('p').get('instances')).toBe(2);
  reservation.release();
  reservation.release();
  expect(accounting.usedByPool('p', 'one').toObject()).toEqual({});
});

test('a document that is written again with the same resources frees nothing of its tenant', () => {
  const view = new NodeView(
    () => undefined,
    (error) => {
      throw error;
    },
  );
  const freed: string[] = [];
  const accounting = new NodeAccounting(
    () => need,
    (tenant) => freed.push(tenant),
  );
  accounting.follow(view);
  const write = (version: number, cores: number) => {
    const fields = { provider: 'p', pool: 'one', labels: ['a'], tenantName: 't', resources: { instances: 1, cores } };
    view.apply('1', { value: withNodeId(newNode({ ...fields, state: 'building' }, 0), '1'), stat: statOf(version) });
  };
  write(1, 2);
  write(2, 2);
  expect([freed, accounting.usedByTenant('t').get('cores')]).toEqual([[], 2]);
  write(3, 1);
  expect([freed, accounting.usedByTenant('t').get('cores')]).toEqual([['t'], 1]);
});

test('of the nodes of a provider those made up to a certain one are counted', () => {
  const view = new NodeView(
    () => undefined,
    (error) => {
      throw error;
    },
  );
  const accounting = new NodeAccounting(() => need);
  accounting.follow(view);
  const nodes = [
    ['1', 'p', 'one'],
    ['2', 'p', 'two'],
    ['3', 'q', 'one'],
    ['4', 'p', 'one'],
    ['5', 'p', 'one'],
  ] as const;
  for (const [id, provider, pool] of nodes) {
    const fields = { provider, pool, labels: ['a'], resources: { instances: 1 } };
    view.apply(id, { value: withNodeId(newNode({ ...fields, state: 'building' }, 0), id), stat: statOf(1) });
  }
  const use = accounting.usedUpTo('4', 'p', 'one');
  expect([use.pool.get('instances'), use.provider.get('instances')]).toEqual([2, 3]);
});
