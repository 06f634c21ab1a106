/** What this launcher has at the moment, read from its parts when the metrics are: pools, providers, tenants, queues, troubles. */
import type { ProviderConfig } from '../../config/model.ts';
import type { HealthFact } from '../../reconcile/watchdog.ts';
import type { Resources } from '../../base/resources.ts';
import type { Metrics, Sample } from '../../telemetry/metrics.ts';
import type { ServedPool } from '../pools/served-pool.ts';

/** What is asked for when the metrics are read. */
export interface GaugeView {
  pools(): Iterable<ServedPool>;
  providers(): Iterable<ProviderConfig>;
  isRunning(provider: string): boolean;
  queued(): number;
  deletions(): number;
  /** Those that have limits. */
  tenants(): readonly { readonly tenant: string; readonly limits: Resources; readonly used: Resources }[];
  troubles(): readonly HealthFact[];
}

export function declareGauges(metrics: Metrics, view: GaugeView): void {
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

function declarePools(metrics: Metrics, view: GaugeView): void {
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

function declareProviders(metrics: Metrics, view: GaugeView): void {
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

function declareTenants(metrics: Metrics, view: GaugeView): void {
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
