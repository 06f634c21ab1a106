/** Launches that fail: what is left of them, who hears of it, and how soon they are tried again. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type FakeCloudServer, startFakeCloudServer } from '../drivers/fake/fake-cloud-server.ts';
import { Provider } from '../provider/provider.ts';
import { systemRuntime } from '../base/runtime.ts';
import type { Launcher } from './launcher.ts';
import { altered } from './testing/altered-adapter.ts';
import { Cluster, fakeProvider, hastened } from './testing/cluster.ts';

const patience = { timeout: 20_000, interval: 5 };
let cluster: Cluster;
let cloud: FakeCloudServer;
let account: string;

beforeEach(async () => {
  cluster = await Cluster.start();
  cloud = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  account = `http://127.0.0.1:${cloud.port}/accounts/cloud`;
});
afterEach(async () => {
  await cluster.stop();
  await cloud.close();
});

const file = (retries: number, more = '', labels = '[{name: a}, {name: b}]') =>
  `labels: ${labels}\nproviders: ${fakeProvider(
    'cloud',
    `[{name: main, max-servers: 10, labels: [{name: a, cloud-image: image, min-ram: 1}, {name: b, cloud-image: image, min-ram: 1}]}]`,
    `fake-cloud: {address: 'http://127.0.0.1:${cloud.port}', boot-delay: 0.01}${more}`,
  ).replace('launch-retries: 1', `launch-retries: ${retries}`)}\n`;

const faults = (what: object) => fetch(`${account}/faults`, { method: 'PUT', body: JSON.stringify(what) });
const settings = (what: object) => fetch(`${account}/settings`, { method: 'PUT', body: JSON.stringify(what) });
const servers = async () =>
  ((await (await fetch(`${account}/servers`)).json()) as { id: string }[]).map(({ id }) => id);
const ids = (id: string) => cluster.nodesOf(id).map((node) => node.externalId);

/** The states that a launcher has written, in order, by node. */
function statesOf(launcher: Launcher): Map<string, string[]> {
  const states = new Map<string, string[]>();
  onTestFinished(
    cluster.storeOf(launcher).nodes.onChange((id, _before, after) => {
      const node = after?.node;
      if (!node || node.broken) return;
      const known = states.get(id) ?? [];
      if (known.at(-1) !== node.state) known.push(node.state);
      states.set(id, known);
    }),
  );
  return states;
}

test.each(['createFailures', 'createFailuresWithId', 'createBroken'])(
  'two attempts that fail (%s), the third one works: one node, one instance, its own id',
  async (fault) => {
    await faults({ [fault]: 2 });
    await cluster.launch(file(3));
    const id = await cluster.submit({ nodeTypes: ['a'] });
    await cluster.untilState(id, 'fulfilled');
    expect(ids(id)).toEqual(await servers());
    expect(cluster.nodes()).toHaveLength(1);
    await cluster.giveBack(id);
    await cluster.untilNodes(0);
    expect(await servers()).toEqual([]);
  },
);

test.each(['createFailures', 'createFailuresWithId', 'createBroken'])(
  'attempts that all fail (%s): declined with the state of the node written, and nothing is left',
  async (fault) => {
    await faults({ [fault]: 2 });
    const launcher = await cluster.launch(file(2));
    const states = statesOf(launcher);
    const id = await cluster.submit({ nodeTypes: ['a'] });
    await cluster.untilState(id, 'failed');
    expect(cluster.request(id)!.declinedBy).toEqual([cluster.pools()[0]!.id]);
    await cluster.untilNodes(0);
    expect([...states.values()]).toEqual([['init', 'building', 'failed', 'deleting']]);
    expect(await servers()).toEqual([]);
  },
);

test('the id of a later attempt is stored before its instance is ready', async () => {
  await cluster.launch(file(3));
  await faults({ createBroken: 1 });
  await settings({ bootDelayMs: 100 });
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => cluster.nodes()[0]?.externalId ?? null, patience).not.toBeNull();
  const first = cluster.nodes()[0]!.externalId;
  await settings({ bootDelayMs: 600_000 });
  await expect.poll(() => cluster.nodes()[0]!.externalId, patience).not.toBe(first);
  await expect.poll(servers, patience).toEqual([cluster.nodes()[0]!.externalId]);
  expect(cluster.nodes()).toMatchObject([{ state: 'building', machine: { attempt: 2 } }]);
  expect(cluster.request(id)!.state).toBe('pending');
});

test('the time of an attempt begins with it, not while the one before is being removed', async () => {
  await settings({ deleteDelayMs: 1500, faults: { createBroken: 1 } });
  await cluster.launch(file(2, '\n    launch-timeout: 1'));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
});

test('host keys that cannot be read fail the attempt only', async () => {
  const scan = Provider.prototype.scanHostKeys;
  let scans = 0;
  Provider.prototype.scanHostKeys = () =>
    ++scans === 1 ? Promise.reject(new Error('nobody answers')) : Promise.resolve(['ssh-ed25519 key']);
  onTestFinished(() => void (Provider.prototype.scanHostKeys = scan));
  await cluster.launch(file(2));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  expect(scans).toBe(2);
  expect(cluster.nodesOf(id)).toMatchObject([{ hostKeys: ['ssh-ed25519 key'] }]);
  expect(await servers()).toEqual(ids(id));
});

test('the good nodes of a request with a failed one are free at once, while the request is still there', async () => {
  const create = altered((adapter) => ({
    advanceCreate: (state, spec, context) =>
      spec.label.name === 'b' ? Promise.reject(new Error('not this one')) : adapter.advanceCreate(state, spec, context),
  }));
  await cluster.launch(file(1), create);
  const stock = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(stock, 'fulfilled');
  const [reused] = cluster.request(stock)!.nodes;
  await cluster.consumer.deleteRequest(stock);
  await expect.poll(() => cluster.nodes()[0]?.allocatedTo, patience).toBeNull();
  const id = await cluster.submit({ nodeTypes: ['a', 'b', 'a'] });
  await cluster.untilState(id, 'failed');
  await expect
    .poll(() => cluster.nodes().map(({ state, allocatedTo }) => [state, allocatedTo]), patience)
    .toEqual([
      ['ready', null],
      ['ready', null],
    ]);
  expect(cluster.request(id)!.nodes).toEqual([]);
  const next = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await cluster.untilState(next, 'fulfilled');
  expect(cluster.request(next)!.nodes[0]).toBe(reused);
  expect(await servers()).toHaveLength(2);
});

test('a label whose need cannot be found out waits, all others are served', async () => {
  let broken = true;
  const create = altered((adapter) => ({
    quotaForLabel: (label, signal) =>
      broken && label.name === 'b'
        ? Promise.reject(new Error('the cloud does not say'))
        : adapter.quotaForLabel(label, signal),
  }));
  await cluster.stop();
  cluster = await Cluster.start(hastened(20));
  await cluster.launch(file(1), create);
  const unknown = await cluster.submit({ nodeTypes: ['b'] }, '100');
  for (let i = 0; i < 3; i++) {
    const id = await cluster.submit({ nodeTypes: ['a'] });
    await cluster.untilState(id, 'fulfilled');
  }
  expect(cluster.request(unknown)).toMatchObject({ state: 'requested', declinedBy: [] });
  broken = false;
  await cluster.untilState(unknown, 'fulfilled');
});

test('stock that cannot be made is asked for less and less often, and made when it can be', async () => {
  const runtime = hastened(10);
  await cluster.stop();
  cluster = await Cluster.start(runtime);
  await faults({ failureRate: 1 });
  const asked: number[] = [];
  onTestFinished(
    cluster.seen.requests.onChange((_id, before) => {
      if (!before) asked.push(runtime.monotonicMs());
    }),
  );
  await cluster.launch(file(1, '', '[{name: a, min-ready: 1}, {name: b}]'));
  await expect.poll(() => asked.length, patience).toBe(5);
  const pauses = asked.slice(1).map((at, i) => at - asked[i]!);
  // 1, 2, 4 and 8 seconds, each by a quarter more or less.
  pauses.forEach((pause, i) => expect(pause).toBeGreaterThan(700 * 2 ** i));
  await faults({ failureRate: 0 });
  await expect
    .poll(() => cluster.nodes().map(({ state, allocatedTo }) => [state, allocatedTo]), patience)
    .toEqual([['ready', null]]);
});

test('attempts are spaced out more and more', async () => {
  const runtime = hastened(5);
  await cluster.stop();
  cluster = await Cluster.start(runtime);
  const at: number[] = [];
  const create = altered(() => ({
    advanceCreate: () => {
      at.push(runtime.monotonicMs());
      return Promise.reject(new Error('no'));
    },
  }));
  await cluster.launch(file(5), create);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'failed');
  expect(at).toHaveLength(5);
  // At least half of 200, 400, 800 and 1600 ms.
  at.slice(1).forEach((time, i) => expect(time - at[i]!).toBeGreaterThanOrEqual(100 * 2 ** i));
});
