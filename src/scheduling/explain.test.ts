import { expect, test } from 'vitest';
import type { NodepoolConfig } from '../config/model.ts';
import { labelConfig, poolConfig, providerConfig } from '../driver-kit/testing/configs.ts';
import type { HealthRecord, TroubleRecord } from '../records/health.ts';
import { explainProviders } from './explain.ts';

const provider = (name: string, labels: readonly string[]) => {
  const offered = labels.map((label) => labelConfig({ name: label }));
  const pool = poolConfig({ providerName: name, labels: new Map(offered.map((label) => [label.name, label])) });
  return providerConfig({ name, pools: new Map([['main', pool]]) });
};
const providers = [provider('near', ['small', 'large']), provider('far', ['small']), provider('nearer', ['other'])];
const config = { providers: new Map(providers.map((one) => [one.name, one])) } as unknown as NodepoolConfig;

const trouble = (name: string, why: string): TroubleRecord => ({
  ...{ key: `provider ${name}: start`, severity: 'critical', what: `provider ${name}: it is not available`, why },
  ...{ hint: '', since: 0, figures: {} },
});
const health = (hostname: string, troubles: readonly TroubleRecord[]): HealthRecord => ({
  ...{ hostname, processId: 1, version: '1', written: 0, troubles, more: 0 },
});
const said = [
  health('one', [trouble('near', 'no route'), trouble('nearer', 'no money')]),
  health('two', [trouble('far', 'no name'), { ...trouble('near', ''), key: 'the launcher itself' }]),
];

test('only what is said of providers that could serve all labels of a request', () => {
  expect(explainProviders({ labels: ['small'] }, config, said)).toEqual([
    '  one says: provider near: it is not available: no route',
    '  two says: provider far: it is not available: no name',
  ]);
  expect(explainProviders({ labels: ['small', 'large'] }, config, said)).toHaveLength(1);
  expect(explainProviders({ labels: ['unknown'] }, config, said)).toEqual([]);
});

test('the same words once, and nothing that hinders nobody', () => {
  const twice = [health('one', [trouble('far', 'no name')]), health('one', [trouble('far', 'no name')])];
  expect(explainProviders({ provider: 'far' }, config, twice)).toHaveLength(1);
  const info = [health('one', [{ ...trouble('far', 'pods may not be watched'), severity: 'info' }])];
  expect(explainProviders({ provider: 'far' }, config, info)).toEqual([]);
});

test('of a node: what is said of its provider', () => {
  expect(explainProviders({ provider: 'nearer' }, config, said)).toEqual([
    '  one says: provider nearer: it is not available: no money',
  ]);
  expect(explainProviders({ provider: null }, config, said)).toEqual([]);
});
