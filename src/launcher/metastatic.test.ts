/** The driver metastatic in a whole launcher: slots, sharing, release, and what becomes of backing nodes that vanish. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Provider } from '../provider/provider.ts';
import { parseBackingMark, parseBackingUse } from '../records/backing.ts';
import type { NodeRecord } from '../records/node.ts';
import { ComponentHandle } from '../store/transactions/components.ts';
import { BackingOperations } from '../store/transactions/backing-operations.ts';
import { systemRuntime } from '../base/runtime.ts';
import { Cluster, fakeProvider } from './testing/cluster.ts';

const owner = 'NodePool:metastatic:slots';
const patience = { timeout: 15_000, interval: 5 };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const big = fakeProvider(
  'cloud',
  '[{name: main, max-servers: 4, host-key-checking: false, node-attributes: {rack: r1, size: big}, labels: [{name: big, cloud-image: image, min-ram: 8192}]}]',
);

const config = (label = '', pool = '', more = '') => `
labels: [{name: small}, {name: big}, {name: other}]
providers: ${big}
  - name: slots
    driver: metastatic
    ${more}
    pools: [{name: main, node-attributes: {size: small}, ${pool} labels: [{name: small, backing-label: big, max-parallel-jobs: 2, ${label}}]}]
`;

async function serve(count = 1): Promise<string[]> {
  await until(() => cluster.pools().some((pool) => pool.provider === 'slots'), true);
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const id = await cluster.submit({ nodeTypes: ['small'] });
    await cluster.untilState(id, 'fulfilled');
    ids.push(id);
  }
  return ids;
}

const slotOf = (id: string) => parseBackingUse(cluster.nodesOf(id)[0]!.driverData)!;
const backing = (): NodeRecord[] => cluster.nodes().filter((node) => node.labels.includes('big'));
const markOf = (node: NodeRecord) => parseBackingMark(node.userData, owner)!;
const until = <T>(what: () => T, wanted: T) => expect.poll(what, patience).toEqual(wanted);

test('two nodes share a backing node, the third gets another one, a freed slot is filled on the oldest', async () => {
  await cluster.launch(config());
  const [a, b, c] = await serve(3);
  expect([slotOf(a!).slot, slotOf(b!).slot, slotOf(c!).slot]).toEqual([0, 1, 0]);
  expect(slotOf(a!).backingNode).toBe(slotOf(b!).backingNode);
  expect(slotOf(c!).backingNode).not.toBe(slotOf(a!).backingNode);
  const first = backing().find((node) => node.id === slotOf(a!).backingNode)!;
  expect(first).toMatchObject({ state: 'in-use', requestor: owner });
  expect(markOf(first)).toMatchObject({ label: 'small', slots: 2, failed: false });
  expect(markOf(first).launched).toBeGreaterThan(1_000_000_000);
  const [node] = cluster.nodesOf(b!);
  expect(node).toMatchObject({
    externalId: node!.id,
    slot: 1,
    interfaceIp: first.interfaceIp,
    hostKeys: first.hostKeys,
    username: first.username,
    connectionPort: first.connectionPort,
    az: first.az,
    attributes: { rack: 'r1', size: 'small' },
    resources: { cores: 0, instances: 1, ram: 0 },
    imageId: 'unused',
    hostId: null,
  });
  // The requests for backing nodes are gone, the contender says whose the lock is.
  expect([...cluster.seen.requests.all()]).toHaveLength(3);
  expect(await new BackingOperations(cluster.seen, owner).holder(first.id)).toMatchObject({ owner });

  const freed = slotOf(b!);
  await cluster.giveBack(b!);
  await until(() => cluster.seen.nodes.size, 4);
  const [d] = await serve();
  expect(slotOf(d!)).toEqual(freed);
});

test('nodes of one request that wait together share what was asked for', async () => {
  await cluster.launch(config());
  const id = await cluster.submit({ nodeTypes: ['small', 'small', 'small', 'small'] });
  await cluster.untilState(id, 'fulfilled');
  expect(backing()).toHaveLength(2);
  const uses = cluster.nodesOf(id).map((node) => parseBackingUse(node.driverData)!);
  expect(new Set(uses.map((use) => `${use.backingNode}/${use.slot}`)).size).toBe(4);
});

test('an empty backing node is released after its grace time, and not before', async () => {
  await cluster.launch(config('grace-time: 1'));
  const [a, b] = await serve(2);
  await cluster.giveBack(a!);
  await until(() => markOf(backing()[0]!).claims.size, 1);
  const emptiedMs = performance.now();
  await cluster.giveBack(b!);
  await cluster.untilNodes(0);
  expect(performance.now() - emptiedMs).toBeGreaterThan(990);
});

test('with max-age reached it takes no new nodes, and goes when the last one has gone', async () => {
  await cluster.launch(config('max-age: 1, grace-time: 1000'));
  const [a] = await serve();
  await until(() => systemRuntime.nowMs() / 1000 - markOf(backing()[0]!).launched > 1, true);
  const [b] = await serve();
  expect(slotOf(b!).backingNode).not.toBe(slotOf(a!).backingNode);
  await cluster.giveBack(a!);
  await until(() => backing().map((node) => node.id), [slotOf(b!).backingNode]);
});

test.each(['deleted', 'unlocked', 'marked'] as const)(
  'a backing node that is %s by somebody: the next node is on a new one, within its first attempt',
  async (how) => {
    await cluster.launch(config('', '', 'launch-retries: 1'));
    const [a] = await serve();
    const before = slotOf(a!).backingNode;
    const path = `/nodepool/nodes/${before}`;
    const { client } = cluster.seen;
    const { contender } = (await new BackingOperations(cluster.seen, owner).holder(before))!;
    if (how === 'marked') {
      const { data } = await client.get(path);
      await client.set(path, Buffer.from(data.toString().replace('"in-use"', '"deleting"')), -1);
    } else await client.delete(`${path}/lock/${contender}`);
    if (how === 'deleted') {
      await client.delete(`${path}/lock`).catch(() => undefined);
      await client.delete(path).catch(() => undefined);
    }
    const [b] = await serve();
    expect(slotOf(b!).backingNode).not.toBe(before);
    // What was handed out stays with its consumer, and can be given back.
    expect(cluster.nodesOf(a!)[0]).toMatchObject({ state: 'ready' });
    await cluster.giveBack(a!);
    await until(() => cluster.nodes().some((node) => node.slot !== null && node.state !== 'ready'), false);
  },
);

test('a node that vanishes between fulfilment and use: another one is asked for, within the first attempt', async () => {
  await cluster.launch(config('', '', 'launch-retries: 1'));
  let removed = 0;
  const off = cluster.seen.requests.onChange((_id, _before, after) => {
    const request = after?.request;
    if (!request || request.broken || request.requestor !== owner || request.state !== 'fulfilled' || removed > 0)
      return;
    removed++;
    void cluster.seen.client.delete(`/nodepool/nodes/${request.nodes[0]}/lock`).catch(() => undefined);
    void cluster.seen.client.delete(`/nodepool/nodes/${request.nodes[0]}`).catch(() => undefined);
  });
  await serve();
  off();
  expect(removed).toBe(1);
});

test('another launcher of the same provider uses the slots, and releases no node with a job on it', async () => {
  const first = await cluster.launch(config('grace-time: 0'));
  const [a] = await serve();
  await first.stop();
  await cluster.launch(config('grace-time: 0'));
  const [b] = await serve();
  expect(slotOf(b!)).toEqual({ backingNode: slotOf(a!).backingNode, slot: 1 });
  await cluster.launch(config('grace-time: 0'));
  await cluster.giveBack(b!);
  await until(() => markOf(backing()[0]!).claims.size, 1);
  expect(backing()[0]!.state).toBe('in-use');
  await cluster.giveBack(a!);
  await cluster.untilNodes(0);
});

test('beside a Python launcher of the same provider, nodes that it may know are its own until it goes', async () => {
  const provider = 'slots';
  const launcher = await cluster.launch(config('grace-time: 0'));
  const [a] = await serve();
  const shared = slotOf(a!).backingNode;
  const python = await ComponentHandle.register(cluster.seen, {
    ...{
      kind: 'pool',
      hostname: 'python',
      version: '11.0.0',
      state: 'running',
      modelApi: 0,
      priority: 100,
      paused: false,
    },
    ...{ id: 'python-slots-main', name: 'main', providerName: provider, supportedLabels: ['other'] },
  });
  await until(() => cluster.pools().filter((pool) => pool.provider === provider).length, 2);
  const [b] = await serve();
  const own = slotOf(b!);
  expect(own.backingNode).not.toBe(shared);
  const [c] = await serve();
  expect(slotOf(c!)).toEqual({ backingNode: own.backingNode, slot: 1 });
  // It would be due: nobody uses it any more.
  await cluster.giveBack(a!);
  await cluster.giveBack(b!);
  await cluster.giveBack(c!);
  await until(() => backing().map(({ id }) => id), [shared]);
  expect(backing()[0]!.state).toBe('in-use');
  await python.unregister();
  await cluster.untilNodes(0);
  await launcher.stop();
});

test('a launcher that was killed leaves nothing behind: its slots are known, dead claims are dropped', async () => {
  const first = await cluster.launch(config('grace-time: 0'));
  const [a] = await serve();
  const before = slotOf(a!).backingNode;
  await cluster.kill(first);
  // A claim of a node that never came to be.
  await new BackingOperations(cluster.seen, owner).change(before, ({ mark }) => ({
    ...mark,
    claims: new Map(mark.claims).set(1, '9999999999'),
  }));
  await cluster.launch(config('grace-time: 0'));
  const [b] = await serve();
  expect(slotOf(b!)).toEqual({ backingNode: before, slot: 1 });
  await cluster.giveBack(a!);
  await cluster.giveBack(b!);
  await cluster.untilNodes(0);
});

test('a backing request that fails fails the attempt, and leaves nothing', async () => {
  await cluster.launch(
    config('', '', 'launch-retries: 1').replace(
      'cloud-image: image, min-ram: 8192',
      'cloud-image: image, flavor-name: none',
    ),
  );
  const id = await cluster.submit({ nodeTypes: ['small'] });
  await cluster.untilState(id, 'failed');
  await until(() => [...cluster.seen.requests.all()].map((entry) => entry.id), [id]);
});

test('without takers a backing request is withdrawn', async () => {
  await cluster.launch(config('grace-time: 0').replace('max-servers: 4', 'max-servers: 0'));
  const id = await cluster.submit({ nodeTypes: ['small'] });
  const asked = () => [...cluster.seen.requests.all()].filter((entry) => entry.id !== id).length;
  await until(asked, 1);
  await cluster.consumer.deleteRequest(id);
  await until(asked, 0);
  await cluster.untilNodes(0);
});

test('a host whose keys cannot be scanned takes no more nodes; jobs on it go on, then it goes', async () => {
  let reachable = true;
  const scan = Provider.prototype.scanHostKeys;
  Provider.prototype.scanHostKeys = () =>
    reachable ? Promise.resolve(['ssh-ed25519 fresh']) : Promise.reject(new Error('nobody answers'));
  try {
    await cluster.launch(config('host-key-checking: true, grace-time: 1000', '', 'launch-retries: 2'));
    const [a] = await serve();
    expect(cluster.nodesOf(a!)[0]!.hostKeys).toEqual(['ssh-ed25519 fresh']);
    reachable = false;
    const before = slotOf(a!).backingNode;
    const id = await cluster.submit({ nodeTypes: ['small'] });
    await until(() => markOf(backing().find((node) => node.id === before)!).failed, true);
    reachable = true;
    await cluster.untilState(id, 'fulfilled');
    expect(slotOf(id).backingNode).not.toBe(before);
    expect(cluster.nodesOf(a!)[0]!.state).toBe('ready');
    await cluster.giveBack(a!);
    await until(() => backing().some((node) => node.id === before), false);
  } finally {
    Provider.prototype.scanHostKeys = scan;
  }
});

test('two launchers, one replaced on the way: no slot is used twice, no node goes with a job on it, none stays in use', async () => {
  const text = config('grace-time: 0').replace('max-parallel-jobs: 2', 'max-parallel-jobs: 8');
  const first = await cluster.launch(text);
  await cluster.launch(text);
  await until(() => cluster.pools().filter((pool) => pool.provider === 'slots').length, 2);
  const wrong: string[] = [];
  let seen = 0;
  const off = cluster.seen.nodes.onChange(() => {
    const users = new Map<string, string>();
    for (const node of cluster.nodes()) {
      const use = node.state === 'ready' ? parseBackingUse(node.driverData) : null;
      if (!use) continue;
      seen++;
      const key = `${use.backingNode}/${use.slot}`;
      if (users.has(key)) wrong.push(`nodes ${users.get(key)} and ${node.id} share slot ${key}`);
      users.set(key, node.id);
      const below = cluster.nodes().find((one) => one.id === use.backingNode);
      if (below?.state !== 'in-use') wrong.push(`node ${use.backingNode} below ${node.id} is ${below?.state}`);
    }
  });
  const job = async () => {
    const id = await cluster.submit({ nodeTypes: ['small'] });
    await expect.poll(() => cluster.request(id)?.state, { ...patience, timeout: 60_000 }).toBe('fulfilled');
    await cluster.giveBack(id);
  };
  await Promise.all(
    Array.from({ length: 20 }, async (_, worker) => {
      for (let i = 0; i < 10; i++) {
        await job();
        if (worker === 0 && i === 4) {
          await cluster.launch(text);
          await first.stop();
        }
      }
    }),
  );
  // What a stopping launcher leaves half-made is given time to be taken over; a node that it had asked for in vain is stock.
  const inUse = () => cluster.nodes().filter((node) => !(node.state === 'ready' && node.allocatedTo === null));
  await expect
    .poll(() => inUse().map(({ id, state }) => `${id} ${state}`), { ...patience, timeout: 60_000 })
    .toEqual([]);
  off();
  expect(wrong).toEqual([]);
  expect(seen).toBeGreaterThan(200);
}, 120_000);
