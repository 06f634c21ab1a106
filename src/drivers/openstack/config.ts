/** Configuration of the openstack driver. */
import { commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { commonOfProvider, rateOf, referTo, requireLabel, timingOf } from '../../driver-kit/loading.ts';
import { closed } from '../../config/schema.ts';
import { loadOpenStackPools, openstackKeys } from '../openstack-family/config.ts';

const name = 'openstack';

const provider = closed({ ...commonProviderKeys(name, ', or left out'), ...openstackKeys });

export interface OpenStackSettings {
  readonly cloud: string;
  readonly region: string | null;
  readonly imageUploadTimeoutMs: number;
  readonly imageNameFormat: string;
  readonly postUploadHook: string | null;
  readonly cleanFloatingIps: boolean;
  /** 0: never. */
  readonly portCleanupIntervalMs: number;
}

export const openstackConfig = defineDriverConfig({
  name,
  schema: provider,
  // The Python validator judges these references for this driver only.
  check: (p, context) => {
    const { diskimages } = context;
    for (const [index, image] of p.diskimages.entries()) {
      if (image.name === undefined) context.error(['diskimages', index], 'name is required');
      referTo(diskimages, image.name, 'diskimage', ['diskimages', index, 'name'], context);
    }
    for (const [at, pool] of p.pools.entries()) {
      for (const [index, label] of pool.labels.entries()) {
        const path = ['pools', at, 'labels', index];
        requireLabel(label.name, [...path, 'name'], context);
        referTo(diskimages, label.diskimage, 'diskimage', [...path, 'diskimage'], context);
      }
    }
  },
  load: (p, context) => ({
    ...commonOfProvider(p),
    ...timingOf(p),
    ratePerSecond: rateOf(1 / p.rate),
    pools: loadOpenStackPools(p, context),
    settings: {
      cloud: p.cloud,
      region: p['region-name'] ?? null,
      imageUploadTimeoutMs: p['image-upload-timeout'] * 1000,
      imageNameFormat: p['image-name-format'],
      postUploadHook: p['post-upload-hook'] ?? null,
      cleanFloatingIps: p['clean-floating-ips'],
      portCleanupIntervalMs: p['port-cleanup-interval'] * 1000,
    } satisfies OpenStackSettings,
  }),
});
