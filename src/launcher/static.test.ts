/** Hosts that exist already, in whole launchers: each slot is there once, whoever registers it and whatever changes. */
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { NodeRecord } from '../records/node.ts';
import { altered } from './testing/altered-adapter.ts';
import { Cluster } from './testing/cluster.ts';

const patience = { timeout: 20_000, interval: 5 };
/** Hosts that do not answer are looked at again after a second. */
const env = { NODEPOOL_TEST_CLEANUP_INTERVAL: '1' };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

interface Host {
  readonly name?: string;
  readonly slots?: number;
  readonly labels?: string;
  readonly port?: number;
}

const host = ({ name = 'fake-host', slots = 1, labels = '[a]', port = 22 }: Host) =>
  `{name: ${name}, labels: ${labels}, max-parallel-jobs: ${slots}, connection-port: ${port}, connection-type: ${name.startsWith('fake') ? 'ssh' : 'winrm'}, timeout: 1}`;
const file = (...hosts: Host[]) => `
labels: [{name: a}, {name: b}]
providers: [{name: rack, driver: static, pools: [{name: main, nodes: [${hosts.map(host).join(', ')}]}]}]
`;

const isStock = (node: NodeRecord) => node.state === 'ready' && node.allocatedTo === null;
const free = () => cluster.nodes().filter(isStock);
const slotsOf = (nodes: readonly NodeRecord[]) => nodes.map((node) => `${node.hostname}/${node.slot}`).sort();
const registered = (wanted: readonly string[]) =>
  expect.poll(() => slotsOf(free()), patience).toEqual([...wanted].sort());

/** Counts znodes of each slot at every change; what there was too much of. */
function watchForDuplicates(): string[] {
  const wrong: string[] = [];
  onTestFinished(
    cluster.seen.nodes.onChange(() => {
      const seen = new Set<string>();
      for (const node of cluster.nodes()) {
        const slot = `${node.hostname}/${node.slot}`;
        if (seen.has(slot)) wrong.push(`${slot}: node ${node.id}`);
        seen.add(slot);
      }
    }),
  );
  return wrong;
}

async function take(...nodeTypes: string[]): Promise<string> {
  const id = await cluster.submit({ nodeTypes });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

async function startUsing(id: string): Promise<{ finish: () => Promise<void> }> {
  const held = await Promise.all(
    cluster.request(id)!.nodes.map(async (nodeId) => {
      const locked = await cluster.consumer.lockNode(nodeId);
      if (!locked.ok) throw new Error(locked.reason);
      await locked.node.write({ state: 'in-use' });
      return locked.node;
    }),
  );
  await cluster.consumer.deleteRequest(id);
  return {
    finish: async () => {
      for (const node of held) {
        await node.write({ state: 'used' });
        await node.release();
      }
    },
  };
}

test('a host of two slots with both in use is taken over by the successor of its provider: nothing is registered twice', async () => {
  const wrong = watchForDuplicates();
  const launcher = await cluster.launch(file({ slots: 2 }));
  const using = [await startUsing(await take('a')), await startUsing(await take('a'))];
  launcher.reload(cluster.config(file({ slots: 2, labels: '[a, b]' })));
  await expect.poll(() => cluster.pools()[0]?.labels, patience).toEqual(['a', 'b']);
  // The first one comes back while the next configuration is on its way.
  await using[0]!.finish();
  launcher.reload(cluster.config(file({ slots: 3, labels: '[b]' })));
  await expect
    .poll(
      () =>
        free()
          .map((node) => [node.slot, node.labels])
          .sort(),
      patience,
    )
    .toEqual([
      [0, ['b']],
      [2, ['b']],
    ]);
  await using[1]!.finish();
  await registered(['fake-host/0', 'fake-host/1', 'fake-host/2']);
  expect(free().map((node) => node.labels)).toEqual([['b'], ['b'], ['b']]);
  await startUsing(await take('b', 'b', 'b'));
  expect(wrong).toEqual([]);
});

test('slots that are too many, and hosts that have left, stay as long as somebody uses or is promised them', async () => {
  const launcher = await cluster.launch(file({ slots: 3 }, { name: 'fake-gone' }));
  await registered(['fake-gone/0', 'fake-host/0', 'fake-host/1', 'fake-host/2']);
  const promised = await take('a', 'a');
  const using = await startUsing(await take('a', 'a'));
  const [kept] = cluster.nodesOf(promised);
  launcher.reload(cluster.config(file({ slots: 1 })));
  await expect.poll(() => launcher.ready && cluster.pools().length, patience).toBe(1);
  await using.finish();
  const [first] = cluster.nodesOf(promised);
  expect(first).toMatchObject({ id: kept!.id, state: 'ready', allocatedTo: promised });
  await cluster.giveBack(promised);
  await registered(['fake-host/0']);
  await cluster.untilNodes(1);
});

test('two launchers that start together on an empty tree register each slot once, and once again after each use', async () => {
  const wrong = watchForDuplicates();
  const hosts = Array.from({ length: 10 }, (_, i) => ({ name: `fake-${i}`, slots: 4 }));
  const all = hosts.flatMap(({ name }) => [0, 1, 2, 3].map((slot) => `${name}/${slot}`));
  const text = file(...hosts);
  await Promise.all([cluster.launch(text), cluster.launch(text)]);
  await registered(all);
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let i = 0; i < 3; i++) {
        const id = await cluster.submit({ nodeTypes: ['a'] });
        await expect.poll(() => cluster.request(id)?.state, patience).toBe('fulfilled');
        await cluster.giveBack(id);
      }
    }),
  );
  await registered(all);
  expect(wrong).toEqual([]);
  const { client } = cluster.seen;
  const locks = async () => (await client.children('/nodepool/inventory-lock/rack')).children;
  await expect.poll(locks, patience).toEqual([]);
}, 60_000);

test('a reload in the middle of heavy use leaves no slot twice and none out', async () => {
  const wrong = watchForDuplicates();
  const hosts = Array.from({ length: 25 }, (_, i) => ({ name: `fake-${i}`, slots: 4 }));
  const launcher = await cluster.launch(file(...hosts));
  let reloads = 0;
  const use = async () => {
    for (let i = 0; i < 6; i++) {
      const id = await cluster.submit({ nodeTypes: ['a'] });
      await expect.poll(() => cluster.request(id)?.state, patience).toBe('fulfilled');
      await cluster.giveBack(id);
      if (i % 2 === 1 && reloads < 8)
        launcher.reload(
          cluster.config(file(...hosts.map((one) => ({ ...one, labels: reloads++ % 2 === 0 ? '[a, b]' : '[a]' })))),
        );
    }
  };
  await Promise.all(Array.from({ length: 20 }, use));
  launcher.reload(cluster.config(file(...hosts)));
  await registered(hosts.flatMap(({ name }) => [0, 1, 2, 3].map((slot) => `${name}/${slot}`)));
  expect(wrong).toEqual([]);
}, 60_000);

test('of two nodes that somebody registered for one slot the busy one stays, whichever came first', async () => {
  const first = await cluster.launch(file({ slots: 1 }));
  await registered(['fake-host/0']);
  const path = `/nodepool/nodes/${free()[0]!.id}`;
  const document = JSON.parse((await cluster.seen.client.get(path)).data.toString()) as object;
  const twin = (fields: object) => cluster.createRaw('/nodepool/nodes/', JSON.stringify({ ...document, ...fields }));
  await first.stop();
  const id = await cluster.submit({ nodeTypes: ['a'], state: 'fulfilled' });
  await twin({ allocated_to: id });
  await cluster.untilNodes(2);
  const busy = cluster.nodes().find((node) => node.allocatedTo === id)!;
  await cluster.launch(file({ slots: 1 }));
  await cluster.untilNodes(1);
  expect(cluster.nodes()).toMatchObject([{ id: busy.id, allocatedTo: id }]);
  // A launcher that knows nothing of our lock may do it at any time.
  await twin({ allocated_to: null });
  await expect.poll(() => cluster.nodes().map((node) => node.id), patience).toEqual([busy.id]);
});

test('a request for more hosts than are free waits without holding any, and is served when all are free', async () => {
  await cluster.launch(file({ name: 'fake-1', labels: '[a, b]' }, { name: 'fake-2', labels: '[a]' }));
  await registered(['fake-1/0', 'fake-2/0']);
  const busy = await take('b');
  const both = await cluster.submit({ nodeTypes: ['a', 'a'] });
  // The only host with this label is in use under its other one.
  const secondary = await cluster.submit({ nodeTypes: ['b'] });
  const single = await take('a');
  for (const waiting of [both, secondary])
    expect(cluster.request(waiting)).toMatchObject({ state: 'requested', declinedBy: [] });
  expect(free()).toEqual([]);
  await cluster.giveBack(single);
  await registered(['fake-2/0']);
  expect(cluster.request(both)!.state).toBe('requested');
  await cluster.giveBack(busy);
  await cluster.untilState(both, 'fulfilled');
  await cluster.giveBack(both);
  await cluster.untilState(secondary, 'fulfilled');
});

async function listen(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined).end());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as { port: number }).port };
}

test('a host that has died is noticed when it is wanted, holds up nobody, and serves again when it is back', async () => {
  const { server, port } = await listen();
  let answer = () => {};
  const asked = new Promise<void>((resolve) => (answer = resolve));
  let looking = 0;
  const create = altered((adapter) => ({
    inventory: {
      ...adapter.inventory!,
      // The look at the dead host lasts as long as the test wants.
      alive: async (one, signal) => {
        if (one.name === '127.0.0.1') {
          looking++;
          await asked;
        }
        return adapter.inventory!.alive(one, signal);
      },
    },
  }));
  await cluster.launch(file({ name: '127.0.0.1', port, labels: '[b]' }, { name: 'fake-good' }), create, env);
  await registered(['127.0.0.1/0', 'fake-good/0']);
  await new Promise((resolve) => server.close(resolve));
  const dead = await cluster.submit({ nodeTypes: ['b'] });
  await expect.poll(() => looking, patience).toBe(1);
  for (let i = 0; i < 3; i++) await cluster.giveBack(await take('a'));
  answer();
  await registered(['fake-good/0']);
  expect(cluster.request(dead)!.state).not.toBe('failed');
  await listen(port);
  await cluster.untilState(dead, 'fulfilled');
});

test('requests for one host do not overtake for ever one for several, which holds none of them', async () => {
  await cluster.launch(file({ name: 'fake-1' }, { name: 'fake-2' }, { name: 'fake-3', labels: '[b]' }));
  await registered(['fake-1/0', 'fake-2/0', 'fake-3/0']);
  const using = await startUsing(await take('a'));
  const several = await cluster.submit({ nodeTypes: ['a', 'a'], createdTime: Date.now() / 1000 - 61 });
  const one = await cluster.submit({ nodeTypes: ['a'] });
  // Of other hosts, and decided after them.
  await startUsing(await take('b'));
  expect([cluster.request(several)!.state, cluster.request(one)!.state]).toEqual(['requested', 'requested']);
  expect(free()).toHaveLength(1);
  const urgent = await cluster.submit({ nodeTypes: ['a'] }, '100');
  await cluster.untilState(urgent, 'fulfilled');
  await using.finish();
  await (await startUsing(urgent)).finish();
  await cluster.untilState(several, 'fulfilled');
  expect(cluster.request(one)!.state).toBe('requested');
  await (await startUsing(several)).finish();
  await cluster.untilState(one, 'fulfilled');
});
