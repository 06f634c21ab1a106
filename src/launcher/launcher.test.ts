/** A launcher with the fake driver on the embedded coordinator, all in this process. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { isBroken } from '../records/broken.ts';
import { HeldRequest } from '../store/transactions/held.ts';
import type { Launcher } from './launcher.ts';
import { Cluster, fakeProvider } from './testing/cluster.ts';

let cluster: Cluster;
let launcher: Launcher;

beforeEach(async () => {
  cluster = await Cluster.start();
});

afterEach(() => cluster.stop());

function file(pool: string, labels = '[{name: a}, {name: b}]', options = '', sections = '', name = 'main'): string {
  const served = '[{name: a, cloud-image: image, min-ram: 1}, {name: b, cloud-image: image, min-ram: 1}]';
  return `
labels: ${labels}
${sections}
providers: ${fakeProvider('cloud', `[{name: ${name}, ${pool}, labels: ${served}}]`, `fake-cloud: {boot-delay: 0.01${options}}`)}
`;
}

async function start(...text: Parameters<typeof file>): Promise<void> {
  launcher = await cluster.launch(file(...text));
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

test('a stock node makes way also when nothing else happens any more', async () => {
  await start('max-servers: 1', '[{name: a, min-ready: 1}, {name: b}]');
  await cluster.untilNodes(1);
  await expect.poll(() => cluster.nodes()[0], { timeout: 15_000 }).toMatchObject({ state: 'ready', allocatedTo: null });
  let lastMs = performance.now();
  onTestFinished(cluster.seen.nodes.onChange(() => (lastMs = performance.now())));
  await expect.poll(() => performance.now() - lastMs, { timeout: 15_000 }).toBeGreaterThan(400);
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

test('a request whose handing back goes wrong is left unlocked, so that it is repaired', async () => {
  await start('max-servers: 1');
  await cluster.untilState(await cluster.submit({ nodeTypes: ['a'] }), 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  const update = vi.spyOn(HeldRequest.prototype, 'update').mockRejectedValueOnce(new Error('refused'));
  onTestFinished(() => update.mockRestore());
  launcher.reload(cluster.config(file('max-servers: 5', undefined, undefined, undefined, 'other')));
  await cluster.untilState(waiting, 'fulfilled');
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

test('a tenant at its limit waits without holding up others, and goes on in order', async () => {
  await start(
    'max-servers: 20',
    '[{name: a, min-ready: 2}, {name: b}]',
    '',
    'tenant-resource-limits: [{tenant-name: t, max-servers: 3}]',
  );
  const mine = (...nodeTypes: string[]) => cluster.submit({ nodeTypes, tenantName: 't' });
  const first = await mine('a', 'a');
  const never = await mine('b', 'b', 'b', 'b');
  const second = await mine('a', 'b');
  const third = await mine('b', 'b', 'b');
  const other = await cluster.submit({ nodeTypes: ['a', 'a', 'a'], tenantName: 'u' });
  for (const id of [first, other]) await cluster.untilState(id, 'fulfilled');
  for (const id of [never, second, third])
    expect(cluster.request(id)).toMatchObject({ state: 'requested', declinedBy: [] });
  await cluster.giveBack(first);
  await cluster.untilState(second, 'fulfilled');
  expect(cluster.request(third)!.state).toBe('requested');
  await cluster.giveBack(second);
  await cluster.untilState(third, 'fulfilled');
  expect(cluster.request(never)!.state).toBe('requested');
});

test('requests that come together are held to the limit of their tenant as well', async () => {
  await start('max-servers: 20', undefined, '', 'tenant-resource-limits: [{tenant-name: t, max-servers: 4}]');
  const ids = await Promise.all(Array.from({ length: 8 }, () => cluster.submit({ nodeTypes: ['a'], tenantName: 't' })));
  let most = 0;
  onTestFinished(cluster.seen.nodes.onChange(() => (most = Math.max(most, cluster.seen.nodes.size))));
  const open = new Set(ids);
  while (open.size > 0) {
    const done = () => [...open].find((id) => cluster.request(id)?.state === 'fulfilled');
    await expect.poll(done, { timeout: 15_000, interval: 5 }).toBeDefined();
    const id = done()!;
    await cluster.giveBack(id);
    open.delete(id);
  }
  expect(most).toBe(4);
});
