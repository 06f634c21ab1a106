/** Launches under way when their launcher goes: another launcher of the same pool leads them to their end. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeCloudServer, startFakeCloudServer } from '../drivers/fake/fake-cloud-server.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import { altered } from './testing/altered-adapter.ts';
import { CloudClock, Cluster, fakeProvider } from './testing/cluster.ts';

let cluster: Cluster;
let cloud: FakeCloudServer;
const patience = { timeout: 15_000, interval: 5 };

let clock: CloudClock;

beforeEach(async () => {
  clock = new CloudClock();
  clock.standsStill = true;
  cloud = await startFakeCloudServer({ port: 0, runtime: clock.runtime });
  cluster = await Cluster.start();
});

afterEach(async () => {
  await cluster.stop();
  await cloud.close();
});

const provider = (name = 'cloud') =>
  fakeProvider(
    name,
    '[{name: main, max-servers: 3, labels: [{name: a, cloud-image: image, min-ram: 1}]}]',
    `fake-cloud: {address: 'http://127.0.0.1:${cloud.port}', boot-delay: 0.05}`,
  );
const file = (...providers: string[]) => `labels: [{name: a}]\nproviders: ${providers.join('')}\n`;

async function servers(account = 'cloud'): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${cloud.port}/accounts/${account}/servers`);
  return ((await answer.json()) as { id: string }[]).map(({ id }) => id);
}

const launched = (count: number) =>
  expect
    .poll(() => cluster.nodes().filter((n) => n.state === 'building' && n.machine !== null).length, patience)
    .toBe(count);

const instances = () => new Map(cluster.nodes().map((node) => [node.id, node.externalId]));

test.each(['killed', 'stopped'])('a launcher is %s in the middle of launches, another one goes on', async (how) => {
  const first = await cluster.launch(file(provider()));
  const id = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await launched(2);
  const before = instances();
  const second = await cluster.launch(file(provider()));
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  await (how === 'killed' ? cluster.kill(first) : first.stop());
  clock.standsStill = false;
  await cluster.untilState(id, 'fulfilled');
  expect(instances()).toEqual(before);
  expect(new Set(await servers())).toEqual(new Set(before.values()));
  expect(cluster.nodesOf(id).map((node) => node.launcher)).toEqual(
    cluster.nodesOf(id).map(() => cluster.pools()[0]!.id),
  );
  await cluster.giveBack(id);
  await cluster.untilNodes(0);
  expect(second.ready).toBe(true);
});

test('a launcher is stopped while its creations are on the way to the cloud: their ids are stored, nothing is made twice', async () => {
  const asked: string[] = [];
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const slow = altered((adapter) => ({
    advanceCreate: async (state, spec, context) => {
      asked.push(spec.nodeId);
      const step = await adapter.advanceCreate(state, spec, context);
      await answered;
      return step;
    },
  }));
  const first = await cluster.launch(file(provider()), slow);
  const ids = [await cluster.submit({ nodeTypes: ['a'] }), await cluster.submit({ nodeTypes: ['a', 'a'] })];
  await expect.poll(servers, patience).toHaveLength(3);
  expect(cluster.nodes().map((node) => node.externalId)).toEqual([null, null, null]);
  const stopping = first.stop();
  // Long enough to hand back whatever it does not wait for.
  for (let turn = 0; turn < 50; turn++) await cluster.seen.client.exists('/nodepool');
  answer();
  await stopping;
  expect(ids.map((id) => cluster.request(id)!.state)).toEqual(['pending', 'pending']);
  const made = await servers();
  expect(new Set(instances().values())).toEqual(new Set(made));
  clock.standsStill = false;
  await cluster.launch(file(provider()));
  for (const id of ids) await cluster.untilState(id, 'fulfilled');
  expect([new Set(await servers()), asked.length]).toEqual([new Set(made), 3]);
});

test('a launcher that starts later finds the launch and goes on', async () => {
  const first = await cluster.launch(file(provider()));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await launched(1);
  const before = instances();
  await cluster.kill(first);
  clock.standsStill = false;
  await cluster.launch(file(provider()));
  await cluster.untilState(id, 'fulfilled');
  expect(instances()).toEqual(before);
});

test('nodes that are ready already count, and what is missing is planned anew', async () => {
  clock.standsStill = false;
  const first = await cluster.launch(file(provider()));
  const busy = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(busy, 'fulfilled');
  clock.standsStill = true;
  const id = await cluster.submit({ nodeTypes: ['a', 'a', 'a'] });
  await cluster.untilState(id, 'pending');
  await launched(2);
  const before = [...instances().values()];
  await cluster.kill(first);
  clock.standsStill = false;
  await cluster.launch(file(provider()));
  await expect.poll(() => cluster.nodes().filter((n) => n.state === 'ready').length, patience).toBe(3);
  expect(cluster.request(id)!.state).toBe('pending');
  await cluster.giveBack(busy);
  await cluster.untilState(id, 'fulfilled');
  const now = cluster.nodesOf(id).map((node) => node.externalId);
  expect(now.filter((externalId) => before.includes(externalId))).toHaveLength(2);
  expect(new Set(now).size).toBe(3);
});

test('without a launcher of that pool the request is decided anew', async () => {
  const first = await cluster.launch(file(provider()));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await launched(1);
  await cluster.launch(file(provider('other')));
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  await cluster.kill(first);
  clock.standsStill = false;
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.nodesOf(id)).toMatchObject([{ provider: 'other' }]);
});

test('a stored state that makes no sense leads to a launch from the start', async () => {
  const first = await cluster.launch(file(provider()));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await launched(1);
  const [node] = cluster.nodes();
  await cluster.kill(first);
  clock.standsStill = false;
  await expect.poll(() => cluster.seen.nodes.get(node!.id)?.locked, patience).toBe(false);
  const held = await cluster.consumer.lockNode(node!.id);
  if (!held.ok) throw new Error(held.reason);
  await held.node.write({ machine: { attempt: 'many', state: 5 } });
  await held.node.release();
  await cluster.launch(file(provider()));
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.nodesOf(id)[0]!.id).not.toBe(node!.id);
  await cluster.untilNodes(1);
  await expect.poll(servers, patience).toEqual([cluster.nodesOf(id)[0]!.externalId]);
});

test('an instance that has vanished meanwhile is launched again within the same node', async () => {
  const first = await cluster.launch(file(provider()));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await launched(1);
  const [node] = cluster.nodes();
  await cluster.kill(first);
  await fetch(`http://127.0.0.1:${cloud.port}/accounts/cloud/servers/${String(node!.externalId)}`, {
    method: 'DELETE',
  });
  clock.standsStill = false;
  await cluster.launch(file(provider()).replace('launch-retries: 1', 'launch-retries: 3'));
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.nodesOf(id)).toMatchObject([{ id: node!.id }]);
  expect(await servers()).toEqual([cluster.nodesOf(id)[0]!.externalId]);
});

test('what is launched anew after a take-over is in the zone of what was ready before', async () => {
  clock.standsStill = false;
  const zones = (text: string) =>
    text
      .replace('max-servers: 3', "max-servers: 3, availability-zones: ['az1', 'az2']")
      .replace('launch-retries: 1', 'launch-retries: 3');
  let late = '';
  const never = altered((adapter) => ({
    advanceCreate: (state, spec, context) => {
      late ||= spec.nodeId;
      const hasId = cluster.nodes().some((node) => node.id === late && node.externalId !== null);
      return spec.nodeId === late && hasId ? new Promise(() => undefined) : adapter.advanceCreate(state, spec, context);
    },
  }));
  const first = await cluster.launch(zones(file(provider())), never);
  const id = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await expect
    .poll(
      () =>
        cluster
          .nodes()
          .map((node) => node.state)
          .sort(),
      patience,
    )
    .toEqual(['building', 'ready']);
  await launched(1);
  const [ready] = cluster.nodes().filter((node) => node.state === 'ready');
  await cluster.kill(first);
  let refused = 0;
  const refusing = altered((adapter) => ({
    advanceCreate: (state, spec, context) =>
      refused++ === 0
        ? Promise.reject(new ProviderError('capacity', 'no hosts'))
        : adapter.advanceCreate(state, spec, context),
  }));
  await cluster.launch(zones(file(provider())), refusing);
  await cluster.untilState(id, 'fulfilled');
  expect(refused).toBeGreaterThan(1);
  expect(cluster.nodesOf(id).map((node) => node.az)).toEqual([ready!.az, ready!.az]);
});
