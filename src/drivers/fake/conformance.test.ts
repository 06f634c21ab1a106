import { driverConformance } from '../testing/conformance/conformance.ts';
import type { CloudLevers, ConformanceBed, NotShown } from '../testing/conformance/bed.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { type Runtime, systemRuntime } from '../../base/runtime.ts';
import { FakeAdapter } from './adapter.ts';
import type { CloudFaults } from './cloud.ts';
import { LocalCloud } from './cloud-port.ts';
import { startFakeCloudServer } from './fake-cloud-server.ts';
import { fakeLabel, fakeProvider } from './testing/fake-provider.ts';

const small = fakeLabel('small');
const labels = {
  poolName: 'main',
  label: small,
  impossibleLabel: fakeLabel('huge', { minRam: 1_000_000 }),
  labelWithMissingImage: fakeLabel('other', { imageId: null, imageName: 'No Such Image' }),
};

const foreign = (metadata: Readonly<Record<string, string>>, token: string) => ({
  name: 'foreign',
  metadata,
  securityGroups: [],
  zone: 'az1',
  resources: { instances: 1, cores: 1, ram: 1024 },
  token,
});

let foreigners = 0;

const why = 'calls on a cloud in memory are not made over a network';
const notShown: readonly NotShown[] = [
  { what: 'throttle', why },
  { what: 'unavailable', why },
  { what: 'loseCreateAnswers', why },
  { what: 'hang', why },
];

driverConformance(
  'fake, in memory',
  async (runtime: Runtime): Promise<ConformanceBed> => {
    const config = fakeProvider({ labels: [small] });
    // Holds the world together while adapters come and go.
    const { cloud, close } = holdLocal(runtime, config.name);
    const fault = (name: keyof CloudFaults) => async (n: number) => {
      cloud.faults[name] = n;
    };
    return {
      ...labels,
      config,
      createAdapter: () => new FakeAdapter({ provider: config, runtime, log: new MemoryLogger(), env: {} }),
      instances: async () => cloud.list(),
      levers: {
        failCreates: fault('createFailures'),
        failDeletes: fault('deleteFailures'),
        neverActive: fault('createTimeouts'),
        breakInstances: fault('createBroken'),
        limitInstances: async (limit) => {
          // Every start of an adapter sets what its configuration says.
          Object.assign(config.settings, { quota: limit === null ? {} : { instances: limit } });
          cloud.quota = limit === null ? {} : { instances: limit };
        },
        addForeign: async (metadata) => cloud.create(foreign(metadata, `foreign-${foreigners++}`)),
      },
      dispose: close,
    };
  },
  notShown,
);

function holdLocal(runtime: Runtime, name: string) {
  const local = new LocalCloud(runtime, name);
  return { cloud: local.cloud, close: () => local.close() };
}

driverConformance('fake, as a process of its own', async (runtime: Runtime): Promise<ConformanceBed> => {
  const server = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  const address = `http://127.0.0.1:${server.port}`;
  const config = fakeProvider({ settings: { address, account: 'acme' }, labels: [small] });
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${address}/accounts/acme/${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  };
  const fault = (name: string) => (value: number | boolean) => call('PUT', 'faults', { [name]: value });
  const levers: CloudLevers = {
    failCreates: fault('createFailures'),
    failDeletes: fault('deleteFailures'),
    neverActive: fault('createTimeouts'),
    breakInstances: fault('createBroken'),
    throttle: fault('throttle'),
    unavailable: fault('refuse'),
    loseCreateAnswers: fault('loseCreateAnswers'),
    hang: fault('hang'),
    limitInstances: (limit) => call('PUT', 'settings', { quota: limit === null ? {} : { instances: limit } }),
    addForeign: (metadata) => call('POST', 'servers', foreign(metadata, `foreign-${foreigners++}`)),
  };
  return {
    ...labels,
    config,
    createAdapter: () => new FakeAdapter({ provider: config, runtime, log: new MemoryLogger(), env: {} }),
    instances: async () => (await call('GET', 'servers')) as Awaited<ReturnType<ConformanceBed['instances']>>,
    levers,
    dispose: () => server.close(),
  };
});
