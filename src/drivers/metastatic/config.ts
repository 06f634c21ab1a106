/** Configuration of the metastatic driver: nodes in the slots of bigger nodes that other providers launch. */
import { z } from 'zod';
import { commonOfPool, commonOfProvider, requireLabel } from '../../config/driver-parts.ts';
import { ConfigReferenceError } from '../../config/errors.ts';
import { commonPoolKeys, commonProviderKeys } from '../../config/global-schema.ts';
import type {
  DriverConfigDefinition,
  DriverLoadContext,
  PoolConfig,
  PoolLabelConfig,
  ProviderConfig,
} from '../../config/model.ts';
import { asInt, bool, closed, int, list, str } from '../../config/schema.ts';

const label = closed({
  name: str(),
  'backing-label': str().describe('label of the nodes that the slots are on; another provider launches them'),
  'max-parallel-jobs': int().optional().describe('slots of a backing node, default 1'),
  'grace-time': int().optional().describe('seconds that an empty backing node is kept, default 60'),
  'min-retention-time': int().optional().describe('seconds that a backing node is kept at least, default 0'),
  'max-age': int().optional().describe('seconds after which a backing node takes no new nodes, default: none'),
  'host-key-checking': bool().optional().describe("default: the pool's"),
});

const pool = closed({
  name: str(),
  ...commonPoolKeys,
  'host-key-checking': bool().optional().describe('scan the host keys for each slot anew, default false'),
  labels: list(label),
});

const provider = closed({
  ...commonProviderKeys,
  'boot-timeout': int().optional().describe('seconds for the host key scan, default 120'),
  'launch-timeout': int().optional().describe('seconds to wait for a backing node, default 3600'),
  'launch-retries': int().optional().describe('attempts, default 3'),
  pools: list(pool),
});

type Provider = z.infer<typeof provider>;
type Pool = z.infer<typeof pool>;
type Label = z.infer<typeof label>;

export interface MetastaticLabelSettings {
  readonly backingLabel: string;
  readonly slots: number;
  readonly graceMs: number;
  readonly retentionMs: number;
  /** null: none. */
  readonly maxAgeMs: number | null;
}

export const metastaticConfig: DriverConfigDefinition = { name: 'metastatic', schema: provider, load };

function load(raw: unknown, context: DriverLoadContext): ProviderConfig {
  const p = raw as Provider;
  const common = commonOfProvider(p);
  const byBackingLabel = new Map<string, MetastaticLabelSettings>();
  const pools = p.pools.map((one, index) => loadPool(one, index, common, context, byBackingLabel));
  return {
    ...common,
    driver: 'metastatic',
    launchRetries: asInt(p['launch-retries'], 3),
    launchTimeoutMs: asInt(p['launch-timeout'], 3600) * 1000,
    bootTimeoutMs: asInt(p['boot-timeout'], 120) * 1000,
    pools: new Map(pools.map((one) => [one.name, one])),
    settings: null,
  };
}

function loadPool(
  one: Pool,
  index: number,
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
  context: DriverLoadContext,
  byBackingLabel: Map<string, MetastaticLabelSettings>,
): PoolConfig {
  const common = commonOfPool(one, index, provider);
  const labels = one.labels.map((l, at) => loadLabel(l, ['pools', index, 'labels', at], one, context, byBackingLabel));
  return {
    ...common,
    limits: Number.isFinite(common.maxServers) ? { instances: common.maxServers } : {},
    ignoreProviderQuota: true,
    availabilityZones: null,
    useInternalIp: false,
    labels: new Map(labels.map((l) => [l.name, l])),
    settings: null,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  context: DriverLoadContext,
  byBackingLabel: Map<string, MetastaticLabelSettings>,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const maxAge = asInt(l['max-age'], 0);
  const settings: MetastaticLabelSettings = {
    backingLabel: l['backing-label'],
    slots: asInt(l['max-parallel-jobs'], 1),
    graceMs: asInt(l['grace-time'], 60) * 1000,
    retentionMs: asInt(l['min-retention-time'], 0) * 1000,
    maxAgeMs: maxAge === 0 ? null : maxAge * 1000,
  };
  if (settings.maxAgeMs !== null && settings.maxAgeMs < settings.retentionMs) {
    throw new ConfigReferenceError([...path, 'max-age'], 'is less than min-retention-time');
  }
  const other = byBackingLabel.get(settings.backingLabel);
  if (other && JSON.stringify(other) !== JSON.stringify(settings)) {
    throw new ConfigReferenceError(
      [...path, 'backing-label'],
      `another label with backing-label ${settings.backingLabel} has other values for max-parallel-jobs, grace-time, min-retention-time or max-age`,
    );
  }
  byBackingLabel.set(settings.backingLabel, settings);
  return {
    name: l.name,
    instanceType: null,
    image: { kind: 'cloud', name: 'unused' },
    hostKeyChecking: l['host-key-checking'] ?? one['host-key-checking'] ?? false,
    consoleLog: false,
    // Until the backing node is known.
    connection: {
      username: 'unknown',
      connectionType: 'unknown',
      connectionPort: 22,
      pythonPath: 'unknown',
      shellType: 'unknown',
    },
    settings,
  };
}
