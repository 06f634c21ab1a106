/** Configuration of the gce driver. It has no image builds. */
import type { z } from 'zod';
import { commonPoolKeys, commonProviderKeys, labelName, poolName, timingKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { cloudImagesKey, imageConnectionKeys } from '../../driver-kit/vm/keys.ts';
import { loadVmProvider } from '../../driver-kit/vm/load.ts';
import { unlisted } from '../../config/remarks.ts';
import { bool, closed, int, list, number, str } from '../../config/schema.ts';

const name = 'gce';

const cloudImage = closed({
  name: str().optional().describe('Name for labels. Required by the daemons.'),
  'image-id': str().optional().describe('Id of the image.'),
  'image-project': str().optional().describe('Project of the image family.'),
  'image-family': str().optional().describe('Family of which the newest image is taken.'),
  username: str().optional().describe('User that is made and can log in.'),
  key: str().optional().describe('Public SSH key of the user.'),
  ...imageConnectionKeys,
});

const label = closed({
  name: labelName(),
  'cloud-image': str().describe('One of the cloud-images of the provider.'),
  'instance-type': str().describe('Type of machine.'),
  'volume-type': str().default('pd-standard').describe('Type of the boot disk.'),
  'volume-size': int().default(10).describe('Size of the boot disk in GB.'),
});

const pool = closed({
  name: poolName(),
  ...commonPoolKeys,
  'use-internal-ip': bool().default(false).describe('Reach nodes by their private address.'),
  'host-key-checking': unlisted(bool().default(true), 'Get the host keys before a node is ready.'),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys(name),
  project: str().describe('Project.'),
  region: str().describe('Region.'),
  zone: str().describe('Zone of the machines.'),
  ...timingKeys(60),
  rate: unlisted(number().default(2), 'Changing calls a second.'),
  'rate-limit': int().default(1).describe('Calls a second.'),
  ...cloudImagesKey(cloudImage),
  pools: list(pool).describe('Pools of nodes.'),
});

export type GceProvider = z.output<typeof provider>;

export const gceConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadVmProvider(p, context, {
      pool: () => ({ availabilityZones: [p.zone] }),
      label: (label) => ({ instanceType: label['instance-type'] }),
    }),
});
