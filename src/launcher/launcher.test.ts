/** A launcher with the fake driver on the embedded coordinator, all in this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { fakeConfig } from '../drivers/fake/config.ts';
import { driver } from '../drivers/fake/index.ts';
import { isBroken } from '../records/broken.ts';
import type { RequestFields } from '../records/request.ts';
import { systemRuntime } from '../runtime.ts';
import { Operations } from '../store/operations.ts';
import { Store } from '../store/store.ts';
import { createZooKeeper } from '../zookeeper/client/client.ts';
import type { ZooKeeper } from '../zookeeper/client/types.ts';
import { type Coordinator, startCoordinator } from '../zookeeper/server/coordinator.ts';
import { Launcher } from './launcher.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const directory = () => mkdtempSync(join(tmpdir(), 'nodepool-launcher-'));

let dataDir: string;
let coordinator: Coordinator;
let launcher: Launcher | null = null;
let consumer: Operations;
let seen: Store;
const clients: ZooKeeper[] = [];
const stores: Store[] = [];

async function open(): Promise<Store> {
  const client = createZooKeeper({ servers: [], connector: coordinator.connector, runtime: systemRuntime });
  clients.push(client);
  const store = await Store.open({ client, runtime: systemRuntime, log });
  stores.push(store);
  return store;
}

beforeEach(async () => {
  dataDir = directory();
  coordinator = await startCoordinator({ dataDir, port: null, runtime: systemRuntime, log: () => undefined });
  seen = await open();
  consumer = new Operations(seen);
});

afterEach(async () => {
  await launcher?.stop();
  launcher = null;
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await coordinator.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(pool: string, labels = '[{name: a}, {name: b}]', options = ''): Promise<void> {
  const path = join(dataDir, 'nodepool.yaml');
  writeFileSync(
    path,
    `
labels: ${labels}
providers:
  - name: cloud
    driver: fake
    cloud: fake
    launch-retries: 1
    fake-cloud: {boot-delay: 0.01${options}}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools:
      - name: main
        ${pool}
        labels: [{name: a, cloud-image: image, min-ram: 1}, {name: b, cloud-image: image, min-ram: 1}]
`,
  );
  const { config } = loadConfig({ path, env: {}, drivers: new Map([['fake', fakeConfig]]) });
  launcher = new Launcher({
    config,
    store: await open(),
    createAdapter: (provider) =>
      Promise.resolve(driver.createAdapter({ provider, runtime: systemRuntime, log, env: {} })),
    runtime: systemRuntime,
    log,
    env: {},
    hostname: 'host',
    fqdn: 'host.example',
    version: 'test',
  });
  await launcher.start();
}

const submit = async (fields: RequestFields, priority = '200') =>
  (await consumer.createRequest({ requestor: 'test', ...fields }, priority, { ephemeral: false })).id;

function requestState(id: string) {
  const request = seen.requests.get(id)?.request;
  return request && !isBroken(request) ? request : undefined;
}

const state = (id: string, wanted: string) =>
  expect.poll(() => requestState(id)?.state, { timeout: 15_000, interval: 5 }).toBe(wanted);

const nodeCount = (count: number) => expect.poll(() => seen.nodes.size, { timeout: 15_000, interval: 5 }).toBe(count);

async function giveBack(id: string): Promise<void> {
  for (const nodeId of requestState(id)!.nodes) {
    const held = await consumer.lockNode(nodeId, { expect: (n) => n.state === 'ready' && n.allocatedTo === id });
    if (!held.ok) throw new Error(held.reason);
    await held.node.write({ state: 'used' });
    await held.node.release();
  }
  await consumer.deleteRequest(id);
}

test('nodes come in the order of the labels, and go when they are used', async () => {
  await start('max-servers: 5');
  const id = await submit({ nodeTypes: ['a', 'b', 'a'], tenantName: 'tenant' });
  await state(id, 'fulfilled');
  const nodes = requestState(id)!.nodes.map((n) => seen.nodes.get(n)!.node!);
  expect(nodes.map((n) => (isBroken(n) ? null : n.labels[0]))).toEqual(['a', 'b', 'a']);
  for (const node of nodes)
    expect(node).toMatchObject({ state: 'ready', allocatedTo: id, tenantName: 'tenant', requestor: 'test' });
  await giveBack(id);
  await nodeCount(0);
});

test('a label that nobody serves fails, one that never fits fails too', async () => {
  await start('max-servers: 2');
  const unknown = await submit({ nodeTypes: ['none'] });
  const large = await submit({ nodeTypes: ['a', 'a', 'a'] });
  await state(unknown, 'failed');
  await state(large, 'failed');
  expect(seen.nodes.size).toBe(0);
});

test('at capacity one request waits as pending, the others in order', async () => {
  await start('max-servers: 1');
  const first = await submit({ nodeTypes: ['a'] });
  await state(first, 'fulfilled');
  const waiting = await submit({ nodeTypes: ['a'] }, '300');
  await state(waiting, 'pending');
  const low = await submit({ nodeTypes: ['a'] }, '300');
  const high = await submit({ nodeTypes: ['a'] }, '100');
  await giveBack(first);
  for (const id of [waiting, high, low]) {
    await state(id, 'fulfilled');
    await giveBack(id);
  }
  await nodeCount(0);
});

test('a waiting request that is deleted makes room for the next and launches nothing', async () => {
  await start('max-servers: 1');
  const first = await submit({ nodeTypes: ['a'] });
  await state(first, 'fulfilled');
  const cancelled = await submit({ nodeTypes: ['a'] });
  await state(cancelled, 'pending');
  await consumer.deleteRequest(cancelled);
  const next = await submit({ nodeTypes: ['a'] });
  await state(next, 'pending');
  await giveBack(first);
  await state(next, 'fulfilled');
  expect(seen.nodes.size).toBe(1);
});

test('min-ready keeps stock, a request takes it, it is made anew', async () => {
  await start('max-servers: 5', '[{name: a, min-ready: 1}, {name: b}]');
  await nodeCount(1);
  const [stock] = [...seen.nodes.all()];
  await expect.poll(() => (seen.nodes.get(stock!.id)?.node as { allocatedTo?: string | null }).allocatedTo).toBeNull();
  const id = await submit({ nodeTypes: ['a'] });
  await state(id, 'fulfilled');
  expect(requestState(id)!.nodes).toEqual([stock!.id]);
  await nodeCount(2);
});

test('a stock node of another label makes way when the pool is full', async () => {
  await start('max-servers: 1', '[{name: a, min-ready: 1}, {name: b}]');
  await nodeCount(1);
  const id = await submit({ nodeTypes: ['b'] });
  await state(id, 'fulfilled');
});

test('a launch that fails for good fails the request and leaves nothing', async () => {
  await start('max-servers: 5', '[{name: a}, {name: b}]', ', failure-rate: 1');
  const id = await submit({ nodeTypes: ['a', 'b'] });
  await state(id, 'failed');
  await nodeCount(0);
});

test('stopping hands a waiting request back', async () => {
  await start('max-servers: 1');
  const first = await submit({ nodeTypes: ['a'] });
  await state(first, 'fulfilled');
  const waiting = await submit({ nodeTypes: ['a'] });
  await state(waiting, 'pending');
  await launcher!.stop();
  await state(waiting, 'requested');
  expect([...seen.components.pools()]).toEqual([]);
});

test('a broken document stops nothing', async () => {
  await start('max-servers: 5');
  await state(await submit({ nodeTypes: ['a'] }), 'fulfilled');
  const create = (path: string, text: string) =>
    clients[0]!.create(path, Buffer.from(text), { mode: 'persistent-sequential' });
  await create('/nodepool/requests/200-', '{nonsense');
  await create('/nodepool/nodes/', '{"state": "unheard of"}');
  const id = await submit({ nodeTypes: ['a'] });
  await state(id, 'fulfilled');
  await giveBack(id);
  await nodeCount(2);
});
