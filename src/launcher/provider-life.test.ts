/** Providers that cannot start, recover and fail again; requests while none of them runs; a change in the middle of a launch. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, type CreateAdapter, createAdapter, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 15_000, interval: 5 };
const quick = 'fake-cloud: {boot-delay: 0.01}';
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const provider = (name: string, label: string, more = quick) =>
  fakeProvider(name, `[{name: main, labels: [{name: ${label}, cloud-image: image, min-ram: 1}]}]`, more);
const file = (...providers: string[]) => `labels: [{name: a}, {name: b}]\nproviders: ${providers.join('')}\n`;

/** Providers named in `broken` fail to start, with that reason. */
class Switchboard {
  readonly broken = new Map<string, string>();
  readonly starts = new Map<string, number>();
  readonly create: CreateAdapter = (config, backing) => {
    this.starts.set(config.name, this.startsOf(config.name) + 1);
    const reason = this.broken.get(config.name);
    return reason === undefined ? createAdapter(config, backing) : Promise.reject(new Error(reason));
  };
  startsOf(name: string): number {
    return this.starts.get(name) ?? 0;
  }
}

const complaints = () =>
  cluster.logged
    .filter(({ message }) => message === 'A provider is not available')
    .map(({ fields }) => (fields as { reason: string }).reason);

async function serve(label: string): Promise<void> {
  const id = await cluster.submit({ nodeTypes: [label] });
  await cluster.untilState(id, 'fulfilled');
  await cluster.giveBack(id);
}

test('a provider that fails to start is said once for each reason and comes up by itself, while another one serves', async () => {
  const board = new Switchboard();
  board.broken.set('flaky', 'no such cloud');
  const launcher = await cluster.launch(file(provider('flaky', 'b'), provider('steady', 'a')), board.create);
  await serve('a');
  await expect.poll(() => board.startsOf('flaky'), patience).toBeGreaterThan(2);
  expect(complaints()).toEqual([expect.stringContaining('no such cloud')]);
  board.broken.set('flaky', 'wrong password');
  await expect.poll(() => complaints().length, patience).toBe(2);
  await serve('a');

  board.broken.delete('flaky');
  await expect.poll(() => cluster.pools().length, patience).toBe(2);
  await serve('b');
  expect(complaints()).toEqual([expect.stringContaining('no such cloud'), expect.stringContaining('wrong password')]);

  // Its new configuration does not start: what runs goes on, and the new one is tried until it does.
  board.broken.set('flaky', 'no such region');
  const before = board.startsOf('flaky');
  launcher.reload(
    cluster.config(file(provider('flaky', 'b', 'fake-cloud: {boot-delay: 0.02}'), provider('steady', 'a'))),
  );
  await expect.poll(() => board.startsOf('flaky') - before, patience).toBeGreaterThan(1);
  await serve('a');
  await serve('b');
  expect(complaints()).toHaveLength(3);
  const tried = board.startsOf('flaky');
  board.broken.delete('flaky');
  await expect.poll(() => board.startsOf('flaky'), patience).toBeGreaterThan(tried);
  await serve('b');
  expect(cluster.pools()).toHaveLength(2);
}, 30_000);

test('a launcher is ready when a pool of it can take requests, not before', async () => {
  const board = new Switchboard();
  board.broken.set('cloud', 'away');
  const launcher = await cluster.launch(file(provider('cloud', 'a')), board.create);
  await expect.poll(() => board.startsOf('cloud'), patience).toBeGreaterThan(1);
  expect(launcher.ready).toBe(false);
  board.broken.delete('cloud');
  await expect.poll(() => launcher.ready, patience).toBe(true);
  await expect.poll(() => cluster.pools().length, patience).toBe(1);
});

test('with no provider running requests wait, and are served by the first one that comes up', async () => {
  const board = new Switchboard();
  board.broken.set('cloud', 'away');
  await cluster.launch(file(provider('cloud', 'a')), board.create);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  const never = await cluster.submit({ nodeTypes: ['nobody has this'] });
  await expect.poll(() => complaints().length, patience).toBe(1);
  for (const waiting of [id, never])
    expect(cluster.request(waiting)).toMatchObject({ state: 'requested', declinedBy: [] });
  board.broken.delete('cloud');
  await cluster.untilState(id, 'fulfilled');
  await cluster.untilState(never, 'failed');
});

test('while any provider runs, requests that only a broken one could serve are declined and fail', async () => {
  const board = new Switchboard();
  board.broken.set('broken', 'away');
  await cluster.launch(file(provider('broken', 'b'), provider('steady', 'a')), board.create);
  const id = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(id, 'failed');
  const [pool] = cluster.pools();
  expect(cluster.request(id)!.declinedBy).toEqual([pool!.id]);
  await serve('a');
});

test('a label that leaves the configuration: what waits for it fails, what was handed out stays', async () => {
  const labels = (...names: string[]) => names.map((name) => `{name: ${name}, cloud-image: image, min-ram: 1}`).join();
  const served = (...names: string[]) =>
    file(fakeProvider('cloud', `[{name: main, max-servers: 1, labels: [${labels(...names)}]}]`, quick));
  const launcher = await cluster.launch(served('a', 'b'));
  const held = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(held, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(waiting, 'pending');
  const queued = await cluster.submit({ nodeTypes: ['b'] });
  launcher.reload(cluster.config(served('a')));
  await cluster.untilState(waiting, 'failed');
  await cluster.untilState(queued, 'failed');
  expect(cluster.nodesOf(held)).toMatchObject([{ state: 'ready', allocatedTo: held }]);
  await cluster.giveBack(held);
  await serve('a');
  await cluster.untilNodes(0);
});
