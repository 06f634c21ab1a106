/** What happens at a limit: whose turn it is, what makes way, and that nobody loses because of others' requests. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type FakeCloudServer, startFakeCloudServer } from '../drivers/fake/fake-cloud-server.ts';
import type { NodeRecord } from '../records/node.ts';
import { systemRuntime } from '../base/runtime.ts';
import { altered } from './testing/altered-adapter.ts';
import { Cluster, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 15_000, interval: 5 };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const quick = 'fake-cloud: {boot-delay: 0.01}';
const served = ['a', 'b', 'c'];
const label = (name: string, more = '') => `{name: ${name}, cloud-image: image, min-ram: 1${more}}`;
const pool = (more: string, name = 'main', labels = served.map((one) => label(one))) =>
  `{name: ${name}, ${more} labels: [${labels.join(', ')}]}`;
const file = (providers: string, labels = '[{name: a}, {name: b}, {name: c}]') =>
  `labels: ${labels}\nproviders: ${providers}\n`;

const isStock = (node: NodeRecord) => node.state === 'ready' && node.allocatedTo === null;
const stock = () => cluster.nodes().filter(isStock);
const ended = (id: string) => {
  const state = cluster.request(id)?.state;
  return state === 'fulfilled' || state === 'failed' ? state : undefined;
};

/** A free node of that label. */
async function stockUp(name: string): Promise<string> {
  const id = await cluster.submit({ nodeTypes: [name], reuse: false });
  await cluster.untilState(id, 'fulfilled');
  const [node] = cluster.request(id)!.nodes;
  await cluster.consumer.deleteRequest(id);
  await expect.poll(() => cluster.nodes().find((one) => one.id === node)?.allocatedTo, patience).toBeNull();
  return node!;
}

async function hold(name: string): Promise<string> {
  const id = await cluster.submit({ nodeTypes: [name], reuse: false });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

test.each(['in time', 'late'])(
  'as many free nodes make way as are needed, the oldest first (work is done %s)',
  async (when) => {
    if (when === 'late') {
      await cluster.stop();
      // Other timers fire before what should be done at once.
      const { setTimer } = systemRuntime;
      cluster = await Cluster.start({
        ...systemRuntime,
        setTimer: (delayMs, callback) => setTimer(delayMs > 0 ? delayMs : 200, callback),
      });
    }
    await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 4,')}]`, quick)));
    const [first, second, third, fourth] = [
      await stockUp('a'),
      await stockUp('a'),
      await stockUp('a'),
      await stockUp('a'),
    ];
    await cluster.untilState(await cluster.submit({ nodeTypes: ['b'] }), 'fulfilled');
    expect(stock().map((node) => node.id)).toEqual([second, third, fourth]);
    await cluster.untilState(await cluster.submit({ nodeTypes: ['b', 'c'] }), 'fulfilled');
    expect(stock().map((node) => node.id)).toEqual([fourth]);
    expect(cluster.nodes().some((node) => node.id === first)).toBe(false);
  },
);

test('of several free nodes the oldest is taken', async () => {
  await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 9,')}]`, quick)));
  const ids = [await stockUp('a'), await stockUp('a'), await stockUp('a')];
  const one = await hold('a');
  expect(ids).not.toContain(cluster.request(one)!.nodes[0]);
  for (const id of ids) {
    const request = await cluster.submit({ nodeTypes: ['a'] });
    await cluster.untilState(request, 'fulfilled');
    expect(cluster.request(request)!.nodes).toEqual([id]);
  }
});

test('the nodes of one request are in one zone, also when they come from stock', async () => {
  const zones = 'availability-zones: [az1, az2],';
  await cluster.launch(file(fakeProvider('cloud', `[${pool(`max-servers: 30, ${zones}`)}]`, quick)));
  const zonesOf = (id: string) => new Set(cluster.nodesOf(id).map((node) => node.az));
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = await cluster.submit({ nodeTypes: ['a', 'a', 'a'], reuse: false });
    await cluster.untilState(id, 'fulfilled');
    expect(zonesOf(id).size).toBe(1);
    ids.push(id);
  }
  for (const id of ids) await cluster.consumer.deleteRequest(id);
  await expect.poll(() => stock().length, patience).toBe(18);
  for (let i = 0; i < 4; i++) {
    const id = await cluster.submit({ nodeTypes: ['a', 'a', 'b'] });
    await cluster.untilState(id, 'fulfilled');
    expect(zonesOf(id).size).toBe(1);
  }
});

test('a request that is revised while it is queued moves to its new place', async () => {
  await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 1,')}]`, quick)));
  const first = await hold('a');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  const early = await cluster.submit({ nodeTypes: ['a'], relativePriority: 5 });
  const late = await cluster.submit({ nodeTypes: ['a'], relativePriority: 7 });
  const path = `/nodepool/requests/${late}`;
  const { data, stat } = await cluster.seen.client.get(path);
  await cluster.seen.client.set(
    path,
    Buffer.from(data.toString().replace('"relative_priority": 7', '"relative_priority": 1')),
    stat.version,
  );
  await expect.poll(() => cluster.request(late)?.relativePriority, patience).toBe(1);
  const order: string[] = [];
  onTestFinished(
    cluster.seen.requests.onChange((id) => {
      if (ended(id) && !order.includes(id)) order.push(id);
    }),
  );
  for (const id of [first, waiting, late]) {
    await cluster.untilState(id, 'fulfilled');
    await cluster.giveBack(id);
  }
  await cluster.untilState(early, 'fulfilled');
  expect(order.filter((id) => id !== first)).toEqual([waiting, late, early]);
});

test('while a pool waits for capacity, requests that it can never serve are declined all the same', async () => {
  await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 1,')}]`, quick)));
  await hold('a');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  const unknown = await cluster.submit({ nodeTypes: ['none'] });
  const large = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await cluster.untilState(unknown, 'failed');
  await cluster.untilState(large, 'failed');
  expect(cluster.request(waiting)!.state).toBe('pending');
});

test('a request that fails after waiting lets the pool go on', async () => {
  const create = altered((adapter) => ({
    advanceCreate: (state, spec, context) =>
      spec.label.name === 'b' ? Promise.reject(new Error('not this one')) : adapter.advanceCreate(state, spec, context),
  }));
  await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 1,')}]`, quick)), create);
  const first = await hold('a');
  const doomed = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(doomed, 'pending');
  const next = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.giveBack(first);
  await cluster.untilState(doomed, 'failed');
  await cluster.untilState(next, 'fulfilled');
});

test('two pools of one provider do not ask the cloud for more than its quota', async () => {
  const cloud = await shared();
  await cloud.set({ quota: { instances: 3 } });
  const pools = `[${pool('max-servers: 9,', 'one', [label('a')])}, ${pool('max-servers: 9,', 'two', [label('b')])}]`;
  await cluster.launch(file(fakeProvider('cloud', pools, cloud.option)));
  const ids = await Promise.all(
    Array.from({ length: 12 }, (_, i) => cluster.submit({ nodeTypes: [i % 2 === 0 ? 'a' : 'b'] })),
  );
  await serveAll(ids);
  expect(await cloud.stats()).toMatchObject({ refused: 0, created: 12 });
});

test.each([
  ['the quota of their provider', 9],
  ['the limit of their pool', 3],
])(
  'two launchers that overdraw %s: the cloud is asked for no more, and no request fails',
  async (_what, maxServers) => {
    const cloud = await shared();
    await cloud.set({ quota: { instances: 3 }, bootDelayMs: 20 });
    const text = file(fakeProvider('cloud', `[${pool(`max-servers: ${maxServers},`)}]`, cloud.option));
    await Promise.all([cluster.launch(text), cluster.launch(text)]);
    await expect.poll(() => cluster.pools().length, patience).toBe(2);
    let withdrawn = 0;
    onTestFinished(
      cluster.seen.nodes.onChange((_id, before, after) => {
        const [from, to] = [before?.node, after?.node];
        if (from && to && !from.broken && !to.broken && from.state !== 'aborted' && to.state === 'aborted') withdrawn++;
      }),
    );
    await serveAll(await Promise.all(Array.from({ length: 16 }, () => cluster.submit({ nodeTypes: ['a', 'a'] }))));
    await cluster.untilNodes(0);
    expect(await cloud.servers()).toEqual([]);
    expect(await cloud.stats()).toMatchObject({ refused: 0 });
    // Without that the test would show nothing.
    expect(withdrawn).toBeGreaterThan(0);
  },
);

test('a quota that sinks below what was planned: refused launches wait as pending, and are served in their order', async () => {
  const cloud = await shared();
  await cloud.set({ quota: { instances: 5 } });
  const launcher = await cluster.launch(file(fakeProvider('cloud', `[${pool('max-servers: 9,')}]`, cloud.option)));
  const written = new Set<string>();
  onTestFinished(
    cluster.storeOf(launcher).nodes.onChange((_id, _before, after) => {
      if (after?.node && !after.node.broken) written.add(after.node.state);
    }),
  );
  const first = await hold('a');
  await cloud.set({ quota: { instances: 1 } });
  const [low, high, middle] = [
    await cluster.submit({ nodeTypes: ['a'] }, '300'),
    await cluster.submit({ nodeTypes: ['a'] }, '100'),
    await cluster.submit({ nodeTypes: ['a'] }, '200'),
  ];
  await expect.poll(async () => (await cloud.stats()).refused, patience).toBeGreaterThan(0);
  const done: string[] = [];
  onTestFinished(
    cluster.seen.requests.onChange((id) => {
      if (ended(id) && !done.includes(id)) done.push(id);
    }),
  );
  await cluster.giveBack(first);
  for (let i = 0; i < 3; i++) {
    await expect.poll(() => done.length, patience).toBe(i + 1);
    await cluster.giveBack(done[i]!);
  }
  expect(cluster.request(low) ?? null).toBeNull();
  expect(done[0]).toBe(high);
  expect(done.slice(1)).toEqual([middle, low]);
  expect([written.has('aborted'), written.has('failed')]).toEqual([true, false]);
});

/** Takes and gives back until all have been served. */
async function serveAll(ids: readonly string[]): Promise<void> {
  const open = new Set(ids);
  while (open.size > 0) {
    await expect.poll(() => [...open].some(ended), { ...patience, timeout: 30_000 }).toBe(true);
    for (const id of [...open].filter(ended)) {
      expect(ended(id)).toBe('fulfilled');
      await cluster.giveBack(id);
      open.delete(id);
    }
  }
}

/** A fake cloud behind HTTP, of account `cloud`. */
async function shared() {
  const server: FakeCloudServer = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  onTestFinished(() => server.close());
  const account = `http://127.0.0.1:${server.port}/accounts/cloud`;
  const get = async (what: string) => (await fetch(`${account}/${what}`)).json();
  return {
    option: `fake-cloud: {address: 'http://127.0.0.1:${server.port}', boot-delay: 0.01}`,
    set: async (settings: object) => {
      await fetch(`${account}/settings`, { method: 'PUT', body: JSON.stringify(settings) });
    },
    stats: async () => (await get('stats')) as { created: number; refused: number },
    servers: async () => (await get('servers')) as object[],
  };
}

test("free nodes of the provider's other pools make way where its quota is used up", async () => {
  const other = pool('', 'other', [label('b')]);
  const quota = 'fake-cloud: {boot-delay: 0.01, quota: {instances: 2}}';
  await cluster.launch(file(fakeProvider('cloud', `[${pool('', 'main', [label('a')])}, ${other}]`, quota)));
  const [first, second] = [await stockUp('a'), await stockUp('a')];
  await cluster.untilState(await cluster.submit({ nodeTypes: ['b'] }), 'fulfilled');
  expect(stock().map((node) => node.id)).toEqual([second]);
  expect(cluster.nodes().some((node) => node.id === first)).toBe(false);
});

test("requests of another pool of the provider do not overtake one that waits for the provider's quota", async () => {
  const other = pool('', 'other', [label('b')]);
  const quota = 'fake-cloud: {boot-delay: 0.01, quota: {instances: 3}}';
  await cluster.launch(file(fakeProvider('cloud', `[${pool('', 'main', [label('a')])}, ${other}]`, quota)));
  const [first, second] = [await hold('a'), await hold('a')];
  const large = await cluster.submit({ nodeTypes: ['a', 'a', 'a'] });
  await cluster.untilState(large, 'pending');
  await expect.poll(() => cluster.nodes().filter((node) => node.allocatedTo === large).length, patience).toBe(1);
  await cluster.giveBack(first);
  const small = await cluster.submit({ nodeTypes: ['b'] });
  await expect.poll(() => cluster.nodes().filter((node) => node.allocatedTo === large).length, patience).toBe(2);
  expect(cluster.request(small)!.state).toBe('requested');
  await cluster.giveBack(second);
  await cluster.untilState(large, 'fulfilled');
  await cluster.giveBack(large);
  await cluster.untilState(small, 'fulfilled');
});
