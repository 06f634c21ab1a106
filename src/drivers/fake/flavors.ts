/** The fake cloud's flavors and networks, and what a label makes of them (spec: launcher 6.4). */
import { ProviderError } from '../../driver-kit/errors.ts';
import type { FakeLabelSettings } from './config.ts';

interface Flavor {
  readonly name: string;
  readonly cores: number;
  readonly ram: number;
}

const flavors: readonly Flavor[] = [
  { name: 'Fake Flavor', cores: 4, ram: 8192 },
  { name: 'Unreal Flavor', cores: 4, ram: 8192 },
];
const ipv6Network = 'fake-ipv6-network-name';
const noFloatingIpNetwork = 'no-auto-ip-network-name';

/** With `min-ram` the first flavor with enough of it whose name contains `flavor-name`; else the one of exactly that name. */
function flavorOf(label: string, { minRam, flavorName }: FakeLabelSettings): Flavor {
  const fits = (flavor: Flavor) =>
    minRam > 0 || flavorName === null
      ? flavor.ram >= minRam && flavor.name.includes(flavorName ?? '')
      : flavor.name === flavorName;
  const found = flavors.find(fits);
  if (found) return found;
  throw new ProviderError(
    'permanent',
    `no flavor suits label ${label}: min-ram ${minRam}, flavor-name ${flavorName ?? 'any'}`,
  );
}

/** What a server of the label takes. Fails with `permanent` when no flavor suits it. */
export function resourcesOf(label: string, settings: FakeLabelSettings): Record<string, number> {
  const { cores, ram } = flavorOf(label, settings);
  const compute = { cores, instances: 1, ram };
  return settings.volumeGb === null ? compute : { ...compute, volumes: 1, 'volume-gb': settings.volumeGb };
}

export interface Addresses {
  readonly publicIpv4: string;
  readonly privateIpv4: string;
  readonly publicIpv6: string;
  readonly interfaceIp: string;
  readonly hostId: string;
}

export function addressesOf(networks: readonly string[], autoFloatingIp: boolean): Addresses {
  const ipv6 = networks.includes(ipv6Network);
  const isPublic = autoFloatingIp && !networks.includes(noFloatingIpNetwork);
  return {
    publicIpv4: isPublic ? 'fake' : '',
    privateIpv4: 'fake',
    publicIpv6: ipv6 ? 'fake_v6' : '',
    interfaceIp: ipv6 ? 'fake_v6' : 'fake',
    hostId: ipv6 ? 'fake_host_id' : 'fake',
  };
}
