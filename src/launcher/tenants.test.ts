/** Requests that wait for their tenant's limit: who waits behind one that cannot go on, or goes away, is not forgotten. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 15_000, interval: 5 };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const pool = (label: string) =>
  `[{name: main, max-servers: 9, labels: [{name: ${label}, cloud-image: image, min-ram: 1}]}]`;
const quick = 'fake-cloud: {boot-delay: 0.01}';

async function launch(limit: number, one = quick): Promise<void> {
  const providers = fakeProvider('one', pool('a'), one) + fakeProvider('two', pool('b'), quick);
  const limits = `tenant-resource-limits: [{tenant-name: t, max-servers: ${limit}}]`;
  await cluster.launch(`labels: [{name: a}, {name: b}]\n${limits}\nproviders: ${providers}\n`);
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
}

async function served(tenantName: string, ...nodeTypes: string[]): Promise<string> {
  const id = await cluster.submit({ nodeTypes, tenantName });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

test('when the first ones of a tenant that has got room wait for their pool, the next one is served', async () => {
  await launch(1, 'max-concurrency: 1\n    fake-cloud: {boot-delay: 1000}');
  const mine = await served('t', 'b');
  // More than the changes of one node on its way out.
  const first: string[] = [];
  for (let n = 0; n < 12; n++) first.push(await cluster.submit({ nodeTypes: ['a'], tenantName: 't' }));
  const next = await cluster.submit({ nodeTypes: ['b'], tenantName: 't' });
  const launching = await cluster.submit({ nodeTypes: ['a'], tenantName: 'u' });
  await cluster.untilState(launching, 'pending');
  await cluster.giveBack(mine);
  await cluster.untilState(next, 'fulfilled');
  expect(new Set(first.map((id) => cluster.request(id)!.state))).toEqual(new Set(['requested']));
});

test('when a large request in front of a small one goes away, the small one is served', async () => {
  await launch(3);
  const small = await served('t', 'a');
  await served('t', 'a', 'a');
  const large = await cluster.submit({ nodeTypes: ['a', 'a'], tenantName: 't' });
  const next = await cluster.submit({ nodeTypes: ['a'], tenantName: 't' });
  await cluster.giveBack(small);
  await expect.poll(() => cluster.nodes().length, patience).toBe(2);
  await cluster.consumer.deleteRequest(large);
  await cluster.untilState(next, 'fulfilled');
});

test('a small request that comes later does not overtake a large one of its tenant', async () => {
  await launch(3);
  const [one, two] = [await served('t', 'a'), await served('t', 'a')];
  await served('t', 'a');
  const large = await cluster.submit({ nodeTypes: ['a', 'a'], tenantName: 't' });
  await cluster.giveBack(one);
  await expect.poll(() => cluster.nodes().length, patience).toBe(2);
  const small = await cluster.submit({ nodeTypes: ['a'], tenantName: 't' });
  // What is another tenant's is decided after it.
  await served('u', 'b');
  expect(cluster.request(small)!.state).toBe('requested');
  await cluster.giveBack(two);
  await cluster.untilState(large, 'fulfilled');
  expect(cluster.request(small)!.state).toBe('requested');
  await cluster.giveBack(large);
  await cluster.untilState(small, 'fulfilled');
});
