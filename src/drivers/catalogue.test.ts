import { expect, test } from 'vitest';
import { loadYaml } from '../config/testing/load-yaml.ts';
import { driverDefinitions, notBuilt, servable } from './catalogue.ts';

const { config, warnings } = loadYaml(
  `labels: [{name: here}, {name: there}]
providers:
  - name: hosts
    driver: static
    pools: [{name: main, nodes: [{name: host, labels: here, username: zuul, host-key-checking: false}]}]
  - name: cloud
    driver: openstack
    cloud: cloud
    cloud-images: [{name: image}]
    pools: [{name: main, labels: [{name: there, cloud-image: image, min-ram: 1}]}]`,
  [...driverDefinitions.values()],
);

test('providers of drivers that are not built are left to others, without being held against the file', () => {
  expect(warnings).toEqual([]);
  expect(notBuilt(config)).toEqual([
    'provider cloud: the driver openstack is not built yet; it is left to other launchers',
  ]);
  expect([...servable(config).providers.keys()]).toEqual(['hosts']);
  expect([...servable(config).labels.keys()]).toEqual(['here', 'there']);
});
