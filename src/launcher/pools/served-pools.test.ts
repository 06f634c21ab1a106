import { expect, onTestFinished, test } from 'vitest';
import type { PoolConfig } from '../../config/model.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { CapacityMemory } from '../../scheduling/capacity-memory.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { NodeAccounting } from './node-accounting.ts';
import { ServedPools } from './served-pools.ts';
import type { ProviderPort } from './provider-port.ts';

test('a pool that cannot be registered is a trouble, since the first failure, until it is registered', async () => {
  let refused = 0;
  const client = {
    state: 'connected',
    sessionId: 1n,
    onState: () => () => undefined,
    ensurePath: () => {
      refused++;
      return Promise.reject(new Error('no permission'));
    },
  };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const pools = new ServedPools(
    {
      store: { client } as unknown as Store,
      runtime: { ...systemRuntime, setBackgroundTimer: (_ms, callback) => systemRuntime.setTimer(1, callback) },
      log,
      accounting: new NodeAccounting(() => null),
      record: () => ({
        kind: 'pool',
        hostname: 'host',
        state: 'running',
        version: 'test',
        modelApi: 0,
        id: null,
        name: null,
        providerName: null,
        supportedLabels: [],
        priority: 100,
        paused: false,
      }),
      onRegistered: () => undefined,
      onRetired: () => undefined,
      memory: new CapacityMemory(),
    },
    {
      fqdn: 'host.example',
    },
  );
  onTestFinished(() => pools.stop());
  const config = { name: 'main', labels: new Map(), priority: 100 } as unknown as PoolConfig;
  expect([...pools.troubles()]).toEqual([]);
  pools.set({ name: 'cloud' } as ProviderPort, new Map([['main', config]]));
  await expect.poll(() => refused).toBeGreaterThan(2);
  const [trouble] = [...pools.troubles()];
  expect(trouble).toMatchObject({ key: 'pool cloud main: registration', why: 'no permission', severity: 'critical' });
  await expect.poll(() => refused).toBeGreaterThan(4);
  expect([...pools.troubles()]).toEqual([trouble]);
});
