import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Provider } from '../../provider/provider.ts';
import { launchSpec } from '../../driver-kit/testing/configs.ts';
import { MemoryLogger, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { FakeAdapter } from './adapter.ts';
import { fakeLabel, fakeProvider } from './testing/fake-provider.ts';

interface State {
  ack: number;
  servers: { id: string; name: string; status: string; metadata: Record<string, string>; security_groups: string[] }[];
  'create-server-failures': number;
  'create-server-failures-with-id': number;
}

const never = new AbortController().signal;
const label = fakeLabel('small');
let directory: string;
let runtime: VirtualRuntime;
let log: MemoryLogger;
let provider: Provider;
let serial = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fake-cloud-'));
  runtime = new VirtualRuntime();
  log = new MemoryLogger();
  const config = fakeProvider({ labels: [label], pool: { securityGroups: ['sg'] } });
  provider = new Provider(
    {
      createAdapter: async () =>
        new FakeAdapter({ provider: config, runtime, log, env: { NODEPOOL_TEST_FAKE_CLOUD: directory } }),
      runtime,
      log,
      isKnownNode: () => true,
    },
    config,
  );
  provider.start();
  await runtime.advance(10);
});
afterEach(async () => {
  await provider.stop();
  await rm(directory, { recursive: true });
});

async function control(mine: object, whole: object = {}): Promise<number> {
  serial++;
  const file = join(directory, 'control.json');
  await writeFile(`${file}.tmp`, JSON.stringify({ serial, ...whole, providers: { 'fake-provider': mine } }));
  await rename(`${file}.tmp`, file);
  return serial;
}

async function state(): Promise<State> {
  await runtime.advance(100);
  return JSON.parse(await readFile(join(directory, 'fake-provider.json'), 'utf8')) as State;
}

let node = 0;
const launch = (timeoutMs = 5000) => {
  const metadata = {
    nodepool_node_id: `n${++node}`,
    nodepool_pool_name: 'main',
    nodepool_provider_name: 'fake-provider',
  };
  const launched = provider.launch(launchSpec(`n${node}`, { label, metadata }), {
    timeoutMs,
    signal: never,
    onExternalId: () => Promise.resolve(),
  });
  return runtime.finish(launched);
};
const remove = (id: unknown) => runtime.finish(provider.remove(id as string, { timeoutMs: 5000, signal: never }));

test('the limits of the suite hold without being asked for', () => {
  expect(provider.limits()).toEqual({
    cores: 100,
    instances: 20,
    ram: 1_000_000,
    volumes: 100,
    'volume-gb': 1_000_000,
  });
});

test('shows the servers', async () => {
  const { externalId } = await launch();
  const { servers, ack } = await state();
  expect(ack).toBe(0);
  expect(servers).toEqual([
    {
      id: externalId,
      name: `npn${node}`,
      status: 'ACTIVE',
      metadata: expect.objectContaining({ nodepool_node_id: `n${node}` }),
      security_groups: ['sg'],
    },
  ]);
  await remove(externalId);
  expect((await state()).servers).toEqual([]);
});

test('failures, once for each serial, with and without id; a change holds for the very next call', async () => {
  const wanted = await control({
    'create-server-failures': { n: 1, serial: 1 },
    'create-server-failures-with-id': { n: 1, serial: 1 },
  });
  await expect(launch()).rejects.toMatchObject({ code: 'unknown', externalId: undefined });
  expect(await state()).toMatchObject({
    ack: wanted,
    'create-server-failures': 0,
    'create-server-failures-with-id': 1,
  });
  await expect(launch()).rejects.toMatchObject({ externalId: 'fakeid' });
  await remove('fakeid');
  await control({ 'create-server-failures': { n: 1, serial: 1 } });
  await launch();
  await control({ 'create-server-failures': { n: 1, serial: 2 } });
  await expect(launch()).rejects.toMatchObject({ code: 'unknown' });
});

test('servers that never become active', async () => {
  await control({ 'create-server-timeouts': { n: 1, serial: 1 } });
  await expect(launch(3000)).rejects.toMatchObject({ code: 'timeout' });
  expect((await state()).servers).toMatchObject([{ status: 'BUILD' }]);
  await launch();
});

test('quota: reported without the unlimited ones, enforced for instances only', async () => {
  await control({}, { quota: { cores: 4, instances: 2, ram: -1, volumes: null } });
  await launch();
  await launch();
  await expect(launch()).rejects.toMatchObject({ code: 'quota' });
  await runtime.advance(2000);
  expect(provider.limits()).toEqual({ cores: 4, instances: 2 });
});

test('zones from now on', async () => {
  await control({ azs: ['new-az1'] });
  await expect(launch()).rejects.toMatchObject({ code: 'status' });
  await runtime.advance(2000);
  expect(provider.zones()).toEqual(['new-az1']);
});

test('images appear, and how soon a missing one is looked up again', async () => {
  const config = fakeProvider({
    name: 'fake-provider',
    labels: [fakeLabel('later', { imageId: null, imageName: 'later' })],
  });
  const other = new FakeAdapter({ provider: config, runtime, log, env: { NODEPOOL_TEST_FAKE_CLOUD: directory } });
  await other.start(never);
  const later = config.pools.get('main')!.labels.get('later')!;
  expect(await other.labelReady(later, never)).toBe(false);
  expect(other.imageCheckMs).toBe(300_000);
  await control({ images: ['later'], 'image-check-timeout': 1 });
  expect(await other.labelReady(later, never)).toBe(true);
  expect(other.imageCheckMs).toBe(1000);
  await other.stop();
});

test('a server forced to DELETED stays listed for the test, not for the driver', async () => {
  const { externalId } = await launch();
  await control({ 'server-status': { [externalId as string]: 'DELETED' } });
  await remove(externalId);
  expect((await state()).servers).toMatchObject([{ id: externalId, status: 'DELETED' }]);
  expect(await provider.adapter!.listResources(never)).toEqual([]);
});

test.each(['{', '[]', '{"quota": 7}', '{"providers": {"fake-provider": {"azs": "az1"}}}'])(
  'a broken control file %s changes nothing',
  async (text) => {
    await writeFile(join(directory, 'control.json'), text);
    await launch();
    expect(log.of('warn').length).toBeGreaterThan(0);
  },
);

test('a directory that is gone stops nothing', async () => {
  await rm(directory, { recursive: true });
  await launch();
  await runtime.advance(200);
  expect(log.of('warn').length).toBeGreaterThan(0);
  await import('node:fs/promises').then((fs) => fs.mkdir(directory));
});
