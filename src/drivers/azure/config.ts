/** Configuration of the azure driver. */
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
  tags,
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
import { bool, closed, dict, int, list, numeric, str, union } from '../../config/schema.ts';

const galleryImage = () =>
  closed({
    'gallery-name': str().describe('Name of the gallery.'),
    name: str().describe('Name of the image.'),
    version: str().optional().describe('Version of the image. Default: the newest.'),
  }).optional();

const cloudImage = exactlyOneOf(
  closed({
    name: str().describe('Name for labels.'),
    username: str().describe('User that is made and can log in.'),
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
    ...connectionKeys,
    ...interpreterKeys,
  }),
  'image-id',
  'image-reference',
  'image-filter',
  'shared-gallery-image',
  'community-gallery-image',
);

const diskimage = closed({
  name: diskimageName(),
  username: str().optional().describe("User that can log in. Default: the image's."),
  key: str().optional().describe('Public SSH key of the user.'),
  password: unlisted(str().optional(), 'Password of the user.'),
  'generate-password': unlisted(bool().default(false), 'Give each machine a password of its own.'),
  pause: imagePause(),
  ...connectionKeys,
  ...interpreterKeys,
  tags: tags('Tags of the uploaded image'),
});

const label = closed({
  name: labelName(),
  'cloud-image': str().optional().describe('One of the cloud-images of the provider.'),
  diskimage: str().optional().describe('One of the diskimages of the provider; goes before cloud-image.'),
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
  'max-servers': int().optional().describe('Most nodes of the pool; 0 or less disables it. Required by the daemons.'),
  ipv4: bool().optional().describe("Give machines an IPv4 address. Default: the provider's, or public-ipv4."),
  ipv6: bool().optional().describe("Give machines an IPv6 address. Default: the provider's, or public-ipv6."),
  'public-ipv4': bool().optional().describe("Give machines a public IPv4 address. Default: the provider's."),
  'public-ipv6': bool().optional().describe("Give machines a public IPv6 address. Default: the provider's."),
  'use-internal-ip': bool().optional().describe("Reach nodes by their private address. Default: the provider's."),
  'host-key-checking': bool().optional().describe("Get the host keys before a node is ready. Default: the provider's."),
  labels: list(label).describe('What the pool can launch.'),
});

const provider = closed({
  ...commonProviderKeys('`azure`.'),
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
  'use-internal-ip': bool().default(false).describe('Default of pools: reach nodes by their private address.'),
  'host-key-checking': bool().default(true).describe('Default of pools: get the host keys before a node is ready.'),
  ...timingKeys(120),
  rate: numeric().default(1).describe('Changing calls a second.'),
  'post-upload-hook': postUploadHook(),
  'zuul-public-key': str().optional().describe('Default of the key of cloud-images; of older versions.'),
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
  diskimages: list(diskimage).default([]).describe('Images to upload, of those at the top level; in format vhd.'),
  pools: list(pool).describe('Pools of nodes.'),
});

export type AzureProvider = z.output<typeof provider>;
type Pool = AzureProvider['pools'][number];
type Label = Pool['labels'][number];

export const azureConfig = defineDriverConfig({
  name: 'azure',
  schema: provider,
  load: (p, context) => {
    checkProviderImages(p, context);
    return {
      ...commonOfProvider(p),
      ...timingOf(p),
      driver: 'azure',
      ratePerSecond: rateOf(p.rate),
      pools: byName(p.pools.map((one, index) => loadPool(one, ['pools', index], p, context))),
      settings: p,
    };
  },
});

function loadPool(one: Pool, path: readonly PropertyKey[], p: AzureProvider, context: DriverLoadContext): PoolConfig {
  if (one['max-servers'] === undefined) context.error(path, 'max-servers is required');
  return {
    ...commonOfPool(one, path, p, context),
    limits: limits({ instances: one['max-servers'] }),
    ignoreProviderQuota: false,
    availabilityZones: null,
    useInternalIp: one['use-internal-ip'] ?? p['use-internal-ip'],
    labels: byName(one.labels.map((l, index) => loadLabel(l, [...path, 'labels', index], one, p, context))),
    settings: one,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  p: AzureProvider,
  context: DriverLoadContext,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const { image, connection } = imageOfLabel(l, p, path, context);
  if (image === null) context.warn(path, 'has neither cloud-image nor diskimage: nodes cannot be launched');
  return {
    name: l.name,
    instanceType: l['hardware-profile']['vm-size'],
    image,
    hostKeyChecking: one['host-key-checking'] ?? p['host-key-checking'],
    consoleLog: false,
    connection,
    settings: l,
  };
}
