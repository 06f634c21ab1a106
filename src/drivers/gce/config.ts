/** Configuration of the gce driver. It has no image builds. */
import type { z } from 'zod';
import {
  commonPoolKeys,
  commonProviderKeys,
  connectionKeys,
  interpreterKeys,
  labelName,
  poolName,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import {
  byName,
  commonOfPool,
  commonOfProvider,
  defineDriverConfig,
  limits,
  rateOf,
  requireLabel,
  timingOf,
} from '../../driver-kit/driver-parts.ts';
import { checkProviderImages, imageOfLabel } from '../../driver-kit/vm-images.ts';
import type { DriverLoadContext, PoolConfig, PoolLabelConfig } from '../../config/model.ts';
import { unlisted } from '../../config/remarks.ts';
import { bool, closed, int, list, number, str } from '../../config/schema.ts';

const cloudImage = closed({
  name: str().optional().describe('Name for labels. Required by the daemons.'),
  'image-id': str().optional().describe('Id of the image.'),
  'image-project': str().optional().describe('Project of the image family.'),
  'image-family': str().optional().describe('Family of which the newest image is taken.'),
  username: str().optional().describe('User that is made and can log in.'),
  key: str().optional().describe('Public SSH key of the user.'),
  ...connectionKeys,
  ...interpreterKeys,
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
  ...commonProviderKeys('`gce`.'),
  project: str().describe('Project.'),
  region: str().describe('Region.'),
  zone: str().describe('Zone of the machines.'),
  ...timingKeys(60),
  rate: unlisted(number().default(2), 'Changing calls a second.'),
  'rate-limit': int().default(1).describe('Calls a second.'),
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
  pools: list(pool).describe('Pools of nodes.'),
});

export type GceProvider = z.output<typeof provider>;
type Pool = GceProvider['pools'][number];
type Label = Pool['labels'][number];

export const gceConfig = defineDriverConfig({
  name: 'gce',
  schema: provider,
  load: (p, context) => {
    checkProviderImages({ ...p, diskimages: [] }, context);
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      driver: 'gce',
      ratePerSecond: rateOf(p.rate),
      pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context))),
      settings: p,
    };
  },
});

function loadPool(one: Pool, path: readonly PropertyKey[], p: GceProvider, context: DriverLoadContext): PoolConfig {
  return {
    ...commonOfPool(one, path, p, context),
    limits: limits({ instances: one['max-servers'] }),
    ignoreProviderQuota: false,
    availabilityZones: [p.zone],
    useInternalIp: one['use-internal-ip'],
    labels: byName(one.labels.map((l, index) => loadLabel(l, [...path, 'labels', index], one, p, context))),
    settings: one,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  p: GceProvider,
  context: DriverLoadContext,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const { image, connection } = imageOfLabel(l, { ...p, diskimages: [] }, path, context);
  return {
    name: l.name,
    instanceType: l['instance-type'],
    image,
    hostKeyChecking: one['host-key-checking'],
    consoleLog: false,
    connection,
    settings: l,
  };
}
