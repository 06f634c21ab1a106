/** Configurations of a simulated world: what a launcher's files would say, in few words, and changes to them. */
import type { Resources } from '../../src/base/resources.ts';
import type {
  LabelConfig,
  NodepoolConfig,
  PoolConfig,
  PoolLabelConfig,
  ProviderConfig,
} from '../../src/config/model.ts';

export interface PoolPlan {
  readonly name: string;
  readonly maxServers: number;
  readonly labels: readonly string[];
  readonly priority: number;
}

export interface ProviderPlan {
  readonly name: string;
  readonly cloud: string;
  readonly watching: 'listing' | 'look';
  readonly pools: readonly PoolPlan[];
  readonly launchRetries: number;
  readonly ratePerSecond: number;
  readonly maxConcurrency: number;
}

export interface ConfigPlan {
  readonly providers: readonly ProviderPlan[];
  /** Nodes to keep in stock. */
  readonly minReady: Readonly<Record<string, number>>;
  readonly tenantLimits: Readonly<Record<string, Resources>>;
}

export interface SimulatedSettings {
  readonly cloud: string;
  readonly watching: 'listing' | 'look';
}

export const labels = ['small', 'large', 'special'] as const;

const needs: Readonly<Record<string, Resources>> = {
  small: { instances: 1, cores: 1 },
  large: { instances: 1, cores: 4 },
  special: { instances: 1, cores: 2 },
};

/** Of one attempt; calls that hang are given up after a minute at the latest. */
export const launchTimeoutMs = 30_000;

export function configOf(plan: ConfigPlan): NodepoolConfig {
  return {
    zookeeper: { servers: [], chroot: '', tls: null, sessionTimeoutMs: 10_000 },
    coordinator: { dataDir: '', listen: '', port: null, tlsPort: null, tls: null },
    webapp: { port: 0, listenAddress: '' },
    labels: new Map(labels.map((name): [string, LabelConfig] => [name, labelOf(name, plan)])),
    diskimages: new Map(),
    providers: new Map(plan.providers.map((provider) => [provider.name, providerOf(provider)])),
    tenantLimits: new Map(Object.entries(plan.tenantLimits)),
    maxHoldAgeMs: 0,
  };
}

function labelOf(name: string, plan: ConfigPlan): LabelConfig {
  return { name, minReady: plan.minReady[name] ?? 0, maxReadyAgeMs: 0 };
}

function providerOf(plan: ProviderPlan): ProviderConfig {
  return {
    name: plan.name,
    driver: 'simulated',
    maxConcurrency: plan.maxConcurrency,
    priority: 100,
    launchRetries: plan.launchRetries,
    launchTimeoutMs,
    bootTimeoutMs: 10_000,
    ratePerSecond: plan.ratePerSecond,
    pools: new Map(plan.pools.map((pool) => [pool.name, poolOf(pool, plan.name)])),
    settings: { cloud: plan.cloud, watching: plan.watching } satisfies SimulatedSettings,
    fingerprint: JSON.stringify(plan),
  };
}

function poolOf(plan: PoolPlan, providerName: string): PoolConfig {
  return {
    name: plan.name,
    providerName,
    maxServers: plan.maxServers,
    limits: { instances: plan.maxServers },
    priority: plan.priority,
    nodeAttributes: null,
    ignoreProviderQuota: false,
    availabilityZones: null,
    useInternalIp: false,
    labels: new Map(plan.labels.map((name) => [name, poolLabelOf(name)])),
    settings: null,
  };
}

function poolLabelOf(name: string): PoolLabelConfig {
  return {
    name,
    instanceType: null,
    image: { kind: 'cloud', name: 'image' },
    hostKeyChecking: false,
    consoleLog: false,
    connection: { username: 'zuul', connectionType: 'ssh', connectionPort: 22, pythonPath: 'auto', shellType: null },
    settings: needs[name],
  };
}
