import { expect, test } from 'vitest';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import { gceConfig, type GceProvider } from './config.ts';

const load = (image: string) =>
  loadYaml(
    `
labels: [{name: a}]
providers:
  - name: google
    driver: gce
    project: p
    region: us-central1
    zone: us-central1-a
    cloud-images: [{${image}}]
    pools: [{name: main, labels: [{name: a, cloud-image: debian, instance-type: n1}]}]
`,
    [gceConfig],
  ).config.providers.get('google')!;

test('a provider with its defaults', () => {
  const provider = load('name: debian, image-family: debian-12, username: zuul');
  expect(provider).toMatchObject({ bootTimeoutMs: 60_000, ratePerSecond: 2 });
  const pool = provider.pools.get('main')!;
  expect(pool).toMatchObject({ availabilityZones: ['us-central1-a'], useInternalIp: false, limits: {} });
  expect(pool.labels.get('a')).toMatchObject({ instanceType: 'n1', connection: { username: 'zuul' } });
  const [label] = (provider.settings as GceProvider).pools[0]!.labels;
  expect(label).toMatchObject({ 'volume-type': 'pd-standard', 'volume-size': 10 });
});

test('an image without a name, and a label of an image that is not there', () => {
  expect(() => load('image-id: x')).toThrow(/cloud-images\[0\]: name is required[^]*there is no cloud-image debian/);
});
