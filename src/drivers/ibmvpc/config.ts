/** Configuration of the ibmvpc driver. */
import {
  commonPoolKeys,
  commonProviderKeys,
  diskimageName,
  labelName,
  postUploadHook,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import {
  cloudImageKeys,
  cloudImagesKey,
  diskimagesKey,
  imageConnectionKeys,
  labelImageKeys,
  poolAccessKeys,
  providerAccessKeys,
  requiredMaxServersKey,
  uploadKeys,
} from '../../driver-kit/vm/keys.ts';
import { loadVmProvider, requireMaxServers } from '../../driver-kit/vm/load.ts';
import { unlisted } from '../../config/remarks.ts';
import { exactlyOneOf } from '../../config/rules.ts';
import { bool, closed, int, list, numeric, str } from '../../config/schema.ts';

const name = 'ibmvpc';

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
    ...cloudImageKeys(),
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
    ...imageConnectionKeys,
  }),
  'image-id',
  'image-href',
  'image-name',
  'image-filter',
);

const diskimage = closed({
  name: diskimageName(),
  'operating-system': str().describe('Name of the operating system, as the cloud calls it.'),
  ...uploadKeys(),
});

const label = closed({
  name: labelName(),
  ...labelImageKeys(),
  profile: str().describe('Profile of the instance.'),
  'user-data': str().optional().describe('User data of the instance.'),
});

const pool = closed({
  name: str()
    .regex(/^[^_]/, { error: 'must not be empty or begin with an underscore' })
    .describe('Name, unique in the provider; it must not begin with an underscore, and should have none.'),
  ...commonPoolKeys,
  ...requiredMaxServersKey(),
  zone: str().optional().describe("Zone of the instances. Default: the provider's; one of both must be there."),
  subnet: str().optional().describe("Id of the subnet. Default: the provider's; one of both must be there."),
  'public-ipv4': bool().optional().describe("Give instances a public address. Default: the provider's."),
  ...poolAccessKeys(),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys(name),
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
  ...providerAccessKeys(),
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
  ...cloudImagesKey(cloudImage),
  ...diskimagesKey(diskimage),
  pools: list(pool).describe('Pools of nodes.'),
});

export const ibmvpcConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadVmProvider(p, context, {
      pool: (one, at) => {
        for (const key of ['zone', 'subnet'] as const) {
          if (!(one[key] ?? p[key])) at.error(`${key} is required here or in the provider`);
        }
        requireMaxServers(one, at);
        return { availabilityZones: [one.zone ?? p.zone ?? ''] };
      },
      label: (label) => ({ instanceType: label.profile }),
    }),
});
