/** What the launchers of a world may have by their configurations: those in force, and those of a moment ago. */
import type { ConfigPlan } from './configuration.ts';
import type { LauncherProcess } from './launcher-process.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Host {
  readonly hostname: string;
  readonly skewMs: number;
  plan: ConfigPlan;
  process: LauncherProcess;
  starts: number;
  /** Since when it runs without a break. */
  runsSinceMs: number;
  /** Since when, and configurations that may still have been in force a moment ago. */
  readonly plans: { readonly plan: ConfigPlan; readonly sinceMs: number; untilMs: number }[];
}

export interface AllowanceDeps {
  readonly hosts: readonly Host[];
  /** Names of the clients that are cut off from ZooKeeper. */
  readonly partitioned: ReadonlySet<string>;
  readonly time: VirtualTime;
}

/** So many records each further launcher may write before it has seen what another one has decided: one request. */
const largestRequest = 3;

export class Allowance {
  private readonly deps: AllowanceDeps;
  private readonly tenantLimits: ConfigPlan['tenantLimits'];

  constructor(deps: AllowanceDeps, tenantLimits: ConfigPlan['tenantLimits']) {
    this.deps = deps;
    this.tenantLimits = tenantLimits;
  }

  /** Since when a launcher with that pool, or any of the provider, has been at work without a break; null: none is. */
  servedSinceMs(provider: string, pool: string | null): number | null {
    let since: number | null = null;
    for (const host of this.deps.hosts) {
      if (host.process.state !== 'running' || this.deps.partitioned.has(host.process.name)) continue;
      let hasSinceMs: number | null = null;
      for (const { plan, sinceMs } of host.plans.toReversed()) {
        const found = plan.providers.find((p) => p.name === provider);
        if (!found || (pool !== null && !found.pools.some((p) => p.name === pool))) break;
        hasSinceMs = sinceMs;
      }
      if (hasSinceMs === null) continue;
      since = Math.min(since ?? Number.POSITIVE_INFINITY, Math.max(hasSinceMs, host.runsSinceMs));
    }
    return since;
  }

  /** The most nodes that any launcher may have in the pool by its configuration, and how many more for want of news. */
  mostNodes(providerName: string, poolName: string): { readonly limit: number; readonly slack: number } {
    let limit = 0;
    const serving = new Set<Host>();
    for (const { host, plan } of this.plansInForce()) {
      const pool = plan.providers.find((p) => p.name === providerName)?.pools.find((p) => p.name === poolName);
      if (!pool) continue;
      serving.add(host);
      limit = Math.max(limit, pool.maxServers);
    }
    return { limit, slack: Math.max(0, serving.size - 1) * largestRequest };
  }

  /** The most nodes of the tenant, slack included. */
  mostOfTenant(tenant: string): number {
    const limit = this.tenantLimits[tenant]?.['instances'];
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    return limit + (this.deps.hosts.length - 1) * largestRequest;
  }

  private plansInForce(): { readonly host: Host; readonly plan: ConfigPlan }[] {
    const now = this.deps.time.monotonicMs;
    return this.deps.hosts.flatMap((host) =>
      host.plans.filter(({ untilMs }) => untilMs > now).map(({ plan }) => ({ host, plan })),
    );
  }
}
