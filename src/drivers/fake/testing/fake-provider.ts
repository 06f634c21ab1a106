/** Configurations of the fake driver for tests, without a file. */
import type { PoolLabelConfig, ProviderConfig } from '../../../config/model.ts';
import { labelConfig, poolConfig, providerConfig } from '../../../driver-kit/testing/configs.ts';
import type { FakeLabelSettings, FakePoolSettings, FakeSettings } from '../config.ts';

export function fakeLabel(name: string, o: Partial<FakeLabelSettings> = {}): PoolLabelConfig<FakeLabelSettings> {
  const settings: FakeLabelSettings = {
    imageId: 'fake-image-id',
    imageName: null,
    minRam: 8192,
    flavorName: null,
    networks: [],
    volumeGb: null,
    properties: {},
    dynamicProperties: {},
    ...o,
  };
  return labelConfig({ name, settings });
}

export function fakeProvider(
  o: {
    name?: string;
    settings?: Partial<FakeSettings>;
    pool?: Partial<FakePoolSettings>;
    labels?: readonly PoolLabelConfig<FakeLabelSettings>[];
  } = {},
): ProviderConfig<FakeSettings, FakePoolSettings, FakeLabelSettings> {
  const name = o.name ?? 'fake-provider';
  const settings: FakeSettings = {
    cloud: 'fake',
    region: 'fake-region',
    address: null,
    account: name,
    bootDelayMs: 100,
    createDelayMs: 0,
    deleteDelayMs: 0,
    listDelayMs: 0,
    failureRate: 0,
    capacity: Number.POSITIVE_INFINITY,
    quota: {},
    ...o.settings,
  };
  const labels = new Map((o.labels ?? [fakeLabel('small')]).map((label) => [label.name, label]));
  const pool = poolConfig({
    providerName: name,
    labels,
    settings: { autoFloatingIp: true, securityGroups: [], ...o.pool },
  });
  return providerConfig({ name, driver: 'fake', settings, pools: new Map([['main', pool]]) });
}
