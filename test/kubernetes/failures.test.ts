/** Launches that fail in every way a cluster knows: the request is served all the same, and what was left goes away. */
import { expect, test } from 'vitest';
import type { Fate, SeenCall } from './support/api-proxy.ts';
import { isPodCreation, withImage } from './support/beds.ts';
import { eventually, TestCluster } from './support/cluster.ts';
import { containerAdapters, patience, surroundings } from './support/launching.ts';

const kube = new TestCluster();
const at = surroundings(kube);

type DriverName = 'kubernetes' | 'openshift' | 'openshiftpods';

async function launch(driver: DriverName, more = '', limits = ''): Promise<void> {
  if (driver === 'openshiftpods') await kube.podProject(at.pool, ['create', 'get', 'list', 'delete', 'watch']);
  const type = driver === 'openshiftpods' ? '' : 'type: pod,';
  const text = `labels: [{name: small}]
providers:
  - name: ${at.pool}
    driver: ${driver}
    context: ${driver === 'kubernetes' ? 'admin' : driver}
    ${more}
    pools: [{name: ${at.pool}, ${limits} labels: [{name: small, ${type} image: some/image, cpu: 1, memory: 64}]}]`;
  await at.cluster.launch(text, containerAdapters({ [at.pool]: at.kubeconfig.path }, at.log));
}

async function request(): Promise<string> {
  return at.cluster.submit({ nodeTypes: ['small'] });
}

const untilFulfilled = (id: string) => expect.poll(() => at.cluster.request(id)?.state, patience).toBe('fulfilled');

/** Name of what was made for the node in an attempt, where the test sees it. */
const nameOf = (driver: DriverName, nodeId: string, attempt: number) =>
  driver === 'openshiftpods' ? `small-${nodeId}-${attempt}` : `${at.pool}-${nodeId}-${attempt}`;

async function there(driver: DriverName): Promise<string[]> {
  if (driver === 'openshiftpods') {
    const { items } = await kube.core.listNamespacedPod({ namespace: at.pool });
    return items.map(({ metadata }) => metadata!.name!).sort();
  }
  const { items } = await kube.core.listNamespace();
  return items.flatMap(({ metadata }) => (metadata!.name!.startsWith(`${at.pool}-`) ? [metadata!.name!] : [])).sort();
}

const drivers: readonly DriverName[] = ['kubernetes', 'openshift', 'openshiftpods'];
const firstCreation: Record<DriverName, (call: SeenCall) => boolean> = {
  kubernetes: ({ method, path }) => method === 'POST' && path === '/api/v1/namespaces',
  openshift: ({ method, path }) => method === 'POST' && path.endsWith('/projectrequests'),
  openshiftpods: isPodCreation,
};
const refusals: readonly (readonly [string, Fate])[] = [
  ['admission', { answer: 403, message: 'admission webhook "policy.example" denied the request: not today' }],
  ['validation', { answer: 422, message: 'Pod is invalid', reason: 'Invalid' }],
];

test.each(drivers.flatMap((driver) => refusals.map(([name, fate]) => [driver, name, fate] as const)))(
  '%s: refused by %s at first, made under another name then',
  async (driver, _name, fate) => {
    await launch(driver);
    at.proxy.next(1, firstCreation[driver], fate);
    const id = await request();
    await untilFulfilled(id);
    const [node] = at.cluster.nodesOf(id);
    expect(await there(driver)).toEqual([nameOf(driver, node!.id, 2)]);
  },
);

test.each(drivers)('%s: a pod that crashes is replaced at once, its remains go away behind', async (driver) => {
  await launch(driver);
  at.proxy.next(1, isPodCreation, withImage('crash/image'));
  const id = await request();
  await untilFulfilled(id);
  const [node] = at.cluster.nodesOf(id);
  expect(node!.externalId).toContain(`${node!.id}-2`);
  await expect.poll(() => there(driver), patience).toEqual([nameOf(driver, node!.id, 2)]);
});

const furniture = {
  kubernetes: ['serviceaccounts', 'secrets', 'roles', 'rolebindings', 'pods'],
  openshift: ['serviceaccounts', 'secrets', 'rolebindings', 'pods'],
} as const;

test.each(
  (['kubernetes', 'openshift'] as const).flatMap((driver) => furniture[driver].map((what) => [driver, what] as const)),
)('%s: the creation of %s fails for good: another attempt', async (driver, what) => {
  await launch(driver);
  const first = ({ method, path }: SeenCall) => method === 'POST' && path.includes('-1/') && path.endsWith(`/${what}`);
  at.proxy.next(100, first, { answer: 400, message: 'no' });
  const id = await request();
  await untilFulfilled(id);
  const [node] = at.cluster.nodesOf(id);
  expect(node!.externalId).toBe(nameOf(driver, node!.id, 2));
  await expect.poll(() => there(driver), patience).toEqual([nameOf(driver, node!.id, 2)]);
});

test('what the failed attempt left may take a minute to end: nobody waits for it', async () => {
  await launch('kubernetes');
  const finalizers = ['nodepool.example/slow'];
  at.proxy.next(1, firstCreation.kubernetes, ({ body }) => {
    const namespace = body as { metadata: object };
    return { body: { ...namespace, metadata: { ...namespace.metadata, finalizers } } };
  });
  at.proxy.next(1, isPodCreation, withImage('crash/image'));
  const id = await request();
  await untilFulfilled(id);
  const [node] = at.cluster.nodesOf(id);
  const slow = nameOf('kubernetes', node!.id, 1);
  expect(node!.externalId).toBe(nameOf('kubernetes', node!.id, 2));
  await eventually(async () =>
    expect((await kube.core.readNamespace({ name: slow })).metadata!.deletionTimestamp).toBeTruthy(),
  );
  const namespace = await kube.core.readNamespace({ name: slow });
  delete namespace.metadata!.finalizers;
  await eventually(() => kube.core.replaceNamespace({ name: slow, body: namespace }));
  await expect.poll(() => there('kubernetes'), patience).toEqual([nameOf('kubernetes', node!.id, 2)]);
});

test.each(['kubernetes', 'openshift'] as const)(
  '%s: the name is taken by somebody else: another one is used, and theirs is left alone',
  async (driver) => {
    await launch(driver);
    let taken = '';
    // The number of a node is known when its creation is asked for.
    at.proxy.next(1, firstCreation[driver], ({ body }) => {
      taken = (body as { metadata: { name: string } }).metadata.name;
      return { hang: true };
    });
    const id = await request();
    await expect.poll(() => taken, patience).not.toBe('');
    await kube.core.createNamespace({ body: { metadata: { name: taken, labels: { owner: 'somebody' } } } });
    at.proxy.releaseHanging();
    await untilFulfilled(id);
    const [node] = at.cluster.nodesOf(id);
    expect(node!.externalId).toBe(nameOf(driver, node!.id, 2));
    expect(await there(driver)).toEqual([taken, node!.externalId]);
    await at.cluster.giveBack(id);
    await expect.poll(() => at.cluster.nodes(), patience).toEqual([]);
    await expect.poll(() => there(driver), patience).toEqual([taken]);
    expect((await kube.core.readNamespace({ name: taken })).metadata!.deletionTimestamp).toBeUndefined();
  },
);

test('the quota of a project refuses a pod: the request waits, and is served when there is room', async () => {
  await launch('openshiftpods', 'launch-retries: 1');
  await kube.core.createNamespacedResourceQuota({
    namespace: at.pool,
    body: { metadata: { name: 'one' }, spec: { hard: { pods: '1' } } },
  });
  // In force when the controller has counted.
  await eventually(async () => {
    const { status } = await kube.core.readNamespacedResourceQuota({ namespace: at.pool, name: 'one' });
    expect(status?.hard).toEqual({ pods: '1' });
  });
  const first = await request();
  await untilFulfilled(first);
  const second = await request();
  const refused = () => at.proxy.calls.filter((call) => isPodCreation(call)).length;
  await expect.poll(refused, patience).toBeGreaterThanOrEqual(2);
  expect(at.cluster.request(second)!.state).toBe('pending');
  await at.cluster.giveBack(first);
  await untilFulfilled(second);
  expect((await there('openshiftpods')).length).toBe(1);
});

test('more than the pool has room for is declined, what fits waits for its turn', async () => {
  await launch('openshift', '', 'max-cores: 1,');
  const big = await at.cluster.submit({ nodeTypes: ['small', 'small'] });
  await expect.poll(() => at.cluster.request(big)?.state, patience).toBe('failed');
  const one = await request();
  await untilFulfilled(one);
  const other = await request();
  await at.cluster.giveBack(one);
  await untilFulfilled(other);
});
