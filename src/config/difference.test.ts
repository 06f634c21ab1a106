import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fakeConfig } from '../drivers/fake/config.ts';
import { configDifference, describeDifference } from './difference.ts';
import { loadConfig } from './load.ts';
import type { NodepoolConfig } from './model.ts';

function config(text: string): NodepoolConfig {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-difference-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'nodepool.yaml');
  writeFileSync(path, text);
  return loadConfig({ path, env: {}, drivers: new Map([['fake', fakeConfig]]) }).config;
}

const provider = (name: string, pools: string) =>
  `\n  - {name: ${name}, driver: fake, cloud: c, cloud-images: [{name: i}], pools: ${pools}}`;
const pool = (name: string, label: string, ram: number) =>
  `{name: ${name}, labels: [{name: ${label}, cloud-image: i, min-ram: ${ram}}]}`;

const before = () =>
  config(`
labels: [{name: a}, {name: b}]
max-hold-age: 5
providers: ${provider('same', `[${pool('p', 'a', 1)}]`)}${provider('other', `[${pool('p', 'a', 1)}, ${pool('q', 'b', 1)}]`)}${provider('old', '[]')}
`);

it('says nothing of comments and order', () => {
  const again = config(`
providers: # first
  ${provider('same', `[${pool('p', 'a', 1)}]`)}${provider('other', `[${pool('p', 'a', 1)}, ${pool('q', 'b', 1)}]`)}${provider('old', '[]')}
max-hold-age: 5
labels: [{name: b}, {name: a}]
`);
  expect(describeDifference(configDifference(before(), again))).toEqual([]);
});

it('names what is new, gone, changed, and what needs a restart', () => {
  const after = config(`
labels: [{name: a, min-ready: 2}, {name: c}]
webapp: {port: 9000}
providers: ${provider('same', `[${pool('p', 'a', 1)}]`)}${provider('other', `[${pool('p', 'a', 2)}, ${pool('r', 'c', 1)}]`)}${provider('new', '[]')}
`);
  const difference = configDifference(before(), after);
  expect(difference.providers).toEqual({ added: ['new'], removed: ['old'], changed: ['other'] });
  expect(difference.replaced).toEqual([
    {
      name: 'other',
      pools: { added: ['r'], removed: ['q'], changed: ['p'] },
      labels: { added: ['r/c'], removed: ['q/b'], changed: ['p/a'] },
    },
  ]);
  expect(difference.labels).toEqual({ added: ['c'], removed: ['b'], changed: ['a'] });
  const lines = describeDifference(difference).join('\n');
  for (const part of ['label c: new', 'provider old: gone', 'provider other, pool q: gone', 'max-hold-age: changed'])
    expect(lines).toContain(part);
  expect(lines).toMatch(/webapp: changed, takes effect at the next start/);
});

it('takes other members of an ensemble at once, another tree at the next start', () => {
  const tls = 'zookeeper-tls: {ca: a, cert: b, key: c}';
  const ensemble = (servers: string, more = tls) => config(`zookeeper-servers: [${servers}]\n${more}\n`);
  const one = ensemble('{host: a}');
  const changes = (after: NodepoolConfig) => describeDifference(configDifference(one, after));
  expect(changes(ensemble('{host: a}, {host: b}'))).toEqual(['zookeeper-servers: changed']);
  expect(changes(ensemble('{host: a}', 'zookeeper-tls: {ca: a, cert: b, key: new}'))).toEqual([
    'zookeeper-tls: changed',
  ]);
  const restart = ['zookeeper: changed, takes effect at the next start'];
  expect(changes(ensemble('{host: a, chroot: /other}'))).toEqual(restart);
  expect(changes(ensemble('{host: a}', `${tls}\nzookeeper-timeout: 30.0`))).toEqual(restart);
  expect(changes(config('labels: []'))).toContain(restart[0]);
});
