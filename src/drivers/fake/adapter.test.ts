import { afterEach, expect, test } from 'vitest';
import type { CreateStep, Instance, Json, RequestView, StepContext } from '../../driver-kit/contract.ts';
import { launchSpec } from '../../driver-kit/testing/configs.ts';
import { MemoryLogger, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { FakeAdapter } from './adapter.ts';
import { fakeLabel, fakeProvider } from './testing/fake-provider.ts';

const never = new AbortController().signal;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function started(config: ReturnType<typeof fakeProvider>, runtime = new VirtualRuntime()) {
  const log = new MemoryLogger();
  const adapter = new FakeAdapter({ provider: config, runtime, log, env: {} });
  await adapter.start(never);
  stops.push(() => adapter.stop());
  return { adapter, runtime, log };
}

type Bed = Awaited<ReturnType<typeof started>>;

const fakeSpec = launchSpec('0000000001', { label: fakeLabel('small') });

async function launch({ adapter, runtime, log }: Bed, spec = fakeSpec): Promise<Instance> {
  const context: StepContext = { signal: never, listing: () => new Map(), log };
  let state = adapter.beginCreate(spec);
  for (;;) {
    const step: CreateStep<typeof state & Json> = await adapter.advanceCreate(state, spec, context);
    if (step.done) return step.instance;
    state = step.state;
    if (step.wait.kind === 'event') await runtime.finish(step.wait.promise);
  }
}

const request: RequestView = {
  id: '100-0000000001',
  labels: ['small'],
  requestor: 'zuul',
  requestorData: null,
  relativePriority: 0,
  eventId: 'e-1',
  createdTime: null,
  tenantName: 'acme',
};

test('what a node gets from an ordinary server', async () => {
  const bed = await started(fakeProvider());
  const spec = launchSpec('0000000007', { label: fakeLabel('small'), availabilityZone: 'az2', request });
  const instance = await launch(bed, spec);
  expect(instance).toMatchObject({
    cloud: 'fake',
    region: 'fake-region',
    availabilityZone: 'az2',
    hostId: 'fake',
    interfaceIp: 'fake',
    publicIpv4: 'fake',
    privateIpv4: 'fake',
    publicIpv6: '',
    resources: { cores: 4, instances: 1, ram: 8192 },
    nodeProperties: {},
  });
  expect(instance.externalId).toMatch(/^[0-9a-f]{32}$/);
  expect(bed.runtime.monotonicMs()).toBe(100);
});

test.each([
  [
    'the IPv6 network',
    { networks: ['fake-ipv6-network-name'] },
    true,
    { interfaceIp: 'fake_v6', publicIpv6: 'fake_v6', publicIpv4: 'fake', hostId: 'fake_host_id' },
  ],
  [
    'the network without floating IPs',
    { networks: ['no-auto-ip-network-name'] },
    true,
    { interfaceIp: 'fake', publicIpv4: '', publicIpv6: '', privateIpv4: 'fake' },
  ],
  ['auto-floating-ip: false', {}, false, { interfaceIp: 'fake', publicIpv4: '', privateIpv4: 'fake' }],
  ['any other network', { networks: ['whatever'] }, true, { interfaceIp: 'fake', publicIpv4: 'fake', hostId: 'fake' }],
])('%s', async (_title, settings, autoFloatingIp, wanted) => {
  const label = fakeLabel('small', settings);
  const bed = await started(fakeProvider({ labels: [label], pool: { autoFloatingIp } }));
  expect(await launch(bed, launchSpec('1', { label }))).toMatchObject(wanted);
});

test('metadata: label, request and Nodepool, the later ones win', async () => {
  const label = fakeLabel('small', {
    properties: { prop1: 'foo', count: 3, nodepool_node_id: 'forged' },
    dynamicProperties: {
      tenant: 'Tenant is {request.tenant_name}',
      broken: '{request.nothing}',
      prop1: '{request.requestor}',
    },
  });
  const bed = await started(fakeProvider({ labels: [label], pool: { securityGroups: ['sg'] } }));
  await launch(bed, launchSpec('0000000007', { label, request }));
  const [listed] = await bed.adapter.listInstances(never);
  expect(listed!.metadata).toEqual({
    groups: 'fake-provider,img,small',
    prop1: 'zuul',
    count: '3',
    tenant: 'Tenant is acme',
    nodepool_node_id: '0000000007',
    nodepool_pool_name: 'main',
    nodepool_provider_name: 'cloud',
  });
  expect(listed!.native).toMatchObject({ name: 'np0000000007', securityGroups: ['sg'] });
  expect(bed.log.of('warn').length).toBe(1);
});

test.each([
  [{ minRam: 8192 }, { cores: 4, instances: 1, ram: 8192 }],
  [
    { minRam: 1024, flavorName: 'Unreal' },
    { cores: 4, instances: 1, ram: 8192 },
  ],
  [
    { minRam: 0, flavorName: 'Fake Flavor' },
    { cores: 4, instances: 1, ram: 8192 },
  ],
  [
    { minRam: 8192, volumeGb: 50 },
    { cores: 4, instances: 1, ram: 8192, volumes: 1, 'volume-gb': 50 },
  ],
  [{ minRam: 8193 }, null],
  [{ minRam: 0, flavorName: 'Unreal' }, null],
  [{ minRam: 1, flavorName: 'no such' }, null],
])('need of a label %j', async (settings, wanted) => {
  const { adapter } = await started(fakeProvider());
  const need = adapter.quotaForLabel(fakeLabel('l', settings));
  if (wanted) expect(await need).toEqual(wanted);
  else await expect(need).rejects.toMatchObject({ code: 'permanent' });
});

test('images: an id is believed, a name must be there', async () => {
  const { adapter } = await started(fakeProvider());
  const ready = (o: Parameters<typeof fakeLabel>[1]) => adapter.labelReady(fakeLabel('l', o), never);
  expect(await ready({ imageId: 'anything', imageName: null })).toBe(true);
  expect(await ready({ imageId: null, imageName: 'Fake Precise' })).toBe(true);
  expect(await ready({ imageId: null, imageName: 'fake-image' })).toBe(false);
  expect(await adapter.listImages(never)).toEqual([{ id: 'fake-image-id', name: 'Fake Precise', metadata: {} }]);
});

test('no limit of its own unless asked for; then each resource is refused beyond it', async () => {
  const free = await started(fakeProvider());
  expect(await free.adapter.quotaLimits(never)).toEqual({});
  const label = fakeLabel('small');
  const tight = await started(fakeProvider({ settings: { quota: { cores: 8, instances: 10 } } }));
  expect(await tight.adapter.quotaLimits(never)).toEqual({ cores: 8, instances: 10 });
  await launch(tight, launchSpec('1', { label }));
  await launch(tight, launchSpec('2', { label }));
  await expect(launch(tight, launchSpec('3', { label }))).rejects.toMatchObject({ code: 'quota' });
  const full = await started(fakeProvider({ settings: { capacity: 1 } }));
  await launch(full, launchSpec('1', { label }));
  await expect(launch(full, launchSpec('2', { label }))).rejects.toMatchObject({ code: 'capacity' });
});

test('its own delays: slow creation, slow boot, slow deletion', async () => {
  const label = fakeLabel('small');
  const bed = await started(
    fakeProvider({ settings: { createDelayMs: 2000, bootDelayMs: 5000, deleteDelayMs: 3000, listDelayMs: 400 } }),
  );
  const { externalId } = await bed.runtime.finish(launch(bed, launchSpec('1', { label })));
  expect(bed.runtime.monotonicMs()).toBe(7000);
  const context: StepContext = { signal: never, listing: () => new Map(), log: bed.log };
  const first = await bed.adapter.advanceDelete(bed.adapter.beginDelete(externalId), context);
  expect(first).toMatchObject({ done: false, wait: { kind: 'event' } });
  expect((await bed.runtime.finish(bed.adapter.listInstances(never))).length).toBe(1);
  expect(bed.runtime.monotonicMs()).toBe(7400);
  await bed.runtime.advance(3000);
  await expect(bed.adapter.advanceDelete({ id: externalId as string }, context)).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('a share of the creations fails', async () => {
  const label = fakeLabel('small');
  const runtime = new VirtualRuntime();
  const bed = await started(fakeProvider({ settings: { failureRate: 0.3 } }), runtime);
  runtime.randomValue = 0.29;
  await expect(launch(bed, launchSpec('1', { label }))).rejects.toMatchObject({ code: 'unknown' });
  runtime.randomValue = 0.31;
  await launch(bed, launchSpec('1', { label }));
});

test('a provider that is replaced finds its servers again, and only the last one takes them along', async () => {
  const runtime = new VirtualRuntime();
  const label = fakeLabel('small');
  const first = await started(fakeProvider(), runtime);
  await launch(first, launchSpec('1', { label }));
  const second = await started(fakeProvider({ settings: { quota: { instances: 7 } } }), runtime);
  await first.adapter.stop();
  expect((await second.adapter.listInstances(never)).length).toBe(1);
  expect(await second.adapter.quotaLimits(never)).toEqual({ instances: 7 });
  await second.adapter.stop();
  const third = await started(fakeProvider(), runtime);
  expect(await third.adapter.listInstances(never)).toEqual([]);
  const other = await started(fakeProvider({ name: 'fake-other' }), runtime);
  await launch(third, launchSpec('1', { label }));
  expect(await other.adapter.listInstances(never)).toEqual([]);
});

test('a stopped driver says so', async () => {
  const bed = await started(fakeProvider());
  await bed.adapter.stop();
  await expect(launch(bed, launchSpec('1', { label: fakeLabel('small') }))).rejects.toMatchObject({
    name: 'ProviderError',
  });
});

test.each(['not an address', 'ftp://127.0.0.1/', 'https://127.0.0.1:1/'])(
  'an address like %s is a permanent error',
  async (address) => {
    await expect(started(fakeProvider({ settings: { address } }))).rejects.toMatchObject({ code: 'permanent' });
  },
);
