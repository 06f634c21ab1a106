/** What a running launcher does when its configuration changes. */
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { ProviderConfig } from '../config/model.ts';
import { readHealth } from '../store/transactions/health.ts';
import { adaptersWith, CloudClock, Cluster, createAdapter, fakeProvider } from './testing/cluster.ts';

let cluster: Cluster;
const patience = { timeout: 15_000, interval: 5 };

beforeEach(async () => {
  cluster = await Cluster.start();
});

afterEach(() => cluster.stop());

const label = (name: string) => `{name: ${name}, cloud-image: image, min-ram: 1}`;
const pool = (name: string, labels: string[], more = '') =>
  `{name: ${name}, ${more} labels: [${labels.map(label).join(', ')}]}`;
const file = (providers: string[], labels = '[{name: a}, {name: b}]') =>
  `labels: ${labels}\nproviders: ${providers.join('')}\n`;
const quick = 'fake-cloud: {boot-delay: 0.01}';

test('labels, pools and limits change while the pool keeps its id', async () => {
  const launcher = await cluster.launch(
    file([fakeProvider('cloud', `[${pool('main', ['a'], 'max-servers: 1,')}]`, quick)]),
  );
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  const [before] = cluster.pools();

  const pools = `[${pool('main', ['a', 'b'], 'max-servers: 3,')}, ${pool('second', ['b'])}]`;
  launcher.reload(cluster.config(file([fakeProvider('cloud', pools, quick)])));
  await cluster.untilState(waiting, 'fulfilled');
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  expect(cluster.pools().find((p) => p.name === 'main')).toEqual({ ...before, labels: ['a', 'b'] });
  const other = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(other, 'fulfilled');
});

test('a launch under way is finished by the provider that began it', async () => {
  const clock = new CloudClock();
  clock.standsStill = true;
  const slow = adaptersWith(clock.runtime);
  const launcher = await cluster.launch(file([fakeProvider('cloud', `[${pool('main', ['a'])}]`, quick)]), (config) =>
    config.pools.get('main')!.labels.has('b') ? createAdapter(config) : slow(config),
  );
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => cluster.nodes()[0]?.externalId ?? null, patience).not.toBeNull();
  const [node] = cluster.nodes();
  launcher.reload(cluster.config(file([fakeProvider('cloud', `[${pool('main', ['a', 'b'])}]`, quick)])));
  const later = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(later, 'fulfilled');
  expect(cluster.request(id)!.state).toBe('pending');
  clock.standsStill = false;
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.nodesOf(id)).toMatchObject([{ id: node!.id, externalId: node!.externalId }]);
});

test('a removed provider finishes its launch, deletes what comes back, and leaves its stock alone', async () => {
  const keeps = fakeProvider('keeps', `[${pool('main', ['b'])}]`, quick);
  const goes = fakeProvider('goes', `[${pool('main', ['a'])}]`, quick);
  const clock = new CloudClock();
  const launcher = await cluster.launch(file([keeps, goes]), adaptersWith(clock.runtime));
  const stock = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(stock, 'fulfilled');
  const [free] = cluster.nodesOf(stock);
  await cluster.consumer.deleteRequest(stock);
  await expect.poll(() => cluster.nodes()[0]?.allocatedTo, patience).toBeNull();

  clock.standsStill = true;
  const id = await cluster.submit({ nodeTypes: ['a'], reuse: false });
  await expect
    .poll(() => cluster.nodes().some((n) => n.state === 'building' && n.externalId !== null), patience)
    .toBe(true);
  launcher.reload(cluster.config(file([keeps])));
  await expect.poll(() => cluster.pools().map((p) => p.provider), patience).toEqual(['keeps']);
  clock.standsStill = false;
  await cluster.untilState(id, 'fulfilled');
  await cluster.giveBack(id);
  await cluster.untilNodes(1);
  expect(cluster.nodes()).toMatchObject([{ id: free!.id, state: 'ready' }]);
  const nobody = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(nobody, 'failed');
});

test('what waits in a removed pool is handed back and served by another one', async () => {
  const launcher = await cluster.launch(
    file([fakeProvider('cloud', `[${pool('main', ['a'], 'max-servers: 1,')}]`, quick)]),
  );
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  launcher.reload(cluster.config(file([fakeProvider('cloud', `[${pool('other', ['a'])}]`, quick)])));
  await cluster.untilState(waiting, 'fulfilled');
  expect(cluster.nodesOf(waiting)).toMatchObject([{ pool: 'other' }]);
});

test('a waiting request that no longer fits is declined', async () => {
  const served = (more: string) => file([fakeProvider('cloud', `[${pool('main', ['a'], more)}]`, quick)]);
  const launcher = await cluster.launch(served('max-servers: 2,'));
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['a', 'a'] });
  await cluster.untilState(waiting, 'pending');
  launcher.reload(cluster.config(served('max-servers: 1,')));
  await cluster.untilState(waiting, 'failed');
});

test('a provider whose successor does not start goes on as before', async () => {
  const original = fakeProvider('cloud', `[${pool('main', ['a'])}]`, quick);
  let broken = true;
  const launcher = await cluster.launch(file([original]), (config: ProviderConfig) =>
    broken && config.pools.has('new') ? Promise.reject(new Error('the cloud is away')) : createAdapter(config),
  );
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  launcher.reload(cluster.config(file([fakeProvider('cloud', `[${pool('new', ['a'])}]`, quick)])));
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  expect(cluster.nodesOf(id)).toMatchObject([{ pool: 'main' }]);
  const said = { severity: 'warning', what: 'the new configuration of provider cloud: the provider is not available' };
  const stated = async () => (await readHealth(cluster.seen)).flatMap(({ record }) => record?.troubles ?? []);
  await expect.poll(stated, patience).toMatchObject([said]);
  expect(launcher.watchdog.snapshot()).toMatchObject([said]);
  broken = false;
  await expect.poll(() => cluster.pools().map((p) => p.name), patience).toEqual(['new']);
});

test('a provider that fails, recovers and fails again disturbs no other', async () => {
  let broken = true;
  const flaky = (more: string) => fakeProvider('flaky', `[${pool('main', ['b'])}]`, more);
  const steady = fakeProvider('steady', `[${pool('main', ['a'])}]`, quick);
  const launcher = await cluster.launch(file([flaky(quick), steady]), (config) =>
    broken && config.name === 'flaky' ? Promise.reject(new Error('no such cloud')) : createAdapter(config),
  );
  const served = async (name: string) => {
    const id = await cluster.submit({ nodeTypes: [name] });
    await cluster.untilState(id, 'fulfilled');
    await cluster.giveBack(id);
  };
  await served('a');
  const early = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(early, 'failed');
  broken = false;
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  await served('b');
  broken = true;
  launcher.reload(cluster.config(file([flaky('fake-cloud: {boot-delay: 0.02}'), steady])));
  await served('a');
  await served('b');
});

test('a request waits for a provider that is slow to come up', async () => {
  let comeUp = () => {};
  const open = new Promise<void>((resolve) => (comeUp = resolve));
  const served = (name: string, of: string) => fakeProvider(name, `[${pool('main', [of])}]`, quick);
  await cluster.launch(file([served('quick', 'a'), served('slow', 'b')]), async (config) => {
    if (config.name === 'slow') await open;
    return createAdapter(config);
  });
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
  const early = await cluster.submit({ nodeTypes: ['b'] });
  const other = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(other, 'fulfilled');
  expect(cluster.request(early)).toMatchObject({ state: 'requested', declinedBy: [] });
  comeUp();
  await cluster.untilState(early, 'fulfilled');
});

test('min-ready follows the configuration', async () => {
  const provider = fakeProvider('cloud', `[${pool('main', ['a'])}]`, quick);
  const launcher = await cluster.launch(file([provider]));
  launcher.reload(cluster.config(file([provider], '[{name: a, min-ready: 2}, {name: b}]')));
  await cluster.untilNodes(2);
});

test('hosts of a static provider are kept by its successor, one registration each', async () => {
  const server = createServer((socket) => socket.end('SSH-2.0-test\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const host = (labels: string, slots: number) => `
  - name: hosts
    driver: static
    pools:
      - name: main
        nodes:
          - {name: 127.0.0.1, username: zuul, connection-port: ${port}, host-key-checking: false, labels: ${labels}, max-parallel-jobs: ${slots}}`;
  const launcher = await cluster.launch(file([host('[a]', 2)]));
  await cluster.untilNodes(2);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  const ids = cluster.nodes().map((node) => node.id);
  for (const slots of [3, 4, 3]) launcher.reload(cluster.config(file([host('[a, b]', slots)])));
  const kept = () => cluster.nodes().filter((node) => ids.includes(node.id));
  await expect
    .poll(
      () =>
        cluster
          .nodes()
          .map((node) => node.slot)
          .sort(),
      patience,
    )
    .toEqual([0, 1, 2]);
  await expect
    .poll(() => cluster.nodes().every((node) => node.allocatedTo !== null || node.labels.length === 2), patience)
    .toBe(true);
  expect(kept()).toHaveLength(2);
  await cluster.giveBack(id);
  await expect
    .poll(
      () =>
        cluster
          .nodes()
          .map((node) => [node.slot, node.state, node.labels.length])
          .sort(),
      patience,
    )
    .toEqual([
      [0, 'ready', 2],
      [1, 'ready', 2],
      [2, 'ready', 2],
    ]);
  launcher.reload(cluster.config(file([fakeProvider('cloud', `[${pool('main', ['a'])}]`, quick)])));
  await expect.poll(() => cluster.pools().map((p) => p.provider), patience).toEqual(['cloud']);
});

test('launches of a pool that has left the configuration count for max-concurrency until they end', async () => {
  const clock = new CloudClock();
  clock.standsStill = true;
  const one = (name: string, labels: string[]) =>
    file([fakeProvider('cloud', `[${pool(name, labels)}]`, `max-concurrency: 1\n    ${quick}`)]);
  const launcher = await cluster.launch(one('old', ['a']), adaptersWith(clock.runtime));
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => cluster.nodes()[0]?.externalId ?? null, patience).not.toBeNull();
  launcher.reload(cluster.config(one('new', ['b'])));
  await expect.poll(() => cluster.pools().map((p) => p.name), patience).toEqual(['new']);
  const second = await cluster.submit({ nodeTypes: ['b'] });
  const unknown = await cluster.submit({ nodeTypes: ['c'] });
  await cluster.untilState(unknown, 'failed');
  expect([cluster.request(second)!.state, cluster.nodes().length]).toEqual(['requested', 1]);
  clock.standsStill = false;
  await cluster.untilState(first, 'fulfilled');
  await cluster.untilState(second, 'fulfilled');
});

test('a launch that begins while its pool leaves the configuration is led to its end by the provider of its beginning', async () => {
  const both = `[${pool('main', ['a'])}, ${pool('second', ['b'])}]`;
  const launcher = await cluster.launch(file([fakeProvider('cloud', both, quick)]));
  const { client } = cluster.storeOf(launcher);
  const multi = client.multi.bind(client);
  let goOn = () => {};
  let begins = false;
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
  vi.spyOn(client, 'multi').mockImplementation(async (operations, ...rest) => {
    if (operations.some(({ path }) => /^\/nodepool\/nodes\/.*\/lock/.test(path))) {
      begins = true;
      await mayGoOn;
    }
    return multi(operations, ...rest);
  });
  const id = await cluster.submit({ nodeTypes: ['b'] });
  await expect.poll(() => begins, patience).toBe(true);
  launcher.reload(cluster.config(file([fakeProvider('cloud', `[${pool('main', ['a'])}]`, quick)])));
  await expect.poll(() => cluster.pools().map((p) => p.name), patience).toEqual(['main']);
  goOn();
  await cluster.untilState(id, 'fulfilled');
});
