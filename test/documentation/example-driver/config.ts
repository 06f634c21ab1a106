/** Configuration of the toy driver. */
import { closed, int, list, numeric, str } from '../../../src/config/schema.ts';
import { commonPoolKeys, commonProviderKeys, labelName, poolName } from '../../../src/driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../../src/driver-kit/define-driver.ts';
import { commonOfProvider, limits, loadPools } from '../../../src/driver-kit/loading.ts';

const name = 'toy';

const label = closed({
  name: labelName(),
  memory: int().default(512).describe('Memory of the machine in MiB.'),
});

const pool = closed({
  name: poolName(),
  ...commonPoolKeys,
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys(name),
  address: str().describe('Where the cloud is.'),
  'boot-delay': numeric().default(0.05).describe('Seconds from creation to active.'),
  pools: list(pool).describe('Pools of nodes.'),
});

export interface ToySettings {
  readonly address: string;
  readonly bootMs: number;
}

export interface ToyLabelSettings {
  readonly memory: number;
}

export const toyConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) => {
    const settings: ToySettings = { address: p.address, bootMs: p['boot-delay'] * 1000 };
    return {
      ...commonOfProvider(p),
      launchRetries: 3,
      launchTimeoutMs: 60_000,
      bootTimeoutMs: 60_000,
      pools: loadPools(p, context, {
        pool: (one) => ({ limits: limits({ instances: one['max-servers'] }), settings: null }),
        label: (one, _pool, at): { settings: ToyLabelSettings } => {
          if (one.memory <= 0) at.error('must be more than 0', 'memory');
          return { settings: { memory: one.memory } };
        },
      }),
      settings,
    };
  },
});
