/** Configuration of the static driver: hosts that exist already. */
import { z } from 'zod';
import { commonOfPool, commonOfProvider, requireLabel } from '../../config/driver-parts.ts';
import { commonPoolKeys, commonProviderKeys } from '../../config/global-schema.ts';
import type {
  DriverConfigDefinition,
  DriverLoadContext,
  PoolConfig,
  PoolLabelConfig,
  ProviderConfig,
} from '../../config/model.ts';
import { asInt, bool, closed, int, list, str } from '../../config/schema.ts';

const oneOrMore = () => z.union([str(), list(str())], { error: 'must be a string or a list of strings' });

const host = closed({
  name: str().describe('name or address'),
  labels: oneOrMore(),
  'host-key': oneOrMore().optional(),
  'host-key-checking': bool().optional(),
  timeout: int().optional().describe('seconds for the key scan, default 5'),
  'connection-type': str().optional(),
  'connection-port': int().optional(),
  'shell-type': str().optional(),
  username: str().optional(),
  'python-path': str().optional(),
  'max-parallel-jobs': int().optional().describe('slots, default 1'),
});

const pool = closed({ name: str().optional(), ...commonPoolKeys, nodes: list(host) });
const provider = closed({ ...commonProviderKeys, pools: list(pool).optional() });

type Provider = z.infer<typeof provider>;
type Pool = z.infer<typeof pool>;

export interface StaticHost {
  readonly name: string;
  readonly labels: readonly string[];
  readonly hostKeys: readonly string[];
  readonly hostKeyChecking: boolean;
  readonly timeoutMs: number;
  readonly connectionType: string;
  readonly port: number;
  readonly shellType: string | null;
  readonly username: string;
  readonly pythonPath: string;
  readonly slots: number;
}

export interface StaticPoolSettings {
  readonly hosts: readonly StaticHost[];
}

export const staticConfig: DriverConfigDefinition = { name: 'static', schema: provider, load };

const words = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? value.split(/\s+/).filter((word) => word !== '') : value;

function load(raw: unknown, context: DriverLoadContext): ProviderConfig {
  const p = raw as Provider;
  const common = commonOfProvider(p);
  const pools = (p.pools ?? []).map((one, index) => loadPool(one, index, common, context));
  return {
    ...common,
    driver: 'static',
    launchRetries: 1,
    launchTimeoutMs: 60_000,
    bootTimeoutMs: 60_000,
    pools: new Map(pools.map((one) => [one.name, one])),
    settings: null,
  };
}

function loadPool(
  one: Pool,
  index: number,
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
  context: DriverLoadContext,
): PoolConfig {
  const common = commonOfPool(one, index, provider);
  const hosts = one.nodes.map((node, at): StaticHost => {
    const labels = words(node.labels);
    for (const label of labels) requireLabel(label, ['pools', index, 'nodes', at, 'labels'], context);
    const keys = node['host-key'] ?? [];
    return {
      name: node.name,
      labels,
      hostKeys: typeof keys === 'string' ? [keys] : keys,
      hostKeyChecking: node['host-key-checking'] ?? true,
      timeoutMs: asInt(node.timeout, 5) * 1000,
      connectionType: node['connection-type'] ?? 'ssh',
      port: asInt(node['connection-port'], 22),
      shellType: node['shell-type'] ?? null,
      username: node.username ?? 'zuul',
      pythonPath: node['python-path'] ?? 'auto',
      slots: asInt(node['max-parallel-jobs'], 1),
    };
  });
  const names = new Set(hosts.flatMap((h) => h.labels));
  return {
    ...common,
    limits: {},
    ignoreProviderQuota: true,
    availabilityZones: null,
    useInternalIp: false,
    labels: new Map([...names].map((name) => [name, label(name)])),
    settings: { hosts } satisfies StaticPoolSettings,
  };
}

function label(name: string): PoolLabelConfig {
  return {
    name,
    instanceType: null,
    image: null,
    hostKeyChecking: true,
    consoleLog: false,
    connection: { username: null, connectionType: 'ssh', connectionPort: 22, pythonPath: null, shellType: null },
    settings: null,
  };
}
