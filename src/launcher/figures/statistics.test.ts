/** What a launcher reports of a request's life, of its limits and of the tree. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { LaunchSpec } from '../../driver-kit/contract.ts';
import { ProviderError, type ProviderErrorCode } from '../../driver-kit/errors.ts';
import type { StatsSink } from '../../telemetry/statsd.ts';
import { adaptersWith, Cluster, fakeProvider, hastened } from '../testing/cluster.ts';

let cluster: Cluster;
let seen: Map<string, number[]>;
const patience = { timeout: 15_000, interval: 5 };

beforeEach(async () => {
  cluster = await Cluster.start();
  seen = new Map();
  const note = (kind: string) => (name: string, value: number) => {
    const key = `${kind} ${name}`;
    seen.set(key, [...(seen.get(key) ?? []), value]);
  };
  const count = note('count');
  cluster.stats = {
    gauge: note('gauge'),
    count: (name, value = 1) => count(name, value),
    timing: note('timing'),
  } satisfies StatsSink;
});

afterEach(() => cluster.stop());

const last = (key: string) => seen.get(key)?.at(-1);

const provider = (more: string) =>
  fakeProvider('cloud', '[{name: main, max-servers: 5, labels: [{name: a, cloud-image: image, min-ram: 1}]}]', more);

test('launches, limits and the nodes by state', async () => {
  await cluster.launch(`
labels: [{name: a}]
tenant-resource-limits: [{tenant-name: 'a.b', max-servers: 7, max-volumes: 2}]
providers: ${provider('fake-cloud: {boot-delay: 0.01}')}
`);
  const id = await cluster.submit({ nodeTypes: ['a', 'a'], requestor: 'zuul:x' });
  await cluster.untilState(id, 'fulfilled');
  expect(seen.get('count nodepool.launch.ready')).toEqual([1, 1]);
  for (const name of ['provider.cloud.ready', 'requestor.zuul_x.ready'])
    expect(seen.get(`timing nodepool.launch.${name}`)).toHaveLength(2);
  // The zone is chosen at random, the same for both.
  expect(
    [...seen].filter(([key]) => /^timing nodepool\.launch\.provider\.cloud\.az\d\.ready$/.test(key)),
  ).toMatchObject([[expect.any(String), [expect.any(Number), expect.any(Number)]]]);
  expect(last('gauge nodepool.provider.cloud.max_servers')).toBe(5);
  expect(last('gauge nodepool.tenant_limits.a_b.instances')).toBe(7);
  expect(last('gauge nodepool.tenant_limits.a_b.volumes')).toBe(2);
  expect(last('gauge nodepool.tenant_limits.a_b.ram')).toBe(Infinity);
  for (const prefix of ['', 'label.a.', 'provider.cloud.']) {
    await expect.poll(() => last(`gauge nodepool.${prefix}nodes.ready`), patience).toBe(2);
    expect(last(`gauge nodepool.${prefix}nodes.testing`)).toBe(0);
  }
  expect(last('gauge nodepool.provider.cloud.pool.main.addressable_requests')).toBe(1);
  expect(last('gauge nodepool.launcher.host.example.zk.client.connection_queue')).toBeTypeOf('number');
  await cluster.giveBack(id);
  await expect.poll(() => last('gauge nodepool.nodes.ready'), patience).toBe(0);
});

test('failed attempts by their kind', async () => {
  await cluster.launch(`
labels: [{name: a}]
providers: ${provider('fake-cloud: {boot-delay: 0.01, failure-rate: 1}').replace('launch-retries: 1', 'launch-retries: 2')}
`);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'failed');
  expect(seen.get('count nodepool.launch.error.unknown')).toEqual([1, 1]);
  expect(seen.has('count nodepool.launch.ready')).toBe(false);
});

test('every kind of failure by the name that the Python launcher has for it', async () => {
  const names = {
    capacity: 'capacity',
    network: 'network',
    keyscan: 'keyscan',
    status: 'status',
    'not-found': 'status',
    timeout: 'servercreatetimeout',
    image: 'imagetimeout',
    throttled: 'nodepool',
    conflict: 'nodepool',
    permanent: 'nodepool',
    unknown: 'unknown',
    quota: 'quota',
  } as const satisfies Partial<Record<ProviderErrorCode, string>>;
  const codes = Object.keys(names) as (keyof typeof names)[];
  // Calls that come too fast or get lost are repeated for up to a minute.
  const fast = await Cluster.start(hastened(100));
  onTestFinished(() => fast.stop());
  fast.stats = cluster.stats;
  const providers = codes.map((code) =>
    fakeProvider(`p-${code}`, `[{name: main, labels: [{name: ${code}, cloud-image: image, min-ram: 1}]}]`),
  );
  const create = adaptersWith(hastened(100));
  await fast.launch(
    `labels: [${codes.map((name) => `{name: ${name}}`).join(', ')}]\nproviders: ${providers.join('')}`,
    async (provider, backing) =>
      Object.assign(await create(provider, backing), {
        advanceCreate: (_state: unknown, { label }: LaunchSpec) =>
          Promise.reject(new ProviderError(label.name as ProviderErrorCode, 'refused')),
      }),
  );
  for (const code of codes) await fast.submit({ nodeTypes: [code] });
  for (const code of codes) {
    const key = `nodepool.launch.provider.p-${code}.error.${names[code]}`;
    await expect.poll(() => seen.get(`count ${key}`)?.[0], { ...patience, message: key }).toBe(1);
    expect(seen.get(`timing ${key}`)?.[0]).toBeGreaterThanOrEqual(0);
  }
});

test('one of several launchers reports on the tree, and another one goes on for it', async () => {
  const file = `labels: [{name: a}]\nproviders: ${provider('fake-cloud: {boot-delay: 0.01}')}\n`;
  const first = await cluster.launch(file);
  await expect.poll(() => last('gauge nodepool.nodes.ready'), patience).toBe(0);
  await cluster.launch(file);
  await first.stop();
  seen.clear();
  await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => last('gauge nodepool.nodes.ready'), patience).toBe(1);
});
