/** Configuration of the fake driver: OpenStack's schema (the Python Nodepool shares it too) and options for playing clouds. */
import { commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { commonOfProvider, limits, timingOf } from '../../driver-kit/loading.ts';
import { closed, int, numeric, str } from '../../config/schema.ts';
import {
  loadOpenStackPools,
  type OpenStackLabelSettings,
  type OpenStackPoolSettings,
  openstackKeys,
} from '../openstack-family/config.ts';

const name = 'fake';

const fakeCloud = closed({
  address: str()
    .optional()
    .describe(
      'http://HOST:PORT of a fake cloud that runs as a process of its own (`nodepool fake-cloud`). Default: one in the launcher.',
    ),
  account: str().optional().describe("Account there. Default: the provider's name."),
  'boot-delay': numeric().default(0.1).describe('Seconds from creation to active.'),
  'create-delay': numeric().default(0).describe('Seconds that the creation call takes.'),
  'delete-delay': numeric().default(0).describe('Seconds until a deleted server is gone.'),
  'list-delay': numeric().default(0).describe('Seconds that a listing takes.'),
  'failure-rate': numeric().default(0).describe('Share of creations that fail, 0 to 1.'),
  capacity: int().optional().describe('Servers that the cloud has room for. Default: any number.'),
  quota: closed({
    instances: int().optional().describe('Servers.'),
    cores: int().optional().describe('Cores.'),
    ram: int().optional().describe('Memory in MiB.'),
    volumes: int().optional().describe('Volumes.'),
    'volume-gb': int().optional().describe('Space of volumes in GB.'),
  })
    .default({})
    .describe("The cloud's own quota; what is left out has no limit."),
});

const provider = closed({
  ...commonProviderKeys(name, '; of no account where the name begins with `fake`'),
  ...openstackKeys,
  cloud: str().describe('Entry of `clouds.yaml` for other clouds; here only its name matters.'),
  'fake-cloud': fakeCloud
    .prefault({})
    .describe('How the fake cloud behaves. The Python Nodepool does not know this key.'),
});

export type FakeLabelSettings = Omit<OpenStackLabelSettings, 'keyName' | 'configDrive' | 'userdata'>;

export type FakePoolSettings = OpenStackPoolSettings;

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

export const fakeConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) => {
    const cloud = p['fake-cloud'];
    const settings: FakeSettings = {
      cloud: p.cloud,
      region: p['region-name'] ?? null,
      address: cloud.address ?? null,
      account: cloud.account ?? p.name,
      bootDelayMs: cloud['boot-delay'] * 1000,
      createDelayMs: cloud['create-delay'] * 1000,
      deleteDelayMs: cloud['delete-delay'] * 1000,
      listDelayMs: cloud['list-delay'] * 1000,
      failureRate: cloud['failure-rate'],
      capacity: cloud.capacity ?? Number.POSITIVE_INFINITY,
      quota: limits(cloud.quota),
    };
    return {
      // The key `rate` is seconds between calls for OpenStack, without effect in the peer; a fake cloud needs no pacing.
      ...commonOfProvider(p),
      ...timingOf(p),
      pools: loadOpenStackPools(p, context),
      settings,
    };
  },
});
