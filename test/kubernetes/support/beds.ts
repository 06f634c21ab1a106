/** Beds for the conformance suite: each driver on the real API server, through a proxy that has the levers. */
import { KubernetesAdapter } from '../../../src/drivers/kubernetes/adapter.ts';
import { OpenShiftAdapter } from '../../../src/drivers/openshift/adapter.ts';
import { OpenShiftPodsAdapter } from '../../../src/drivers/openshiftpods/adapter.ts';
import { type FamilyContext, loadFamily } from '../../../src/drivers/kubernetes-family/config.ts';
import type { Adapter } from '../../../src/driver-kit/contract.ts';
import { Provider } from '../../../src/provider/provider.ts';
import type { CloudLevers, ConformanceBed, NotShown } from '../../../src/drivers/testing/conformance/bed.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { type Runtime, systemRuntime } from '../../../src/base/runtime.ts';
import type { ApiProxy, SeenCall } from './api-proxy.ts';
import { type ContextName, type TestCluster, type TemporaryFile, uniqueName } from './cluster.ts';

export interface DriverUnderTest {
  readonly name: 'kubernetes' | 'openshift' | 'openshiftpods';
  readonly context: ContextName;
  readonly create: (context: FamilyContext) => Adapter;
}

export const kubernetes = (context: ContextName): DriverUnderTest => ({
  name: 'kubernetes',
  context,
  create: (c) => new KubernetesAdapter(c),
});

export const openshift = (context: ContextName): DriverUnderTest => ({
  name: 'openshift',
  context,
  create: (c) => new OpenShiftAdapter(c),
});

export const openshiftpods = (context: ContextName): DriverUnderTest => ({
  name: 'openshiftpods',
  context,
  create: (c) => new OpenShiftPodsAdapter(c),
});

/** What the container drivers cannot show, on whichever cluster. */
export const notShown: readonly NotShown[] = [
  { what: 'limitInstances', why: 'a cluster has no limit of the account; its quotas are those of one namespace' },
  { what: 'impossibleLabel', why: 'which pods can never run only the cluster knows, when it is asked for one' },
  { what: 'labelWithMissingImage', why: 'images are pulled by the machine that runs the pod, nobody can ask before' },
];

export interface KubernetesBed extends ConformanceBed {
  readonly proxy: ApiProxy;
  readonly config: FamilyContext['provider'];
  readonly log: MemoryLogger;
  readonly kubeconfig: TemporaryFile;
}

type LabelKeys = Parameters<typeof loadFamily>[0]['pools'][number]['labels'][number];

export function loadProvider(
  driver: DriverUnderTest,
  o: { readonly name: string; readonly pool: string; readonly labels: readonly Partial<LabelKeys>[] },
): FamilyContext['provider'] {
  const labels = o.labels.map((label): LabelKeys => ({ name: 'small', labels: {}, 'dynamic-labels': {}, ...label }));
  const raw = {
    ...{ name: o.name, driver: driver.name, context: driver.context, priority: 100 },
    ...{ 'max-concurrency': -1, 'launch-retries': 3, pools: [{ name: o.pool, labels }] },
  };
  const spaces = driver.name === 'kubernetes' ? 'namespace' : 'project';
  const loaded = loadFamily(
    raw,
    {
      podsShareProject: driver.name === 'openshiftpods',
      kindOf: (type) => (type === spaces && driver.name !== 'openshiftpods' ? spaces : 'pod'),
      maxServers: undefined,
    },
    {
      labels: new Map(labels.map(({ name }) => [name, { name, minReady: 0, maxReadyAgeMs: 0 }])),
      diskimages: new Map(),
      error: (path, message) => {
        throw new Error(`${path.join('.')}: ${message}`);
      },
      warn: (path, message) => {
        throw new Error(`${path.join('.')}: ${message}`);
      },
    },
  );
  return { ...loaded, driver: driver.name };
}

/** Is it the creation of a node, rather than of something in it? */
export const isCreation =
  (driver: DriverUnderTest) =>
  ({ method, path }: SeenCall): boolean => {
    const collection = { kubernetes: /\/namespaces$/, openshift: /\/projectrequests$/, openshiftpods: /\/pods$/ };
    return method === 'POST' && collection[driver.name].test(path);
  };

export const isPodCreation = ({ method, path }: SeenCall): boolean => method === 'POST' && path.endsWith('/pods');

/** `change` in the specification of the pod that is asked for. */
export const withPod =
  (change: (spec: Record<string, unknown>) => object) =>
  ({ body }: SeenCall) => {
    const pod = body as { spec: Record<string, unknown> };
    return { body: { ...pod, spec: { ...pod.spec, ...change(pod.spec) } } };
  };

export const withImage = (image: string) => withPod(() => ({ containers: [{ name: 'c', image }] }));

/** `mayWatch`: whether the account has that right for pods, where rights are given for a project (openshiftpods). */
export async function kubernetesBed(
  cluster: TestCluster,
  driver: DriverUnderTest,
  runtime: Runtime,
  mayWatch = false,
): Promise<KubernetesBed> {
  const proxy = await cluster.proxy();
  const kubeconfig = await cluster.configFor(proxy.url, await cluster.administrator());
  const pool = uniqueName('pool');
  const verbs = ['create', 'get', 'list', 'delete', ...(mayWatch ? ['watch'] : [])];
  if (driver.name === 'openshiftpods') await cluster.podProject(pool, verbs);
  const config = loadProvider(driver, {
    name: uniqueName(driver.name),
    pool,
    labels: [{ name: 'small', type: 'pod', image: 'some/image', cpu: 1, memory: 64 }],
  });
  const log = new MemoryLogger();
  const created = isCreation(driver);
  const deleted = ({ method }: SeenCall) => method === 'DELETE';
  const once = (matches: (call: SeenCall) => boolean, fate: Parameters<ApiProxy['next']>[2]) => async (n: number) =>
    proxy.next(n, matches, fate);
  const hang = () => ({ hang: true }) as const;
  const levers: CloudLevers = {
    failCreates: once(created, { answer: 403, message: 'admission webhook "policy.example" denied the request' }),
    failDeletes: once(deleted, { answer: 403, message: 'may not be deleted just now' }),
    neverActive: once(
      isPodCreation,
      withPod(() => ({ nodeSelector: { 'no-such': 'machine' } })),
    ),
    breakInstances: once(isPodCreation, withImage('crash/image')),
    throttle: once(() => true, { answer: 429, message: 'too many requests', headers: { 'retry-after': '1' } }),
    unavailable: once(deleted, { answer: 503, message: 'the server is shutting down' }),
    loseCreateAnswers: once(created, { loseAnswer: true }),
    hang: async (on) => {
      if (on) return void proxy.rules.add(hang);
      proxy.rules.delete(hang);
      proxy.releaseHanging();
    },
    addForeign: (metadata) => addForeign(cluster, driver, pool, metadata),
  };
  return {
    config,
    proxy,
    log,
    kubeconfig,
    levers,
    poolName: pool,
    label: config.pools.get(pool)!.labels.get('small')!,
    normalMs: 60_000,
    unknownId: `${pool}-small-0000000099-1`,
    createAdapter: () => driver.create({ provider: config, runtime, log, env: { KUBECONFIG: kubeconfig.path } }),
    instances: () => instancesOf(cluster, driver, pool),
    dispose: async () => {
      await proxy.close();
      await kubeconfig.remove();
      for (const { metadata } of await cluster.namespaces(pool)) await cluster.removeNamespace(metadata!.name!);
    },
  };
}

async function instancesOf(cluster: TestCluster, driver: DriverUnderTest, pool: string) {
  if (driver.name === 'openshiftpods') {
    const pods = await cluster.pods(pool);
    return pods.map(({ metadata }) => ({ id: `${pool}-${metadata!.name!}`, metadata: metadata!.labels ?? {} }));
  }
  const spaces = await cluster.namespaces(`${pool}-`);
  return spaces.map(({ metadata }) => {
    const described = metadata!.annotations?.['openshift.io/description']?.replace(/^Nodepool /, '');
    const own =
      driver.name === 'openshift' && described ? (JSON.parse(described) as Record<string, string>) : metadata!.labels;
    return { id: metadata!.name!, metadata: own ?? {} };
  });
}

let foreigners = 0;

/** Named as one of the provider's, as an older version named them, but of somebody else. */
async function addForeign(
  cluster: TestCluster,
  driver: DriverUnderTest,
  pool: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const number = String(9_000_000_000 + foreigners++);
  if (driver.name === 'openshiftpods') {
    const body = {
      metadata: { name: `small-${number}`, labels },
      spec: { containers: [{ name: 'c', image: 'some/image' }] },
    };
    await cluster.core.createNamespacedPod({ namespace: pool, body });
  } else {
    await cluster.core.createNamespace({ body: { metadata: { name: `${pool}-${number}`, labels } } });
  }
}

/** A provider on the bed, on its way up; who starts it stops it. */
export function startProvider({ config, createAdapter, log }: KubernetesBed): Provider {
  const provider = new Provider(
    {
      createAdapter: () => Promise.resolve(createAdapter()),
      runtime: systemRuntime,
      log,
      isKnownNode: () => true,
    },
    config,
  );
  provider.start();
  return provider;
}
