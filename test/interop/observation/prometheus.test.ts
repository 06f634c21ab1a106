/**
 * A Prometheus of Debian's that scrapes two launchers of ours through a life of requests and through the loss of ZooKeeper and
 * of the launchers: it takes every line, and every expression of the dashboard and of the alert rules has an answer there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePorts } from '@nodepool/zookeeper/internal/testing/apache';
import { dashboard, rules, rulesPath } from '../../documentation/monitoring.ts';
import { type Running, until } from '../support/programs.ts';
import { Life } from './life.ts';

const binaries = process.env['NODEPOOL_TEST_PROMETHEUS'] ?? join(homedir(), '.cache/nodepool-ci/prometheus/usr/bin');
const rulesFile = fileURLToPath(new URL(`../../../${rulesPath}`, import.meta.url));
const casesFile = fileURLToPath(new URL('alerts.yaml', import.meta.url));

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

function promtool(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(join(binaries, 'promtool'), args, { input, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

let life: Life;
let launchers: (Running & { port: number })[];
let address: string;
let prometheus: Running;

beforeAll(async () => {
  expect(existsSync(join(binaries, 'prometheus')), `Prometheus is needed in ${binaries}`).toBe(true);
  life = await Life.begin('embedded');
  launchers = await Promise.all([life.launcher({}), life.launcher({})]);
  const [port] = await freePorts(1);
  const targets = launchers.map((one) => `127.0.0.1:${one.port}`);
  const config = life.place.file(
    'prometheus.yml',
    JSON.stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [rulesFile],
      scrape_configs: [{ job_name: 'nodepool', static_configs: [{ targets }] }],
    }),
  );
  address = `http://127.0.0.1:${port}`;
  prometheus = life.place.spawn(join(binaries, 'prometheus'), [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(life.place.directory, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await until(
    () => `Prometheus is ready: ${prometheus.output().slice(-2000)}`,
    async () => (await fetch(`${address}/-/ready`).catch(() => null))?.ok,
    60_000,
  );
  await life.requests();
  await life.leak();
  // What is counted for the first time has no rate before it is counted again.
  for (let round = 0; round < 4; round++) {
    const labels = ['small', 'big', 'warm', 'small'];
    for (const label of labels) {
      await life.giveBack(await life.submit({ nodeTypes: [label] }, label === 'big' ? 100 : 200));
    }
    await life.untilState(await life.submit({ nodeTypes: ['flaky'] }), 'failed');
    await scrapes(1);
  }
  // One may have been under way already, and of a page that is up to a second old.
  await scrapes(2);
}, 180_000);

afterAll(async () => {
  // Its disk is removed with the workplace.
  prometheus?.process.kill('SIGTERM');
  await prometheus?.ended;
  await life?.end();
});

async function api<T>(path: string): Promise<T> {
  const answer = (await (await fetch(`${address}/api/v1/${path}`)).json()) as {
    status: string;
    data: T;
    error?: string;
  };
  if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
  return answer.data;
}

async function query(expression: string): Promise<Sample[]> {
  return (await api<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result;
}

/** So many more of every launcher. */
async function scrapes(count: number): Promise<void> {
  const scraped = async () =>
    (await api<{ activeTargets: { lastScrape: string }[] }>('targets')).activeTargets.map((one) => one.lastScrape);
  for (let seen = 0; seen < count; seen++) {
    const before = await scraped();
    await until(
      () => 'another scrape',
      async () => (await scraped()).every((time, index) => time !== before[index]),
    );
  }
}

/** As Grafana fills in its variables when everything is chosen. */
const filledIn = (expression: string): string =>
  expression.replaceAll('$__rate_interval', '2m').replaceAll(/\$(job|provider|label)\b/g, '.*');

/** Numbers; a quantile of nothing is none. */
const telling = (samples: readonly Sample[]): Sample[] => samples.filter(({ value }) => value[1] !== 'NaN');

test('promtool has nothing to say about /metrics of a busy launcher', async () => {
  for (const { port } of launchers) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toContain('nodepool_launch_duration_seconds_bucket{');
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, said: '' });
  }
});

test('promtool takes the alert rules', () => {
  const { status, said } = promtool(['check', 'rules', rulesFile]);
  expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
  expect(status).toBe(0);
});

test('each alert fires in one life and not in another', () => {
  const { status, said } = promtool(['test', 'rules', casesFile]);
  expect(said).toContain('SUCCESS');
  expect(status).toBe(0);
  const { tests } = parse(readFileSync(casesFile, 'utf8')) as {
    tests: { promql_expr_test: { exp_samples: { labels: string }[] }[] }[];
  };
  const fired = tests.flatMap(({ promql_expr_test: [one] }) => one!.exp_samples.map(({ labels }) => labels));
  expect(new Set(fired)).toEqual(new Set(rules.map(({ alert }) => `{alertname="${alert}"}`)));
  expect(tests.filter(({ promql_expr_test: [one] }) => one!.exp_samples.length === 0).length).toBeGreaterThanOrEqual(
    rules.length,
  );
});

test('both launchers are scraped without a complaint', async () => {
  const { activeTargets } = await api<{ activeTargets: { health: string; lastError: string }[] }>('targets');
  expect(activeTargets).toMatchObject([
    { health: 'up', lastError: '' },
    { health: 'up', lastError: '' },
  ]);
});

const targets = dashboard.panels.flatMap(({ title, targets: all }) =>
  all.map(({ expr, legendFormat }) => [title, expr, legendFormat] as const),
);

test.each(targets)('the panel "%s" shows data: %s', async (_title, expr, legendFormat) => {
  const samples = await until(
    () => `data for ${filledIn(expr)}`,
    async () => {
      const found = telling(await query(filledIn(expr)));
      return found.length > 0 ? found : null;
    },
    20_000,
  );
  for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
    // A label whose value is '' is none.
    expect(
      samples.some(({ metric }) => metric[label!] !== undefined),
      `${label} in ${expr}`,
    ).toBe(true);
  }
});

test('the figures are those of the tree', async () => {
  const value = async (expression: string) => (await query(expression))[0]?.value[1];
  expect(await value('max by (state) (nodepool_requests{state="failed"})')).toBe('9');
  expect(await value('max(nodepool_nodes_by_provider{provider="twin-a", state="ready"})')).toBe('1');
  expect(await value('max(nodepool_provider_resource_limit{provider="twin-a", resource="instances"})')).toBe('1');
  expect(await value('max(nodepool_tenant_resource_used{tenant="limited", resource="instances"})')).toBe('1');
  // A launcher that did not answer within a second has no figures until its next scrape.
  const becomes = async (expression: string, wanted: string) => {
    let all = '';
    await until(
      () => `${expression} is ${wanted}, but ${all}`,
      async () => {
        all = JSON.stringify([await query(expression), await query('nodepool_requests_ended_total')]);
        return (await value(expression)) === wanted;
      },
      20_000,
    );
  };
  await becomes('sum(nodepool_requests_ended_total{outcome="fulfilled", label="small"})', '10');
  await becomes('sum(nodepool_request_wait_seconds_count{label="big", priority="100"})', '4');
});

async function firesSoon(alert: string): Promise<void> {
  const { expr } = rules.find((rule) => rule.alert === alert)!;
  await until(
    () => `${alert} has a reason`,
    async () => (await query(expr)).length > 0,
    60_000,
  );
}

test('every rule can be evaluated', async () => {
  type Groups = { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
  const evaluated = await until(
    () => 'every rule was evaluated',
    async () => {
      const all = (await api<Groups>('rules')).groups.flatMap((group) => group.rules);
      return all.length === rules.length && all.every(({ health }) => health !== 'unknown') ? all : null;
    },
  );
  expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([]);
});

test('a full account with requests that wait is told', () => firesSoon('NodepoolQuotaFull'));

test('ZooKeeper that goes away is told, and that it is critical', async () => {
  expect(await query(rules.find(({ alert }) => alert === 'NodepoolZooKeeperDisconnected')!.expr)).toEqual([]);
  await life.stopCoordinator();
  await firesSoon('NodepoolZooKeeperDisconnected');
  await firesSoon('NodepoolTroublesCritical');
});

test('launchers that go away are told', async () => {
  launchers[0]!.process.kill('SIGKILL');
  await firesSoon('NodepoolLauncherDown');
  launchers[1]!.process.kill('SIGKILL');
  await firesSoon('NodepoolNoLauncher');
});
