/** Configuration of the aws driver. */
import {
  commonPoolKeys,
  commonProviderKeys,
  dynamicTags,
  labelName,
  poolName,
  postUploadHook,
  resourceLimitKeys,
  tags,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { limitsOfPool } from '../../driver-kit/loading.ts';
import {
  cloudImageKeys,
  cloudImagesKey,
  diskimageKeys,
  diskimagesKey,
  imageConnectionKeys,
  uploadKeys,
} from '../../driver-kit/vm/keys.ts';
import { loadVmProvider } from '../../driver-kit/vm/load.ts';
import { unlisted } from '../../config/remarks.ts';
import { atMostOneOf, exactlyOneOf } from '../../config/rules.ts';
import { anyList, bool, choice, closed, int, list, number, str } from '../../config/schema.ts';

const name = 'aws';

const imageFilter = closed({
  name: str().optional().describe('Name of the filter, such as `name` or `owner-id`.'),
  Name: str().optional().describe('The same.'),
  values: list(str()).optional().describe('Values that it takes.'),
  Values: list(str()).optional().describe('The same.'),
});

const cloudImage = exactlyOneOf(
  closed({
    ...cloudImageKeys(),
    'image-id': str().optional().describe('Id of the AMI.'),
    'image-filters': list(imageFilter).optional().describe('Filters of AMIs; the newest that passes all is taken.'),
    ...imageConnectionKeys,
  }),
  'image-id',
  'image-filters',
);

const diskimage = closed({
  ...diskimageKeys(),
  ...uploadKeys(),
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
  ...commonProviderKeys(name),
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
  ...cloudImagesKey(cloudImage),
  ...diskimagesKey(diskimage),
  pools: list(pool).describe('Pools of nodes.'),
});

export const awsConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) => {
    for (const [index, image] of p.diskimages.entries()) {
      if (image['imds-support'] === 'v2.0' && image['import-method'] === 'image') {
        context.error(['diskimages', index, 'imds-support'], 'is not possible with import-method image');
      }
    }
    return loadVmProvider(p, context, {
      maxServers: p['max-servers'],
      pool: (one, _at, maxServers) => ({
        limits: limitsOfPool(maxServers, one, p),
        availabilityZones: one['availability-zone'] === undefined ? null : [one['availability-zone']],
      }),
      label: (label, one, at) => {
        if (!label['instance-type'] && !label.fleet) {
          at.warn('has neither instance-type nor fleet: nodes cannot be launched');
        }
        if (label['dedicated-host'] && label['use-spot']) at.error('is not possible with use-spot', 'dedicated-host');
        if (label['dedicated-host'] && !one['availability-zone']) {
          at.error('takes the availability-zone of the pool', 'dedicated-host');
        }
        return { instanceType: label['instance-type'] ?? null };
      },
    });
  },
});
