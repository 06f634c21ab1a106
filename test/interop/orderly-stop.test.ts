/**
 * The programs are asked to stop by SIGTERM (10 s) and SIGINT (30 s): while a cloud hangs, while ZooKeeper is away, with
 * hundreds of launches under way, while they still start. They end in time, take nothing new, hand back what they have,
 * unregister, and end their session: all sessions here last longer than the tests wait.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { isBroken } from '../../src/records/broken.ts';
import { encodeNode, type NodeRecord, parseNode, updateNode } from '../../src/records/node.ts';
import { encodeRequest, newRequest, parseRequest, type RequestRecord } from '../../src/records/request.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { FaultProxy } from '@nodepool/zookeeper/internal/testing/fault-proxy';
import { type Running, until, Workplace } from './support/programs.ts';

const bounds = { SIGTERM: 10_000, SIGINT: 30_000 } as const;
type Signal = keyof typeof bounds;

const place = new Workplace();
const dataDir = `${place.directory}/data`;
let cloud: string;
let config: string;
let proxy: FaultProxy;
let zk: ZooKeeper;
let round = 0;
let account: string;

beforeAll(async () => {
  const server = place.start('nodepool', ['fake-cloud', '--port', '0']);
  cloud = await until(
    () => server.output(),
    () => /http:\/\/\S+/.exec(server.output())?.[0],
  );
  const coordinator = place.start('nodepool', [
    '-c',
    place.file('coordinator.yaml', `coordinator: {data-dir: ${dataDir}}\n`),
    'coordinator',
  ]);
  const { port } = await until(
    () => coordinator.output(),
    () => readAddress(dataDir),
  );
  proxy = await FaultProxy.open({ host: '127.0.0.1', port: port! });
  zk = place.client(dataDir);
  await zk.ensurePath('/nodepool/requests');
  await zk.ensurePath('/nodepool/nodes');
});

/** An account and a provider of its own for each test: what one leaves behind is nothing to the next. */
beforeEach(() => {
  account = `cloud-${++round}`;
  config = place.file(
    `${account}.yaml`,
    `
zookeeper-servers: [{host: 127.0.0.1, port: ${proxy.address.port}}]
zookeeper-timeout: 12.0
labels: [{name: ${account}}]
providers:
  - name: ${account}
    driver: fake
    cloud: fake
    fake-cloud: {address: '${cloud}'}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, labels: [{name: ${account}, cloud-image: image, min-ram: 1}]}]
`,
  );
});

const launchers: Running[] = [];

afterEach(async () => {
  proxy.heal();
  await put('faults', { hang: false });
  for (const one of launchers) one.process.kill('SIGKILL');
  await Promise.all(launchers.splice(0).map((one) => one.ended));
});

afterAll(async () => {
  await place.clear();
  await proxy.close();
});

function launcher(): Running {
  const running = place.start('nodepool', ['-c', config, 'launcher']);
  launchers.push(running);
  return running;
}

async function put(what: 'faults' | 'settings', body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${cloud}/accounts/${account}/${what}`, { method: 'PUT', headers, body: JSON.stringify(body) });
}

const created = async () =>
  ((await (await fetch(`${cloud}/accounts/${account}/stats`)).json()) as { created: number }).created;

async function submit(): Promise<string> {
  const document = newRequest({ nodeTypes: [account], requestor: 'test' }, Date.now());
  const made = await zk.create('/nodepool/requests/200-', encodeRequest(document), { mode: 'persistent-sequential' });
  return made.path.slice('/nodepool/requests/'.length);
}

const submitMany = (count: number) => Promise.all(Array.from({ length: count }, submit));

async function request(id: string): Promise<RequestRecord> {
  const parsed = parseRequest(id, (await zk.get(`/nodepool/requests/${id}`)).data);
  if (isBroken(parsed)) throw new Error(parsed.message);
  return parsed;
}

async function nodes(): Promise<NodeRecord[]> {
  const { children } = await zk.children('/nodepool/nodes');
  const all = await Promise.all(
    children.map((id) =>
      zk.get(`/nodepool/nodes/${id}`).then(
        ({ data }) => parseNode(id, data),
        () => null,
      ),
    ),
  );
  return all.filter((node): node is NodeRecord => node !== null && !isBroken(node) && node.provider === account);
}

async function statesOf(ids: readonly string[]): Promise<Set<string>> {
  return new Set((await Promise.all(ids.map(request))).map(({ state }) => state));
}

const underWay = async () => (await nodes()).filter((n) => n.state === 'building' && n.externalId !== null).length;

async function childrenOf(path: string): Promise<readonly string[]> {
  return zk.children(path).then(
    (answer) => answer.children,
    () => [],
  );
}

/** What a process holds only as long as its session lives. */
async function held(ids: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const kind of ['components/pool', 'components/launcher', 'health']) {
    for (const name of await childrenOf(`/nodepool/${kind}`)) left.push(`${kind}/${name}`);
  }
  for (const { id } of await nodes()) {
    for (const name of await childrenOf(`/nodepool/nodes/${id}/lock`)) left.push(`node ${id}: ${name}`);
  }
  for (const id of ids) {
    for (const name of await childrenOf(`/nodepool/requests-lock/${id}`)) left.push(`request ${id}: ${name}`);
  }
  return left;
}

/** Ends with status 0 within its bound; how long it took. */
async function stop(running: Running, signal: Signal): Promise<number> {
  const began = performance.now();
  running.process.kill(signal);
  const late = new Promise<string>((resolve) => setTimeout(() => resolve('too late'), bounds[signal]).unref());
  expect(await Promise.race([running.ended, late]), running.output().slice(-3000)).toBe(0);
  return performance.now() - began;
}

async function ready(running: Running): Promise<void> {
  await until(
    () => `registered:\n${running.output().slice(-2000)}`,
    async () => (await childrenOf('/nodepool/components/pool')).length > 0,
  );
}

async function eventually(what: string, running: Running, condition: () => Promise<boolean>): Promise<void> {
  await until(() => `${what}:\n${running.output().slice(-2000)}`, condition, 60_000);
}

const fulfilled = (ids: readonly string[]) => async () => {
  const states = await statesOf(ids);
  return states.size === 1 && states.has('fulfilled');
};

async function use(id: string): Promise<void> {
  for (const nodeId of (await request(id)).nodes) {
    const path = `/nodepool/nodes/${nodeId}`;
    const node = parseNode(nodeId, (await zk.get(path)).data);
    if (!isBroken(node)) await zk.set(path, encodeNode(updateNode(node, { state: 'used' }, Date.now())));
  }
  await zk.delete(`/nodepool/requests/${id}`);
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s while the cloud answers nothing', async (signal) => {
  const first = launcher();
  await ready(first);
  const done = await submitMany(3);
  await eventually('three are served', first, fulfilled(done));
  await put('settings', { bootDelayMs: 3_600_000 });
  const booting = await submitMany(2);
  await eventually('two are on their way', first, async () => (await underWay()) === 2);
  await put('faults', { hang: true });
  for (const id of done) await use(id);
  const launching = await submitMany(5);
  await eventually('deletions and launches hang', first, async () => {
    const states = (await nodes()).map(({ state }) => state);
    return states.filter((s) => s === 'deleting').length === 3 && states.filter((s) => s === 'building').length === 7;
  });
  expect(await stop(first, signal)).toBeLessThan(9000);
  expect(await held([...booting, ...launching])).toEqual([]);
  expect(await statesOf(launching)).toEqual(new Set(['requested']));
  // With their machine: another launcher goes on with them.
  expect(await statesOf(booting)).toEqual(new Set(['pending']));
  const kept = (await nodes()).filter((node) => node.allocatedTo !== null && booting.includes(node.allocatedTo));
  expect(kept.map(({ externalId, machine }) => [typeof externalId, machine !== null])).toEqual([
    ['string', true],
    ['string', true],
  ]);
});

test('SIGTERM with hundreds of launches under way: nothing new is taken, the next launcher ends each with the same instance', async () => {
  await put('settings', { bootDelayMs: 12_000 });
  const first = launcher();
  await ready(first);
  const ids = await submitMany(400);
  await eventually('launches are under way', first, async () => (await underWay()) >= 50);
  const stopping = stop(first, 'SIGTERM');
  const late = await submitMany(5);
  await stopping;
  expect(await held(ids)).toEqual([]);
  expect(await statesOf(late)).toEqual(new Set(['requested']));
  const second = launcher();
  await eventually('all are served', second, fulfilled([...ids, ...late]));
  // Also creations that were on their way to the cloud are known: nothing is made a second time.
  expect(await created()).toBe(405);
  expect(new Set((await nodes()).filter((n) => n.allocatedTo !== null).map((n) => n.externalId)).size).toBe(405);
  await stop(second, 'SIGTERM');
});

test.each([
  ['SIGTERM', 'refuses'],
  ['SIGTERM', 'is silent'],
  ['SIGINT', 'refuses'],
] as const)('%s while ZooKeeper %s: ends in time, and the launch goes on elsewhere', async (signal, how) => {
  await put('settings', { bootDelayMs: 15_000 });
  const first = launcher();
  await ready(first);
  const ids = await submitMany(3);
  await eventually('launches are under way', first, async () => (await underWay()) === 3);
  if (how === 'refuses') proxy.refuse();
  else proxy.stall();
  await stop(first, signal);
  proxy.heal();
  // The session outlives its process: what it held is taken over when its time is up.
  const second = launcher();
  await eventually('served by the next one', second, fulfilled(ids));
  expect(await created()).toBe(3);
  await stop(second, 'SIGTERM');
});

test('SIGINT while ZooKeeper is away for a moment: what is under way is handed back when it returns', async () => {
  await put('settings', { bootDelayMs: 3_600_000 });
  const first = launcher();
  await ready(first);
  const ids = await submitMany(3);
  await eventually('launches are under way', first, async () => (await underWay()) === 3);
  proxy.refuse();
  const stopping = stop(first, 'SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  proxy.heal();
  expect(await stopping).toBeLessThan(15_000);
  expect(await held(ids)).toEqual([]);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s while it still starts', async (signal) => {
  const before = proxy.connections;
  const first = launcher();
  await eventually('connected', first, () => Promise.resolve(proxy.connections > before));
  proxy.stall();
  expect(await stop(first, signal)).toBeLessThan(9000);
});
