import { expect, test } from 'vitest';
import { ConfigError } from '../../config/yaml/errors.ts';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import { awsConfig } from './config.ts';

const config = (provider: string, pool: string, label: string) => `
labels: [{name: a}]
diskimages: [{name: disk, username: builder}]
providers:
  - name: ec2
    driver: aws
    region-name: eu-west-1
    max-servers: 9
    max-cores: 20
    max-resources: {L-1: 1, L-2: 2}
    cloud-images: [{name: debian, username: admin, image-id: ami-1, connection-type: winrm}]
    diskimages: [{name: disk, connection-port: 2222, python-path: /py}]
${provider}
    pools:
      - name: main
        availability-zone: z
        max-cores: 10
        max-resources: {L-2: 3}
${pool}
        labels:
          - {name: a, key-name: k, instance-type: t3, ${label}}
`;

function load(provider: string, pool: string, label: string) {
  const loaded = loadYaml(config(provider, pool, label), [awsConfig]).config.providers.get('ec2')!;
  const main = loaded.pools.get('main')!;
  return { provider: loaded, pool: main, label: main.labels.get('a')! };
}

test('pools take over what the provider says, per resource; times and rates', () => {
  const { provider, pool } = load('', '', 'cloud-image: debian');
  expect(pool.limits).toEqual({ instances: 9, cores: 10, 'L-1': 1, 'L-2': 3 });
  expect(pool.availabilityZones).toEqual(['z']);
  expect(provider).toMatchObject({ bootTimeoutMs: 180_000, launchTimeoutMs: 3_600_000, launchRetries: 3 });
  expect(provider.ratePerSecond).toBe(2);
  expect(load('    use-internal-ip: true\n    rate: 0.5', '', 'cloud-image: debian')).toMatchObject({
    provider: { ratePerSecond: 0.5 },
    pool: { useInternalIp: true },
  });
});

test('how a node is reached comes from its image; of a disk image the user is that of the top level', () => {
  expect(load('', '', 'cloud-image: debian').label).toMatchObject({
    image: { kind: 'cloud', name: 'debian' },
    instanceType: 't3',
    hostKeyChecking: true,
    connection: { username: 'admin', connectionType: 'winrm', connectionPort: 5986, pythonPath: 'auto' },
  });
  expect(load('', '        host-key-checking: false', 'diskimage: disk').label).toMatchObject({
    image: { kind: 'diskimage', name: 'disk' },
    hostKeyChecking: false,
    connection: { username: 'builder', connectionType: 'ssh', connectionPort: 2222, pythonPath: '/py' },
  });
});

test('what only the daemons refuse, all of it at once', () => {
  const text = config('', '', 'cloud-image: debain, dedicated-host: true, use-spot: true')
    .replace('availability-zone: z', 'priority: 1')
    .replace('{name: disk, connection-port', '{name: disk, imds-support: v2.0, import-method: image, connection-port');
  const messages = () => {
    try {
      loadYaml(text, [awsConfig]);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.issues.map((issue) => issue.message);
      throw error;
    }
  };
  expect(messages()).toEqual([
    'is not possible with import-method image',
    "there is no cloud-image debain, did you mean 'debian'?",
    'is not possible with use-spot',
    'takes the availability-zone of the pool',
  ]);
});
