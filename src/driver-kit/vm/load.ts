/** How the drivers of virtual machines load what their schema has checked: the provider, its pools, its labels. */
import type { DriverLoadContext, PoolConfig, PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import { commonOfProvider, limits, loadPools, rateOf, type Section, timingOf } from '../loading.ts';
import { checkProviderImages, type CloudImage, imageOfLabel, type UploadedImage } from './label-image.ts';

type ProviderKeys = Parameters<typeof commonOfProvider>[0] & Parameters<typeof timingOf>[0];

interface AccessKeys {
  readonly 'use-internal-ip'?: boolean | undefined;
  readonly 'host-key-checking'?: boolean | undefined;
}

interface VmLabelKeys {
  readonly name: string;
  readonly 'cloud-image'?: string | undefined;
  readonly diskimage?: string | undefined;
}

interface VmPoolKeys extends AccessKeys {
  readonly name?: string | undefined;
  readonly priority?: number | undefined;
  readonly 'max-servers'?: number | undefined;
  readonly 'node-attributes'?: Readonly<Record<string, unknown>> | undefined;
  readonly labels: readonly VmLabelKeys[];
}

interface VmProviderKeys<Pool> extends ProviderKeys, AccessKeys {
  /** Calls a second. */
  readonly rate: number;
  readonly 'cloud-images': readonly CloudImage[];
  /** Absent: nothing is uploaded to this cloud, and its schema demands a cloud image of each label. */
  readonly diskimages?: readonly UploadedImage[];
  readonly pools: readonly Pool[];
}

interface VmParts<Pool extends VmPoolKeys> {
  /** Most nodes of a pool that does not say it; default: no limit. */
  readonly maxServers?: number | undefined;
  /** What the cloud knows of a pool; where no limits are given, the pool's max-servers is the only one. */
  readonly pool: (
    one: Pool,
    at: Section,
    maxServers: number,
  ) => Partial<Pick<PoolConfig, 'limits' | 'availabilityZones'>>;
  readonly label: (label: Pool['labels'][number], one: Pool, at: Section) => Pick<PoolLabelConfig, 'instanceType'>;
}

/** The keys themselves are the settings of provider, pools and labels. */
export function loadVmProvider<Pool extends VmPoolKeys, Provider extends VmProviderKeys<Pool>>(
  p: Provider & VmProviderKeys<Pool>,
  context: DriverLoadContext,
  parts: VmParts<Pool>,
): Omit<ProviderConfig<Provider, Pool, Pool['labels'][number]>, 'driver'> {
  const images = { 'cloud-images': p['cloud-images'], diskimages: p.diskimages ?? [] };
  checkProviderImages(images, context);
  return {
    ...commonOfProvider(p),
    ...timingOf(p),
    ratePerSecond: rateOf(p.rate),
    settings: p,
    pools: loadPools<Pool, Pool, Pool['labels'][number]>(p, context, {
      maxServers: parts.maxServers,
      pool: (one, at, maxServers) => ({
        limits: limits({ instances: one['max-servers'] }),
        useInternalIp: one['use-internal-ip'] ?? p['use-internal-ip'] ?? false,
        settings: one,
        ...parts.pool(one, at, maxServers),
      }),
      label: (label, one, at) => {
        const { image, connection } = imageOfLabel(label, images, at);
        if (image === null && p.diskimages) {
          at.warn('has neither cloud-image nor diskimage: nodes cannot be launched');
        }
        const hostKeyChecking = one['host-key-checking'] ?? p['host-key-checking'] ?? true;
        return { image, connection, hostKeyChecking, settings: label, ...parts.label(label, one, at) };
      },
    }),
  };
}

/** For clouds whose pools have no default of it. */
export function requireMaxServers(one: VmPoolKeys, at: Section): void {
  if (one['max-servers'] === undefined) at.error('max-servers is required');
}
