/** What is removed because its time is up or because nobody needs it any more, and what is left alone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeCloudServer, startFakeCloudServer } from '../drivers/fake/fake-cloud-server.ts';
import { encodeNode, newNode, type NodeFields } from '../records/node.ts';
import { systemRuntime } from '../base/runtime.ts';
import { altered } from './testing/altered-adapter.ts';
import { Cluster, fakeProvider, hastened } from './testing/cluster.ts';

const patience = { timeout: 20_000, interval: 5 };
/** Housekeeping each 250 ms of the test's time. */
const env = { NODEPOOL_TEST_CLEANUP_INTERVAL: '5' };
const runtime = hastened(20);
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start(runtime);
});
afterEach(() => cluster.stop());

const provider = (more = 'fake-cloud: {boot-delay: 0.1}') =>
  fakeProvider('cloud', '[{name: main, max-servers: 20, labels: [{name: a, cloud-image: image, min-ram: 1}]}]', more);
const file = (label = '{name: a}', more = '', one = provider()) => `labels: [${label}]\n${more}\nproviders: ${one}\n`;

const find = (id: string) => cluster.nodes().find((node) => node.id === id);
const put = async (fields: NodeFields & { state: 'ready' }, state: string = fields.state): Promise<string> => {
  const nowMs = runtime.nowMs();
  const text = encodeNode(newNode({ provider: 'cloud', pool: 'main', labels: ['a'], ...fields }, nowMs)).toString();
  const { client } = cluster.seen;
  await client.ensurePath('/nodepool/nodes');
  const made = await client.create(
    '/nodepool/nodes/',
    Buffer.from(text.replace('"state": "ready"', `"state": "${state}"`)),
    { mode: 'persistent-sequential' },
  );
  return made.path.slice('/nodepool/nodes/'.length);
};

async function take(): Promise<string> {
  const id = await cluster.submit({ nodeTypes: ['a'], reuse: false });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

/** Since when the node, which the test has seen, is gone; in seconds of the cluster's time. */
async function secondsUntilGone(id: string, fromMs: number): Promise<number> {
  await expect.poll(() => find(id), patience).toBeUndefined();
  return (runtime.nowMs() - fromMs) / 1000;
}

test('free nodes go when they have been ready for max-ready-age, promised ones stay', async () => {
  await cluster.launch(file('{name: a, max-ready-age: 30}'), undefined, env);
  const promised = await take();
  const freed = await take();
  const id = cluster.request(freed)!.nodes[0]!;
  const sinceMs = find(id)!.stateTime * 1000;
  await cluster.consumer.deleteRequest(freed);
  expect(await secondsUntilGone(id, sinceMs)).toBeGreaterThanOrEqual(30);
  // The other one is older.
  expect(cluster.nodesOf(promised)).toMatchObject([{ state: 'ready', allocatedTo: promised }]);
  await cluster.giveBack(promised);
});

test('held nodes go after their own time, or max-hold-age where that is less; a lock keeps them', async () => {
  await cluster.launch(file('{name: a}', 'max-hold-age: 60'), undefined, env);
  const hold = async (fields: NodeFields) => {
    const [node] = cluster.nodesOf(await take());
    const held = await cluster.consumer.lockNode(node!.id);
    if (!held.ok) throw new Error(held.reason);
    await held.node.write({ state: 'hold', ...fields });
    return { id: node!.id, held: held.node, sinceMs: held.node.node.stateTime * 1000 };
  };
  const [short, normal, long, debugged] = [
    await hold({ holdExpiration: 20 }),
    await hold({}),
    await hold({ holdExpiration: 10_000 }),
    await hold({ holdExpiration: 1 }),
  ];
  for (const { held } of [short, normal, long]) await held.release();
  const shortSeconds = await secondsUntilGone(short.id, short.sinceMs);
  expect(shortSeconds).toBeGreaterThanOrEqual(20);
  expect(find(normal.id)?.state).toBe('hold');
  expect(await secondsUntilGone(normal.id, normal.sinceMs)).toBeGreaterThanOrEqual(60);
  expect(await secondsUntilGone(long.id, long.sinceMs)).toBeGreaterThanOrEqual(60);
  expect(find(debugged.id)?.state).toBe('hold');
  await debugged.held.release();
  await expect.poll(() => find(debugged.id), patience).toBeUndefined();
});

test('without max-hold-age a node is held for its own time, or for ever', async () => {
  await cluster.launch(file(), undefined, env);
  const forEver = await put({ state: 'ready' }, 'hold');
  const fromMs = runtime.nowMs();
  const limited = await put({ state: 'ready', holdExpiration: 20 }, 'hold');
  await expect.poll(() => find(limited)?.state, patience).toBe('hold');
  expect(await secondsUntilGone(limited, fromMs)).toBeGreaterThanOrEqual(19);
  expect(find(forEver)?.state).toBe('hold');
});

test('what nobody holds any more is removed in every state; ready and held nodes stay', async () => {
  const dead = ['used', 'in-use', 'building', 'failed', 'aborted', 'deleting', 'deleted', 'init', 'testing'];
  const before = await Promise.all(dead.map((state) => put({ state: 'ready' }, state)));
  await cluster.untilNodes(dead.length);
  const stay = await Promise.all(['ready', 'hold'].map((state) => put({ state: 'ready' }, state)));
  const foreign = await put({ state: 'ready', provider: 'somebody-else' }, 'used');
  await cluster.launch(file(), undefined, env);
  const after = await Promise.all(dead.map((state) => put({ state: 'ready' }, state)));
  await expect.poll(() => [...before, ...after].filter(find), patience).toEqual([]);
  expect([...stay, foreign].filter(find)).toEqual([...stay, foreign]);
});

test('a node that somebody removes without a lock is left to him for a while', async () => {
  const launcher = await cluster.launch(file(), undefined, env);
  const locked: string[] = [];
  cluster.storeOf(launcher).nodes.onChange((id, _before, after) => {
    if (after?.locked) locked.push(id);
  });
  const fromMs = runtime.nowMs();
  const id = await put({ state: 'ready' }, 'deleted');
  await expect.poll(() => find(id), patience).toBeDefined();
  expect(locked).not.toContain(id);
  expect(await secondsUntilGone(id, fromMs)).toBeGreaterThanOrEqual(5);
  expect(locked).toContain(id);
});

test('a deletion that the cloud refuses is repeated, and the node is not locked meanwhile', async () => {
  let refusals = 0;
  const create = altered((adapter) => ({
    advanceDelete: (state, context) => {
      if (refusals++ < 2) return Promise.reject(new Error('not now'));
      return adapter.advanceDelete(state, context);
    },
  }));
  const launcher = await cluster.launch(file(), create, env);
  const id = await take();
  const [node] = cluster.nodesOf(id);
  const seen: string[] = [];
  const off = cluster.storeOf(launcher).nodes.onChange((nodeId, _before, after) => {
    if (nodeId === node!.id && after?.node && !after.node.broken && after.node.state === 'deleting')
      seen.push(after.locked ? 'locked' : 'unlocked');
  });
  await cluster.giveBack(id);
  await cluster.untilNodes(0);
  off();
  expect(refusals).toBe(3);
  expect(seen.filter((one, i) => one === 'unlocked' && seen[i - 1] === 'locked').length).toBeGreaterThanOrEqual(2);
});

test('an instance without a node is removed after two looks, and those of others never', async () => {
  const cloud: FakeCloudServer = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  try {
    const account = `http://127.0.0.1:${cloud.port}/accounts/cloud`;
    const add = async (metadata: object, token: string) => {
      const body = { name: token, metadata, securityGroups: [], zone: 'az1', resources: { instances: 1 }, token };
      const answer = await fetch(`${account}/servers`, { method: 'POST', body: JSON.stringify(body) });
      return ((await answer.json()) as { id: string }).id;
    };
    const servers = async () =>
      ((await (await fetch(`${account}/servers`)).json()) as { id: string }[]).map((one) => one.id).sort();
    const mine = { nodepool_provider_name: 'cloud', nodepool_pool_name: 'main' };
    const leaked = await add({ ...mine, nodepool_node_id: '9999999999' }, 'leaked');
    const others = [
      await add({ ...mine, nodepool_provider_name: 'other', nodepool_node_id: '9999999999' }, 'other provider'),
      await add({}, 'no Nodepool at all'),
    ].sort();
    let looks = 0;
    let looksWhenDeleted = 0;
    const create = altered((adapter) => ({
      listResources: (signal) => {
        looks++;
        return adapter.listResources(signal);
      },
      deleteResource: (resource, signal) => {
        looksWhenDeleted = looks;
        return adapter.deleteResource(resource, signal);
      },
    }));
    await cluster.launch(
      file(undefined, undefined, provider(`fake-cloud: {address: 'http://127.0.0.1:${cloud.port}'}`)),
      create,
      env,
    );
    const used = await take();
    await expect.poll(async () => (await servers()).includes(leaked), patience).toBe(false);
    expect(looksWhenDeleted).toBeGreaterThanOrEqual(2);
    const settled = looks;
    await expect.poll(() => looks, patience).toBeGreaterThan(settled + 2);
    expect(await servers()).toEqual([...others, String(cluster.nodesOf(used)[0]!.externalId)].sort());
  } finally {
    await cloud.close();
  }
});

test('nodes for the stock that vanish are made anew, also when they vanish before they are booked', async () => {
  await cluster.launch(file('{name: a, min-ready: 2}'), undefined, env);
  let removed = 0;
  const off = cluster.seen.requests.onChange((_id, _before, after) => {
    const request = after?.request;
    if (!request || request.broken || request.state !== 'fulfilled' || removed >= 3) return;
    removed++;
    void cluster.seen.client.delete(`/nodepool/nodes/${request.nodes[0]}/lock`).catch(() => undefined);
    void cluster.seen.client.delete(`/nodepool/nodes/${request.nodes[0]}`).catch(() => undefined);
  });
  const stock = () => cluster.nodes().filter((node) => node.state === 'ready' && node.allocatedTo === null);
  await expect.poll(() => removed === 3 && stock().length, patience).toBe(2);
  off();
  await cluster.seen.client.delete(`/nodepool/nodes/${stock()[0]!.id}/lock`).catch(() => undefined);
  await cluster.seen.client.delete(`/nodepool/nodes/${stock()[0]!.id}`);
  await expect.poll(() => stock().length, patience).toBe(1);
  await expect.poll(() => stock().length, patience).toBe(2);
});
