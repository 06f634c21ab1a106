/** Configuration of the fake driver: OpenStack's schema (the Python Nodepool shares it too) and options for playing clouds. */
import { z } from 'zod';
import { commonOfPool, commonOfProvider, requireLabel } from '../../config/driver-parts.ts';
import { ConfigReferenceError } from '../../config/errors.ts';
import { commonPoolKeys, commonProviderKeys } from '../../config/global-schema.ts';
import type {
  DriverConfigDefinition,
  DriverLoadContext,
  PoolConfig,
  PoolLabelConfig,
  ProviderConfig,
} from '../../config/model.ts';
import { asInt, asNumber, bool, closed, dict, int, list, numeric, str } from '../../config/schema.ts';
import { didYouMean } from '../../config/suggest.ts';
import { unwrap } from '../../config/yaml.ts';

const label = closed({
  name: str(),
  diskimage: str().optional(),
  'cloud-image': str().optional(),
  'min-ram': int().optional(),
  'flavor-name': str().optional(),
  'key-name': str().optional(),
  'console-log': bool().optional(),
  'boot-from-volume': bool().optional(),
  'volume-size': int().optional(),
  'instance-properties': dict().optional(),
  'dynamic-instance-properties': dict().optional(),
  userdata: str().optional(),
  networks: list(str()).optional(),
  'host-key-checking': bool().optional(),
})
  .refine((l) => (l.diskimage === undefined) !== (l['cloud-image'] === undefined), {
    error: 'needs exactly one of diskimage and cloud-image',
  })
  .refine((l) => l['min-ram'] !== undefined || l['flavor-name'] !== undefined, {
    error: 'needs min-ram or flavor-name',
  });

const pool = closed({
  name: str().optional(),
  ...commonPoolKeys,
  'max-cores': int().optional(),
  'max-ram': int().optional().describe('MiB'),
  'max-volumes': int().optional(),
  'max-volume-gb': int().optional(),
  'ignore-provider-quota': bool().optional(),
  'availability-zones': list(str()).optional(),
  networks: list(str()).optional(),
  'security-groups': list(str()).optional(),
  'auto-floating-ip': bool().optional(),
  'host-key-checking': bool().optional(),
  labels: list(label).optional(),
});

const cloudImage = closed({
  name: str().optional(),
  'config-drive': bool().optional(),
  'image-id': str().optional(),
  'image-name': str().optional(),
  username: str().optional(),
  'connection-type': str().optional(),
  'connection-port': int().optional(),
  'python-path': str().optional(),
  'shell-type': str().optional(),
}).refine((i) => i['image-id'] === undefined || i['image-name'] === undefined, {
  error: 'takes image-id or image-name, not both',
});

const diskimage = closed({
  name: str().optional(),
  pause: bool().optional(),
  meta: dict().optional(),
  'config-drive': bool().optional(),
  'connection-type': str().optional(),
  'connection-port': int().optional(),
});

const fakeCloud = closed({
  address: str()
    .optional()
    .describe('http://HOST:PORT of a fake cloud that runs as a process of its own (`nodepool fake-cloud`)'),
  account: str().optional().describe("account there, default: the provider's name"),
  'boot-delay': numeric().optional().describe('seconds from creation to active, default 0.1'),
  'create-delay': numeric().optional().describe('seconds that the creation call takes'),
  'delete-delay': numeric().optional().describe('seconds until a deleted server is gone'),
  'list-delay': numeric().optional().describe('seconds that a listing takes'),
  'failure-rate': numeric().optional().describe('share of creations that fail, 0 to 1'),
  capacity: int().optional().describe('servers that the cloud has room for'),
  quota: closed({
    instances: int().optional(),
    cores: int().optional(),
    ram: int().optional(),
    volumes: int().optional(),
    'volume-gb': int().optional(),
  }).optional(),
});

const provider = closed({
  ...commonProviderKeys,
  cloud: str().describe('entry of clouds.yaml; only its name matters here'),
  'region-name': str().optional(),
  'boot-timeout': int().optional(),
  'launch-timeout': int().optional(),
  'launch-retries': int().optional(),
  rate: numeric().optional(),
  'image-upload-timeout': int().optional(),
  'image-name-format': str().optional(),
  'post-upload-hook': str().optional(),
  'clean-floating-ips': bool().optional(),
  'port-cleanup-interval': int().optional(),
  'nodepool-id': str().optional(),
  diskimages: list(diskimage).optional(),
  'cloud-images': list(cloudImage).optional(),
  pools: list(pool).optional(),
  'fake-cloud': fakeCloud.optional().describe('how the fake cloud behaves; unknown to the Python Nodepool'),
});

type Provider = z.infer<typeof provider>;
type Pool = z.infer<typeof pool>;
type Label = z.infer<typeof label>;

export interface FakeLabelSettings {
  readonly imageId: string | null;
  readonly imageName: string | null;
  readonly minRam: number;
  readonly flavorName: string | null;
  readonly networks: readonly string[];
  readonly volumeGb: number | null;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Templates over the request. */
  readonly dynamicProperties: Readonly<Record<string, unknown>>;
}

export interface FakePoolSettings {
  readonly autoFloatingIp: boolean;
  readonly securityGroups: readonly string[];
}

export interface FakeSettings {
  readonly cloud: string;
  readonly region: string | null;
  readonly address: string | null;
  readonly account: string;
  readonly bootDelayMs: number;
  readonly createDelayMs: number;
  readonly deleteDelayMs: number;
  readonly listDelayMs: number;
  readonly failureRate: number;
  readonly capacity: number;
  readonly quota: Readonly<Record<string, number>>;
}

export const fakeConfig: DriverConfigDefinition = { name: 'fake', schema: provider, load };

function load(raw: unknown, context: DriverLoadContext): ProviderConfig {
  const p = raw as Provider;
  const cloud = p['fake-cloud'] ?? {};
  const settings: FakeSettings = {
    cloud: p.cloud,
    region: p['region-name'] ?? null,
    address: cloud.address ?? null,
    account: cloud.account ?? p.name,
    bootDelayMs: asNumber(cloud['boot-delay'], 0.1) * 1000,
    createDelayMs: asNumber(cloud['create-delay'], 0) * 1000,
    deleteDelayMs: asNumber(cloud['delete-delay'], 0) * 1000,
    listDelayMs: asNumber(cloud['list-delay'], 0) * 1000,
    failureRate: asNumber(cloud['failure-rate'], 0),
    capacity: asInt(cloud.capacity, Number.POSITIVE_INFINITY),
    quota: unwrap(cloud.quota ?? {}) as Record<string, number>,
  };
  // The key `rate` is seconds between calls for OpenStack, without effect in the peer; a fake cloud needs no pacing.
  const common = commonOfProvider(p);
  const pools = (p.pools ?? []).map((one, index) => loadPool(one, index, p, common.priority, context));
  return {
    ...common,
    driver: 'fake',
    launchRetries: asInt(p['launch-retries'], 3),
    launchTimeoutMs: asInt(p['launch-timeout'], 3600) * 1000,
    bootTimeoutMs: asInt(p['boot-timeout'], 60) * 1000,
    pools: new Map(pools.map((one) => [one.name, one])),
    settings,
  };
}

function loadPool(one: Pool, index: number, p: Provider, priority: number, context: DriverLoadContext): PoolConfig {
  const common = commonOfPool(one, index, { name: p.name, priority });
  const limits: Record<string, number> = {};
  const limit = (name: string, value: number | boolean | undefined) => {
    if (value !== undefined) limits[name] = Number(value);
  };
  limit('instances', one['max-servers']);
  limit('cores', one['max-cores']);
  limit('ram', one['max-ram']);
  limit('volumes', one['max-volumes']);
  limit('volume-gb', one['max-volume-gb']);
  const labels = (one.labels ?? []).map((l, at) => loadLabel(l, ['pools', index, 'labels', at], one, p, context));
  return {
    ...common,
    limits,
    ignoreProviderQuota: one['ignore-provider-quota'] ?? false,
    availabilityZones: one['availability-zones'] ?? null,
    useInternalIp: false,
    labels: new Map(labels.map((l) => [l.name, l])),
    settings: {
      autoFloatingIp: one['auto-floating-ip'] ?? true,
      securityGroups: one['security-groups'] ?? [],
    } satisfies FakePoolSettings,
  };
}

function loadLabel(
  l: Label,
  path: readonly PropertyKey[],
  one: Pool,
  p: Provider,
  context: DriverLoadContext,
): PoolLabelConfig {
  requireLabel(l.name, [...path, 'name'], context);
  const cloudImages = p['cloud-images'] ?? [];
  const image = cloudImages.find((i) => i.name !== undefined && i.name === l['cloud-image']);
  if (l['cloud-image'] !== undefined && !image) {
    const known = cloudImages.flatMap((i) => (i.name === undefined ? [] : [i.name]));
    throw new ConfigReferenceError(
      [...path, 'cloud-image'],
      `there is no cloud-image ${l['cloud-image']}${didYouMean(l['cloud-image'], known)}`,
    );
  }
  const disk = l.diskimage === undefined ? undefined : context.diskimages.get(l.diskimage);
  if (l.diskimage !== undefined && !disk) {
    throw new ConfigReferenceError(
      [...path, 'diskimage'],
      `there is no diskimage ${l.diskimage}${didYouMean(l.diskimage, [...context.diskimages.keys()])}`,
    );
  }
  const own = image ?? p.diskimages?.find((d) => d.name === l.diskimage);
  const type = own?.['connection-type'] ?? 'ssh';
  const settings: FakeLabelSettings = {
    imageId: image?.['image-id'] ?? null,
    imageName: image?.['image-name'] ?? image?.name ?? null,
    minRam: asInt(l['min-ram'], 0),
    flavorName: l['flavor-name'] ?? null,
    networks: l.networks ?? one.networks ?? [],
    volumeGb: l['boot-from-volume'] ? asInt(l['volume-size'], 50) : null,
    properties: (unwrap(l['instance-properties'] ?? {}) as Record<string, unknown>) ?? {},
    dynamicProperties: (unwrap(l['dynamic-instance-properties'] ?? {}) as Record<string, unknown>) ?? {},
  };
  return {
    name: l.name,
    instanceType: l['flavor-name'] ?? null,
    image: image ? { kind: 'cloud', name: l['cloud-image']! } : { kind: 'diskimage', name: l.diskimage! },
    hostKeyChecking: l['host-key-checking'] ?? one['host-key-checking'] ?? true,
    consoleLog: l['console-log'] ?? false,
    connection: {
      username: image ? (image.username ?? null) : (disk?.username ?? null),
      connectionType: type,
      connectionPort: asInt(own?.['connection-port'], type === 'winrm' ? 5986 : 22),
      pythonPath: image ? (image['python-path'] ?? 'auto') : (disk?.pythonPath ?? null),
      shellType: image?.['shell-type'] ?? null,
    },
    settings,
  };
}
