/** What happens in a simulated world, drawn from its seed: who is there, what goes wrong with whom, and when. */
import type { CloudFault, CloudFaultRates } from './cloud.ts';
import { cloudFaults } from './cloud.ts';
import { type ConfigPlan, labels, type ProviderPlan } from './configuration.ts';
import type { ConsumerHabits } from './consumer.ts';
import { Random } from './random.ts';

/**
 * calm: nothing goes wrong. hang: one cloud answers nothing for a while. kill: launchers die. reload: configurations
 * change. turmoil: any of them together, with faults of ZooKeeper and of the clouds.
 */
export type Theme = 'calm' | 'hang' | 'kill' | 'reload' | 'turmoil';

export type Disturbance = { readonly atMs: number } & (
  | { readonly kind: 'expire' | 'cut' | 'die'; readonly who: string }
  | { readonly kind: 'partition' | 'pause'; readonly who: string; readonly forMs: number }
  | { readonly kind: 'kill' | 'stop'; readonly who: string; readonly forMs: number }
  | { readonly kind: 'leader-change'; readonly forMs: number }
  | { readonly kind: 'reload'; readonly who: string; readonly plan: ConfigPlan }
  | { readonly kind: 'hang'; readonly cloud: string; readonly forMs: number }
);

export interface CloudPlan {
  readonly name: string;
  readonly idempotent: boolean;
  readonly limit: number;
  readonly rates: Partial<CloudFaultRates>;
  readonly bootMs: { readonly least: number; readonly most: number };
}

export interface Scenario {
  readonly seed: number;
  readonly theme: Theme;
  /** In the end every launcher has this one. */
  readonly plan: ConfigPlan;
  readonly launchers: readonly { readonly hostname: string; readonly plan: ConfigPlan; readonly skewMs: number }[];
  readonly clouds: readonly CloudPlan[];
  readonly consumers: readonly { readonly name: string; readonly habits: ConsumerHabits }[];
  readonly zkRates: {
    readonly lostBeforeCommit: number;
    readonly lostAfterCommit: number;
    readonly sessionExpired: number;
    readonly slow: number;
  };
  readonly slowestMs: number;
  readonly sessionTimeoutMs: number;
  readonly disturbances: readonly Disturbance[];
  readonly durationMs: number;
}

const themes: readonly Theme[] = ['turmoil', 'calm', 'turmoil', 'kill', 'turmoil', 'reload', 'turmoil', 'hang'];

export const themeOf = (seed: number): Theme => themes[seed % themes.length]!;

export function draw(seed: number): Scenario {
  const r = Random.of(seed, 'scenario');
  const theme = themeOf(seed);
  const durationMs = r.whole(20, 45) * 1000;
  const clouds = drawClouds(r, theme);
  const plan = drawPlan(r, theme, clouds);
  const launchers = Array.from({ length: r.whole(2, r.chance(0.2) ? 4 : 3) }, (_, i) => ({
    hostname: `host${i + 1}`,
    // Overlapping, not equal, in most worlds.
    plan: theme === 'hang' || r.chance(0.5) ? plan : { ...plan, providers: r.some(plan.providers, 0.7) },
    skewMs: r.chance(0.3) ? r.between(-2000, 2000) : 0,
  }));
  const consumers = drawConsumers(r, theme, plan, durationMs);
  const rate = (most: number) => (theme === 'turmoil' && r.chance(0.4) ? r.between(0, most) : 0);
  return {
    seed,
    theme,
    plan,
    launchers,
    clouds,
    consumers,
    zkRates: {
      lostBeforeCommit: rate(0.02),
      lostAfterCommit: rate(0.02),
      sessionExpired: rate(0.003),
      slow: rate(0.02),
    },
    slowestMs: r.pick([500, 3000, 8000]),
    sessionTimeoutMs: r.whole(4, 8) * 1000,
    disturbances: [
      ...drawDisturbances(r, theme, { plan, launchers, clouds, consumers, durationMs }),
      ...drawPauses(Random.of(seed, 'pauses'), theme, launchers, durationMs),
    ].sort((a, b) => a.atMs - b.atMs),
    durationMs,
  };
}

function drawClouds(r: Random, theme: Theme): CloudPlan[] {
  return Array.from({ length: theme === 'hang' ? 2 : r.whole(1, 3) }, (_, i) => {
    const rates: Partial<Record<CloudFault, number>> = {};
    if (theme === 'turmoil') {
      for (const fault of cloudFaults) if (r.chance(0.3)) rates[fault] = r.between(0.01, fault === 'hang' ? 0.04 : 0.2);
    }
    const least = r.whole(200, 2000);
    return {
      name: `cloud${i + 1}`,
      idempotent: r.chance(0.5),
      limit: theme === 'turmoil' ? r.whole(8, 20) : 100,
      rates,
      bootMs: { least, most: least + r.whole(0, 4000) },
    };
  });
}

function drawPlan(r: Random, theme: Theme, clouds: readonly CloudPlan[]): ConfigPlan {
  const watching = () => r.pick(['listing', 'look'] as const);
  const providers = clouds.flatMap((cloud, i): ProviderPlan[] => {
    const isRoomy = theme === 'hang';
    const poolCount = r.chance(0.25) && !isRoomy ? 2 : 1;
    const common = {
      cloud: cloud.name,
      watching: watching(),
      launchRetries: r.whole(1, 3),
      ratePerSecond: r.chance(0.3) ? r.whole(5, 20) : Number.POSITIVE_INFINITY,
      maxConcurrency: r.chance(0.2) && !isRoomy ? r.whole(2, 4) : Number.POSITIVE_INFINITY,
    };
    const provider: ProviderPlan = {
      ...common,
      name: `provider${i + 1}`,
      pools: Array.from({ length: poolCount }, (_, p) => ({
        name: p === 0 ? 'main' : 'second',
        maxServers: isRoomy ? 30 : r.whole(5, 9),
        // The first provider has all labels but `special`, the last one has that too: each can be had in the end.
        labels: i === clouds.length - 1 && p === 0 ? labels : i === 0 || r.chance(0.5) ? ['small', 'large'] : labels,
        priority: r.chance(0.3) ? r.whole(50, 150) : 100,
      })),
    };
    return [provider];
  });
  const minReady = r.chance(0.5) ? { [r.pick(labels)]: r.whole(1, 2) } : {};
  const tenantLimits = r.chance(0.3) ? { tenant1: { instances: r.whole(4, 8) } } : {};
  // What a tenant has at a cloud that hangs would keep it from the others, and rightly.
  return { providers, minReady, tenantLimits: theme === 'hang' ? {} : tenantLimits };
}

function drawConsumers(
  r: Random,
  theme: Theme,
  plan: ConfigPlan,
  durationMs: number,
): { name: string; habits: ConsumerHabits }[] {
  const count = r.whole(2, r.chance(0.2) ? 5 : 3);
  const total = r.whole(10, 22);
  return Array.from({ length: count }, (_, i) => {
    const requests = Math.max(2, Math.round(total / count));
    return {
      name: `consumer${i + 1}`,
      habits: {
        requests,
        pauseMs: (durationMs * 0.9) / requests,
        largestRequest: 3,
        useMs: r.whole(500, 4000),
        withdraws: r.chance(0.5) ? 0.15 : 0,
        ignores: r.chance(0.3) ? 0.1 : 0,
        returnsUnused: r.chance(0.3) ? 0.1 : 0,
        holds: r.chance(0.2) ? 0.1 : 0,
        revises: r.chance(0.3) ? 0.3 : 0,
        tenants: [null, 'tenant1', 'tenant2'],
        // While one cloud hangs, half of the requests are for what only the other one has.
        labels: theme === 'hang' ? ['special', i % 2 === 0 ? 'special' : 'small'] : labels,
        providers: plan.providers.map((provider) => provider.name),
      },
    };
  });
}

interface Cast {
  readonly plan: ConfigPlan;
  readonly launchers: readonly { readonly hostname: string; readonly plan: ConfigPlan }[];
  readonly clouds: readonly CloudPlan[];
  readonly consumers: readonly { readonly name: string }[];
  readonly durationMs: number;
}

function drawDisturbances(r: Random, theme: Theme, cast: Cast): Disturbance[] {
  const { durationMs } = cast;
  const found: Disturbance[] = [];
  const times = (most: number) => Array.from({ length: r.whole(0, most) }, () => r.between(2000, durationMs));
  const launcher = () => r.pick(cast.launchers).hostname;
  const anybody = () => r.pick([...cast.launchers.map((l) => l.hostname), ...cast.consumers.map((c) => c.name)]);
  const isOn = (own: Theme) => theme === own || (theme === 'turmoil' && r.chance(0.4));
  if (isOn('kill')) {
    const count = theme === 'kill' ? 1 + r.whole(0, 2) : r.whole(1, 3);
    for (let i = 0; i < count; i++) {
      const atMs = r.between(3000, durationMs);
      const kind = r.chance(0.75) ? 'kill' : 'stop';
      found.push({ atMs, kind, who: launcher(), forMs: r.between(500, 15_000) });
    }
  }
  if (isOn('reload')) for (const atMs of times(5)) found.push(drawReload(r, atMs, launcher(), cast.plan));
  if (theme === 'hang') found.push({ atMs: r.between(3000, 8000), kind: 'hang', cloud: 'cloud1', forMs: durationMs });
  if (theme === 'turmoil') {
    if (r.chance(0.4)) for (const atMs of times(3)) found.push({ atMs, kind: 'expire', who: anybody() });
    if (r.chance(0.4)) for (const atMs of times(3)) found.push({ atMs, kind: 'cut', who: anybody() });
    if (r.chance(0.4))
      for (const atMs of times(2))
        found.push({ atMs, kind: 'partition', who: anybody(), forMs: r.between(500, 15_000) });
    if (r.chance(0.3))
      for (const atMs of times(2)) found.push({ atMs, kind: 'leader-change', forMs: r.between(100, 4000) });
    if (r.chance(0.2))
      found.push({
        atMs: r.between(2000, durationMs),
        kind: 'hang',
        cloud: r.pick(cast.clouds).name,
        forMs: r.between(1000, 20_000),
      });
  }
  if (theme === 'turmoil' || theme === 'kill') {
    for (const { name } of cast.consumers) {
      if (r.chance(0.15)) found.push({ atMs: r.between(2000, durationMs), kind: 'die', who: name });
    }
  }
  return found;
}

/** A launcher stands still, for less or for longer than its session. */
function drawPauses(r: Random, theme: Theme, launchers: Scenario['launchers'], durationMs: number): Disturbance[] {
  if (theme !== 'turmoil' || !r.chance(0.4)) return [];
  return Array.from({ length: r.whole(1, 3) }, () => ({
    kind: 'pause',
    who: r.pick(launchers).hostname,
    atMs: r.between(2000, durationMs),
    forMs: r.between(500, 15_000),
  }));
}

function drawReload(r: Random, atMs: number, who: string, plan: ConfigPlan): Disturbance {
  const change = (provider: ProviderPlan): ProviderPlan => {
    switch (r.whole(0, 4)) {
      case 0:
        return { ...provider, pools: provider.pools.map((pool) => ({ ...pool, maxServers: r.whole(3, 9) })) };
      case 1:
        return { ...provider, pools: provider.pools.map((pool) => ({ ...pool, labels: r.some(pool.labels, 0.7) })) };
      case 2:
        return { ...provider, launchRetries: r.whole(1, 3) };
      case 3:
        return { ...provider, pools: provider.pools.slice(0, 1) };
      default:
        return provider;
    }
  };
  // A provider that is left out comes back with a later reload, or in the end.
  const providers = r.chance(0.3) && plan.providers.length > 1 ? r.some(plan.providers, 0.6) : plan.providers;
  const minReady = r.chance(0.3) ? { [r.pick(labels)]: r.whole(0, 2) } : plan.minReady;
  return { atMs, kind: 'reload', who, plan: { ...plan, minReady, providers: providers.map(change) } };
}
