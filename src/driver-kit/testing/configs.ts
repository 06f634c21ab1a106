/** Small configurations and launch specifications for tests of the framework and the drivers. */
import type { PoolConfig, PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import type { LaunchSpec } from '../contract.ts';

/** Where no settings are given they are null. */
export function labelConfig<Label = null>(o: Partial<PoolLabelConfig<Label>> = {}): PoolLabelConfig<Label> {
  return {
    name: 'small',
    instanceType: null,
    image: { kind: 'cloud', name: 'img' },
    hostKeyChecking: true,
    consoleLog: false,
    connection: { username: 'zuul', connectionType: 'ssh', connectionPort: 22, pythonPath: 'auto', shellType: null },
    settings: null as Label,
    ...o,
  };
}

export function poolConfig<Pool = null, Label = null>(
  o: Partial<PoolConfig<Pool, Label>> = {},
): PoolConfig<Pool, Label> {
  const label = labelConfig<Label>();
  return {
    name: 'main',
    providerName: 'cloud',
    maxServers: Number.POSITIVE_INFINITY,
    limits: {},
    priority: 100,
    nodeAttributes: null,
    ignoreProviderQuota: false,
    availabilityZones: null,
    useInternalIp: false,
    labels: new Map([[label.name, label]]),
    settings: null as Pool,
    ...o,
  };
}

export function providerConfig<Provider = null, Pool = null, Label = null>(
  o: Partial<ProviderConfig<Provider, Pool, Label>> = {},
): ProviderConfig<Provider, Pool, Label> {
  return {
    name: 'cloud',
    driver: 'test',
    maxConcurrency: Number.POSITIVE_INFINITY,
    priority: 100,
    launchRetries: 3,
    launchTimeoutMs: 3_600_000,
    bootTimeoutMs: 60_000,
    ratePerSecond: Number.POSITIVE_INFINITY,
    pools: new Map([['main', poolConfig<Pool, Label>()]]),
    settings: null as Provider,
    fingerprint: '',
    ...o,
  };
}

export function launchSpec<Label = null>(nodeId = '0000000001', o: Partial<LaunchSpec<Label>> = {}): LaunchSpec<Label> {
  return {
    hostname: `np${nodeId}`,
    nodeId,
    poolName: 'main',
    label: labelConfig<Label>(),
    imageExternalId: null,
    metadata: { nodepool_node_id: nodeId, nodepool_pool_name: 'main', nodepool_provider_name: 'cloud' },
    request: null,
    availabilityZone: null,
    attempt: 1,
    ...o,
  };
}
