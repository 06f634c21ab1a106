/**
 * Slots on nodes of another provider, with the programs as users run them: shared, kept over a `kill -9` of the launcher,
 * had anew when the backing node vanishes, released when empty.
 */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { type Running, until, Workplace } from './support/programs.ts';

interface NodeDocument {
  readonly id: string;
  readonly state: string;
  readonly type: readonly string[];
  readonly slot: number | null;
  readonly driver_data: { readonly backing_node: string; readonly slot: number } | null;
}

let place: Workplace;
let zk: ZooKeeper;

beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.clear());

const configText = (dataDir: string) => `
coordinator: {data-dir: ${dataDir}}
zookeeper-timeout: 2.0
labels: [{name: small}, {name: big}]
providers:
  - name: cloud
    driver: fake
    cloud: fake
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, max-servers: 4, host-key-checking: false, labels: [{name: big, cloud-image: image, min-ram: 8192}]}]
  - name: slots
    driver: metastatic
    launch-retries: 1
    pools: [{name: main, labels: [{name: small, backing-label: big, max-parallel-jobs: 2, grace-time: 1}]}]
`;

async function nodes(): Promise<NodeDocument[]> {
  const found: NodeDocument[] = [];
  for (const id of (await zk.children('/nodepool/nodes').catch(() => ({ children: [] }))).children) {
    const text = await zk.get(`/nodepool/nodes/${id}`).then(
      ({ data }) => data.toString(),
      () => '',
    );
    if (text !== '') found.push({ ...(JSON.parse(text) as NodeDocument), id });
  }
  return found;
}

const used = async () => (await nodes()).filter((node) => node.type.includes('small') && node.state === 'in-use');

/** Takes a node until its gate is opened. */
async function take(config: string, name: string): Promise<{ command: Running; open: () => void; node: NodeDocument }> {
  const gate = `${place.directory}/${name}`;
  const before = new Set((await used()).map((node) => node.id));
  const wait = `touch ${gate}.held; until [ -e ${gate}.open ]; do sleep 0.05; done`;
  const command = place.start('nodepool', ['-c', config, 'request', '-l', 'small', '--timeout', '40', '--exec', wait]);
  await until(command.output, () => existsSync(`${gate}.held`), 40_000);
  const node = (await used()).find((one) => !before.has(one.id));
  if (!node) throw new Error(`no node in use for ${name}: ${command.output()}`);
  return { command, node, open: () => void place.file(`${name}.open`, '') };
}

test('slots outlive launchers, and backing nodes that vanish are replaced', async () => {
  const dataDir = `${place.directory}/data`;
  const config = place.file('nodepool.yaml', configText(dataDir));
  const coordinator = place.start('nodepool', ['-c', config, 'coordinator']);
  await until(coordinator.output, () => existsSync(`${dataDir}/address.json`));
  zk = place.client(dataDir);
  const registered = (count: number, running: Running) =>
    until(
      running.output,
      async () => {
        const pools = await zk.children('/nodepool/components/pool').catch(() => ({ children: [] }));
        return pools.children.length === count;
      },
      30_000,
    );
  let launcher = place.start('nodepool', ['-c', config, 'launcher']);
  await registered(2, launcher);

  const a = await take(config, 'a');
  launcher.process.kill('SIGKILL');
  await launcher.ended;
  await registered(0, launcher);
  launcher = place.start('nodepool', ['-c', config, 'launcher']);
  await registered(2, launcher);
  const b = await take(config, 'b');
  expect(a.node.driver_data).toMatchObject({ slot: 0 });
  expect(b.node.driver_data).toMatchObject({ slot: 1, backing_node: a.node.driver_data!.backing_node });

  // Somebody removes the backing node with everything on it.
  const lost = `/nodepool/nodes/${a.node.driver_data!.backing_node}`;
  for (const contender of (await zk.children(`${lost}/lock`)).children) {
    await zk.multi([
      { type: 'delete', path: `${lost}/lock/${contender}` },
      { type: 'delete', path: `${lost}/lock` },
      { type: 'delete', path: lost },
    ]);
  }
  b.open();
  expect(await b.command.ended).toBe(0);
  const c = await take(config, 'c');
  expect(c.node.driver_data!.backing_node).not.toBe(a.node.driver_data!.backing_node);
  // What was handed out was left to its consumer.
  expect((await used()).map((node) => node.id)).toContain(a.node.id);

  for (const taken of [a, c]) {
    taken.open();
    expect(await taken.command.ended).toBe(0);
  }
  await until(launcher.output, async () => (await nodes()).length === 0, 30_000);
  expect(await zk.children('/nodepool/requests')).toMatchObject({ children: [] });
  launcher.process.kill('SIGTERM');
  expect(await launcher.ended).toBe(0);
});
