/** A request from its beginning to each of its ends: order of the writes, who declines it, and what remains when it vanishes. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { NodeRecord } from '../records/node.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import { NodeView } from '../store/mirrors/views.ts';
import { adaptersWith, CloudClock, Cluster, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 15_000, interval: 5 };
const quick = 'fake-cloud: {boot-delay: 0.01}';
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const label = (name: string) => `{name: ${name}, cloud-image: image, min-ram: 1}`;
const provider = (name: string, labels: string[], more = 'max-servers: 5,') =>
  fakeProvider(name, `[{name: main, ${more} labels: [${labels.map(label).join(', ')}]}]`, quick);
const file = (...providers: string[]) => `labels: [{name: a}, {name: b}]\nproviders: ${providers.join('')}\n`;

const isStock = (node: NodeRecord) => node.state === 'ready' && node.allocatedTo === null;
const locked = () => [...cluster.seen.nodes.all()].filter((entry) => entry.locked).map((entry) => entry.id);
const requestLocks = async () => (await cluster.seen.client.children('/nodepool/requests-lock')).children;

async function take(...nodeTypes: string[]): Promise<string> {
  const id = await cluster.submit({ nodeTypes });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

test('what is written of a request, in its order', async () => {
  const launcher = await cluster.launch(file(provider('cloud', ['a'])));
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  const store = cluster.storeOf(launcher);
  const events: string[] = [];
  const note = (text: string) => {
    if (events.at(-1) !== text) events.push(text);
  };
  onTestFinished(
    store.nodes.onChange((_id, _before, after) => {
      const node = after?.node;
      if (node && !node.broken)
        note(`node ${node.state}${node.state === 'building' && node.externalId !== null ? ' with id' : ''}`);
    }),
  );
  onTestFinished(
    store.requests.onChange((_id, _before, after) => {
      if (after && !after.request.broken) note(`request ${after.request.state}`);
    }),
  );
  const id = await take('a');
  await expect.poll(() => events.at(-1), patience).toBe('request fulfilled');
  expect(events).toEqual([
    'request requested',
    'request pending',
    'node init',
    'node building',
    'node building with id',
    'node ready',
    'request fulfilled',
  ]);
  expect(cluster.nodesOf(id)).toMatchObject([{ state: 'ready', allocatedTo: id }]);
  expect(locked()).toEqual([]);
});

test('every pool declines what none can serve, once; what one can serve no other touches', async () => {
  const one = await cluster.launch(file(provider('one', ['a']), provider('two', ['b'])));
  await cluster.launch(file(provider('three', ['a'])));
  await expect.poll(() => cluster.pools().length, patience).toBe(3);
  const id = await cluster.submit({ nodeTypes: ['none'] });
  await cluster.untilState(id, 'failed');
  expect([...cluster.request(id)!.declinedBy].sort()).toEqual(
    cluster
      .pools()
      .map((pool) => pool.id)
      .sort(),
  );
  let declined: readonly string[] = [];
  onTestFinished(
    cluster.storeOf(one).requests.onChange((_id, _before, after) => {
      if (after && !after.request.broken && after.request.nodeTypes[0] === 'b') declined = after.request.declinedBy;
    }),
  );
  expect(cluster.nodesOf(await take('b'))).toMatchObject([{ provider: 'two' }]);
  expect(declined).toEqual([]);
});

test.each(['at once', 'while it waits', 'while it launches', 'when it is ready'])(
  'a request that is deleted %s leaves no lock, and good nodes in stock',
  async (when) => {
    const clock = new CloudClock();
    await cluster.launch(file(provider('cloud', ['a'], 'max-servers: 2,')), adaptersWith(clock.runtime));
    let stock = 2;
    if (when === 'at once') {
      await cluster.consumer.deleteRequest(await cluster.submit({ nodeTypes: ['a', 'a'] }));
      stock = 0;
    } else if (when === 'while it waits') {
      const busy = await take('a', 'a');
      const waiting = await cluster.submit({ nodeTypes: ['a', 'a'] });
      await cluster.untilState(waiting, 'pending');
      await cluster.consumer.deleteRequest(waiting);
      await cluster.giveBack(busy);
      stock = 0;
    } else if (when === 'while it launches') {
      clock.standsStill = true;
      const id = await cluster.submit({ nodeTypes: ['a', 'a'] });
      const launched = () => cluster.nodes().filter((node) => node.externalId !== null).length;
      await expect.poll(launched, patience).toBe(2);
      await cluster.consumer.deleteRequest(id);
      clock.standsStill = false;
    } else await cluster.consumer.deleteRequest(await take('a', 'a'));
    await expect.poll(() => cluster.nodes().filter(isStock).length, patience).toBe(stock);
    // A request that comes now proves that the pool is free again, and what there is to take.
    const next = await take('a', 'a');
    expect(cluster.nodes()).toHaveLength(2);
    expect(cluster.nodesOf(next)).toHaveLength(2);
    await expect.poll(locked, patience).toEqual([]);
    await expect.poll(requestLocks, patience).toEqual([]);
  },
);

test('of two launchers exactly one takes each free node, and who comes too late finds another', async () => {
  const text = file(provider('cloud', ['a'], 'max-servers: 40,'));
  await Promise.all([cluster.launch(text), cluster.launch(text)]);
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  const stock = await Promise.all(Array.from({ length: 4 }, () => take('a', 'a', 'a')));
  for (const id of stock) await cluster.consumer.deleteRequest(id);
  await expect.poll(() => cluster.nodes().filter(isStock).length, patience).toBe(12);
  const wrong: string[] = [];
  onTestFinished(
    cluster.seen.nodes.onChange((id, before, after) => {
      const [was, is] = [before?.node, after?.node];
      if (!was || was.broken || !is || is.broken || was.allocatedTo === null || is.allocatedTo === null) return;
      if (was.allocatedTo !== is.allocatedTo) wrong.push(`node ${id}: ${was.allocatedTo}, then ${is.allocatedTo}`);
    }),
  );
  const ids = await Promise.all(Array.from({ length: 24 }, () => cluster.submit({ nodeTypes: ['a'] })));
  for (const id of ids) await cluster.untilState(id, 'fulfilled');
  const taken = ids.flatMap((id) => cluster.request(id)!.nodes);
  expect(new Set(taken).size).toBe(24);
  for (const id of ids) expect(cluster.nodesOf(id)).toMatchObject([{ state: 'ready', allocatedTo: id }]);
  expect(wrong).toEqual([]);
});

test('nobody waits for a clock: with all longer timers standing still requests are served, wait and go on', async () => {
  const brief = (set: Runtime['setTimer']): Runtime['setTimer'] => {
    // The spacing of events is allowed, looking again after a while is not.
    return (delayMs, callback) => (delayMs < 500 ? set(delayMs, callback) : { cancel() {} });
  };
  await cluster.stop();
  cluster = await Cluster.start({
    ...systemRuntime,
    setTimer: brief(systemRuntime.setTimer),
    setBackgroundTimer: brief(systemRuntime.setBackgroundTimer),
  });
  await cluster.launch(file(provider('cloud', ['a'], 'max-servers: 2,')));
  const first = await take('a', 'a');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  const later = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await cluster.untilState(waiting, 'pending');
  const never = await cluster.submit({ nodeTypes: ['none'] });
  await cluster.untilState(never, 'failed');
  await cluster.giveBack(first);
  await cluster.untilState(waiting, 'fulfilled');
  await cluster.consumer.deleteRequest(waiting);
  await cluster.untilState(later, 'fulfilled');
  await cluster.giveBack(later);
  await cluster.untilNodes(0);
});

test('serving a request walks over no list of all nodes', async () => {
  await cluster.launch(file(provider('cloud', ['a'], 'max-servers: 20,')));
  const [first, second] = [await take('a', 'a'), await take('a')];
  await cluster.consumer.deleteRequest(second);
  await expect.poll(() => cluster.nodes().filter(isStock).length, patience).toBe(1);
  const walks = vi.spyOn(NodeView.prototype, 'all');
  onTestFinished(() => walks.mockRestore());
  const state = (id: string) => {
    const request = cluster.seen.requests.get(id)?.request;
    return request && !request.broken ? request.state : undefined;
  };
  for (const labels of [['a'], ['a', 'a', 'a'], ['a']]) {
    const id = await cluster.submit({ nodeTypes: labels });
    await expect.poll(() => state(id), patience).toBe('fulfilled');
  }
  await cluster.giveBack(first);
  await cluster.untilNodes(5);
  expect(walks).not.toHaveBeenCalled();
});
