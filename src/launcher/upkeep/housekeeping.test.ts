import { expect, test } from 'vitest';
import type { CloudResource } from '../../driver-kit/contract.ts';
import { MemoryLogger, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { Housekeeping } from './housekeeping.ts';

const never = () => new Promise<never>(() => undefined);

function cloud(name: string, ids: readonly string[]) {
  const deleted: string[] = [];
  const hung = new Set<string>();
  const provider = {
    name,
    listResources: (): Promise<readonly CloudResource[]> =>
      hung.has('list')
        ? never()
        : Promise.resolve(
            ids
              .filter((id) => !deleted.includes(id))
              .map((id) => ({
                type: 'instance',
                id,
                metadata: { nodepool_provider_name: name, nodepool_node_id: id },
              })),
          ),
    deleteResource: ({ id }: CloudResource): Promise<void> => {
      if (hung.has(id)) return never();
      if (id === 'refused') return Promise.reject(new Error('not allowed'));
      deleted.push(id);
      return Promise.resolve();
    },
    listInstances: () => Promise.resolve([]),
    remove: () => Promise.resolve(),
  };
  return { provider, deleted, hung };
}

function setUp(providers: readonly ReturnType<typeof cloud>[]) {
  const runtime = new VirtualRuntime();
  const leaked: string[] = [];
  const housekeeping = new Housekeeping(
    {
      store: { synced: true, nodes: { get: () => undefined, all: () => [] } } as unknown as Store,
      operations: {
        sweepRequestLocks: () => Promise.resolve(),
        nodeExists: (id: string) => Promise.resolve(id === 'known'),
      } as unknown as Operations,
      runtime,
      log: new MemoryLogger(),
      config: () => ({ providers: new Map() }) as unknown as NodepoolConfig,
      providers: () => providers.map(({ provider }) => provider),
      onLeak: (provider, type) => leaked.push(`${provider} ${type}`),
      evict: () => undefined,
    },
    {
      intervalMs: 60_000,
      requestLockAgeMs: 28_800_000,
    },
  );
  return { runtime, leaked, housekeeping };
}

test('a leak whose deletion hangs or fails keeps no other, in no provider', async () => {
  const one = cloud('one', ['stuck', 'refused', ...Array.from({ length: 20 }, (_, i) => `a${i}`)]);
  const two = cloud('two', ['b']);
  one.hung.add('stuck');
  const { runtime, leaked, housekeeping } = setUp([one, two]);
  await runtime.advance(120_000);
  expect([one.deleted.length, two.deleted, leaked.length]).toEqual([20, ['b'], 21]);
  expect([...housekeeping.troubles()]).toEqual([]);
  await runtime.advance(121_000);
  expect([...housekeeping.troubles()]).toMatchObject([
    { what: 'housekeeping: leaks of one takes long', sinceMs: 120_000 },
  ]);
});

test('a listing that hangs keeps no other provider, and is said', async () => {
  const one = cloud('one', []);
  const two = cloud('two', ['b']);
  one.hung.add('list');
  const { runtime, housekeeping } = setUp([one, two]);
  await runtime.advance(300_000);
  expect(two.deleted).toEqual(['b']);
  expect([...housekeeping.troubles()]).toMatchObject([
    { key: 'housekeeping: leaks of one takes long', sinceMs: 60_000 },
  ]);
});

test('a task that fails is told with its reason until it works', async () => {
  const one = cloud('one', ['refused']);
  const { runtime, housekeeping } = setUp([one]);
  await runtime.advance(180_000);
  expect([...housekeeping.troubles()]).toMatchObject([{ why: 'not allowed', sinceMs: 120_000 }]);
  one.deleted.push('refused');
  await runtime.advance(60_000);
  expect([...housekeeping.troubles()]).toEqual([]);
});

test('what belongs to a node that only the mirror does not know yet is no leak', async () => {
  const one = cloud('one', ['known', 'leaked']);
  const { runtime, leaked, housekeeping } = setUp([one]);
  await runtime.advance(180_000);
  expect(one.deleted).toEqual(['leaked']);
  expect(leaked).toEqual(['one instance']);
  housekeeping.stop();
});
