import { expect, test } from 'vitest';
import type { ExternalId, Json, ListedInstance } from '../driver-kit/contract.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import { SharedListing } from './listing.ts';
import { RateLimiter } from './rate-limiter.ts';
import { MachineRunner } from './runner.ts';
import { launchSpec } from '../driver-kit/testing/configs.ts';
import { instanceOf, ScriptedAdapter } from './testing/scripted-adapter.ts';
import { MemoryLogger, settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

function setUp(ratePerSecond = Number.POSITIVE_INFINITY) {
  const runtime = new VirtualRuntime();
  const adapter = new ScriptedAdapter();
  const log = new MemoryLogger();
  const listing = new SharedListing(
    {
      list: (signal) => adapter.listInstances(signal),
      runtime,
      onError: () => undefined,
    },
    { intervalMs: 1000 },
  );
  const limiter = new RateLimiter(ratePerSecond, runtime);
  const runner = new MachineRunner(
    { adapter, runtime, log, listing, limiter },
    { providerName: 'cloud', stepTimeoutMs: 5000 },
  );
  const stored: [ExternalId, Json][] = [];
  const options = (timeoutMs = 60_000) => ({
    timeoutMs,
    signal: new AbortController().signal,
    onExternalId: async (id: ExternalId, state: Json) => void stored.push([id, state]),
  });
  return { runtime, adapter, runner, stored, options, log };
}

const listed = (externalId: string): ListedInstance => ({ externalId, metadata: {}, resources: {}, native: null });

test('the external id is stored before the machine goes on, and once', async () => {
  const { runtime, adapter, runner, stored, options } = setUp();
  let release!: () => void;
  const writing = new Promise<void>((resolve) => (release = resolve));
  let steps = 0;
  adapter.onCreate = () => {
    steps++;
    if (steps === 3) return { done: true, instance: instanceOf('i-1') };
    return { done: false, state: { steps }, externalId: 'i-1', wait: { kind: 'delay', ms: 100 } };
  };
  const launch = runner.launch(launchSpec(), {
    ...options(),
    onExternalId: async (id, state) => {
      stored.push([id, state]);
      await writing;
    },
  });
  await runtime.advance(1000);
  expect(steps).toBe(1);
  expect(runner.machines()[0]!.waitsFor).toBe('the external id to be stored');
  release();
  expect((await runtime.finish(launch)).externalId).toBe('i-1');
  expect(stored).toEqual([['i-1', { steps: 1 }]]);
  expect(runner.machines()).toEqual([]);
});

test('an id that cannot be stored ends the launch and names what was made', async () => {
  const { adapter, runner, options } = setUp();
  adapter.onCreate = () => ({ done: false, state: null, externalId: 'i-1', wait: { kind: 'listing' } });
  const refusing = {
    ...options(),
    onExternalId: () => Promise.reject(new ProviderError('conflict', 'the lock is lost')),
  };
  await expect(runner.launch(launchSpec(), refusing)).rejects.toMatchObject({ code: 'conflict', externalId: 'i-1' });
  expect(adapter.count('create 0000000001')).toBe(1);
});

test('a failure after the id was known carries it, in the class that it had', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onCreate = (state) => {
    if (state === 'made') throw new ProviderError('quota', 'over quota');
    return { done: false, state: 'made', externalId: { vm: '1', disk: '2' }, wait: { kind: 'delay', ms: 1 } };
  };
  const launch = runner.launch(launchSpec(), options());
  await expect(runtime.finish(launch)).rejects.toMatchObject({ code: 'quota', externalId: { vm: '1', disk: '2' } });
  expect([runtime.timers, runner.machines()]).toEqual([0, []]);
});

test('a stored machine goes on from its state', async () => {
  const { adapter, runner, stored, options } = setUp();
  const seen: Json[] = [];
  adapter.onCreate = (state) => {
    seen.push(state);
    return { done: true, instance: instanceOf('i-1') };
  };
  await runner.launch(launchSpec(), { ...options(), resume: { at: 'boot' }, resumeExternalId: 'i-1' });
  expect(seen).toEqual([{ at: 'boot' }]);
  expect(stored).toEqual([]);
});

test('a call that hangs ends its own machine and delays no other', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onCreate = (_state, spec) =>
    spec.nodeId === 'hangs' ? new Promise(() => undefined) : { done: true, instance: instanceOf('i-2') };
  const hanging = runner.launch(launchSpec('hangs'), options());
  hanging.catch(() => undefined);
  await expect(runner.launch(launchSpec('works'), options())).resolves.toMatchObject({ externalId: 'i-2' });
  expect(runner.launching).toBe(1);
  await expect(runtime.finish(hanging)).rejects.toMatchObject({ code: 'timeout' });
  expect(runtime.monotonicMs()).toBe(5000);
  expect(runner.launching).toBe(0);
});

test('an answer that comes after the end leads to nothing', async () => {
  const { runtime, adapter, runner, stored, options } = setUp();
  let answer!: () => void;
  adapter.onCreate = () =>
    new Promise((resolve) => {
      answer = () => resolve({ done: false, state: 1, wait: { kind: 'delay', ms: 1 } });
    });
  const abort = new AbortController();
  const launch = runner.launch(launchSpec(), { ...options(), signal: abort.signal });
  launch.catch(() => undefined);
  await settle();
  abort.abort(new Error('the launcher stops'));
  await expect(launch).rejects.toThrow('the launcher stops');
  answer();
  await runtime.advance(10_000);
  expect(adapter.count('create 0000000001')).toBe(1);
  expect(stored).toEqual([]);
  expect(runtime.timers).toBe(0);
});

test('the whole launch has a deadline, the id made so far is told', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onCreate = () => ({ done: false, state: 1, externalId: 'i-1', wait: { kind: 'delay', ms: 700 } });
  const launch = runner.launch(launchSpec(), options(3000));
  await expect(runtime.finish(launch)).rejects.toMatchObject({ code: 'timeout', externalId: 'i-1' });
  expect(runtime.monotonicMs()).toBe(3000);
});

test('a hundred machines that wait for a listing share one', async () => {
  const { runtime, adapter, runner, options } = setUp();
  const active: ListedInstance[] = [];
  adapter.onList = () => [...active];
  adapter.onCreate = (_state, spec, context) => {
    const id = `i-${spec.nodeId}`;
    if (context.listing().has(id)) return { done: true, instance: instanceOf(id) };
    return { done: false, state: 1, externalId: id, wait: { kind: 'listing' } };
  };
  const launches = Array.from({ length: 100 }, (_, i) => runner.launch(launchSpec(`n${i}`), options()));
  await runtime.advance(2500);
  expect(adapter.count('list')).toBe(3);
  for (let i = 0; i < 100; i++) active.push(listed(`i-n${i}`));
  await runtime.finish(Promise.all(launches));
  expect(adapter.count('list')).toBe(4);
  await runtime.advance(10_000);
  expect(adapter.count('list')).toBe(4);
});

test('calls that change something are paced, looking is not', async () => {
  const { runtime, adapter, runner, options } = setUp(2);
  const at: number[] = [];
  adapter.onCreate = (state) => {
    if (state === 'look') return { done: true, instance: instanceOf('i') };
    at.push(runtime.monotonicMs());
    return state === 'second'
      ? { done: false, state: 'look', wait: { kind: 'delay', ms: 0 } }
      : { done: false, state: 'second', wait: { kind: 'turn' } };
  };
  await runtime.finish(
    Promise.all([runner.launch(launchSpec('a'), options()), runner.launch(launchSpec('b'), options())]),
  );
  expect(at).toEqual([0, 500, 1000, 1500]);
});

test('a throttled call is repeated after the pause that the cloud asked for', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onCreate = () => {
    if (runtime.monotonicMs() < 7000) throw new ProviderError('throttled', 'slow down', { retryAfterMs: 7000 });
    return { done: true, instance: instanceOf('i-1') };
  };
  await runtime.finish(runner.launch(launchSpec(), options()));
  expect(adapter.count('create 0000000001')).toBe(2);
});

test('what is throttled for one machine is not asked for by the others meanwhile', async () => {
  const { runtime, adapter, runner, options } = setUp();
  const calls: number[] = [];
  adapter.onCreate = () => {
    calls.push(runtime.monotonicMs());
    if (runtime.monotonicMs() < 7000) throw new ProviderError('throttled', 'slow down', { retryAfterMs: 7000 });
    return { done: true, instance: instanceOf('i-1') };
  };
  const first = runner.launch(launchSpec(), options());
  await runtime.advance(100);
  const others = [1, 2, 3].map(() => runner.launch(launchSpec(), options()));
  await runtime.finish(Promise.all([first, ...others]));
  expect(calls.filter((atMs) => atMs < 7000)).toEqual([0]);
  expect(calls).toHaveLength(5);
});

test.each([
  [86_400_000, 600_000],
  [Number.NaN, 1000],
])('a cloud that asks for a pause of %d ms is believed up to ten minutes', async (retryAfterMs, latestMs) => {
  const { runtime, adapter, runner, options } = setUp();
  let refused = false;
  adapter.onCreate = () => {
    if (!refused) {
      refused = true;
      throw new ProviderError('throttled', 'slow down', { retryAfterMs });
    }
    return { done: true, instance: instanceOf('i-1') };
  };
  await runtime.finish(runner.launch(launchSpec(), options(1e9)));
  expect(runtime.monotonicMs()).toBeLessThanOrEqual(latestMs);
});

test('a network failure is repeated for what exists, but a creation is not done twice', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onCreate = () => {
    throw new ProviderError('network', 'connection reset');
  };
  await expect(runner.launch(launchSpec(), options())).rejects.toMatchObject({ code: 'network' });
  expect(adapter.count('create 0000000001')).toBe(1);
  let tries = 0;
  adapter.onDelete = () => {
    if (++tries < 4) throw new ProviderError('network', 'connection reset');
    return { done: true };
  };
  await runtime.finish(runner.remove('i-1', options()));
  expect(tries).toBe(4);
});

test('a network that stays broken ends the machine', async () => {
  const { runtime, adapter, runner, options } = setUp();
  adapter.onDelete = () => {
    throw new ProviderError('network', 'connection reset');
  };
  await expect(runtime.finish(runner.remove('i-1', options(600_000)))).rejects.toMatchObject({ code: 'network' });
  expect(adapter.count('delete')).toBe(9);
});

test('what is not found is deleted', async () => {
  const { adapter, runner, options } = setUp();
  adapter.onDelete = () => {
    throw new ProviderError('not-found', 'no such server');
  };
  await expect(runner.remove('i-1', options())).resolves.toBeUndefined();
});

test('an event that fails is the failure of its machine', async () => {
  const { adapter, runner, options } = setUp();
  adapter.onCreate = () => {
    const promise = Promise.reject(new ProviderError('status', 'the server is in ERROR'));
    return { done: false, state: 1, externalId: 'i-1', wait: { kind: 'event', promise } };
  };
  await expect(runner.launch(launchSpec(), options())).rejects.toMatchObject({ code: 'status', externalId: 'i-1' });
});

test('whatever an adapter throws becomes a ProviderError', async () => {
  const { adapter, runner, options } = setUp();
  adapter.onCreate = () => {
    throw new TypeError('undefined is not a function');
  };
  await expect(runner.launch(launchSpec(), options())).rejects.toMatchObject({
    name: 'ProviderError',
    code: 'unknown',
  });
});

test('drained tells when the last machine has ended', async () => {
  const { runtime, adapter, runner, options } = setUp();
  await runner.drained();
  let drained = false;
  let steps = 0;
  adapter.onDelete = () =>
    ++steps < 3 ? { done: false, state: steps, wait: { kind: 'delay', ms: 100 } } : { done: true };
  const removal = runner.remove('i-1', options());
  void runner.drained().then(() => (drained = true));
  await runtime.advance(150);
  expect([drained, runner.deleting]).toEqual([false, 1]);
  await runtime.finish(removal);
  await settle();
  expect(drained).toBe(true);
});

test('a creation is given a moment to tell its id before the signal ends it; nothing else is', async () => {
  const { runtime, adapter, runner, stored, options } = setUp();
  const abort = new AbortController();
  const launchWith = (graceMs: number, nodeId: string) =>
    runner.launch(launchSpec(nodeId), { ...options(), signal: abort.signal, graceMs });
  adapter.onCreate = async (state, spec) => {
    if (state === 'made') return new Promise(() => undefined);
    if (spec.nodeId === 'hangs') return new Promise(() => undefined);
    if (spec.nodeId === 'slow') await new Promise<void>((resolve) => runtime.setTimer(1000, resolve));
    return { done: false, state: 'made', externalId: `i-${spec.nodeId}`, wait: { kind: 'delay', ms: 0 } };
  };
  const ends: [string, number][] = [];
  const launches = ['hangs', 'slow', 'known'].map((nodeId) =>
    launchWith(1500, nodeId).catch(() => ends.push([nodeId, runtime.monotonicMs()])),
  );
  await runtime.advance(100);
  abort.abort(new Error('the launcher stops'));
  await runtime.advance(5000);
  await Promise.all(launches);
  expect(ends).toEqual([
    ['known', 100],
    ['slow', 1000],
    ['hangs', 1600],
  ]);
  expect(stored.map(([id]) => id)).toEqual(['i-known', 'i-slow']);
  expect([runner.machines(), runtime.timers]).toEqual([[], 0]);
});
