import { expect, test } from 'vitest';
import { loadYaml } from '../../config/testing/load-yaml.ts';
import { kubernetesConfig } from '../kubernetes/config.ts';
import { openshiftConfig } from '../openshift/config.ts';
import { openshiftpodsConfig } from '../openshiftpods/config.ts';
import type { FamilyLabelSettings } from './config.ts';

const drivers = [kubernetesConfig, openshiftConfig, openshiftpodsConfig];

function load(provider: string) {
  const { config, warnings } = loadYaml(
    `labels: [{name: a}, {name: b}, {name: A_b}]\nproviders:\n${provider}`,
    drivers,
  );
  const [first] = config.providers.values();
  const pool = [...first!.pools.values()][0]!;
  const settings = (label: string) => pool.labels.get(label)!.settings as FamilyLabelSettings;
  return { provider: first!, pool, settings, warnings: warnings.map((w) => `${w.path}: ${w.message}`) };
}

test('a limit is the first of: own, the pool’s, own request, the pool’s request; 0 is not set', () => {
  const { settings } = load(`
  - name: p
    driver: kubernetes
    pools:
      - name: main
        default-label-cpu: 2
        default-label-memory: 100
        default-label-memory-limit: 300
        labels:
          - {name: a, type: pod, cpu: 4, cpu-limit: 8, memory: 200, storage: 0}
          - {name: b, type: namespace, memory-limit: 400, cpu: 0}
`);
  expect(settings('a')).toMatchObject({
    requests: { cpu: 4, memoryMiB: 200, storageMB: null },
    limits: { cpu: 8, memoryMiB: 300, storageMB: null },
    resources: { instances: 1, cores: 4, ram: 200 },
  });
  expect(settings('b')).toMatchObject({
    kind: 'namespace',
    requests: { cpu: null, memoryMiB: 100 },
    limits: { cpu: null, memoryMiB: 400 },
  });
});

test('what a node takes: also GPUs, storage and other resources; with a spec the pool’s defaults', () => {
  const { settings, pool } = load(`
  - name: p
    driver: openshift
    context: c
    max-cores: 10
    max-projects: 3
    max-resources: {x/y: 1, z: 5}
    pools:
      - name: main
        max-resources: {x/y: 2}
        default-label-cpu: 2
        labels:
          - {name: a, type: pod, gpu: 1.0, gpu-resource: n/gpu, storage: 7, extra-resources: {x/y: 1}}
          - {name: b, type: pod, spec: {containers: []}}
`);
  expect(settings('a').resources).toEqual({
    instances: 1,
    cores: 2,
    ram: 0,
    'ephemeral-storage': 7,
    'n/gpu': 1,
    'x/y': 1,
  });
  expect(settings('b')).toMatchObject({ spec: { containers: [] }, resources: { cores: 2 } });
  expect(pool.limits).toEqual({ instances: 3, cores: 10, 'x/y': 2, z: 5 });
});

test('names that Kubernetes refuses are told, as are words that mean something else', () => {
  const { pool, settings, warnings } = load(`
  - name: p
    driver: kubernetes
    pools:
      - name: Main
        labels:
          - {name: A_b, type: pods}
          - {name: a, type: namespace, gpu: 1.0}
`);
  expect(warnings).toEqual([
    expect.stringMatching(/^providers\[0\]\.pools\[0\]\.name: the name is no name for Kubernetes/),
    expect.stringMatching(/labels\[0\]\.name: the name is no name for Kubernetes/),
    "providers[0].pools[0].labels[0].type: 'pods' is taken for pod",
    'providers[0].pools[0].labels[1]: gpu and gpu-resource have an effect only together',
  ]);
  expect(settings('A_b').nameProblem).toMatch(/no name for Kubernetes/);
  expect(settings('a').nameProblem).toBeNull();
  expect(pool.settings).toMatchObject({ nameProblem: expect.stringMatching(/no name/) as string });
});

test('a pod of openshiftpods is named after its label, which leaves fewer characters', () => {
  const name = 'a'.repeat(51);
  const config = (driver: string, label: string) =>
    loadYaml(
      `labels: [{name: ${name}}]\nproviders: [{name: p, driver: ${driver}, context: c, pools: [{name: main, labels: [${label}]}]}]`,
      drivers,
    ).warnings.map((w) => w.message);
  expect(config('openshiftpods', `{name: ${name}, image: i}`)).toEqual([
    "the name has 51 characters, Kubernetes takes 50 here; nodes can't be launched",
  ]);
  expect(config('openshift', `{name: ${name}, type: pod}`)).toEqual([]);
});
