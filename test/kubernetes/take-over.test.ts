/** A launcher dies after each of its calls in turn: another one ends the launch with the same object, and nothing is left. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ExternalId, Json } from '../../src/driver-kit/contract.ts';
import { LeakDetector } from '../../src/provider/leaks.ts';
import { idText } from '../../src/driver-kit/contract.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { launchSpec } from '../../src/driver-kit/testing/configs.ts';
import { systemRuntime } from '../../src/base/runtime.ts';
import {
  kubernetes,
  kubernetesBed,
  type KubernetesBed,
  openshift,
  openshiftpods,
  startProvider,
} from './support/beds.ts';
import { eventually, TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();
const never = new AbortController().signal;
const nodeId = '0000000042';
let bed: KubernetesBed | null = null;
const providers: Provider[] = [];

beforeEach(() => {
  bed = null;
});
afterEach(async () => {
  bed?.proxy.rules.clear();
  bed?.proxy.releaseHanging();
  await Promise.all(providers.splice(0).map((provider) => provider.stop()));
  await bed?.dispose();
});

async function start(of: KubernetesBed): Promise<Provider> {
  const provider = startProvider(of);
  providers.push(provider);
  await eventually(() => expect(provider.state).toBe('running'));
  return provider;
}

interface Stored {
  readonly id: ExternalId;
  readonly state: Json;
}

const drivers = [kubernetes('admin'), openshift('openshift'), openshiftpods('openshiftpods')] as const;
/** More than any of them needs; `reached` says whether there was such a call. */
const mostCalls = 9;

test.each(drivers)('$name', async (driver) => {
  bed = await kubernetesBed(cluster, driver, systemRuntime, true);
  const one = bed;
  const spec = launchSpec(nodeId, {
    poolName: one.poolName,
    label: one.label,
    metadata: {
      nodepool_node_id: nodeId,
      nodepool_pool_name: one.poolName,
      nodepool_provider_name: one.config.name,
    },
  });
  let deepest = -1;
  for (let lastCall = 0; lastCall <= mostCalls; lastCall++) {
    const attempt = lastCall + 1;
    const first = await start(one);
    // The call is carried out, but the one who asked for it hears nothing any more.
    let calls = 0;
    const dies = new AbortController();
    const rule = ({ method }: { method: string }) => {
      if (method === 'WATCH') return undefined;
      if (calls++ < lastCall) return undefined;
      setTimeout(() => dies.abort(new Error('killed')), 100);
      return { loseAnswer: true } as const;
    };
    one.proxy.rules.add(rule);
    let stored: Stored | null = null;
    const died = await first
      .launch(
        { ...spec, attempt },
        {
          timeoutMs: 60_000,
          signal: dies.signal,
          onExternalId: async (id, state) => void (stored = JSON.parse(JSON.stringify({ id, state })) as Stored),
        },
      )
      .then(
        () => false,
        () => true,
      );
    one.proxy.rules.delete(rule);
    if (!died) break;
    deepest = lastCall;
    await first.stop();

    const second = await start(one);
    const { id, state } = stored as unknown as Stored;
    const instance = await second.launch(
      { ...spec, attempt },
      {
        timeoutMs: 60_000,
        signal: never,
        resume: state,
        resumeExternalId: id,
        onExternalId: () => Promise.reject(new Error('the id has not changed')),
      },
    );
    expect(idText(instance.externalId)).toBe(idText(id));
    expect(instance.connectionPort).toMatchObject({
      user: 'zuul-worker',
      token: expect.stringMatching(/.{20}/) as string,
    });
    expect((await one.instances()).map((seen) => seen.id)).toEqual([id]);
    // Nobody took the node either: found as a leak, at the second look.
    const detector = new LeakDetector(one.config.name);
    const pass = async () => detector.pass(await second.adapter!.listResources(never), () => false);
    expect(await pass()).toEqual([]);
    for (const leaked of await pass()) await second.adapter!.deleteResource(leaked, never);
    await eventually(async () => expect(await one.instances()).toEqual([]));
    await second.stop();
  }
  expect(deepest).toBeGreaterThanOrEqual(driver.name === 'openshiftpods' ? 0 : 4);
});
