import { expect, test } from 'vitest';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import type { OpenStackLabelSettings } from '../openstack-family/config.ts';
import { openstackConfig } from './config.ts';

const load = (label: string, pool = '') =>
  loadYaml(
    `
labels: [{name: a}]
diskimages: [{name: disk, username: builder, python-path: /py, shell-type: sh}]
providers:
  - name: cloud
    cloud: c
    rate: "0.25"
    port-cleanup-interval: 0
    cloud-images:
      - {name: debian, image-name: Debian 12, username: debian, config-drive: true}
      - {name: plain}
    diskimages: [{name: disk, connection-type: winrm, config-drive: false}]
    pools:
      - name: main
        max-servers: 5
        max-volume-gb: 100
        networks: [net]
${pool}
        labels: [{name: a, ${label}}]
`,
    [openstackConfig],
  ).config.providers.get('cloud')!;

const settings = (label: string, pool = '') =>
  load(label, pool).pools.get('main')!.labels.get('a')!.settings as OpenStackLabelSettings;

test('the driver of providers that name none; seconds between calls become calls a second', () => {
  const provider = load('cloud-image: debian, min-ram: 1024');
  expect(provider).toMatchObject({ driver: 'openstack', ratePerSecond: 4, bootTimeoutMs: 60_000 });
  expect(provider.settings).toMatchObject({ cloud: 'c', region: null, portCleanupIntervalMs: 0 });
  expect(provider.pools.get('main')!.limits).toEqual({ instances: 5, 'volume-gb': 100 });
});

test('a label with its image, its flavor and what it has from the pool', () => {
  expect(settings('cloud-image: debian, min-ram: 1024')).toMatchObject({
    imageName: 'Debian 12',
    minRam: 1024,
    flavorName: null,
    configDrive: true,
    networks: ['net'],
    volumeGb: null,
  });
  expect(settings('cloud-image: plain, flavor-name: m1, boot-from-volume: true, networks: []')).toMatchObject({
    imageName: 'plain',
    minRam: 0,
    flavorName: 'm1',
    configDrive: null,
    networks: [],
    volumeGb: 50,
  });
});

test('a disk image is reached as the top level says, but for the kind of connection', () => {
  const label = load('diskimage: disk, min-ram: 1').pools.get('main')!.labels.get('a')!;
  expect(label.image).toEqual({ kind: 'diskimage', name: 'disk' });
  expect(label.connection).toEqual({
    username: 'builder',
    connectionType: 'winrm',
    connectionPort: 5986,
    pythonPath: '/py',
    shellType: 'sh',
  });
});
