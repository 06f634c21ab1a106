/** The demands on every driver, for the toy driver. */
import type { Runtime } from '../../../src/base/runtime.ts';
import { labelConfig, poolConfig, providerConfig } from '../../../src/driver-kit/testing/configs.ts';
import type { ConformanceBed, NotShown } from '../../../src/drivers/testing/conformance/bed.ts';
import { driverConformance } from '../../../src/drivers/testing/conformance/conformance.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { ToyAdapter } from './adapter.ts';
import { cloudAt } from './cloud.ts';

const inMemory = 'the cloud is in memory: its calls can be neither refused nor lost';
const noDelay = 'a deletion only takes the machine out of memory';
const alwaysBoots = 'a machine is active when its time has come';
const anyLabel = 'the cloud has no images, and makes machines of any size';

const notShown: readonly NotShown[] = [
  ...(['throttle', 'unavailable', 'loseCreateAnswers', 'hang'] as const).map((what) => ({ what, why: inMemory })),
  ...(['neverActive', 'breakInstances'] as const).map((what) => ({ what, why: alwaysBoots })),
  ...(['impossibleLabel', 'labelWithMissingImage'] as const).map((what) => ({ what, why: anyLabel })),
  { what: 'failDeletes', why: noDelay },
];

let serial = 0;

const makeBed =
  (bootMs: number) =>
  async (runtime: Runtime): Promise<ConformanceBed> => {
    const address = `toy://${serial++}`;
    const cloud = cloudAt(address);
    const label = labelConfig({ settings: { memory: 512 } });
    const pool = poolConfig({ labels: new Map([[label.name, label]]) });
    const config = providerConfig({
      driver: 'toy',
      settings: { address, bootMs },
      pools: new Map([[pool.name, pool]]),
    });
    return {
      config,
      poolName: pool.name,
      label,
      createAdapter: () => new ToyAdapter({ provider: config, runtime, log: new MemoryLogger(), env: {} }),
      instances: async () => [...cloud.machines.values()].map(({ id, tags }) => ({ id, metadata: tags })),
      levers: {
        failCreates: async (n) => (cloud.failures = n),
        limitInstances: async (limit) => (cloud.mostMachines = limit ?? Number.POSITIVE_INFINITY),
        addForeign: async (tags) => cloud.create({ token: `foreign-${serial++}`, tags, memory: 1, activeAtMs: 0 }),
      },
      dispose: async () => cloud.machines.clear(),
    };
  };

driverConformance('toy', makeBed(50), notShown);
driverConformance('toy, whose machines are active at once', makeBed(0), notShown);
