import { expect, test } from 'vitest';
import type { ProviderConfig } from '../config/model.ts';
import type { ListedInstance } from '../driver-kit/contract.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import { Provider } from './provider.ts';
import { RateLimiter } from './rate-limiter.ts';
import { labelConfig, launchSpec, poolConfig, providerConfig } from '../driver-kit/testing/configs.ts';
import { instanceOf, ScriptedAdapter } from './testing/scripted-adapter.ts';
import { MemoryLogger, settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

const label = labelConfig();

function setUp(
  config: Partial<ProviderConfig> = { pools: new Map([['main', poolConfig({ labels: new Map([['small', label]]) })]]) },
) {
  const runtime = new VirtualRuntime();
  const adapter = new ScriptedAdapter();
  const log = new MemoryLogger();
  const known = new Set<string>();
  const provider = new Provider(
    {
      createAdapter: () => Promise.resolve(adapter),
      runtime,
      log,
      isKnownNode: (id) => known.has(id),
    },
    providerConfig(config),
  );
  let changes = 0;
  provider.onChange(() => changes++);
  return { runtime, adapter, log, known, provider, changes: () => changes };
}

const never = new AbortController().signal;
const launchOptions = { timeoutMs: 60_000, signal: never, onExternalId: () => Promise.resolve() };
const owned = (id: string, provider: string, nodeId: string): ListedInstance => ({
  externalId: id,
  metadata: { nodepool_provider_name: provider, nodepool_node_id: nodeId },
  resources: { instances: 1, cores: 4 },
  native: null,
});

test('starts, answers from memory, stops', async () => {
  const { runtime, adapter, provider, changes } = setUp();
  adapter.onZones = () => ['a', 'b'];
  adapter.onNeed = () => ({ instances: 1, cores: 2 });
  expect([provider.state, provider.limits(), provider.zones(), provider.labelStatus(label).available]).toEqual([
    'starting',
    null,
    null,
    null,
  ]);
  provider.start();
  await runtime.advance(0);
  expect([provider.state, provider.stateReason, provider.running]).toEqual(['running', '', true]);
  expect(provider.zones()).toEqual(['a', 'b']);
  expect(provider.limits()).toEqual({});
  expect(provider.labelStatus(label)).toMatchObject({ available: null, need: { instances: 1, cores: 2 } });
  await runtime.advance(0);
  expect(provider.labelStatus(label)).toMatchObject({ available: true, need: { instances: 1, cores: 2 } });
  expect(changes()).toBeGreaterThan(0);
  await provider.stop();
  expect([provider.state, provider.running, adapter.count('stop'), runtime.timers]).toEqual(['stopped', false, 1, 0]);
  await expect(provider.launch(launchSpec(), launchOptions)).rejects.toMatchObject({ name: 'ProviderError' });
});

test('a failed start is tried again for ever and logged once per reason', async () => {
  const { runtime, adapter, log, provider } = setUp();
  adapter.onStart = () => {
    throw new ProviderError('network', 'connection refused');
  };
  provider.start();
  await runtime.advance(600_000);
  expect(provider.state).toBe('failed');
  expect(provider.stateReason).toContain('connection refused');
  expect(log.of('error').length).toBe(1);
  expect(adapter.count('start')).toBeGreaterThan(15);
  expect(adapter.count('start')).toBeLessThan(40);
  expect(adapter.count('stop')).toBe(adapter.count('start'));
  adapter.onStart = () => {
    throw new ProviderError('permanent', 'wrong password');
  };
  await runtime.advance(61_000);
  expect(log.of('error').length).toBe(2);
  adapter.onStart = () => undefined;
  await runtime.advance(61_000);
  expect(provider.state).toBe('running');
});

test('a driver that cannot be loaded, and a start that hangs, are failed starts', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onStart = () => new Promise(() => undefined);
  provider.start();
  await runtime.advance(60_000);
  expect(provider.state).toBe('failed');
  await provider.stop();
  await runtime.advance(600_000);
  expect(adapter.count('start')).toBe(1);
  expect(provider.state).toBe('stopped');
});

test('stopping in the middle of the start', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onStart = () => new Promise(() => undefined);
  provider.start();
  await settle();
  await provider.stop();
  await runtime.advance(600_000);
  expect([provider.state, adapter.count('start'), adapter.count('stop')]).toEqual(['stopped', 1, 1]);
});

test('idle, then stop: what runs is finished first', async () => {
  const { runtime, adapter, provider } = setUp();
  provider.start();
  await runtime.advance(0);
  adapter.onCreate = (state) =>
    state === 'made'
      ? { done: true, instance: instanceOf('i-1') }
      : { done: false, state: 'made', externalId: 'i-1', wait: { kind: 'delay', ms: 5000 } };
  const launch = provider.launch(launchSpec(), launchOptions);
  await runtime.advance(10);
  provider.idle();
  const stopping = provider.stop();
  await runtime.advance(4000);
  expect([provider.state, provider.launching, adapter.count('stop')]).toEqual(['idle', 1, 0]);
  await runtime.finish(launch);
  await runtime.finish(stopping);
  expect([provider.state, adapter.count('stop')]).toEqual(['stopped', 1]);
});

test('limits are less what is not ours or not known, per resource, and are refreshed every 300 s', async () => {
  const { runtime, adapter, known, provider } = setUp();
  known.add('1');
  adapter.onLimits = () => ({ instances: 10, cores: 100 });
  adapter.onList = () => [
    owned('a', 'cloud', '1'),
    owned('b', 'cloud', 'leaked'),
    owned('c', 'other', '1'),
    { ...owned('d', 'x', '2'), metadata: {} },
  ];
  provider.start();
  await runtime.advance(0);
  expect(provider.limits()).toEqual({ instances: 7, cores: 88 });
  adapter.onList = () => [];
  await runtime.advance(299_000);
  expect(provider.limits()).toEqual({ instances: 7, cores: 88 });
  await runtime.advance(2000);
  expect(provider.limits()).toEqual({ instances: 10, cores: 100 });
});

test('a quota error of a launch has the limits read again, a storm of them once a second', async () => {
  const { runtime, adapter, provider, changes } = setUp();
  adapter.onLimits = () => ({ instances: 10 });
  provider.start();
  await runtime.advance(5000);
  adapter.onLimits = () => ({ instances: 3 });
  adapter.onCreate = () => {
    throw new ProviderError('quota', 'over quota');
  };
  const before = changes();
  for (let i = 0; i < 50; i++) {
    await expect(provider.launch(launchSpec(String(i)), launchOptions)).rejects.toMatchObject({ code: 'quota' });
    await runtime.advance(10);
  }
  expect(adapter.count('limits')).toBe(2);
  expect(provider.limits()).toEqual({ instances: 3 });
  expect(changes()).toBe(before + 1);
});

test('limits that cannot be read: unknown at first, the old ones later', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onLimits = () => {
    throw new ProviderError('network', 'no answer');
  };
  provider.start();
  await runtime.advance(100);
  expect([provider.state, provider.limits()]).toEqual(['running', null]);
  adapter.onLimits = () => ({ instances: 5 });
  await runtime.advance(2000);
  expect(provider.limits()).toEqual({ instances: 5 });
  adapter.onLimits = () => {
    throw new ProviderError('network', 'no answer');
  };
  provider.invalidateQuota();
  await runtime.advance(2000);
  expect(provider.limits()).toEqual({ instances: 5 });
});

test('an image that is missing is noticed when it comes, though nobody asks', async () => {
  const { runtime, adapter, provider, changes } = setUp();
  adapter.onReady = () => false;
  provider.start();
  await runtime.advance(100);
  provider.labelStatus(label);
  await runtime.advance(0);
  expect(provider.labelStatus(label)).toMatchObject({
    available: false,
    reason: expect.stringContaining('img'),
    need: { instances: 1 },
  });
  adapter.onReady = () => true;
  await runtime.advance(200_000);
  expect(adapter.count('ready small')).toBe(1);
  const before = changes();
  await runtime.advance(101_000);
  expect(changes()).toBe(before + 1);
  expect(provider.labelStatus(label).available).toBe(true);
  expect(adapter.count('need small')).toBe(1);
});

test('an image is looked up as late as possible: it may have come since the start', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onReady = () => false;
  provider.start();
  await runtime.advance(1000);
  expect([adapter.count('need small'), adapter.count('ready small')]).toEqual([1, 0]);
  adapter.onReady = () => true;
  expect(provider.labelStatus(label).available).toBeNull();
  await runtime.advance(0);
  expect(provider.labelStatus(label).available).toBe(true);
});

test('the interval of that look can become shorter while it runs', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onReady = () => false;
  provider.start();
  await runtime.advance(0);
  provider.labelStatus(label);
  await runtime.advance(1000);
  adapter.imageCheckMs = 2000;
  await runtime.advance(10_000);
  expect(adapter.count('ready small')).toBeGreaterThan(3);
});

test('a label that can never work is not asked for again', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onNeed = () => {
    throw new ProviderError('permanent', 'no flavor');
  };
  provider.start();
  await runtime.advance(900_000);
  expect(provider.labelStatus(label)).toMatchObject({ available: false, reason: 'no flavor', need: {} });
  expect(provider.errorLabels()).toEqual(['small']);
  expect(adapter.count('need small')).toBe(1);
});

test('a label whose check fails is unknown, and asked for again', async () => {
  const { runtime, adapter, provider, changes } = setUp();
  adapter.onNeed = () => {
    throw new ProviderError('network', 'no answer');
  };
  provider.start();
  await runtime.advance(100);
  expect(provider.labelStatus(label)).toMatchObject({ available: null, reason: 'no answer', need: null });
  adapter.onNeed = () => ({ instances: 1 });
  const before = changes();
  await runtime.advance(3000);
  expect(changes()).toBeGreaterThan(before);
  expect(provider.labelStatus(label).available).toBe(true);
});

test('two labels of one name in different pools are different labels', async () => {
  const small = labelConfig({ settings: { size: 1 } });
  const large = labelConfig({ settings: { size: 9 } });
  const pools = new Map([
    ['a', poolConfig({ name: 'a', labels: new Map([['small', small]]) })],
    ['b', poolConfig({ name: 'b', labels: new Map([['small', large]]) })],
  ]);
  const { runtime, adapter, provider } = setUp({ pools });
  adapter.onNeed = (l) => ({ cores: (l.settings as { size: number }).size });
  provider.start();
  await runtime.advance(0);
  expect([provider.labelStatus(small).need, provider.labelStatus(large).need]).toEqual([{ cores: 1 }, { cores: 9 }]);
});

test('a failed launch has the zones read again', async () => {
  const { runtime, adapter, provider } = setUp();
  adapter.onZones = () => ['a'];
  provider.start();
  await runtime.advance(5000);
  adapter.onZones = () => ['b'];
  adapter.onCreate = () => {
    throw new ProviderError('status', 'there is no zone a');
  };
  await expect(provider.launch(launchSpec(), launchOptions)).rejects.toThrow('no zone');
  await runtime.advance(100);
  expect(provider.zones()).toEqual(['b']);
});

test('a listener that throws harms nobody', async () => {
  const { runtime, provider, log } = setUp();
  provider.onChange(() => {
    throw new Error('broken');
  });
  let told = false;
  provider.onChange(() => (told = true));
  provider.start();
  await runtime.advance(0);
  expect([provider.state, told]).toEqual(['running', true]);
  expect(log.of('error').length).toBeGreaterThan(0);
});

test('a provider and what is left of its earlier configuration keep to one rate together', async () => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(0, runtime);
  const calls: number[] = [];
  const started = (ratePerSecond: number) => {
    const adapter = new ScriptedAdapter();
    adapter.onCreate = (_state, spec) => {
      calls.push(runtime.monotonicMs());
      return { done: true, instance: instanceOf(`i-${spec.nodeId}`) };
    };
    const provider = new Provider(
      {
        createAdapter: () => Promise.resolve(adapter),
        runtime,
        log: new MemoryLogger(),
        isKnownNode: () => true,
        limiter,
      },
      providerConfig({ ratePerSecond }),
    );
    provider.start();
    return provider;
  };
  const earlier = started(1);
  await settle();
  const launches = [earlier.launch(launchSpec(), launchOptions), earlier.launch(launchSpec(), launchOptions)];
  const later = started(2);
  await settle();
  earlier.idle();
  launches.push(later.launch(launchSpec(), launchOptions), later.launch(launchSpec(), launchOptions));
  await runtime.finish(Promise.all(launches));
  expect(calls).toEqual([0, 500, 1000, 1500]);
});
