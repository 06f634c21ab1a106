/** A cloud that never answers and ignores every signal: each method of an adapter in turn. */
import { describe, expect, test } from 'vitest';
import type { Adapter, CloudResource, InventoryHost } from '../driver-kit/contract.ts';
import { Calls } from './calls.ts';
import { callBounds, guarded } from './guarded-adapter.ts';
import { Provider } from './provider.ts';
import { labelConfig, launchSpec, poolConfig, providerConfig } from '../driver-kit/testing/configs.ts';
import { ScriptedAdapter } from './testing/scripted-adapter.ts';
import { MemoryLogger, settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

const label = labelConfig();
const never = new AbortController().signal;
const resource: CloudResource = { type: 'disk', id: 'd-1', metadata: {} };
const host: InventoryHost = {
  poolName: 'main',
  name: 'host',
  username: null,
  connectionPort: 22,
  connectionType: 'ssh',
  pythonPath: null,
  shellType: null,
  labels: ['small'],
  slots: 1,
  nodeAttributes: null,
};

type Method = Exclude<keyof Adapter, 'listingIntervalMs' | 'createIsIdempotent' | 'imageCheckMs' | 'inventory'>;

/** All answer, but for those that are named when they are called. */
function adapterWith(hung: ReadonlySet<string>): Adapter {
  const hang = () => new Promise<never>(() => undefined);
  const inventory = {
    hosts: [host],
    check: () => (hung.has('check') ? hang() : Promise.resolve({ hostKeys: [], publicIpv4: null, publicIpv6: null })),
    alive: () => (hung.has('alive') ? hang() : Promise.resolve()),
  };
  const scripted: Adapter = Object.assign(new ScriptedAdapter(), {
    inventory,
    consoleLog: () => Promise.resolve('text'),
    listImages: () => Promise.resolve([]),
    unreachable: () => Promise.resolve(),
  });
  return new Proxy(scripted, {
    get: (target, name: Method) => (hung.has(name) ? hang : Reflect.get(target, name, target)),
  });
}

const calls: readonly [string, number, (adapter: Adapter, signal: AbortSignal) => Promise<unknown>][] = [
  ['start', callBounds.start, (a, s) => a.start(s)],
  ['listInstances', callBounds.listing, (a, s) => a.listInstances(s)],
  ['listResources', callBounds.listing, (a, s) => a.listResources(s)],
  ['deleteResource', callBounds.deleteResource, (a, s) => a.deleteResource(resource, s)],
  ['quotaLimits', callBounds.question, (a, s) => a.quotaLimits(s)],
  ['quotaForLabel', callBounds.question, (a, s) => a.quotaForLabel(label, s)],
  ['availabilityZones', callBounds.question, (a, s) => a.availabilityZones(s)],
  ['labelReady', callBounds.question, (a, s) => a.labelReady(label, s)],
  ['consoleLog', callBounds.consoleLog, (a, s) => a.consoleLog!(label, 'i-1', s)],
  ['listImages', callBounds.listing, (a, s) => a.listImages!(s)],
  ['unreachable', callBounds.unreachable, (a, s) => a.unreachable!('i-1', s)],
  ['check', callBounds.host, (a, s) => a.inventory!.check(host, s)],
  ['alive', callBounds.host, (a, s) => a.inventory!.alive(host, s)],
];

describe.each(calls)('%s hangs', (method, boundMs, call) => {
  function setUp() {
    const runtime = new VirtualRuntime();
    const ledger = new Calls(runtime);
    return { runtime, ledger, adapter: guarded(adapterWith(new Set([method])), ledger) };
  }

  test('it is given up at its bound, and seen until it ends', async () => {
    const { runtime, ledger, adapter } = setUp();
    let ended = false;
    const waiting = call(adapter, never).finally(() => (ended = true));
    waiting.catch(() => undefined);
    await runtime.advance(boundMs - 1);
    expect([ended, ledger.slow(boundMs - 1)]).toMatchObject([false, { count: 1, leftBehind: 0 }]);
    await runtime.advance(1);
    await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
    expect([ledger.slow(1000), runtime.timers]).toMatchObject([{ count: 1, leftBehind: 1, oldest: { sinceMs: 0 } }, 0]);
  });

  test('whoever gives up waits no longer', async () => {
    const { runtime, adapter } = setUp();
    const abort = new AbortController();
    const waiting = call(adapter, abort.signal);
    waiting.catch(() => undefined);
    await settle();
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(runtime.timers).toBe(0);
  });
});

test('a host that is given more time has it', async () => {
  const runtime = new VirtualRuntime();
  const adapter = guarded(adapterWith(new Set(['check'])), new Calls(runtime));
  let ended = false;
  const waiting = adapter.inventory!.check({ ...host, timeoutMs: 100_000 }, never).finally(() => (ended = true));
  waiting.catch(() => undefined);
  await runtime.advance(299_999);
  expect(ended).toBe(false);
  await runtime.advance(1);
  await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
});

describe('within a provider', () => {
  function setUp() {
    const runtime = new VirtualRuntime();
    const hung = new Set<string>();
    const provider = new Provider(
      {
        createAdapter: () => Promise.resolve(adapterWith(hung)),
        runtime,
        log: new MemoryLogger(),
        isKnownNode: () => true,
      },
      providerConfig({ pools: new Map([['main', poolConfig({ labels: new Map([['small', label]]) })]]) }),
    );
    const options = (signal = never) => ({ timeoutMs: 3_600_000, signal, onExternalId: () => Promise.resolve() });
    return { runtime, hung, provider, options };
  }

  test.each(['advanceCreate', 'advanceDelete'] as const)('%s hangs: no other node waits', async (method) => {
    const { runtime, hung, provider, options } = setUp();
    provider.start();
    await runtime.advance(1000);
    hung.add(method);
    const stuck =
      method === 'advanceCreate' ? provider.launch(launchSpec('1'), options()) : provider.remove('1', options());
    stuck.catch(() => undefined);
    await runtime.advance(30_000);
    expect(provider.troubles()).toMatchObject([
      { key: 'provider cloud: calls', severity: 'warning', figures: { calls: 1 } },
    ]);
    hung.clear();
    await provider.launch(launchSpec('2'), options());
    await provider.remove('2', options());
    await runtime.advance(29_999);
    expect(provider.machines().length).toBe(1);
    await runtime.advance(1);
    await expect(stuck).rejects.toMatchObject({ code: 'timeout' });
    expect(provider.machines()).toEqual([]);
    expect(provider.troubles()).toMatchObject([{ figures: { calls: 1, leftBehind: 1 } }]);
  });

  test.each(['quotaLimits', 'quotaForLabel', 'labelReady', 'listResources', 'consoleLog', 'unreachable'] as const)(
    '%s hangs: launches and deletions go on',
    async (method) => {
      const { runtime, hung, provider, options } = setUp();
      hung.add(method);
      provider.start();
      await runtime.advance(1000);
      provider.labelStatus(label);
      provider.listResources(never).catch(() => undefined);
      provider.consoleLog(label, 'i', never).catch(() => undefined);
      void provider.unreachable('i', never);
      expect(provider.state).toBe('running');
      await provider.launch(launchSpec('1'), options());
      await provider.remove('1', options());
      await provider.stop();
      expect([provider.state, runtime.monotonicMs()]).toEqual(['stopped', 1000]);
    },
  );

  test('a stop that hangs is waited for 5 s', async () => {
    const { runtime, hung, provider } = setUp();
    hung.add('stop');
    provider.start();
    await runtime.advance(1000);
    await runtime.finish(provider.stop());
    expect([provider.state, runtime.monotonicMs(), runtime.timers]).toEqual(['stopped', 6000, 0]);
  });

  test('an instance that cannot be noted as unreachable hides no other failure', async () => {
    const { runtime, hung, provider } = setUp();
    provider.start();
    await runtime.advance(0);
    hung.add('unreachable');
    await expect(runtime.finish(provider.unreachable('i', never))).resolves.toBeUndefined();
    expect(runtime.monotonicMs()).toBe(callBounds.unreachable);
  });

  test('a start that ends late after the provider was stopped leaves nothing running', async () => {
    const { runtime, hung, provider } = setUp();
    hung.add('availabilityZones');
    provider.start();
    await runtime.advance(1000);
    await provider.stop();
    await runtime.advance(3_600_000);
    expect([provider.state, runtime.timers]).toEqual(['stopped', 0]);
  });

  test('what is wrong is told, and told no more when it is over', async () => {
    const { runtime, hung, provider } = setUp();
    hung.add('start');
    provider.start();
    await runtime.advance(31_000);
    expect(provider.troubles()).toMatchObject([
      { key: 'provider cloud: start', severity: 'warning' },
      { key: 'provider cloud: calls', why: 'the oldest is starting' },
    ]);
    await runtime.advance(29_000);
    const [failed] = provider.troubles();
    expect(failed).toMatchObject({ severity: 'critical', sinceMs: 60_000 });
    expect(failed!.why).toContain('starting took longer than 60 s');
    expect(failed!.figures!['nextTryInMs']).toBeGreaterThanOrEqual(0);
    hung.clear();
    hung.add('quotaLimits');
    await runtime.advance(1000);
    expect(provider.state).toBe('running');
    await runtime.advance(62_000);
    const keys = () => provider.troubles().map(({ key }) => key);
    expect(keys()).toContain('provider cloud: The quota could not be read');
    hung.clear();
    await runtime.advance(130_000);
    // The very calls that were left behind still have no answer.
    expect(keys()).toEqual(['provider cloud: calls']);
  });
});
