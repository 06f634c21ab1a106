/** Configuration of the ibmvpc driver. */
import type { z } from 'zod';
import {
  commonPoolKeys,
  commonProviderKeys,
  connectionKeys,
  diskimageName,
  imagePause,
  interpreterKeys,
  labelName,
  postUploadHook,
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
import { exactlyOneOf } from '../../config/rules.ts';
import { bool, closed, int, list, numeric, str } from '../../config/schema.ts';

const operatingSystem = closed({
  architecture: str().optional().describe('Its architecture.'),
  'dedicated-host-only': bool().optional().describe('Whether it runs on dedicated hosts only.'),
  'display-name': str().optional().describe('Its name for people.'),
  family: str().optional().describe('Its family.'),
  href: str().optional().describe('Its address.'),
  name: str().optional().describe('Its name.'),
  vendor: str().optional().describe('Its vendor.'),
  version: str().optional().describe('Its version.'),
});

const cloudImage = exactlyOneOf(
  closed({
    name: str().describe('Name for labels.'),
    username: str().describe('User that can log in.'),
    keys: list(str()).default([]).describe('Ids of SSH keys that are put on the instance.'),
    'image-id': str().optional().describe('Id of the image.'),
    'image-href': str().optional().describe('Address of the image.'),
    'image-name': str().optional().describe('Name of the image.'),
    'image-filter': closed({
      'operating-system': operatingSystem.optional().describe('What the operating system must be.'),
      'owner-type': str().optional().describe('Whose the image must be.'),
      status: str().optional().describe('Which status it must have.'),
    })
      .optional()
      .describe('Filter of images; the newest that passes is taken.'),
    ...connectionKeys,
    ...interpreterKeys,
  }),
  'image-id',
  'image-href',
  'image-name',
  'image-filter',
);

const diskimage = closed({
  name: diskimageName(),
  'operating-system': str().describe('Name of the operating system, as the cloud calls it.'),
  pause: imagePause(),
  ...connectionKeys,
  ...interpreterKeys,
});

const label = closed({
  name: labelName(),
  'cloud-image': str().optional().describe('One of the cloud-images of the provider.'),
  diskimage: str().optional().describe('One of the diskimages of the provider; goes before cloud-image.'),
  profile: str().describe('Profile of the instance.'),
  'user-data': str().optional().describe('User data of the instance.'),
});

const pool = closed({
  name: str()
    .regex(/^[^_]/, { error: 'must not be empty or begin with an underscore' })
    .describe('Name, unique in the provider; it must not begin with an underscore, and should have none.'),
  ...commonPoolKeys,
  'max-servers': int().optional().describe('Most nodes of the pool; 0 or less disables it. Required by the daemons.'),
  zone: str().optional().describe("Zone of the instances. Default: the provider's; one of both must be there."),
  subnet: str().optional().describe("Id of the subnet. Default: the provider's; one of both must be there."),
  'public-ipv4': bool().optional().describe("Give instances a public address. Default: the provider's."),
  'use-internal-ip': bool().optional().describe("Reach nodes by their private address. Default: the provider's."),
  'host-key-checking': bool().optional().describe("Get the host keys before a node is ready. Default: the provider's."),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys('`ibmvpc`.'),
  vpc: str().describe('Id of the VPC.'),
  region: str().describe('Region.'),
  zone: str().optional().describe('Default of pools: zone of the instances.'),
  subnet: str().optional().describe('Default of pools: id of the subnet.'),
  quota: closed({
    instances: int().optional().describe('Instances.'),
    cores: int().optional().describe('Cores.'),
    ram: int().optional().describe('Memory in MiB.'),
  })
    .default({})
    .describe("The account's quota, which the cloud does not tell; what is left out has no limit."),
  'credentials-file': str().optional().describe('File with the credentials. Default: as the SDK finds them.'),
  'public-ipv4': bool().default(false).describe('Default of pools: give instances a public address.'),
  'use-internal-ip': bool().default(false).describe('Default of pools: reach nodes by their private address.'),
  'host-key-checking': bool().default(true).describe('Default of pools: get the host keys before a node is ready.'),
  ...timingKeys(120),
  rate: numeric().default(1).describe('Changing calls a second.'),
  'object-storage': closed({
    'instance-name': str().describe('Name of the instance of the object storage.'),
    endpoint: str().describe('Its address.'),
    'bucket-name': str().describe('Bucket for uploads.'),
  })
    .optional()
    .describe('Where images are put; needed for uploads.'),
  'image-format': unlisted(str().default('qcow2'), 'Format of images.'),
  'post-upload-hook': postUploadHook(),
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
  diskimages: list(diskimage).default([]).describe('Images to upload, of those at the top level.'),
  pools: list(pool).describe('Pools of nodes.'),
});

export type IbmVpcProvider = z.output<typeof provider>;
type Pool = IbmVpcProvider['pools'][number];
type Label = Pool['labels'][number];

export const ibmvpcConfig = defineDriverConfig({
  name: 'ibmvpc',
  schema: provider,
  load: (p, context) => {
    checkProviderImages(p, context);
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      driver: 'ibmvpc',
      ratePerSecond: rateOf(p.rate),
      pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context))),
      settings: p,
    };
  },
});

function loadPool(one: Pool, path: readonly PropertyKey[], p: IbmVpcProvider, context: DriverLoadContext): PoolConfig {
  for (const key of ['zone', 'subnet'] as const) {
    if (!(one[key] ?? p[key])) context.error(path, `${key} is required here or in the provider`);
  }
  if (one['max-servers'] === undefined) context.error(path, 'max-servers is required');
  return {
    ...commonOfPool(one, path, p, context),
    limits: limits({ instances: one['max-servers'] }),
    ignoreProviderQuota: false,
    availabilityZones: [one.zone ?? p.zone ?? ''],
    useInternalIp: one['use-internal-ip'] ?? p['use-internal-ip'],
    labels: byName(one.labels.map((l, index) => loadLabel(l, [...path, 'labels', index], one, p, context))),
    settings: one,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  p: IbmVpcProvider,
  context: DriverLoadContext,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const { image, connection } = imageOfLabel(l, p, path, context);
  if (image === null) context.warn(path, 'has neither cloud-image nor diskimage: nodes cannot be launched');
  return {
    name: l.name,
    instanceType: l.profile,
    image,
    hostKeyChecking: one['host-key-checking'] ?? p['host-key-checking'],
    consoleLog: false,
    connection,
    settings: l,
  };
}
