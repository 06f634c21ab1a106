/** Small configurations and launch specifications for tests of the framework and the drivers. */
import type { PoolConfig, PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import type { LaunchSpec } from '../contract.ts';

export function labelConfig(o: Partial<PoolLabelConfig> = {}): PoolLabelConfig {
  return {
    name: 'small',
    instanceType: null,
    image: { kind: 'cloud', name: 'img' },
    hostKeyChecking: true,
    consoleLog: false,
    connection: { username: 'zuul', connectionType: 'ssh', connectionPort: 22, pythonPath: 'auto', shellType: null },
    settings: null,
    ...o,
  };
}

export function poolConfig(o: Partial<PoolConfig> = {}): PoolConfig {
  const label = labelConfig();
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
    settings: null,
    ...o,
  };
}

export function providerConfig(o: Partial<ProviderConfig> = {}): ProviderConfig {
  return {
    name: 'cloud',
    driver: 'test',
    maxConcurrency: Number.POSITIVE_INFINITY,
    priority: 100,
    launchRetries: 3,
    launchTimeoutMs: 3_600_000,
    bootTimeoutMs: 60_000,
    ratePerSecond: Number.POSITIVE_INFINITY,
    pools: new Map([['main', poolConfig()]]),
    settings: null,
    fingerprint: '',
    ...o,
  };
}

export function launchSpec(nodeId = '0000000001', o: Partial<LaunchSpec> = {}): LaunchSpec {
  return {
    hostname: `np${nodeId}`,
    nodeId,
    poolName: 'main',
    label: labelConfig(),
    imageExternalId: null,
    metadata: { nodepool_node_id: nodeId, nodepool_pool_name: 'main', nodepool_provider_name: 'cloud' },
    request: null,
    availabilityZone: null,
    attempt: 1,
    ...o,
  };
}
