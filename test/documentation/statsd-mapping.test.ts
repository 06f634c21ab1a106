/** The mapping for statsd_exporter against the statsd metrics that a launcher really sends in a life with all of them. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CloudResource } from '../../src/driver-kit/contract.ts';
import { Cluster, createAdapter, fakeProvider } from '../../src/launcher/testing/cluster.ts';
import { page } from './monitoring.ts';
import { mapped, mapping, mappingPath, readMapping, seriesOf, type StatsdType } from './statsd-mapping.ts';

/** "type name" of everything sent. */
const sent = new Set<string>();
let cluster: Cluster;
const patience = { timeout: 20_000, interval: 20 };

beforeAll(async () => {
  cluster = await Cluster.start();
  const note = (type: StatsdType) => (name: string) => void sent.add(`${type} ${name}`);
  cluster.stats = { gauge: note('gauge'), count: note('counter'), timing: note('observer') };
  const leaks: CloudResource[] = ['1', '2'].map((id) => ({
    type: 'instance',
    id,
    metadata: { nodepool_provider_name: 'cloud-1', nodepool_node_id: `000009999${id}` },
  }));
  await cluster.launch(
    `
labels: [{name: ubuntu-22.04}, {name: b}]
tenant-resource-limits: [{tenant-name: 'a.b', max-servers: 5, max-volumes: 2}]
providers: ${fakeProvider(
      'cloud-1',
      '[{name: main.pool, max-servers: 5, labels: [{name: ubuntu-22.04, cloud-image: image, min-ram: 1}]}]',
      'fake-cloud: {boot-delay: 0.01}',
    )}
`,
    async (provider, backing) =>
      Object.assign(await createAdapter(provider, backing), {
        listResources: async () => [...leaks],
        deleteResource: async ({ id }: CloudResource) =>
          void leaks.splice(
            leaks.findIndex((one) => one.id === id),
            1,
          ),
      }),
    { NODEPOOL_TEST_CLEANUP_INTERVAL: '0.05' },
  );
  const id = await cluster.submit({ nodeTypes: ['ubuntu-22.04'], requestor: 'zuul:x' });
  await vi.waitUntil(() => cluster.request(id)?.state === 'fulfilled', patience);
  await vi.waitUntil(
    () =>
      sent.has('counter nodepool.provider.cloud-1.leaked.instances') &&
      sent.has('gauge nodepool.provider.cloud-1.pool.main.pool.addressable_requests'),
    patience,
  );
});

afterAll(() => cluster?.stop());

const split = (key: string) => key.split(' ') as [StatsdType, string];
const rulesOf = (key: string) => mapped(mapping.mappings, ...split(key));

test('every metric that a launcher sends fits exactly one rule, and every rule is used', () => {
  expect(sent.size).toBeGreaterThan(50);
  const used = new Set<unknown>();
  for (const key of sent) {
    const found = rulesOf(key);
    expect(found.length, key).toBe(1);
    used.add(found[0]!.mapping);
  }
  expect(mapping.mappings.filter((rule) => !used.has(rule)).map(({ match }) => match)).toEqual([]);
});

test('labels are filled, and no two metrics become one', () => {
  const series = new Map<string, string>();
  for (const key of sent) {
    const [{ mapping: rule, labels }] = rulesOf(key) as [ReturnType<typeof mapped>[number]];
    for (const [label, value] of Object.entries(labels)) expect(value, `${label} of ${key}`).not.toBe('');
    const id = JSON.stringify([rule.name, labels]);
    expect(series.get(id), key).toBeUndefined();
    series.set(id, key);
  }
});

test('labels hold what they are called', () => {
  const labelsOf = (key: string) => rulesOf(key)[0]?.labels;
  expect(labelsOf('gauge nodepool.label.ubuntu-22.04.nodes.in-use')).toEqual({
    label: 'ubuntu-22.04',
    state: 'in-use',
  });
  expect(labelsOf('counter nodepool.launch.provider.p.az1.error.quota')).toEqual({
    provider: 'p',
    zone: 'az1',
    result: 'error.quota',
  });
  expect(labelsOf('observer nodepool.launch.provider.p.error.quota')).toEqual({ provider: 'p', result: 'error.quota' });
  expect(labelsOf('counter nodepool.launch.requestor.zuul_x.ready')).toEqual({ requestor: 'zuul_x', result: 'ready' });
  expect(labelsOf('counter nodepool.provider.p.leaked.security_groups')).toEqual({
    provider: 'p',
    kind: 'security_group',
  });
  expect(labelsOf('gauge nodepool.launcher.host.example.zk.node_cache.event_queue')).toEqual({
    launcher: 'host.example',
    cache: 'node',
    queue: 'event',
  });
});

test('names are of one type and one set of labels, and none takes a name of another', () => {
  const names = mapping.mappings.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const series = mapping.mappings.flatMap(seriesOf);
  expect(new Set(series).size).toBe(series.length);
  for (const { name, match_metric_type: type, match, labels } of mapping.mappings) {
    expect(name).toMatch(/^nodepool_statsd_/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    const groups = new RegExp(`${match}|`).exec('')!.length - 1;
    expect(Object.values(labels).sort(), name).toEqual(Array.from({ length: groups }, (_, at) => `$${at + 1}`));
  }
});

test('the reader refuses what statsd_exporter would', () => {
  const rule = (more: string) =>
    `defaults: {match_type: regex, observer_type: histogram, histogram_options: {buckets: [1]}}\nmappings: [{${more}}]`;
  const fine = "match: '^a$', match_metric_type: gauge, name: a, help: a, labels: {ab: $1}";
  expect(() => readMapping(rule(fine))).not.toThrow();
  for (const [from, to] of [
    ['name: a', 'name: a-b'],
    ['ab: $1', 'a-b: $1'],
    ['^a$', '^(?!b)a$'],
    ['gauge', 'meter'],
    ['help: a', 'halp: a'],
  ] as const)
    expect(() => readMapping(rule(fine.replace(from, () => to)))).toThrow();
});

test('docs/monitoring.md names it', () => expect(page).toContain(mappingPath));
