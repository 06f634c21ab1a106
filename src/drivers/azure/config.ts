/** Configuration of the azure driver. */
import {
  commonPoolKeys,
  commonProviderKeys,
  dynamicTags,
  labelName,
  poolName,
  postUploadHook,
  tags,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import {
  cloudImageKeys,
  cloudImagesKey,
  diskimageKeys,
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
import { bool, closed, dict, int, list, numeric, str, union } from '../../config/schema.ts';

const name = 'azure';

const galleryImage = () =>
  closed({
    'gallery-name': str().describe('Name of the gallery.'),
    name: str().describe('Name of the image.'),
    version: str().optional().describe('Version of the image. Default: the newest.'),
  }).optional();

const cloudImage = exactlyOneOf(
  closed({
    ...cloudImageKeys('User that is made and can log in.'),
    password: str().optional().describe('Password of the user.'),
    'generate-password': bool().default(false).describe('Give each machine a password of its own.'),
    key: str().optional().describe("Public SSH key of the user. Default: the provider's zuul-public-key."),
    'image-id': str().optional().describe('Id of the image.'),
    'image-reference': closed({
      sku: str().describe('SKU.'),
      publisher: str().describe('Publisher.'),
      version: str().describe('Version, or `latest`.'),
      offer: str().describe('Offer.'),
    })
      .optional()
      .describe('An image of the market place.'),
    'image-filter': closed({
      location: str().optional().describe('Location of the image.'),
      name: str().optional().describe('Name of the image.'),
      tags: dict().optional().describe('Tags of the image.'),
    })
      .optional()
      .describe('Filter of images of the subscription; the newest that passes is taken.'),
    'shared-gallery-image': galleryImage().describe('An image of a shared gallery.'),
    'community-gallery-image': galleryImage().describe('An image of a community gallery.'),
    ...imageConnectionKeys,
  }),
  'image-id',
  'image-reference',
  'image-filter',
  'shared-gallery-image',
  'community-gallery-image',
);

const diskimage = closed({
  ...diskimageKeys(),
  key: str().optional().describe('Public SSH key of the user.'),
  password: unlisted(str().optional(), 'Password of the user.'),
  'generate-password': unlisted(bool().default(false), 'Give each machine a password of its own.'),
  ...uploadKeys(),
  tags: tags('Tags of the uploaded image'),
});

const label = closed({
  name: labelName(),
  ...labelImageKeys(),
  'hardware-profile': closed({ 'vm-size': str().describe('Size of the machine.') }).describe('The machine.'),
  tags: tags('Tags of the machine'),
  'dynamic-tags': dynamicTags('Further tags'),
  'user-data': str().optional().describe('User data of the machine.'),
  'custom-data': str().optional().describe('Custom data of the machine.'),
  'volume-size': int().optional().describe("Size of the system disk in GB. Default: the image's."),
});

const pool = closed({
  name: poolName(),
  ...commonPoolKeys,
  ...requiredMaxServersKey(),
  ipv4: bool().optional().describe("Give machines an IPv4 address. Default: the provider's, or public-ipv4."),
  ipv6: bool().optional().describe("Give machines an IPv6 address. Default: the provider's, or public-ipv6."),
  'public-ipv4': bool().optional().describe("Give machines a public IPv4 address. Default: the provider's."),
  'public-ipv6': bool().optional().describe("Give machines a public IPv6 address. Default: the provider's."),
  ...poolAccessKeys(),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys(name),
  location: str().describe('Location of the machines.'),
  'resource-group': str().describe('Resource group for everything that is made; made where it is missing.'),
  'resource-group-location': str().describe('Location of the resource group.'),
  'auth-path': str().describe('JSON file with the credentials.'),
  'subnet-id': str().optional().describe('Id of the subnet of the machines; goes before network.'),
  network: union(
    str(),
    closed({
      network: str().optional().describe('Name of the network.'),
      subnet: str().optional().describe('Name of the subnet. Default: `default`.'),
      'resource-group': str().optional().describe("Resource group of the network. Default: the provider's."),
    }),
    'a string or a mapping of network, subnet and resource-group',
  )
    .optional()
    .describe('Network of the machines; this or subnet-id is needed.'),
  ipv4: bool().optional().describe('Default of pools: give machines an IPv4 address.'),
  ipv6: bool().optional().describe('Default of pools: give machines an IPv6 address.'),
  'public-ipv4': bool().default(true).describe('Default of pools: give machines a public IPv4 address.'),
  'public-ipv6': bool().default(false).describe('Default of pools: give machines a public IPv6 address.'),
  ...providerAccessKeys(),
  ...timingKeys(120),
  rate: numeric().default(1).describe('Changing calls a second.'),
  'post-upload-hook': postUploadHook(),
  'zuul-public-key': str().optional().describe('Default of the key of cloud-images; of older versions.'),
  ...cloudImagesKey(cloudImage),
  ...diskimagesKey(diskimage, '; in format vhd'),
  pools: list(pool).describe('Pools of nodes.'),
});

export const azureConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadVmProvider(p, context, {
      pool: (one, at) => {
        requireMaxServers(one, at);
        return {};
      },
      label: (label) => ({ instanceType: label['hardware-profile']['vm-size'] }),
    }),
});
