import { expect, test } from 'vitest';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import { ibmvpcConfig } from './config.ts';

const load = (provider: string, pool: string) =>
  loadYaml(
    `
labels: [{name: a}]
providers:
  - name: ibm_cloud
    driver: ibmvpc
    vpc: v
    region: us-south
${provider}
    cloud-images: [{name: debian, username: root, image-filter: {status: available}}]
    pools:
      - name: main
        max-servers: 2
${pool}
        labels: [{name: a, profile: bx2, cloud-image: debian}]
`,
    [ibmvpcConfig],
  ).config.providers.get('ibm_cloud')!;

test('zone and subnet come from the pool or the provider', () => {
  const pool = load('    zone: z1\n    subnet: s', '        zone: z2').pools.get('main')!;
  expect(pool).toMatchObject({ availabilityZones: ['z2'], limits: { instances: 2 } });
  expect(pool.labels.get('a')).toMatchObject({ instanceType: 'bx2', connection: { username: 'root' } });
});

test('without them the pool cannot be used', () => {
  expect(() => load('    zone: z1', '')).toThrow(/subnet is required here or in the provider/);
  expect(() => load('    subnet: s', '')).toThrow(/zone is required here or in the provider/);
});
