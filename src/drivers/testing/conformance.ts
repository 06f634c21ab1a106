/**
 * What every driver that launches nodes must do, whatever its cloud: the real adapter, inside the real framework, against a
 * server that speaks the cloud's interface. A driver's test provides the bed, this provides the demands.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import { type Runtime, systemRuntime } from '../../base/runtime.ts';
import type { Adapter, ExternalId, Instance, Json, LaunchSpec } from '../../driver-kit/contract.ts';
import { asProviderError, ProviderError } from '../../driver-kit/errors.ts';
import { LeakDetector } from '../../provider/leaks.ts';
import { idText } from '../../driver-kit/contract.ts';
import { Provider } from '../../provider/provider.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

/** Levers on the cloud from outside; a test is skipped where its lever is missing. */
export interface CloudLevers {
  /** The next so many creations fail. */
  readonly failCreates?: (n: number) => Promise<unknown>;
  readonly failDeletes?: (n: number) => Promise<unknown>;
  /** From now on the account has room for so many instances (null: no limit). */
  readonly limitInstances?: (limit: number | null) => Promise<unknown>;
  /** The next so many instances never become usable. */
  readonly neverActive?: (n: number) => Promise<unknown>;
  /** The next so many instances break while they start. */
  readonly breakInstances?: (n: number) => Promise<unknown>;
  readonly throttle?: (calls: number) => Promise<unknown>;
  readonly unavailable?: (calls: number) => Promise<unknown>;
  readonly loseCreateAnswers?: (n: number) => Promise<unknown>;
  readonly hang?: (on: boolean) => Promise<unknown>;
  /** An instance of somebody else. */
  readonly addForeign?: (metadata: Readonly<Record<string, string>>) => Promise<unknown>;
}

export interface ConformanceBed {
  readonly config: ProviderConfig;
  readonly poolName: string;
  readonly label: PoolLabelConfig;
  /** One that the cloud can never serve. */
  readonly impossibleLabel?: PoolLabelConfig;
  readonly labelWithMissingImage?: PoolLabelConfig;
  /** A new one each time, on the same cloud: as after a restart. */
  createAdapter(): Adapter;
  /** What is there, seen without the driver. */
  instances(): Promise<readonly { readonly id: string; readonly metadata: Readonly<Record<string, string>> }[]>;
  readonly levers: CloudLevers;
  /** An id that could be one of this driver's, where not every text could; nothing has it. */
  readonly unknownId?: string;
  /** How long a launch or a deletion may take in this cloud; default 20 s. */
  readonly normalMs?: number;
  dispose(): Promise<void>;
}

const never = new AbortController().signal;

export function driverConformance(driver: string, makeBed: (runtime: Runtime) => Promise<ConformanceBed>): void {
  describe(`driver conformance: ${driver}`, () => {
    let bed: ConformanceBed;
    let log: MemoryLogger;
    let known: Set<string>;
    const providers: Provider[] = [];
    const normalMs = () => bed.normalMs ?? 20_000;

    beforeEach(async () => {
      bed = await makeBed({ ...systemRuntime });
      log = new MemoryLogger();
      known = new Set();
    });
    afterEach(async () => {
      await bed.levers.hang?.(false);
      await Promise.all(providers.splice(0).map((provider) => provider.stop()));
      await bed.dispose();
    });

    /** A launcher's view of the provider; another one on the same cloud each time. */
    async function start(): Promise<Provider> {
      const provider = new Provider({
        config: bed.config,
        createAdapter: () => Promise.resolve(bed.createAdapter()),
        runtime: systemRuntime,
        log,
        isKnownNode: (id) => known.has(id),
      });
      providers.push(provider);
      provider.start();
      await eventually(() => expect(provider.state).toBe('running'));
      await eventually(() => expect(provider.limits()).not.toBeNull());
      await eventually(() => expect(provider.labelStatus(bed.label).available).toBe(true));
      return provider;
    }

    function spec(nodeId: string, attempt = 1): LaunchSpec {
      known.add(nodeId);
      return {
        hostname: `np${nodeId}`,
        nodeId,
        poolName: bed.poolName,
        label: bed.label,
        imageExternalId: null,
        metadata: {
          nodepool_node_id: nodeId,
          nodepool_pool_name: bed.poolName,
          nodepool_provider_name: bed.config.name,
        },
        request: null,
        availabilityZone: null,
        attempt,
      };
    }

    interface Stored {
      id: ExternalId;
      state: Json;
    }

    function launch(
      provider: Provider,
      s: LaunchSpec,
      o: { timeoutMs?: number; stored?: Stored[]; signal?: AbortSignal } = {},
    ): Promise<Instance> {
      return provider.launch(s, {
        timeoutMs: o.timeoutMs ?? normalMs(),
        signal: o.signal ?? never,
        // As a node's document would keep it.
        onExternalId: async (id, state) => void o.stored?.push(JSON.parse(JSON.stringify({ id, state })) as Stored),
      });
    }

    const remove = (provider: Provider, id: ExternalId) =>
      provider.remove(id, { timeoutMs: normalMs(), signal: never });
    const ids = async () => (await bed.instances()).map((one) => one.id).sort();

    /** Runs the test where the cloud has the lever for it. */
    function withLever<K extends keyof CloudLevers>(
      name: K,
      title: string,
      body: (lever: NonNullable<CloudLevers[K]>) => Promise<void>,
    ): void {
      test(title, async ({ skip }) => {
        const lever = bed.levers[name];
        if (!lever) return skip(`the bed has no lever ${name}`);
        await body(lever);
      });
    }

    test('knows its zones, limits and what a label needs', async () => {
      const provider = await start();
      expect(provider.zones()!.length).toBeGreaterThan(0);
      const { need } = provider.labelStatus(bed.label);
      expect(need).toMatchObject({ instances: 1 });
      for (const amount of Object.values(need!)) expect(amount).toBeGreaterThanOrEqual(0);
    });

    test('launches an instance that carries its node, and tells its id before it is usable', async () => {
      const provider = await start();
      const stored: Stored[] = [];
      const instance = await launch(provider, spec('0000000001'), { stored });
      expect(stored.map((one) => one.id)).toEqual([instance.externalId]);
      expect(instance.interfaceIp).toBeTruthy();
      expect(instance.resources).toEqual(provider.labelStatus(bed.label).need);
      const there = await bed.instances();
      expect(there.length).toBe(1);
      expect(there[0]!.metadata).toMatchObject({ ...spec('0000000001').metadata });
      const [listed] = await provider.adapter!.listInstances(never);
      expect(idText(listed!.externalId)).toBe(idText(instance.externalId));
      expect(listed!.metadata).toMatchObject({
        nodepool_node_id: '0000000001',
        nodepool_provider_name: bed.config.name,
      });
      expect(listed!.resources).toEqual(instance.resources);
    });

    test('deletes it, and what is gone is deleted', async () => {
      const provider = await start();
      const { externalId } = await launch(provider, spec('0000000001'));
      await remove(provider, externalId);
      expect(await ids()).toEqual([]);
      await remove(provider, externalId);
    });

    test('many at once are many different ones', async () => {
      const provider = await start();
      const made = await Promise.all(Array.from({ length: 15 }, (_, i) => launch(provider, spec(`00000001${i + 10}`))));
      expect(new Set(made.map((one) => idText(one.externalId))).size).toBe(15);
      expect((await ids()).length).toBe(15);
      await Promise.all(made.map((one) => remove(provider, one.externalId)));
      expect(await ids()).toEqual([]);
    });

    test('a launcher that takes over goes on with a stored launch', async () => {
      const first = await start();
      const stored: Stored[] = [];
      const crash = new AbortController();
      const lost = first.launch(spec('0000000001'), {
        timeoutMs: normalMs(),
        signal: crash.signal,
        onExternalId: async (id, state) => {
          stored.push(JSON.parse(JSON.stringify({ id, state })) as Stored);
          crash.abort(new Error('killed'));
        },
      });
      await expect(lost).rejects.toThrow('killed');
      const second = await start();
      const { id, state } = stored[0]!;
      const instance = await second.launch(spec('0000000001'), {
        timeoutMs: normalMs(),
        signal: never,
        resume: state,
        resumeExternalId: id,
        onExternalId: () => Promise.reject(new Error('the id has not changed')),
      });
      expect(idText(instance.externalId)).toBe(idText(id));
      expect((await ids()).length).toBe(1);
    });

    test('a half-made instance can be deleted', async () => {
      const provider = await start();
      const crash = new AbortController();
      const stored: ExternalId[] = [];
      const lost = provider.launch(spec('0000000001'), {
        timeoutMs: normalMs(),
        signal: crash.signal,
        onExternalId: async (id) => {
          stored.push(id);
          crash.abort(new Error('killed'));
        },
      });
      await expect(lost).rejects.toThrow('killed');
      await remove(await start(), stored[0]!);
      expect(await ids()).toEqual([]);
    });

    test('a creation that is repeated after a crash finds its instance', async ({ skip }) => {
      const first = await start();
      if (first.adapter!.createIsIdempotent !== true) return skip('creations of this driver cannot be repeated');
      const crash = new AbortController();
      const lost = first.launch(spec('0000000001'), {
        timeoutMs: normalMs(),
        signal: crash.signal,
        onExternalId: async () => crash.abort(new Error('killed before the id was stored')),
      });
      await expect(lost).rejects.toThrow('killed');
      const instance = await launch(await start(), spec('0000000001'));
      expect(await ids()).toEqual([idText(instance.externalId)]);
      // Another attempt is another instance.
      await launch(first, spec('0000000001', 2));
      expect((await ids()).length).toBe(2);
    });

    test('leaked resources are found and removed after two passes, others never', async () => {
      const provider = await start();
      const kept = await launch(provider, spec('0000000001'));
      await launch(provider, spec('0000000002'));
      await bed.levers.addForeign?.({ nodepool_provider_name: 'other', nodepool_node_id: '0000000002' });
      await bed.levers.addForeign?.({});
      const before = (await ids()).length;
      known.delete('0000000002');
      const detector = new LeakDetector(bed.config.name);
      const pass = async () => detector.pass(await provider.adapter!.listResources(never), (id) => known.has(id));
      expect(await pass()).toEqual([]);
      const leaked = await pass();
      expect(leaked.length).toBeGreaterThan(0);
      for (const resource of leaked) {
        expect(resource.metadata['nodepool_node_id']).toBe('0000000002');
        await provider.adapter!.deleteResource(resource, never);
        await provider.adapter!.deleteResource(resource, never).catch((error: unknown) => {
          if (asProviderError(error).code !== 'not-found') throw error;
        });
      }
      await eventually(async () => expect((await ids()).length).toBe(before - 1));
      expect(await ids()).toContain(idText(kept.externalId));
    });

    test('a label that can never work is a permanent error, one whose image is missing is not ready', async ({
      skip,
    }) => {
      if (!bed.impossibleLabel && !bed.labelWithMissingImage) return skip('the bed has no such labels');
      const { adapter } = await start();
      if (bed.impossibleLabel) {
        await expect(adapter!.quotaForLabel(bed.impossibleLabel, never)).rejects.toMatchObject({ code: 'permanent' });
      }
      if (bed.labelWithMissingImage) expect(await adapter!.labelReady(bed.labelWithMissingImage, never)).toBe(false);
    });

    test('stops cleanly and can be started again', async () => {
      const first = await start();
      const { externalId } = await launch(first, spec('0000000001'));
      const second = await start();
      await first.stop();
      await expect(launch(first, spec('0000000002'))).rejects.toBeInstanceOf(ProviderError);
      await remove(second, externalId);
      expect(await ids()).toEqual([]);
    });

    withLever('addForeign', 'what others use is not ours to use', async (addForeign) => {
      await bed.levers.limitInstances?.(10);
      await addForeign({});
      await addForeign({ nodepool_provider_name: 'other', nodepool_node_id: '7' });
      const provider = await start();
      const limit = provider.limits()!['instances'];
      if (bed.levers.limitInstances) expect(limit).toBe(8);
      await launch(provider, spec('0000000001'));
      expect((await ids()).length).toBe(3);
    });

    withLever(
      'limitInstances',
      'over the quota: an error of that class, and room again later',
      async (limitInstances) => {
        const provider = await start();
        await limitInstances(1);
        const { externalId } = await launch(provider, spec('0000000001'));
        await expect(launch(provider, spec('0000000002'))).rejects.toMatchObject({ code: 'quota' });
        await eventually(() => expect(provider.limits()).toMatchObject({ instances: 1 }));
        await remove(provider, externalId);
        await launch(provider, spec('0000000003'));
        expect((await ids()).length).toBe(1);
      },
    );

    withLever('failCreates', 'a failed creation leaves nothing, the next attempt works', async (failCreates) => {
      const provider = await start();
      await failCreates(1);
      await expect(launch(provider, spec('0000000001'))).rejects.toBeInstanceOf(ProviderError);
      expect(await ids()).toEqual([]);
      await launch(provider, spec('0000000001', 2));
      expect((await ids()).length).toBe(1);
    });

    withLever('failDeletes', 'a failed deletion is an error, the next one works', async (failDeletes) => {
      const provider = await start();
      const { externalId } = await launch(provider, spec('0000000001'));
      await failDeletes(1);
      await expect(remove(provider, externalId)).rejects.toBeInstanceOf(ProviderError);
      await remove(provider, externalId);
      expect(await ids()).toEqual([]);
    });

    withLever('neverActive', 'an instance that never becomes usable: a timeout that names it', async (neverActive) => {
      const provider = await start();
      await neverActive(1);
      const failure = await failureOf(launch(provider, spec('0000000001'), { timeoutMs: 1500 }));
      expect(failure.code).toBe('timeout');
      expect(await ids()).toEqual([idText(failure.externalId)]);
      await remove(provider, failure.externalId as ExternalId);
      expect(await ids()).toEqual([]);
    });

    withLever(
      'breakInstances',
      'an instance that breaks while it starts: an error that names it',
      async (breakInstances) => {
        const provider = await start();
        await breakInstances(1);
        const failure = await failureOf(launch(provider, spec('0000000001')));
        expect(failure).toBeInstanceOf(ProviderError);
        expect(failure.code).not.toBe('timeout');
        await remove(provider, failure.externalId as ExternalId);
        expect(await ids()).toEqual([]);
      },
    );

    withLever('throttle', 'a cloud that is asked too much is asked again later', async (throttle) => {
      const provider = await start();
      await throttle(3);
      const { externalId } = await launch(provider, spec('0000000001'));
      await throttle(2);
      await remove(provider, externalId);
      expect(await ids()).toEqual([]);
    });

    withLever('loseCreateAnswers', 'an answer that is lost makes no second instance', async (loseCreateAnswers) => {
      const provider = await start();
      await loseCreateAnswers(1);
      const launched = launch(provider, spec('0000000001'));
      if (provider.adapter!.createIsIdempotent) await launched;
      else await expect(launched).rejects.toMatchObject({ code: 'network' });
      expect((await ids()).length).toBe(1);
    });

    withLever('unavailable', 'a short outage is survived', async (unavailable) => {
      const provider = await start();
      const { externalId } = await launch(provider, spec('0000000001'));
      await unavailable(2);
      await remove(provider, externalId);
      expect(await ids()).toEqual([]);
    });

    withLever(
      'hang',
      'a cloud that does not answer: deadlines hold, and it goes on when it answers again',
      async (hang) => {
        const provider = await start();
        await hang(true);
        const before = performance.now();
        await expect(launch(provider, spec('0000000001'), { timeoutMs: 500 })).rejects.toMatchObject({
          code: 'timeout',
        });
        await expect(provider.remove(bed.unknownId ?? 'any', { timeoutMs: 500, signal: never })).rejects.toMatchObject({
          code: 'timeout',
        });
        expect(performance.now() - before).toBeLessThan(3000);
        expect(provider.machines()).toEqual([]);
        await hang(false);
        const { externalId } = await launch(provider, spec('0000000002'));
        expect(await ids()).toContain(idText(externalId));
      },
    );
  });
}

async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderError);
    return error as ProviderError;
  }
  throw new Error('it should have failed');
}

/** Waits until the expectation holds. */
async function eventually(check: () => void | Promise<void>, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
