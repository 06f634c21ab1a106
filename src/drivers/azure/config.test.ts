import { expect, test } from 'vitest';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import { azureConfig } from './config.ts';

const load = (pool: string) =>
  loadYaml(
    `
labels: [{name: a}]
diskimages: [{name: disk}]
providers:
  - name: az
    driver: azure
    location: westus
    resource-group: g
    resource-group-location: westus
    auth-path: /a.json
    network: net
    use-internal-ip: true
    cloud-images: [{name: debian, username: admin, image-id: i}]
    diskimages: [{name: disk, username: other}]
    pools:
      - name: main
${pool}
        labels: [{name: a, hardware-profile: {vm-size: B1s}, cloud-image: debian, diskimage: disk}]
`,
    [azureConfig],
  ).config.providers.get('az')!;

test('of both images the disk image counts; the pool goes before the provider', () => {
  const provider = load('        max-servers: 3');
  const pool = provider.pools.get('main')!;
  expect(provider).toMatchObject({ bootTimeoutMs: 120_000, ratePerSecond: 1 });
  expect(pool).toMatchObject({ limits: { instances: 3 }, useInternalIp: true });
  expect(pool.labels.get('a')).toMatchObject({
    instanceType: 'B1s',
    image: { kind: 'diskimage', name: 'disk' },
    connection: { username: 'other' },
  });
  expect(load('        max-servers: 3\n        use-internal-ip: false').pools.get('main')!.useInternalIp).toBe(false);
});

test('a pool must say how many servers', () => {
  expect(() => load('')).toThrow(/max-servers is required/);
});
