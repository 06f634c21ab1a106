/**
 * What this launcher does, for Prometheus: how long requests wait and launches take, what its pools use of their limits, and
 * whether it keeps up. What is in the tree is told elsewhere, the same by every launcher.
 */
import type { ProviderConfig } from '../../config/model.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { Resources } from '../../base/resources.ts';
import type { Counter, Histogram, Metrics, Sample } from '../../telemetry/metrics.ts';
import type { RequestOutcome } from '../serving/outcomes.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import type { AttemptOf, AttemptResult } from '../serving/outcomes.ts';
import type { HealthFact } from '../../reconcile/watchdog.ts';

/** What is asked for when the metrics are read. */
export interface LauncherView {
  pools(): Iterable<ServedPool>;
  providers(): Iterable<ProviderConfig>;
  isRunning(provider: string): boolean;
  queued(): number;
  deletions(): number;
  /** Of a registered pool, or of the configuration. */
  hasLabel(label: string): boolean;
  /** Those that have limits. */
  tenants(): readonly { readonly tenant: string; readonly limits: Resources; readonly used: Resources }[];
  troubles(): readonly HealthFact[];
}

const waitSeconds = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const launchSeconds = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 120, 150, 180, 300, 600, 900];
const lagSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export class LauncherMetrics {
  private readonly view: LauncherView;
  private readonly waits: Histogram;
  private readonly ends: Counter;
  private readonly launches: Histogram;
  private readonly leaks: Counter;
  private readonly lag: Histogram;

  constructor(metrics: Metrics, view: LauncherView) {
    this.view = view;
    this.waits = metrics.histogram(
      'nodepool_request_wait_seconds',
      'From the creation of a request to its fulfilment by this launcher; once for each of its labels.',
      waitSeconds,
    );
    this.ends = metrics.counter(
      'nodepool_requests_ended_total',
      'Requests that this launcher is done with, by outcome; once for each of their labels.',
    );
    this.launches = metrics.histogram(
      'nodepool_launch_duration_seconds',
      'Attempts of this launcher to launch a node, by outcome: ready, or the kind of failure.',
      launchSeconds,
    );
    this.leaks = metrics.counter('nodepool_leaked_resources_removed_total', 'Leaked resources that were removed.');
    this.lag = metrics.histogram(
      'nodepool_event_loop_lag_seconds',
      'How late a timer of this process was, looked at once a second.',
      lagSeconds,
    );
    declarePools(metrics, view);
    declareProviders(metrics, view);
    declareTenants(metrics, view);
    metrics.read('nodepool_deletion_queue_length', 'Nodes that this launcher is deleting, or looks at for that.', {
      samples: () => [[{}, view.deletions()]],
    });
    metrics.read('nodepool_dispatch_queue_length', 'Requests that no pool of this launcher has accepted yet.', {
      samples: () => [[{}, view.queued()]],
    });
    metrics.read('nodepool_troubles', 'What does not go as it should, as `nodepool doctor` tells it.', {
      samples: () => {
        const troubles = view.troubles();
        return ['critical', 'warning', 'info'].map((severity) => [
          { severity },
          troubles.filter((one) => one.severity === severity).length,
        ]);
      },
    });
  }

  ended({ id, nodeTypes, createdTime }: RequestRecord, outcome: RequestOutcome, nowMs: number): void {
    // Consumers may ask for anything: their inventions would each be a series for ever.
    const labels = new Set(nodeTypes.map((label) => (this.view.hasLabel(label) ? label : 'unknown')));
    for (const label of labels) this.ends.add({ label, outcome });
    if (outcome !== 'fulfilled' || createdTime === null) return;
    const seconds = Math.max(0, nowMs / 1000 - createdTime);
    const priority = id.slice(0, Math.max(0, id.indexOf('-')));
    for (const label of labels) this.waits.observe({ label, priority }, seconds);
  }

  attempted(result: AttemptResult, { provider, label }: AttemptOf, ms: number): void {
    this.launches.observe({ provider, label, outcome: result }, ms / 1000);
  }

  leaked(provider: string, kind: string): void {
    this.leaks.add({ provider, kind });
  }

  late(byMs: number): void {
    this.lag.observe({}, Math.max(0, byMs) / 1000);
  }
}

function declarePools(metrics: Metrics, view: LauncherView): void {
  const ofPools = (name: string, help: string, value: (pool: ServedPool) => number) =>
    metrics.read(name, help, {
      samples: () => Array.from(view.pools(), (pool) => [placeOf(pool), value(pool)] as const),
    });
  const resources = (name: string, help: string, amounts: (pool: ServedPool) => Resources) =>
    metrics.read(name, help, {
      samples: () => Array.from(view.pools()).flatMap((pool) => amountsOf(placeOf(pool), amounts(pool))),
    });
  ofPools('nodepool_pool_requests', 'Requests that a pool of this launcher is serving.', (pool) => pool.handlers.size);
  ofPools('nodepool_pool_requests_waiting', 'Of these, those that wait for room.', (pool) => pool.waiting.size);
  ofPools('nodepool_pool_launches', 'Launches under way.', (pool) => pool.activeLaunches);
  resources('nodepool_pool_resource_used', 'What the nodes of a pool use, of all launchers.', (pool) =>
    usedOf(pool.limits, pool.used.toObject()),
  );
  resources('nodepool_pool_resource_limit', 'What a pool may use; absent: no limit.', (pool) => pool.limits);
}

function declareProviders(metrics: Metrics, view: LauncherView): void {
  /** One pool of each provider: what they say of their provider is the same. */
  const onePoolEach = () => new Map(Array.from(view.pools(), (pool) => [pool.providerName, pool])).values();
  const resources = (name: string, help: string, amounts: (pool: ServedPool) => Resources) =>
    metrics.read(name, help, {
      samples: () =>
        Array.from(onePoolEach()).flatMap((pool) => amountsOf({ provider: pool.providerName }, amounts(pool))),
    });
  metrics.read('nodepool_provider_up', '1 while the provider runs, 0 while it starts or fails.', {
    samples: () => Array.from(view.providers(), ({ name }) => [{ provider: name }, view.isRunning(name) ? 1 : 0]),
  });
  metrics.read('nodepool_provider_max_servers', 'Most nodes of all pools of a provider, by its configuration.', {
    samples: () =>
      Array.from(view.providers(), ({ name, pools }) => [
        { provider: name },
        [...pools.values()].reduce((sum, pool) => sum + Math.max(0, pool.maxServers), 0),
      ]),
  });
  resources('nodepool_provider_resource_used', 'What the nodes of a provider use, of all launchers.', (pool) =>
    usedOf(pool.provider.limits() ?? {}, pool.providerUsed.toObject()),
  );
  resources(
    'nodepool_provider_resource_limit',
    "The account's quota less what others use there; absent: no limit, or not known.",
    (pool) => pool.provider.limits() ?? {},
  );
}

function declareTenants(metrics: Metrics, view: LauncherView): void {
  const resources = (name: string, help: string, amounts: (one: { limits: Resources; used: Resources }) => Resources) =>
    metrics.read(name, help, {
      samples: () => view.tenants().flatMap(({ tenant, ...one }) => amountsOf({ tenant }, amounts(one))),
    });
  resources(
    'nodepool_tenant_resource_used',
    'What the nodes of a tenant that has limits use, on all providers.',
    (one) => usedOf(one.limits, one.used),
  );
  resources('nodepool_tenant_resource_limit', 'What a tenant may use, by the configuration.', (one) => one.limits);
}

/** What has a limit and is not used is 0, not absent. */
function usedOf(limits: Resources, used: Resources): Resources {
  const limited = Object.keys(limits).filter((resource) => Number.isFinite(limits[resource]));
  return { ...Object.fromEntries(limited.map((resource) => [resource, 0])), ...used };
}

const placeOf = ({ providerName, poolName }: ServedPool) => ({ provider: providerName, pool: poolName });

function amountsOf(place: Readonly<Record<string, string>>, amounts: Resources): Sample[] {
  return Object.entries(amounts)
    .filter(([, amount]) => Number.isFinite(amount))
    .map(([resource, amount]) => [{ ...place, resource }, amount]);
}
