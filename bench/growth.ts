/**
 * What a request costs the launcher, and a stored node, with few and with many nodes in the tree: nodes of a provider that
 * the launcher does not have, half of them ready, half of them held. The programs have to be built.
 * Usage: node --import ./test/run-typescript.mjs bench/growth.ts [NODES …]
 */
import { encodeNode, newNode } from '../src/records/node.ts';
import { isBroken } from '../src/records/broken.ts';
import { until } from '../test/interop/support/programs.ts';
import { Bed, load } from './support/bed.ts';
import { giveBack } from './support/give-back.ts';

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1000, 10_000, 100_000];
const requests = 600;
const underWay = 10;

const config = `
labels: [{name: small}]
providers:
  - name: cloud
    driver: fake
    cloud: fake
    fake-cloud: {boot-delay: 0.05}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, max-servers: 50, labels: [{name: small, cloud-image: image, min-ram: 1, host-key-checking: false}]}]
`;

async function preload(bed: Bed, count: number): Promise<void> {
  const documents = (['ready', 'hold'] as const).map((state) =>
    encodeNode(
      newNode(
        {
          state,
          provider: 'elsewhere',
          pool: 'main',
          labels: ['other'],
          externalId: '7f0e7c1a-0f4e-4a55-9c39-1d7f2f3a9b00',
          hostname: 'np0000000000',
          interfaceIp: '192.0.2.1',
          publicIpv4: '192.0.2.1',
          hostKeys: [`ssh-ed25519 ${'A'.repeat(68)}`],
          resources: { cores: 4, ram: 8192, instances: 1 },
        },
        Date.now(),
      ),
    ),
  );
  await bed.zk.ensurePath('/nodepool/nodes');
  for (let done = 0; done < count; done += 1000) {
    const batch = Array.from({ length: Math.min(1000, count - done) }, (_, n) =>
      bed.zk.create('/nodepool/nodes/', documents[n % 2]!, { mode: 'persistent-sequential' }),
    );
    for (const { path } of await Promise.all(batch)) void bed.zk.create(`${path}/lock`, Buffer.alloc(0));
  }
}

async function measure(count: number) {
  const bed = await Bed.start(config);
  try {
    await preload(bed, count);
    const upSeconds = await bed.startLauncher(1);
    const { store, operations } = await bed.consumer();
    await bed.calm();
    const memory = bed.residentMiB();
    const one = async () => {
      const { id } = await operations.createRequest({ nodeTypes: ['small'], requestor: 'bench' }, '200', {
        ephemeral: false,
      });
      const nodes = await until(
        () => `request ${id} is fulfilled`,
        () => {
          const request = store.requests.get(id)?.request;
          return request && !isBroken(request) && request.state === 'fulfilled' ? request.nodes : null;
        },
        60_000,
      );
      await giveBack(operations, id, nodes);
    };
    const lanes = async (each: number) => {
      const lane = async () => {
        for (let n = 0; n < each; n++) await one();
      };
      await Promise.all(Array.from({ length: underWay }, lane));
      await bed.calm();
    };
    await lanes(20);
    const before = bed.cpuSeconds();
    await lanes(requests / underWay);
    return { count, upSeconds, memory, cpuMs: ((bed.cpuSeconds() - before) * 1000) / requests };
  } finally {
    await bed.stop();
  }
}

const empty = await measure(0);
console.log(
  '| nodes in the tree | launcher up (s) | CPU a request (ms) | resident (MiB) | a stored node (KiB) | load |',
);
console.log('|---:|---:|---:|---:|---:|---:|');
console.log(
  `| 0 | ${empty.upSeconds.toFixed(1)} | ${empty.cpuMs.toFixed(2)} | ${empty.memory.toFixed(0)} | | ${load()} |`,
);
for (const size of sizes) {
  const { upSeconds, cpuMs, memory } = await measure(size);
  const each = ((memory - empty.memory) * 1024) / size;
  console.log(
    `| ${size} | ${upSeconds.toFixed(1)} | ${cpuMs.toFixed(2)} | ${memory.toFixed(0)} | ${each.toFixed(1)} | ${load()} |`,
  );
}
