/** A launcher with the fake driver on the embedded coordinator, all in this process. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBroken } from '../records/broken.ts';
import type { Launcher } from './launcher.ts';
import { Cluster, fakeProvider } from './testing/cluster.ts';

let cluster: Cluster;
let launcher: Launcher;

beforeEach(async () => {
  cluster = await Cluster.start();
});

afterEach(() => cluster.stop());

async function start(pool: string, labels = '[{name: a}, {name: b}]', options = ''): Promise<void> {
  const served = '[{name: a, cloud-image: image, min-ram: 1}, {name: b, cloud-image: image, min-ram: 1}]';
  launcher = await cluster.launch(`
labels: ${labels}
providers: ${fakeProvider('cloud', `[{name: main, ${pool}, labels: ${served}}]`, `fake-cloud: {boot-delay: 0.01${options}}`)}
`);
}

test('nodes come in the order of the labels, and go when they are used', async () => {
  await start('max-servers: 5');
  const id = await cluster.submit({ nodeTypes: ['a', 'b', 'a'], tenantName: 'tenant' });
  await cluster.untilState(id, 'fulfilled');
  const nodes = cluster.request(id)!.nodes.map((n) => cluster.seen.nodes.get(n)!.node!);
  expect(nodes.map((n) => (isBroken(n) ? null : n.labels[0]))).toEqual(['a', 'b', 'a']);
  for (const node of nodes)
    expect(node).toMatchObject({ state: 'ready', allocatedTo: id, tenantName: 'tenant', requestor: 'test' });
  await cluster.giveBack(id);
  await cluster.untilNodes(0);
});

test('a label that nobody serves fails, one that never fits fails too', async () => {
  await start('max-servers: 2');
  const unknown = await cluster.submit({ nodeTypes: ['none'] });
  const large = await cluster.submit({ nodeTypes: ['a', 'a', 'a'] });
  await cluster.untilState(unknown, 'failed');
  await cluster.untilState(large, 'failed');
  expect(cluster.seen.nodes.size).toBe(0);
});

test('at capacity one request waits as pending, the others in order', async () => {
  await start('max-servers: 1');
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] }, '300');
  await cluster.untilState(waiting, 'pending');
  const low = await cluster.submit({ nodeTypes: ['a'] }, '300');
  const high = await cluster.submit({ nodeTypes: ['a'] }, '100');
  await cluster.giveBack(first);
  for (const id of [waiting, high, low]) {
    await cluster.untilState(id, 'fulfilled');
    await cluster.giveBack(id);
  }
  await cluster.untilNodes(0);
});

test('a waiting request that is deleted makes room for the next and launches nothing', async () => {
  await start('max-servers: 1');
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const cancelled = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(cancelled, 'pending');
  await cluster.consumer.deleteRequest(cancelled);
  const next = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(next, 'pending');
  await cluster.giveBack(first);
  await cluster.untilState(next, 'fulfilled');
  expect(cluster.seen.nodes.size).toBe(1);
});

test('min-ready keeps stock, a request takes it, it is made anew', async () => {
  await start('max-servers: 5', '[{name: a, min-ready: 1}, {name: b}]');
  await cluster.untilNodes(1);
  const [stock] = [...cluster.seen.nodes.all()];
  await expect
    .poll(() => (cluster.seen.nodes.get(stock!.id)?.node as { allocatedTo?: string | null }).allocatedTo)
    .toBeNull();
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.request(id)!.nodes).toEqual([stock!.id]);
  await cluster.untilNodes(2);
});

test('a stock node of another label makes way when the pool is full', async () => {
  await start('max-servers: 1', '[{name: a, min-ready: 1}, {name: b}]');
  await cluster.untilNodes(1);
  const id = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(id, 'fulfilled');
});

test('a launch that fails for good fails the request and leaves nothing', async () => {
  await start('max-servers: 5', '[{name: a}, {name: b}]', ', failure-rate: 1');
  const id = await cluster.submit({ nodeTypes: ['a', 'b'] });
  await cluster.untilState(id, 'failed');
  await cluster.untilNodes(0);
});

test('stopping hands a waiting request back', async () => {
  await start('max-servers: 1');
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  await launcher.stop();
  await cluster.untilState(waiting, 'requested');
  expect([...cluster.seen.components.pools()]).toEqual([]);
});

test('a broken document stops nothing', async () => {
  await start('max-servers: 5');
  await cluster.untilState(await cluster.submit({ nodeTypes: ['a'] }), 'fulfilled');
  await cluster.createRaw('/nodepool/requests/200-', '{nonsense');
  await cluster.createRaw('/nodepool/nodes/', '{"state": "unheard of"}');
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  await cluster.giveBack(id);
  await cluster.untilNodes(2);
});
