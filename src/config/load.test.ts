import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fakeConfig } from '../drivers/fake/config.ts';
import { staticConfig } from '../drivers/static/config.ts';
import { ConfigError } from './yaml/errors.ts';
import { configJsonSchema } from './json-schema.ts';
import { loadConfig, validate } from './load.ts';

const directory = mkdtempSync(join(tmpdir(), 'nodepool-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const drivers = new Map([fakeConfig, staticConfig].map((d) => [d.name, d]));

function file(text: string): string {
  const path = join(directory, 'nodepool.yaml');
  writeFileSync(path, text);
  return path;
}

/** The findings as a user sees them, without the directory. */
function findings(text: string, load = false): string[] {
  const o = { path: file(text), env: { NODEPOOL_LABEL: 'small' }, drivers };
  try {
    if (load) loadConfig(o);
    else validate(o);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${directory}/`, '').split('\n');
  }
}

const provider = (pool: string) => `
labels: [{name: small}]
providers:
  - name: p
    driver: fake
    cloud: c
    cloud-images: [{name: image}]
    pools:
      - name: main
${pool}`;

describe('findings', () => {
  test.each<[string, string, string[]]>([
    [
      'unknown key with its neighbour',
      'labels:\n  - name: a\n    min-redy: 1\n',
      ["nodepool.yaml:3:5: labels[0].min-redy: unknown key 'min-redy', did you mean 'min-ready'?"],
    ],
    ['wrong type', 'max-hold-age: "5"\n', ['nodepool.yaml:1:15: max-hold-age: must be an integer, is the string "5"']],
    [
      'an integer where a float must be',
      'zookeeper-timeout: 10\n',
      ['nodepool.yaml:1:20: zookeeper-timeout: must be a number with a decimal point, is the number 10: write 10.0'],
    ],
    [
      'unknown driver',
      'providers: [{name: x, driver: statik}]\n',
      ["nodepool.yaml:1:31: providers[0].driver: unknown driver 'statik', did you mean 'static'?"],
    ],
    [
      'keys that are no strings where names must stand',
      'diskimages: [{name: x, env-vars: {1: "a"}}]\n',
      [
        'nodepool.yaml:1:34: diskimages[0].env-vars: must have only strings as keys: put numbers and words such as yes in quotes',
      ],
    ],
    [
      'each unknown key on its own, whatever it is called',
      '"a; b": 1\nqqqqqqqq: 2\n',
      ["nodepool.yaml:1:1: a; b: unknown key 'a; b'", "nodepool.yaml:2:1: qqqqqqqq: unknown key 'qqqqqqqq'"],
    ],
    [
      'all of them in one run',
      'webap: {}\nlabels: 5\n',
      [
        "nodepool.yaml:1:1: webap: unknown key 'webap', did you mean 'webapp'?",
        'nodepool.yaml:2:9: labels: must be a list, is the number 5',
      ],
    ],
  ])('%s', (_name, text, expected) => {
    expect(findings(text).sort()).toEqual(expected.sort());
  });

  test('broken YAML says where', () => {
    expect(findings('labels:\n  - name: "a\n')[0]).toMatch(/^nodepool\.yaml:\d+:\d+: YAML: /);
  });

  test('a label that leads nowhere', () => {
    const text = provider('        labels: [{name: smal, cloud-image: image, min-ram: 1}]');
    expect(findings(text, true)).toEqual([
      "nodepool.yaml:10:25: providers[0].pools[0].labels[0].name: there is no top-level label smal, did you mean 'small'?",
    ]);
  });

  test('a file that is not there', () => {
    expect(() => validate({ path: join(directory, 'none.yaml'), env: {}, drivers })).toThrow(/there is no such file/);
  });

  test('a directory, and a file that is not UTF-8', () => {
    expect(() => validate({ path: directory, env: {}, drivers })).toThrow(/it is a directory/);
    const path = join(directory, 'latin1.yaml');
    writeFileSync(path, Buffer.from([0x61, 0x3a, 0x20, 0xff]));
    expect(() => validate({ path, env: {}, drivers })).toThrow(/the file is not UTF-8/);
  });
});

test('YAML 1.1 as Python reads it', () => {
  expect(findings('labels: [{name: a, min-ready: 017}]\nmax-hold-age: 1_000\nwebapp: {port: 0x1f}\n')).toEqual([]);
  expect(findings('labels: [{name: yes}]\n')).toEqual([
    'nodepool.yaml:1:17: labels[0].name: must be a string, is the boolean true',
  ]);
  expect(findings('labels: [{name: 2024-01-31}]\n')[0]).toContain('is a date');
  expect(findings('labels: [{name: y}]\nmax-hold-age: 1\nmax-hold-age: 2\n')).toEqual([]);
});

test('a provider is loaded, with substitution', () => {
  const text = provider(
    '        max-servers: 3\n        labels: [{name: "%(NODEPOOL_LABEL)", cloud-image: image, min-ram: 1}]',
  );
  const { config } = loadConfig({ path: file(text), env: { NODEPOOL_LABEL: 'small' }, drivers });
  const pool = config.providers.get('p')?.pools.get('main');
  expect(pool?.limits).toEqual({ instances: 3 });
  expect(pool?.labels.get('small')?.connection).toMatchObject({
    connectionType: 'ssh',
    connectionPort: 22,
    pythonPath: 'auto',
  });
  expect(config.zookeeper.sessionTimeoutMs).toBe(10_000);
});

test('the JSON Schema closes its mappings', () => {
  expect(configJsonSchema(drivers)).toMatchObject({ type: 'object', additionalProperties: false });
});

test('limits of a tenant: known ones, those of drivers, and names that objects have anyway', () => {
  const text =
    'tenant-resource-limits:\n  - {tenant-name: one, max-servers: 2, max-volume-gb: 3, L-1: true, constructor: 4}\n';
  const { config } = loadConfig({ path: file(text), env: {}, drivers });
  expect(config.tenantLimits.get('one')).toEqual({ instances: 2, 'volume-gb': 3, 'L-1': 1, constructor: 4 });
});
