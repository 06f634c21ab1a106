/** Configuration of the metastatic driver: nodes in the slots of bigger nodes that other providers launch. */
import type { z } from 'zod';
import { commonPoolKeys, commonProviderKeys, labelName, poolName, timingKeys } from '../../driver-kit/common-keys.ts';
import {
  byName,
  commonOfPool,
  commonOfProvider,
  defineDriverConfig,
  limits,
  requireLabel,
  timingOf,
} from '../../driver-kit/driver-parts.ts';
import type { DriverLoadContext, PoolConfig, PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import { bool, closed, int, list, str } from '../../config/schema.ts';

const label = closed({
  name: labelName(),
  'backing-label': str().describe('Label of the nodes that the slots are on; another provider launches them.'),
  'max-parallel-jobs': int().default(1).describe('Slots of a backing node.'),
  'grace-time': int().default(60).describe('Seconds that an empty backing node is kept.'),
  'min-retention-time': int().default(0).describe('Seconds that a backing node is kept at least.'),
  'max-age': int().default(0).describe('Seconds after which a backing node takes no new nodes; 0: for ever.'),
  'host-key-checking': bool().optional().describe("Get the host keys for each slot anew. Default: the pool's."),
});

const pool = closed({
  name: poolName(),
  ...commonPoolKeys,
  'host-key-checking': bool().default(false).describe('Get the host keys for each slot anew.'),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys('`metastatic`.'),
  ...timingKeys(120),
  'launch-timeout': int().default(3600).describe('Seconds to wait for a backing node.'),
  pools: list(pool).describe('Pools of nodes.'),
});

type Pool = z.output<typeof pool>;
type Label = z.output<typeof label>;

export interface MetastaticLabelSettings {
  readonly backingLabel: string;
  readonly slots: number;
  readonly graceMs: number;
  readonly retentionMs: number;
  /** null: none. */
  readonly maxAgeMs: number | null;
}

export const metastaticConfig = defineDriverConfig({
  name: 'metastatic',
  schema: provider,
  load: (p, context): ProviderConfig => {
    const byBackingLabel = new Map<string, MetastaticLabelSettings>();
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      driver: 'metastatic',
      pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context, byBackingLabel))),
      settings: null,
    };
  },
});

function loadPool(
  one: Pool,
  path: readonly PropertyKey[],
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
  context: DriverLoadContext,
  byBackingLabel: Map<string, MetastaticLabelSettings>,
): PoolConfig {
  return {
    ...commonOfPool(one, path, provider, context),
    limits: limits({ instances: one['max-servers'] }),
    ignoreProviderQuota: true,
    availabilityZones: null,
    useInternalIp: false,
    labels: byName(one.labels.map((l, at) => loadLabel(l, [...path, 'labels', at], one, context, byBackingLabel))),
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
  const settings: MetastaticLabelSettings = {
    backingLabel: l['backing-label'],
    slots: l['max-parallel-jobs'],
    graceMs: l['grace-time'] * 1000,
    retentionMs: l['min-retention-time'] * 1000,
    maxAgeMs: l['max-age'] === 0 ? null : l['max-age'] * 1000,
  };
  if (settings.maxAgeMs !== null && settings.maxAgeMs < settings.retentionMs) {
    context.error([...path, 'max-age'], 'is less than min-retention-time');
  }
  const other = byBackingLabel.get(settings.backingLabel);
  if (other && JSON.stringify(other) !== JSON.stringify(settings)) {
    context.error(
      [...path, 'backing-label'],
      `another label with backing-label ${settings.backingLabel} has other values for max-parallel-jobs, grace-time, min-retention-time or max-age`,
    );
  }
  byBackingLabel.set(settings.backingLabel, settings);
  return {
    name: l.name,
    instanceType: null,
    image: { kind: 'cloud', name: 'unused' },
    hostKeyChecking: l['host-key-checking'] ?? one['host-key-checking'],
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
