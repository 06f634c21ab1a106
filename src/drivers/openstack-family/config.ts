/** Configuration that the drivers openstack and fake have in common: the Python Nodepool has one schema for both. */
import type { z } from 'zod';
import {
  commonPoolKeys,
  computeLimitKeys,
  connectionKeys,
  imagePause,
  interpreterKeys,
  labelName,
  postUploadHook,
  timingKeys,
} from '../../driver-kit/common-keys.ts';
import { connectionOf, limits, loadPools, referTo, type Section } from '../../driver-kit/loading.ts';
import type { DriverLoadContext, PoolConfig, PoolLabelConfig } from '../../config/model.ts';
import { ineffective } from '../../config/remarks.ts';
import { atLeastOneOf, atMostOneOf, exactlyOneOf } from '../../config/rules.ts';
import { bool, closed, dict, int, list, numeric, str } from '../../config/schema.ts';

const label = atLeastOneOf(
  exactlyOneOf(
    closed({
      name: labelName(),
      diskimage: str().optional().describe('A diskimage at the top level.'),
      'cloud-image': str().optional().describe('One of the cloud-images of the provider.'),
      'min-ram': int().optional().describe('Least memory in MiB: the smallest flavor that has it. Default: 0.'),
      'flavor-name': str().optional().describe('Name or id of the flavor; together with min-ram a part of its name.'),
      'key-name': str().optional().describe('Key pair that is put on the server.'),
      'console-log': bool().default(false).describe('Log the console when the host keys cannot be had.'),
      'boot-from-volume': bool().default(false).describe('Boot from a new volume.'),
      'volume-size': int().default(50).describe('Size of that volume in GB.'),
      'instance-properties': dict().default({}).describe('Metadata of the server.'),
      'dynamic-instance-properties': dict()
        .default({})
        .describe('Further metadata; the values are templates over the request, such as `{request.tenant_name}`.'),
      userdata: str().optional().describe('User data of the server.'),
      networks: list(str()).optional().describe("Names or ids of networks. Default: the pool's."),
      'host-key-checking': bool()
        .optional()
        .describe("Get the host keys before the node is ready. Default: the pool's."),
    }),
    'diskimage',
    'cloud-image',
  ),
  'min-ram',
  'flavor-name',
);

const pool = closed({
  name: str().optional().describe('Name, unique in the provider. Required by the daemons.'),
  ...commonPoolKeys,
  ...computeLimitKeys('no limit'),
  'max-volumes': int().optional().describe('Most volumes. Default: no limit.'),
  'max-volume-gb': int().optional().describe('Most space of volumes in GB. Default: no limit.'),
  'ignore-provider-quota': bool().default(false).describe("Do not look at the cloud's own quota."),
  'availability-zones': list(str())
    .optional()
    .describe('Zones of which one is chosen for each request. Default: those that the cloud lists.'),
  networks: list(str()).default([]).describe('Names or ids of networks. Where empty the cloud chooses.'),
  'security-groups': list(str()).default([]).describe('Security groups of the servers.'),
  'auto-floating-ip': bool().default(true).describe('Give servers a floating IP where they have no public address.'),
  'host-key-checking': bool().default(true).describe('Get the host keys before a node is ready.'),
  labels: list(label).default([]).describe('What the pool can launch.'),
});

const cloudImage = atMostOneOf(
  closed({
    name: str()
      .optional()
      .describe("Name for labels; also the cloud's where neither id nor name is given. Required by the daemons."),
    'image-id': str().optional().describe('Id of the image in the cloud.'),
    'image-name': str().optional().describe('Name of the image in the cloud.'),
    'config-drive': bool().optional().describe("Give servers a configuration drive. Default: the cloud's."),
    username: str().optional().describe('User that can log in.'),
    ...connectionKeys,
    ...interpreterKeys,
  }),
  'image-id',
  'image-name',
);

const diskimage = closed({
  name: str().optional().describe('Name of a diskimage at the top level, not an abstract one. Required.'),
  pause: imagePause(),
  meta: dict().default({}).describe("Properties of the uploaded image, over the image's metadata."),
  'config-drive': bool().optional().describe("Give servers a configuration drive. Default: the cloud's."),
  ...connectionKeys,
});

export const openstackKeys = {
  cloud: str().describe('Entry of `clouds.yaml`.'),
  'region-name': str().optional().describe('Region of the cloud.'),
  ...timingKeys(60),
  rate: numeric().default(1).describe('Seconds between two calls.'),
  'image-upload-timeout': int().default(3600).describe('Seconds that an upload may take.'),
  'image-name-format': str()
    .default('{image_name}-{timestamp}')
    .describe('Name of uploaded images, with `{image_name}`, `{upload_id}` and `{timestamp}`.'),
  'post-upload-hook': postUploadHook(),
  'clean-floating-ips': bool().default(false).describe('Delete floating IPs that belong to no server.'),
  'port-cleanup-interval': int()
    .default(600)
    .describe('Seconds between two searches for ports that are down; 0: never.'),
  'nodepool-id': ineffective(str().optional(), 'of older versions'),
  diskimages: list(diskimage).default([]).describe('Images to upload, of those at the top level.'),
  'cloud-images': list(cloudImage).default([]).describe('Images that the cloud has.'),
  pools: list(pool).default([]).describe('Pools of nodes.'),
};

type Pool = z.output<typeof pool>;
type Label = z.output<typeof label>;

export interface OpenStackProviderKeys {
  readonly name: string;
  readonly priority: number;
  readonly diskimages: readonly z.output<typeof diskimage>[];
  readonly 'cloud-images': readonly z.output<typeof cloudImage>[];
  readonly pools: readonly Pool[];
}

export interface OpenStackLabelSettings {
  readonly imageId: string | null;
  readonly imageName: string | null;
  readonly minRam: number;
  readonly flavorName: string | null;
  readonly keyName: string | null;
  readonly configDrive: boolean | null;
  readonly userdata: string | null;
  readonly networks: readonly string[];
  readonly volumeGb: number | null;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Templates over the request. */
  readonly dynamicProperties: Readonly<Record<string, unknown>>;
}

export interface OpenStackPoolSettings {
  readonly autoFloatingIp: boolean;
  readonly securityGroups: readonly string[];
}

export function loadOpenStackPools(
  p: OpenStackProviderKeys,
  context: DriverLoadContext,
): ReadonlyMap<string, PoolConfig<OpenStackPoolSettings, OpenStackLabelSettings>> {
  for (const [index, image] of p['cloud-images'].entries()) {
    if (image.name === undefined) context.error(['cloud-images', index], 'name is required');
  }
  for (const [index, image] of p.diskimages.entries()) {
    const path = ['diskimages', index];
    if (image.name === undefined) context.error(path, 'name is required');
    referTo(context.diskimages, image.name, 'diskimage', [...path, 'name'], context);
  }
  return loadPools(p, context, { pool: loadPool, label: (label, one, at) => loadLabel(label, one, p, at) });
}

const loadPool = (one: Pool) => ({
  limits: limits({
    instances: one['max-servers'],
    cores: one['max-cores'],
    ram: one['max-ram'],
    volumes: one['max-volumes'],
    'volume-gb': one['max-volume-gb'],
  }),
  ignoreProviderQuota: one['ignore-provider-quota'],
  availabilityZones: one['availability-zones'] ?? null,
  settings: { autoFloatingIp: one['auto-floating-ip'], securityGroups: one['security-groups'] },
});

function loadLabel(
  l: Label,
  one: Pool,
  p: OpenStackProviderKeys,
  { path, context }: Section,
): Omit<PoolLabelConfig<OpenStackLabelSettings>, 'name'> {
  const cloudImages = new Map(p['cloud-images'].map((i) => [i.name ?? '', i]));
  const image = referTo(cloudImages, l['cloud-image'], 'cloud-image', [...path, 'cloud-image'], context);
  const disk = referTo(context.diskimages, l.diskimage, 'diskimage', [...path, 'diskimage'], context);
  const upload = p.diskimages.findLast((d) => d.name === l.diskimage);
  const settings: OpenStackLabelSettings = {
    imageId: image?.['image-id'] ?? null,
    imageName: image?.['image-name'] ?? image?.name ?? null,
    minRam: l['min-ram'] ?? 0,
    flavorName: l['flavor-name'] ?? null,
    keyName: l['key-name'] ?? null,
    configDrive: (image ?? upload)?.['config-drive'] ?? null,
    userdata: l.userdata ?? null,
    networks: l.networks ?? one.networks,
    volumeGb: l['boot-from-volume'] ? l['volume-size'] : null,
    properties: l['instance-properties'],
    dynamicProperties: l['dynamic-instance-properties'],
  };
  return {
    instanceType: l['flavor-name'] ?? null,
    image: l['cloud-image']
      ? { kind: 'cloud', name: l['cloud-image'] }
      : { kind: 'diskimage', name: l.diskimage ?? '' },
    hostKeyChecking: l['host-key-checking'] ?? one['host-key-checking'],
    consoleLog: l['console-log'],
    connection: connectionOf(
      image ?? {
        'connection-type': upload?.['connection-type'] ?? 'ssh',
        'connection-port': upload?.['connection-port'],
        username: disk?.username,
        'python-path': disk?.pythonPath,
        'shell-type': disk?.shellType ?? undefined,
      },
    ),
    settings,
  };
}
