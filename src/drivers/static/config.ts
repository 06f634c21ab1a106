/** Configuration of the static driver: hosts that exist already. */
import type { z } from 'zod';
import { commonPoolKeys, commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import {
  byName,
  commonOfPool,
  commonOfProvider,
  plainLabel,
  plainPool,
  requireLabel,
} from '../../driver-kit/loading.ts';
import type { DriverLoadContext, PoolConfig, ProviderConfig } from '../../config/model.ts';
import { unlisted } from '../../config/remarks.ts';
import { bool, closed, int, list, str, union } from '../../config/schema.ts';

const driverName = 'static';

const oneOrMore = () => union(str(), list(str()), 'a string or a list of strings');

const host = closed({
  name: str().describe('Name or address. The same host may be there several times, with other ports or users.'),
  labels: oneOrMore().describe('Labels of the host, as a list or separated by blanks.'),
  'host-key': oneOrMore().default([]).describe('Host keys that it may have. Where empty any is taken.'),
  'host-key-checking': bool().default(true).describe('Get the host keys, for the consumer and as a sign of life.'),
  timeout: int().default(5).describe('Seconds that getting the host keys may take.'),
  'connection-type': str().default('ssh').describe('How it is reached: `ssh`, `winrm`, `network_cli`.'),
  'connection-port': int().optional().describe('Port for that. Default: 22, whatever the type.'),
  'ssh-port': unlisted(int().optional(), 'Old name of connection-port.'),
  'shell-type': str().optional().describe('Shell of the host, for the consumer.'),
  username: str().default('zuul').describe('User that can log in.'),
  'python-path': str().default('auto').describe('Python on the host, for the consumer.'),
  'max-parallel-jobs': int().default(1).describe('Nodes that the host is at the same time.'),
});

const pool = closed({
  name: str().optional().describe('Name, unique in the provider. Required by the daemons.'),
  ...commonPoolKeys,
  nodes: list(host).default([]).describe('The hosts.'),
});

const provider = closed({
  ...commonProviderKeys(driverName),
  pools: list(pool).default([]).describe('Pools of hosts.'),
});

type Pool = z.output<typeof pool>;

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

export const staticConfig = defineDriverConfig({
  name: driverName,
  schema: provider,
  load: (p, context) => ({
    ...commonOfProvider(p),
    launchRetries: 1,
    launchTimeoutMs: 60_000,
    bootTimeoutMs: 60_000,
    pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context))),
    settings: null,
  }),
});

const words = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? value.split(/\s+/).filter((word) => word !== '') : value;

function loadPool(
  one: Pool,
  path: readonly PropertyKey[],
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
  context: DriverLoadContext,
): PoolConfig<StaticPoolSettings, null> {
  const hosts = one.nodes.map((node, index): StaticHost => {
    const labels = words(node.labels);
    for (const label of labels) requireLabel(label, [...path, 'nodes', index, 'labels'], context);
    const keys = node['host-key'];
    return {
      name: node.name,
      labels,
      hostKeys: typeof keys === 'string' ? [keys] : keys,
      hostKeyChecking: node['host-key-checking'],
      timeoutMs: node.timeout * 1000,
      connectionType: node['connection-type'],
      port: node['connection-port'] ?? node['ssh-port'] ?? 22,
      shellType: node['shell-type'] ?? null,
      username: node.username,
      pythonPath: node['python-path'],
      slots: node['max-parallel-jobs'],
    };
  });
  const names = new Set(hosts.flatMap((h) => h.labels));
  return {
    ...commonOfPool(one, path, provider, context),
    ...plainPool,
    ignoreProviderQuota: true,
    labels: byName([...names].map((name) => ({ name, ...plainLabel, hostKeyChecking: true, settings: null }))),
    settings: { hosts },
  };
}
