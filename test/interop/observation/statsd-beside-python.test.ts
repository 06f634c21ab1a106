/** The same life with the Python launcher and with ours, heard by statsd receivers: the same names, types and limits. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/programs.ts';
import { cloudsVariable, fakeClouds, python, pythonIsThere } from '../support/python.ts';
import { Life } from './life.ts';
import { StatsdReceiver } from './statsd-receiver.ts';

let life: Life;
const receivers: StatsdReceiver[] = [];

beforeAll(async () => {
  pythonIsThere();
  life = await Life.begin('apache');
});

afterAll(async () => {
  await life?.end();
  for (const receiver of receivers) receiver.close();
});

const provider = (name: string, pools: string) => `
  - name: ${name}
    driver: fake
    cloud: fake
    region-name: here
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [${pools}]`;

const config = () => `${life.zookeeperConfig}
zookeeper-timeout: 4.0
tenant-resource-limits: [{tenant-name: 'a.b', max-servers: 7, max-volumes: 2, L-1: 3}, {tenant-name: 'c:d', max-cores: 4}]
labels: [{name: alpha, min-ready: 1}, {name: beta}]
providers: ${provider('fake-one', '{name: main, max-servers: 5, labels: [{name: alpha, cloud-image: image, min-ram: 1024}]}')}${provider(
  'fake-two',
  '{name: first, labels: [{name: beta, cloud-image: image, min-ram: 1024}]}, {name: second, max-servers: 2, labels: [{name: beta, cloud-image: image, min-ram: 1024}]}',
)}
`;

/** Everything that was heard in a life with one launcher. */
async function lived(kind: 'Python' | 'ours'): Promise<StatsdReceiver> {
  const receiver = await StatsdReceiver.open();
  receivers.push(receiver);
  const file = life.place.file('launcher.yaml', config());
  const env = { ...receiver.env, [cloudsVariable]: life.place.file('clouds.yaml', fakeClouds) };
  const [interpreter, ...args] = python('launcher');
  const running =
    kind === 'ours'
      ? life.place.start('nodepool-launcher', ['-f', '-c', file, '--no-webapp'], env)
      : life.place.spawn(interpreter, [...args, '-d', '-c', file, '--no-webapp'], env);
  const said = () => `${kind}: ${[...receiver.heard.keys()].join(' ')}\n${running.output().slice(-3000)}`;
  const isReady = () => receiver.last('nodepool.label.alpha.nodes.ready', 'g') === '1';
  await until(said, isReady, 60_000);
  const requestor = 'zuul.example:1';
  const ids = [
    await life.submit({ nodeTypes: ['alpha'], requestor }),
    await life.submit({ nodeTypes: ['beta'], requestor }),
  ];
  for (const id of ids) await life.untilState(id, 'fulfilled');
  await until(said, () => receiver.last('nodepool.nodes.ready', 'g') === '3', 60_000);
  for (const id of ids) await life.giveBack(id);
  // What was taken from the stock is there again, and the rest is gone.
  await until(said, () => receiver.last('nodepool.nodes.ready', 'g') === '1', 60_000);
  await until(
    said,
    () => [...receiver.heard.keys()].some((name) => name.endsWith('image_cache.playback_queue')),
    60_000,
  );
  running.process.kill('SIGKILL');
  await running.ended;
  // The next one begins with an empty tree.
  await until(
    () => 'the session has ended',
    async () => (await life.zk.children('/nodepool/components/pool')).children.length === 0,
    60_000,
  );
  for (const path of ['/nodepool/nodes', '/nodepool/requests']) await life.clear(path);
  return receiver;
}

/** Zones are drawn by lot. */
const namesOf = ({ heard }: StatsdReceiver): string[] =>
  [
    ...new Set(
      [...heard].flatMap(([name, all]) => all.map(({ type }) => `${name.replace(/\.az\d\./, '.az.')} ${type}`)),
    ),
  ].sort();

test('names, types and limits are those of the Python launcher', async () => {
  const python = await lived('Python');
  const ours = await lived('ours');
  expect(namesOf(ours)).toEqual(namesOf(python));
  expect(namesOf(ours).length).toBeGreaterThan(80);
  const limits = (receiver: StatsdReceiver) =>
    Object.fromEntries(
      [...receiver.heard.keys()]
        .filter((name) => name.includes('limits') || name.endsWith('max_servers'))
        .map((name) => [name, receiver.last(name, 'g')]),
    );
  expect(limits(ours)).toEqual(limits(python));
  expect(limits(ours)).toMatchObject({
    'nodepool.tenant_limits.a_b.instances': '7',
    'nodepool.tenant_limits.a_b.cores': 'inf',
    'nodepool.provider.fake-one.max_servers': '5',
    'nodepool.provider.fake-two.max_servers': 'inf',
  });
});
