/** Our commands on the tree of a running Python launcher, in Apache ZooKeeper: what they show is right, what they ask for happens. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { answer } from '../support/answer.ts';
import { type Running, until, Workplace } from '../support/programs.ts';
import { cloudsVariable, fakeClouds, python, pythonIsThere } from '../support/python.ts';

const patienceMs = 60_000;
const nodepool = new URL('../../../bin/nodepool', import.meta.url).pathname;

let place: Workplace;
let apache: Apache;
let launcher: Running;
let config: string;

beforeAll(async () => {
  pythonIsThere();
  place = new Workplace();
  apache = await startApache(1);
  const { directory } = place;
  for (const name of ['ca', 'cert', 'key'] as const) place.file(`${name}.pem`, String(apache.tls[name]));
  config = place.file(
    'nodepool.yaml',
    `zookeeper-servers: [{host: localhost, port: ${apache.servers[0]!.secure.port}}]
zookeeper-tls: {ca: ${directory}/ca.pem, cert: ${directory}/cert.pem, key: ${directory}/key.pem}
labels: [{name: warm, min-ready: 2}, {name: rare}]
webapp: {port: 0}
providers:
  - name: cloud9
    driver: fake
    cloud: fake
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools:
      - name: main
        max-servers: 4
        labels:
          - {name: warm, cloud-image: image, min-ram: 1024}
          - {name: rare, cloud-image: image, min-ram: 1024}
`,
  );
  const [interpreter, ...first] = python('launcher');
  launcher = place.spawn(interpreter, [...first, '-d', '-c', config, '--no-webapp'], {
    NODEPOOL_TEST_CLEANUP_INTERVAL: '1',
    NODEPOOL_TEST_DELETE_INTERVAL: '1',
    [cloudsVariable]: place.file('clouds.yaml', fakeClouds),
  });
  await stock(2);
});
afterAll(async () => {
  await place.clear();
  await apache.close();
});

const ours = (...argv: string[]) => answer(process.execPath, [nodepool, '-c', config, ...argv]);

async function json(...argv: string[]): Promise<Record<string, unknown>[]> {
  const { status, stdout } = await ours(...argv, '--format', 'json');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>[];
}

const eventually = <T>(what: string, condition: () => Promise<T>) =>
  until(() => `${what}:\n${launcher.output().slice(-3000)}`, condition, patienceMs);

/** Until so many nodes are free to be taken, and nothing else is going on but what is on hold. */
function stock(ready: number) {
  return eventually(`${ready} nodes in stock`, async () => {
    const all = await json('list', '--detail');
    // The Python launcher unlocks a node after it has written that it is ready.
    const settled = all.every(({ state, locked }) => (state === 'ready' || state === 'hold') && locked === 'unlocked');
    return settled && all.filter(({ state }) => state === 'ready').length === ready ? all : null;
  });
}

test('listings, explain and doctor tell what the Python launcher does', async () => {
  const nodes = await stock(2);
  const free = { provider: 'cloud9', pool: 'main', label: ['warm'], state: 'ready', locked: 'unlocked' };
  expect(nodes).toMatchObject([free, free]);
  expect(await json('launcher-list')).toEqual([expect.objectContaining({ provider: 'cloud9', pool: 'main' })]);
  const info = await ours('info', 'cloud9');
  for (const { id, server_id } of nodes) {
    expect(info.stdout).toContain(String(id));
    expect(info.stdout).toContain(String(server_id));
    const explained = await ours('explain', String(id));
    expect(explained.status).toBe(0);
    expect(explained.stdout).toContain('ready');
  }
  expect((await ours('doctor')).status).toBe(0);
});

test('a request of ours is served by it; one that has to wait is explained; watch shows both', async () => {
  await stock(2);
  const watching = place.start('nodepool', ['-c', config, 'watch']);
  const big = place.start('nodepool', [
    ...['-c', config, 'request', '--exec', 'echo "took $NODEPOOL_NODE_IDS."; exec sleep 600'],
    ...Array.from({ length: 4 }, () => ['--label', 'rare']).flat(),
  ]);
  await eventually('four nodes', async () => Promise.resolve(/took (\d{10},?){4}\./.test(big.output())));
  const small = place.start('nodepool', [
    '-c',
    config,
    'request',
    '--label',
    'rare',
    '--exec',
    'echo "took $NODEPOOL_NODE_ID."',
  ]);
  const waiting = await eventually('a request that waits', async () =>
    (await json('request-list')).find(
      ({ requestor, state }) => requestor !== 'NodePool:min-ready' && state === 'pending',
    ),
  );
  const explained = await ours('explain', String(waiting['id']));
  expect(explained.status).toBe(0);
  expect(explained.stdout).toContain('cloud9 main: 4 of 4 instances in use');
  expect((await ours('doctor')).status).toBe(0);
  big.process.kill('SIGINT');
  await eventually('the other request', async () => Promise.resolve(/took \d{10}\./.test(small.output())));
  expect(await small.ended).toBe(0);
  await eventually('all is shown', async () => Promise.resolve(watching.output().includes(String(waiting['id']))));
  watching.process.kill('SIGINT');
  await watching.ended;
  await stock(2);
});

test('hold keeps a node from it, delete has it deleted', async () => {
  const [first] = await stock(2);
  const id = String(first!['id']);
  expect((await ours('hold', id)).stdout).toMatch(new RegExp(`${id} .* hold `));
  expect(await stock(2)).toContainEqual(expect.objectContaining({ id, state: 'hold', server_id: first!['server_id'] }));
  const taken = await ours('request', '--label', 'warm', '--exec', 'echo "took $NODEPOOL_NODE_ID."');
  expect(taken.status).toBe(0);
  expect(taken.stdout).not.toContain(id);
  expect((await ours('delete', id)).status).toBe(0);
  expect((await stock(2)).map((node) => node['id'])).not.toContain(id);
});

test('erase forgets its nodes, and it makes new stock', async () => {
  const before = (await stock(2)).map(({ id }) => id);
  // The Python launcher makes no stock any more when nodes vanish whose request it has not put away yet.
  await eventually('no requests', async () => (await json('request-list')).length === 0);
  expect((await ours('erase', 'cloud9', '--force')).status).toBe(0);
  const after = (await stock(2)).map(({ id }) => id);
  expect(after.filter((id) => before.includes(id))).toEqual([]);
  expect(launcher.process.exitCode).toBe(null);
});
