/** Launchers that lose their session or die: nothing is written by who has lost it, and what they had is brought to its end. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type FakeCloudServer, startFakeCloudServer } from '../drivers/fake/fake-cloud-server.ts';
import { parseRequest } from '../records/request.ts';
import { Operations } from '../store/transactions/operations.ts';
import { Evictions } from './pools/evictions.ts';
import { DeletionReconciler } from './upkeep/deletion.ts';
import { CloudClock, Cluster, fakeProvider, hastened } from './testing/cluster.ts';
import { systemRuntime } from '../base/runtime.ts';
import { noTracing } from '../telemetry/tracing.ts';
import { Traces } from './serving/traces.ts';

const patience = { timeout: 20_000, interval: 5 };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
let cluster: Cluster;
let cloud: FakeCloudServer;
let clock: CloudClock;

beforeEach(async () => {
  clock = new CloudClock();
  cloud = await startFakeCloudServer({ port: 0, runtime: clock.runtime });
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
  await cloud.close();
});

const label = (name: string) => `{name: ${name}, cloud-image: image, min-ram: 1}`;
const provider = (name: string, ...labels: string[]) =>
  fakeProvider(
    name,
    `[{name: main, max-servers: 5, labels: [${labels.map(label).join(', ')}]}]`,
    `fake-cloud: {address: 'http://127.0.0.1:${cloud.port}', boot-delay: 0.01}`,
  );
const file = (...providers: string[]) => `labels: [{name: a}, {name: b}]\nproviders: ${providers.join('')}\n`;
const servers = async () =>
  ((await (await fetch(`http://127.0.0.1:${cloud.port}/accounts/cloud/servers`)).json()) as { id: string }[]).map(
    ({ id }) => id,
  );
const launched = () => cluster.nodes().filter((node) => node.externalId !== null && node.machine !== null);

test('a session that ends in the middle of launches: nothing is written without a new lock, the launches go on, the pools are registered once', async () => {
  clock.standsStill = true;
  const launcher = await cluster.launch(file(provider('cloud', 'a')));
  const id = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await expect.poll(() => launched().length, patience).toBe(2);
  const instances = await servers();
  const nodes = cluster.nodes().map((node) => node.id);
  const events: string[] = [];
  const watch = await cluster.seen.client.addWatch('/nodepool/nodes', 'persistent-recursive', (event) => {
    events.push(`${event.type} ${event.path.slice('/nodepool/nodes/'.length)}`);
  });
  const line = cluster.lineOf(launcher);
  await line.endSession();
  await expect.poll(() => [...cluster.seen.nodes.all()].every((entry) => !entry.locked), patience).toBe(true);
  const versions = () => [...cluster.seen.nodes.all()].map((entry) => entry.version);
  const before = versions();
  // The launches end while their launcher has no session.
  clock.standsStill = false;
  await expect.poll(servers, patience).toEqual(instances);
  expect(cluster.pools()).toEqual([]);
  expect(versions()).toEqual(before);
  line.restore();
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.request(id)!.nodes).toEqual(nodes);
  expect(new Set(cluster.nodesOf(id).map((node) => node.externalId))).toEqual(new Set(instances));
  expect(await servers()).toHaveLength(2);
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  await watch.close();
  for (const node of nodes) {
    const itsOwn = events
      .filter((event) => new RegExp(` ${node}(/lock/|$)`).test(event))
      .map((event) => event.replace(/\/lock\/.*/, ' lock'));
    // The old lock goes with the session; the first thing after that is a new one.
    expect(itsOwn.slice(0, 3)).toEqual([`deleted ${node} lock`, `created ${node} lock`, `data-changed ${node}`]);
  }
  await cluster.giveBack(id);
  await cluster.untilNodes(0);
  expect(cluster.pools()).toHaveLength(1);
});

test('a request that waits is taken up again after its launcher has lost its session', async () => {
  const launcher = await cluster.launch(file(provider('cloud', 'a')));
  const busy = await cluster.submit({ nodeTypes: ['a', 'a', 'a', 'a', 'a'] });
  await cluster.untilState(busy, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  await cluster.lineOf(launcher).endSession();
  cluster.lineOf(launcher).restore();
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  await cluster.giveBack(busy);
  await cluster.untilState(waiting, 'fulfilled');
});

test('while a part of the served pools is not registered again, nothing is declined for want of it', async () => {
  const launcher = await cluster.launch(file(provider('cloud', 'a'), provider('other', 'b')));
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  const { client } = cluster.storeOf(launcher);
  const create = client.create.bind(client);
  let registerAll = () => {};
  const held = new Promise<void>((resolve) => (registerAll = resolve));
  // The pool that could serve the request comes back last.
  client.create = async (path, data, options) => {
    if (path.includes('/components/pool/') && Buffer.from(data).includes('"provider_name": "cloud"')) await held;
    return create(path, data, options);
  };
  const line = cluster.lineOf(launcher);
  await line.endSession();
  const id = await cluster.submit({ nodeTypes: ['a'] });
  line.restore();
  await expect.poll(() => cluster.pools().map((pool) => pool.provider), patience).toEqual(['other']);
  // Something that needs a whole pass, so that there was one.
  const other = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(other, 'fulfilled');
  await cluster.untilState(id, 'fulfilled');
  registerAll();
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  expect(cluster.request(id)!.declinedBy).toEqual([]);
});

test('what only one launcher can serve is not failed by the others while that one is away for a moment', async () => {
  clock.standsStill = true;
  const launcher = await cluster.launch(file(provider('cloud', 'a')));
  await cluster.launch(file(provider('other', 'b')));
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  const pending = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => launched().length, patience).toBe(1);
  await cluster.lineOf(launcher).endSession();
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  const queued = await cluster.submit({ nodeTypes: ['a'] });
  // The other one has looked at both, and has given up the first one's launch.
  for (const id of [pending, queued]) {
    await expect.poll(() => cluster.request(id)?.declinedBy.length, patience).toBe(1);
    expect(cluster.request(id)!.state).toBe('requested');
  }
  clock.standsStill = false;
  cluster.lineOf(launcher).restore();
  for (const id of [pending, queued]) await cluster.untilState(id, 'fulfilled');
});

test('what only one launcher can serve fails when that one stays away', async () => {
  await cluster.stop();
  cluster = await Cluster.start(hastened(20));
  const launcher = await cluster.launch(file(provider('cloud', 'a')));
  await cluster.launch(file(provider('other', 'b')));
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  await cluster.kill(launcher);
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'failed');
});

test('a lost request whose node somebody else has locked waits for that, and holds up no other lost request', async () => {
  const lost = async () => {
    const id = await cluster.submit({ nodeTypes: ['a'], state: 'pending' });
    const text = JSON.stringify({ state: 'ready', provider: 'cloud', pool: 'main', type: ['a'], allocated_to: id });
    await cluster.createRaw('/nodepool/nodes/', text);
    await expect.poll(() => cluster.nodes().some((node) => node.allocatedTo === id), patience).toBe(true);
    return { id, node: cluster.nodes().find((node) => node.allocatedTo === id)!.id };
  };
  const [first, second] = [await lost(), await lost()];
  const stranger = await cluster.consumer.lockNode(first.node);
  if (!stranger.ok) throw new Error(stranger.reason);
  await cluster.launch(file(provider('cloud', 'a')));
  await cluster.untilState(second.id, 'fulfilled');
  expect(cluster.request(second.id)!.nodes).toEqual([second.node]);
  const other = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(other, 'failed');
  expect(cluster.request(first.id)!.state).toBe('pending');
  await stranger.node.release();
  await cluster.untilState(first.id, 'fulfilled');
});

test('a ready node that is promised to another request by the time it is locked is not freed', async () => {
  const gone = await cluster.submit({ nodeTypes: ['a'] });
  const next = await cluster.submit({ nodeTypes: ['a'] });
  const text = (allocatedTo: string) =>
    JSON.stringify({ state: 'ready', provider: 'cloud', pool: 'main', type: ['a'], allocated_to: allocatedTo });
  await cluster.createRaw('/nodepool/nodes/', text(gone));
  await expect.poll(() => cluster.nodes().length, patience).toBe(1);
  const { id } = cluster.nodes()[0]!;
  const path = `/nodepool/nodes/${id}`;
  const operations = new Operations(cluster.seen);
  const lockNode = operations.lockNode.bind(operations);
  let tries = 0;
  // Between the decision and the lock it is given to somebody else.
  operations.lockNode = async (...args) => {
    tries++;
    await cluster.seen.client.set(path, Buffer.from(text(next)), -1);
    return lockNode(...args);
  };
  const deletion = new DeletionReconciler({
    store: cluster.seen,
    operations,
    runtime: systemRuntime,
    log: quiet,
    provider: () => undefined,
    isOurs: () => true,
    evictions: new Evictions(),
    traces: new Traces(noTracing, systemRuntime),
  });
  await cluster.consumer.deleteRequest(gone);
  await expect.poll(() => tries, patience).toBe(1);
  await deletion.stop();
  const { data } = await cluster.seen.client.get(path);
  expect(JSON.parse(data.toString())).toMatchObject({ allocated_to: next, state: 'ready' });
});

test('a free node that is given to somebody else by the time it is locked is left to that one', async () => {
  await cluster.launch(file(provider('cloud', 'a')));
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const [stock] = cluster.request(first)!.nodes;
  await cluster.consumer.deleteRequest(first);
  await expect.poll(() => cluster.nodes()[0]?.allocatedTo, patience).toBeNull();
  const other = await cluster.submit({ nodeTypes: ['a'], state: 'fulfilled' });
  const path = `/nodepool/nodes/${stock}`;
  const lockNode = vi.spyOn(Operations.prototype, 'lockNode');
  onTestFinished(() => lockNode.mockRestore());
  lockNode.mockImplementationOnce(async (...args) => {
    const { data } = await cluster.seen.client.get(path);
    const given = data.toString().replace('"allocated_to": null', `"allocated_to": "${other}"`);
    await cluster.seen.client.set(path, Buffer.from(given), -1);
    return cluster.consumer.lockNode(...args);
  });
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  expect(lockNode.mock.calls[0]![0]).toBe(stock);
  expect(cluster.request(id)!.nodes).not.toContain(stock);
  expect(cluster.nodes().find((node) => node.id === stock)).toMatchObject({ allocatedTo: other, state: 'ready' });
});

test('a node whose request only seems to be gone is not freed', async () => {
  const launcher = await cluster.launch(file(provider('cloud', 'a')));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  const { requests } = cluster.storeOf(launcher);
  const path = `/nodepool/requests/${id}`;
  const { data } = await cluster.seen.client.get(path);
  const exists = vi.spyOn(Operations.prototype, 'requestExists');
  onTestFinished(() => exists.mockRestore());
  // As a mirror that is behind would have it.
  requests.apply(id, undefined);
  await expect.poll(() => exists.mock.results.length, patience).toBeGreaterThan(0);
  expect(await exists.mock.results[0]!.value).toBe(true);
  const { stat } = await cluster.seen.client.get(path);
  requests.apply(id, { value: parseRequest(id, data), stat });
  const after = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(after, 'fulfilled');
  expect(cluster.request(after)!.nodes).not.toEqual(cluster.request(id)!.nodes);
  expect(cluster.nodesOf(id)).toMatchObject([{ allocatedTo: id }]);
});
