/** One cloud of two never answers and ignores every signal: each method of its adapter in turn. Nobody else may notice. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemRuntime } from '../base/runtime.ts';
import type { Adapter } from '../driver-kit/contract.ts';
import { encodeNode, newNode } from '../records/node.ts';
import { altered } from './testing/altered-adapter.ts';
import { Cluster, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 15_000, interval: 5 };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const provider = (name: string, label: string) =>
  fakeProvider(
    name,
    `[{name: main, labels: [{name: ${label}, cloud-image: image, min-ram: 1}]}]`,
    'fake-cloud: {boot-delay: 0.01}',
  );
const text = `labels: [{name: good, min-ready: 1}, {name: bad}]\nproviders: ${provider('bad', 'bad')}${provider('good', 'good')}\n`;

const never = () => new Promise<never>(() => undefined);
/** Those of the passes over leaks: housekeeping.test.ts. */
const methods: readonly (keyof Adapter)[] = [
  'start',
  'stop',
  'advanceCreate',
  'advanceDelete',
  'listInstances',
  'quotaLimits',
  'quotaForLabel',
  'availabilityZones',
  'labelReady',
];

test.each(methods)(
  '%s hangs: the other provider serves, deletes and keeps its stock; the launcher stops',
  async (method) => {
    const create = altered((_adapter, config) => (config.name === 'bad' ? { [method]: never } : {}));
    const launcher = await cluster.launch(text, create);
    const stuck = [await cluster.submit({ nodeTypes: ['bad'] }), await cluster.submit({ nodeTypes: ['bad'] })];
    const stock = () => cluster.nodes().filter((node) => node.provider === 'good' && node.state === 'ready').length;
    await expect.poll(stock, patience).toBe(1);
    for (let i = 0; i < 3; i++) {
      const id = await cluster.submit({ nodeTypes: ['good'], reuse: i !== 1 });
      await cluster.untilState(id, 'fulfilled');
      await cluster.giveBack(id);
      if (cluster.request(stuck[0]!)?.state === 'fulfilled') await cluster.giveBack(stuck.shift()!);
    }
    const busy = () => cluster.nodes().filter((node) => node.provider === 'good' && node.state !== 'ready').length;
    await expect.poll(() => [stock(), busy()], patience).toEqual([1, 0]);

    const before = systemRuntime.monotonicMs();
    await launcher.stop();
    // SIGTERM leaves seven seconds; only a driver that cannot be stopped itself is waited for, five of them.
    expect(systemRuntime.monotonicMs() - before).toBeLessThan(method === 'stop' ? 9500 : 6000);
    await expect.poll(() => cluster.pools(), patience).toEqual([]);
    for (const id of stuck) {
      expect(['requested', 'pending', 'fulfilled']).toContain(cluster.request(id)!.state);
      await expect.poll(() => cluster.seen.requestLocks.isLocked(id), patience).toBe(false);
    }
    await expect.poll(() => [...cluster.seen.nodes.all()].filter(({ locked }) => locked).length, patience).toBe(0);
  },
);

test('more deletions hang than may run at once: those of the other provider go on', async () => {
  const used = newNode({ state: 'used', provider: 'bad', pool: 'main', labels: ['bad'], externalId: 'i' }, Date.now());
  const data = encodeNode(used).toString();
  await Promise.all(Array.from({ length: 1100 }, () => cluster.createRaw('/nodepool/nodes/', data)));
  const create = altered((_adapter, config) => (config.name === 'bad' ? { advanceDelete: never } : {}));
  await cluster.launch(text, create);
  const deleting = () => cluster.nodes().filter((node) => node.state === 'deleting').length;
  await expect.poll(deleting, patience).toBe(1000);
  const id = await cluster.submit({ nodeTypes: ['good'], reuse: false });
  await cluster.untilState(id, 'fulfilled');
  const [node] = cluster.nodesOf(id);
  await cluster.giveBack(id);
  await expect.poll(() => cluster.seen.nodes.get(node!.id), patience).toBeUndefined();
  expect(deleting()).toBe(1000);
});
