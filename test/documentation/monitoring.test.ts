/**
 * Dashboard, alert rules and documentation against the metrics that a launcher really has: a life in which every metric gets a
 * value, read as Prometheus reads it.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StatusSite } from '../../src/api/status-site.ts';
import { createAdapter, Cluster, fakeProvider } from '../../src/launcher/testing/cluster.ts';
import type { CloudResource } from '../../src/driver-kit/contract.ts';
import { measured } from '../../src/provider/measured-adapter.ts';
import { systemRuntime } from '../../src/base/runtime.ts';
import { cloudCallMetrics } from '../../src/telemetry/cloud-call-metrics.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { processMetrics } from '../../src/telemetry/process-metrics.ts';
import { commandsPage, dashboard, page, rules } from './monitoring.ts';
import { usesOf } from './promql.ts';

interface Family {
  readonly type: string;
  readonly labels: Set<string>;
  samples: number;
}

/** Given to every sample by Prometheus itself. */
const targetLabels = ['instance', 'job'];
let families: Map<string, Family>;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
  const metrics = new Metrics();
  cluster.metrics = metrics;
  processMetrics(metrics, 'test');
  const calls = cloudCallMetrics(metrics);
  const leaks: CloudResource[] = ['1', '2'].map((id) => ({
    type: 'instance',
    id,
    metadata: { nodepool_provider_name: 'cloud', nodepool_node_id: `000009999${id}` },
  }));
  const launcher = await cluster.launch(
    `
labels: [{name: a}, {name: b}]
tenant-resource-limits: [{tenant-name: t, max-servers: 5}]
providers: ${fakeProvider(
      'cloud',
      '[{name: main, max-servers: 5, labels: [{name: a, cloud-image: image, min-ram: 1}]}]',
      'fake-cloud: {quota: {instances: 10}}',
    )}
`,
    async (provider, backing) =>
      measured(
        Object.assign(await createAdapter(provider, backing), {
          listResources: async () => [...leaks],
          deleteResource: async ({ id }: CloudResource) =>
            void leaks.splice(
              leaks.findIndex((one) => one.id === id),
              1,
            ),
        }),
        systemRuntime,
        (operation, outcome, tookMs) => calls.observe({ provider: provider.name, operation, outcome }, tookMs / 1000),
      ),
    { NODEPOOL_TEST_CLEANUP_INTERVAL: '0.05' },
  );
  new StatusSite({
    host: '127.0.0.1',
    port: 0,
    store: cluster.storeOf(launcher),
    metrics,
    health: () => ({ ready: true, session: 'connected', synced: true, troubles: [] }),
    runtime: systemRuntime,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const patience = { timeout: 20_000, interval: 20 };
  for (const [label, state] of [
    ['a', 'fulfilled'],
    ['b', 'failed'],
  ] as const) {
    const id = await cluster.submit({ nodeTypes: [label], tenantName: 't' });
    await vi.waitUntil(() => cluster.request(id)?.state === state, patience);
  }
  await vi.waitFor(() => {
    families = exposed(metrics.text());
    expect([...families].filter(([, { samples }]) => samples === 0).map(([name]) => name)).toEqual([]);
  }, patience);
});

afterAll(() => cluster?.stop());

function exposed(text: string): Map<string, Family> {
  const found = new Map<string, Family>();
  let family: Family | undefined;
  for (const line of text.split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) found.set(name, (family = { type: type!, labels: new Set(), samples: 0 }));
    if (line === '' || line.startsWith('#')) continue;
    family!.samples++;
    for (const [, label] of line.matchAll(/[{,](\w+)="/g)) if (label !== 'le') family!.labels.add(label!);
  }
  return found;
}

/** The metric of a series: `_bucket`, `_sum` and `_count` are parts of histograms. */
function familyOf(series: string): { readonly family: Family; readonly own: readonly string[] } | null {
  const plain = families.get(series);
  if (plain) return plain.type === 'histogram' ? null : { family: plain, own: [] };
  const [, name, part] = /^(.+)_(bucket|sum|count)$/.exec(series) ?? [];
  const family = name === undefined ? undefined : families.get(name);
  return family?.type === 'histogram' ? { family, own: part === 'bucket' ? ['le'] : [] } : null;
}

/** What is wrong with an expression; '' for nothing. */
function faults(expression: string, shown: readonly string[] = []): string[] {
  const { uses, grouped } = usesOf(expression);
  const known = new Set(targetLabels);
  const wrong = uses.length === 0 ? ['no metric'] : [];
  for (const { metric, labels } of uses) {
    const found = metric === 'up' ? { family: { labels: [] }, own: [] } : familyOf(metric);
    if (!found) {
      wrong.push(`no metric ${metric}`);
      continue;
    }
    const own = new Set([...found.family.labels, ...found.own, ...targetLabels]);
    for (const label of own) known.add(label);
    wrong.push(...labels.filter((label) => !own.has(label)).map((label) => `${metric} has no label ${label}`));
  }
  const visible = grouped.length > 0 ? new Set(grouped) : known;
  return [
    ...wrong,
    ...grouped.filter((label) => !known.has(label)).map((label) => `nothing has the label ${label}`),
    ...shown.filter((label) => !visible.has(label)).map((label) => `${label} is not in the result`),
  ];
}

test('the checker finds what is wrong', () => {
  expect(faults('max by (provider) (nodepool_provider_up)')).toEqual([]);
  expect(faults('max(nodepool_provider_upp)')).toEqual(['no metric nodepool_provider_upp']);
  expect(faults('rate(nodepool_launch_duration_seconds[5m])')).toEqual(['no metric nodepool_launch_duration_seconds']);
  expect(faults('sum by (le) (rate(nodepool_nodes_bucket[1m]))')).toContain('no metric nodepool_nodes_bucket');
  expect(faults('nodepool_nodes{stat="ready", job="x}"} > 3')).toEqual(['nodepool_nodes has no label stat']);
  expect(faults('max by (pool) (nodepool_provider_up) and on (job) up', ['pool'])).toEqual([
    'nothing has the label pool',
  ]);
  expect(faults('max by (state) (nodepool_nodes)', ['job'])).toEqual(['job is not in the result']);
});

test('every alert uses metrics that exist, and names commands that exist', () => {
  expect(rules.length).toBeGreaterThan(10);
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { alert, expr, annotations } of rules) {
    const text = `${annotations.summary} ${annotations.description}`;
    const shown = [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
    expect(faults(expr, shown), alert).toEqual([]);
    for (const [, command] of text.matchAll(/`nodepool ([a-z-]+)/g))
      expect(commandsPage).toContain(`\n## ${command}\n`);
  }
});

test('every panel uses metrics that exist', () => {
  const targets = dashboard.panels.flatMap((panel) =>
    panel.targets.map((target) => ({ ...target, title: panel.title })),
  );
  expect(targets.length).toBeGreaterThan(30);
  for (const { expr, legendFormat, title } of targets) {
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
    expect(faults(expr, shown), title).toEqual([]);
  }
  const variables = new Set(dashboard.templating.list.map(({ name }) => name));
  for (const { expr, title } of targets)
    for (const [, name] of expr.matchAll(/\$(\w+)/g)) expect([...variables, '__rate_interval'], title).toContain(name);
  for (const { definition } of dashboard.templating.list) {
    const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? [];
    if (selector !== undefined && !selector.startsWith('{')) expect(faults(selector, [label!])).toEqual([]);
  }
});

test('every metric is on the dashboard', () => {
  const used = dashboard.panels.flatMap((panel) => panel.targets).flatMap(({ expr }) => usesOf(expr).uses);
  const shown = new Set(
    used.map(({ metric }) => (families.has(metric) ? metric : metric.replace(/_(bucket|count|sum)$/, ''))),
  );
  expect([...families.keys()].filter((name) => !shown.has(name))).toEqual([]);
});

test('panels neither overlap nor leave the grid', () => {
  const taken = new Map<string, string>();
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.get(`${x}/${y}`), title).toBeUndefined();
        taken.set(`${x}/${y}`, title);
      }
    }
  }
});

test('the documentation has every metric with its type and labels, and no other', () => {
  const documented = new Map<string, { type: string; labels: string[] }>();
  for (const [, cells, type, labels] of page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (\w+) \| ([\w, ]*)\|$/gm)) {
    for (const [, name] of cells!.matchAll(/`(\w+)`/g))
      documented.set(name!, { type: type!, labels: labels!.trim() === '' ? [] : labels!.trim().split(', ').sort() });
  }
  const real = [...families].map(([name, { type, labels }]) => [name, { type, labels: [...labels].sort() }] as const);
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(real));
});
