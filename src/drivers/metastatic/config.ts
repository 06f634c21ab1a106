/** Configuration of the metastatic driver: nodes in the slots of bigger nodes that other providers launch. */
import type { z } from 'zod';
import { commonPoolKeys, commonProviderKeys, labelName, poolName, timingKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { commonOfProvider, limits, loadPools, type Section, timingOf } from '../../driver-kit/loading.ts';
import { bool, closed, int, list, str } from '../../config/schema.ts';

const name = 'metastatic';

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
  ...commonProviderKeys(name),
  ...timingKeys(120),
  'launch-timeout': int().default(3600).describe('Seconds to wait for a backing node.'),
  pools: list(pool).describe('Pools of nodes.'),
});

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
  name,
  schema: provider,
  load: (p, context) => {
    const byBackingLabel = new Map<string, MetastaticLabelSettings>();
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      pools: loadPools(p, context, {
        pool: (one) => ({
          limits: limits({ instances: one['max-servers'] }),
          ignoreProviderQuota: true,
          settings: null,
        }),
        label: (l, one, at) => ({
          image: { kind: 'cloud', name: 'unused' },
          hostKeyChecking: l['host-key-checking'] ?? one['host-key-checking'],
          connection: unknownConnection,
          settings: settingsOf(l, at, byBackingLabel),
        }),
      }),
      settings: null,
    };
  },
});

/** Until the backing node is known. */
const unknownConnection = {
  username: 'unknown',
  connectionType: 'unknown',
  connectionPort: 22,
  pythonPath: 'unknown',
  shellType: 'unknown',
};

/** `byBackingLabel`: the settings of the labels before it, which those of the same backing label must have too. */
function settingsOf(
  l: Label,
  at: Section,
  byBackingLabel: Map<string, MetastaticLabelSettings>,
): MetastaticLabelSettings {
  const settings: MetastaticLabelSettings = {
    backingLabel: l['backing-label'],
    slots: l['max-parallel-jobs'],
    graceMs: l['grace-time'] * 1000,
    retentionMs: l['min-retention-time'] * 1000,
    maxAgeMs: l['max-age'] === 0 ? null : l['max-age'] * 1000,
  };
  if (settings.maxAgeMs !== null && settings.maxAgeMs < settings.retentionMs) {
    at.error('is less than min-retention-time', 'max-age');
  }
  const other = byBackingLabel.get(settings.backingLabel);
  if (other && JSON.stringify(other) !== JSON.stringify(settings)) {
    at.error(
      `another label with backing-label ${settings.backingLabel} has other values for max-parallel-jobs, grace-time, min-retention-time or max-age`,
      'backing-label',
    );
  }
  byBackingLabel.set(settings.backingLabel, settings);
  return settings;
}
