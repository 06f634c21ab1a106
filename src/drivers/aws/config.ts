/** Configuration of the aws driver. */
import type { z } from 'zod';
import {
  commonPoolKeys,
  commonProviderKeys,
  connectionKeys,
  diskimageName,
  dynamicTags,
  imagePause,
  interpreterKeys,
  labelName,
  poolName,
  postUploadHook,
  resourceLimitKeys,
  tags,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import {
  byName,
  commonOfPool,
  commonOfProvider,
  defineDriverConfig,
  limitsOfPool,
  rateOf,
  requireLabel,
  timingOf,
} from '../../driver-kit/driver-parts.ts';
import { checkProviderImages, imageOfLabel } from '../../driver-kit/vm-images.ts';
import type { DriverLoadContext, PoolConfig, PoolLabelConfig } from '../../config/model.ts';
import { unlisted } from '../../config/remarks.ts';
import { atMostOneOf, exactlyOneOf } from '../../config/rules.ts';
import { anyList, bool, choice, closed, int, list, number, str } from '../../config/schema.ts';

const imageFilter = closed({
  name: str().optional().describe('Name of the filter, such as `name` or `owner-id`.'),
  Name: str().optional().describe('The same.'),
  values: list(str()).optional().describe('Values that it takes.'),
  Values: list(str()).optional().describe('The same.'),
});

const cloudImage = exactlyOneOf(
  closed({
    name: str().describe('Name for labels.'),
    username: str().describe('User that can log in.'),
    'image-id': str().optional().describe('Id of the AMI.'),
    'image-filters': list(imageFilter).optional().describe('Filters of AMIs; the newest that passes all is taken.'),
    ...connectionKeys,
    ...interpreterKeys,
  }),
  'image-id',
  'image-filters',
);

const diskimage = closed({
  name: diskimageName(),
  username: str().optional().describe("User that can log in. Default: the image's."),
  pause: imagePause(),
  ...connectionKeys,
  ...interpreterKeys,
  architecture: str().default('x86_64').describe('Architecture of the AMI.'),
  'ena-support': bool().default(true).describe('Whether the AMI has drivers for enhanced networking.'),
  'volume-size': int().optional().describe("Size of the root volume in GB. Default: the image's."),
  'volume-type': str().default('gp3').describe('Type of the root volume.'),
  iops: int().optional().describe('IOPS of the root volume.'),
  throughput: int().optional().describe('Throughput of the root volume in MiB/s.'),
  'import-method': choice('snapshot', 'ebs-direct', 'image').default('snapshot').describe('How it is uploaded.'),
  'imds-support': choice('v2.0')
    .nullable()
    .default(null)
    .describe('Instances of it take only version 2 of the metadata service; not with import-method `image`.'),
  tags: tags('Tags of the AMI and its snapshot'),
});

const label = atMostOneOf(
  atMostOneOf(
    closed({
      name: labelName(),
      'cloud-image': str().optional().describe('One of the cloud-images of the provider.'),
      diskimage: str().optional().describe('One of the diskimages of the provider.'),
      'instance-type': str().optional().describe('Type of instance.'),
      fleet: closed({
        'instance-types': anyList().describe('Types of which the cloud chooses one.'),
        'allocation-strategy': choice(
          'prioritized',
          'price-capacity-optimized',
          'capacity-optimized',
          'diversified',
          'lowest-price',
        ).describe('How it chooses.'),
      })
        .optional()
        .describe('Let the cloud choose the type of instance.'),
      'key-name': str().describe('Key pair that is put on the instance.'),
      'ebs-optimized': bool().default(false).describe('Whether the instance is optimised for EBS.'),
      'volume-type': str().optional().describe("Type of the root volume. Default: the image's."),
      'volume-size': int().optional().describe("Size of the root volume in GB. Default: the image's."),
      iops: int().optional().describe("IOPS of the root volume. Default: the image's."),
      throughput: int().optional().describe("Throughput of the root volume in MiB/s. Default: the image's."),
      userdata: str().optional().describe('User data of the instance.'),
      'iam-instance-profile': atMostOneOf(
        closed({
          name: str().optional().describe('Its name.'),
          arn: str().optional().describe('Its ARN.'),
        }),
        'name',
        'arn',
      )
        .optional()
        .describe('Instance profile.'),
      tags: tags('Tags of the instance'),
      'dynamic-tags': dynamicTags('Further tags'),
      'use-spot': bool().default(false).describe('Use a spot instance.'),
      imdsv2: choice('required', 'optional')
        .nullable()
        .default(null)
        .describe("Whether version 2 of the metadata service is required. Default: the AMI's."),
      'dedicated-host': bool()
        .default(false)
        .describe('Allocate a dedicated host; takes the availability-zone of the pool, not with use-spot.'),
    }),
    'cloud-image',
    'diskimage',
  ),
  'instance-type',
  'fleet',
);

const pool = closed({
  name: poolName(),
  ...commonPoolKeys,
  ...resourceLimitKeys("the provider's"),
  'availability-zone': str().optional().describe('Zone of the instances. Default: the cloud chooses.'),
  'subnet-id': str().optional().describe('Subnet of the instances.'),
  'security-group-id': str().optional().describe('Security group of the instances.'),
  'public-ipv4': bool().optional().describe('Give instances a public IPv4 address. Default: true.'),
  'public-ip-address': bool().optional().describe('Old name of public-ipv4; goes before it.'),
  'public-ipv6': bool().optional().describe('Give instances an IPv6 address. Default: false.'),
  'use-internal-ip': unlisted(bool().optional(), "Reach nodes by their private address. Default: the provider's."),
  'host-key-checking': bool().optional().describe('Get the host keys before a node is ready. Default: true.'),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys('`aws`.'),
  'region-name': str().describe('Region.'),
  'profile-name': str().optional().describe('Profile of the credentials file. Default: as the SDK finds them.'),
  ...timingKeys(180),
  rate: number().default(2).describe('Changing calls a second; reading ones are allowed ten times that.'),
  'max-servers': int().optional().describe('Most nodes, also the default of pools. Default: no limit.'),
  ...resourceLimitKeys('no limit'),
  'object-storage': closed({ 'bucket-name': str().describe('Bucket for uploads.') })
    .optional()
    .describe('Where images are put; needed unless all have the import-method `ebs-direct`.'),
  'image-format': choice('ova', 'vhd', 'vhdx', 'vmdk', 'raw').default('raw').describe('Format of images.'),
  'image-import-timeout': int().optional().describe('Seconds that are added to the wait for an import.'),
  'post-upload-hook': postUploadHook(),
  'use-internal-ip': unlisted(bool().default(false), 'Default of pools: reach nodes by their private address.'),
  'host-key-checking': unlisted(bool().default(true), 'Default of pools: get the host keys.'),
  'public-ipv4': unlisted(bool().default(true), 'Default of pools: give instances a public IPv4 address.'),
  'public-ipv6': unlisted(bool().default(false), 'Default of pools: give instances an IPv6 address.'),
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
  diskimages: list(diskimage).default([]).describe('Images to upload, of those at the top level.'),
  pools: list(pool).describe('Pools of nodes.'),
});

export type AwsProvider = z.output<typeof provider>;
type Pool = AwsProvider['pools'][number];
type Label = Pool['labels'][number];

export const awsConfig = defineDriverConfig({
  name: 'aws',
  schema: provider,
  load: (p, context) => {
    checkProviderImages(p, context);
    for (const [index, image] of p.diskimages.entries()) {
      if (image['imds-support'] === 'v2.0' && image['import-method'] === 'image') {
        context.error(['diskimages', index, 'imds-support'], 'is not possible with import-method image');
      }
    }
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      driver: 'aws',
      ratePerSecond: rateOf(p.rate),
      pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context))),
      settings: p satisfies AwsProvider,
    };
  },
});

function loadPool(one: Pool, path: readonly PropertyKey[], p: AwsProvider, context: DriverLoadContext): PoolConfig {
  const common = commonOfPool(one, path, p, context, p['max-servers']);
  return {
    ...common,
    limits: limitsOfPool(common.maxServers, one, p),
    ignoreProviderQuota: false,
    availabilityZones: one['availability-zone'] === undefined ? null : [one['availability-zone']],
    useInternalIp: one['use-internal-ip'] ?? p['use-internal-ip'],
    labels: byName(one.labels.map((l, index) => loadLabel(l, [...path, 'labels', index], one, p, context))),
    settings: one,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  p: AwsProvider,
  context: DriverLoadContext,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const { image, connection } = imageOfLabel(l, p, path, context);
  if (image === null) context.warn(path, 'has neither cloud-image nor diskimage: nodes cannot be launched');
  if (!l['instance-type'] && !l.fleet) {
    context.warn(path, 'has neither instance-type nor fleet: nodes cannot be launched');
  }
  if (l['dedicated-host'] && l['use-spot']) {
    context.error([...path, 'dedicated-host'], 'is not possible with use-spot');
  }
  if (l['dedicated-host'] && !one['availability-zone']) {
    context.error([...path, 'dedicated-host'], 'takes the availability-zone of the pool');
  }
  return {
    name: l.name,
    instanceType: l['instance-type'] ?? null,
    image,
    hostKeyChecking: one['host-key-checking'] ?? p['host-key-checking'],
    consoleLog: false,
    connection,
    settings: l,
  };
}
