/**
 * The Python Nodepool's commands on our embedded coordinator, over TLS, with our launcher at work on it: what they change
 * happens, also in the cloud, and the launcher stays well. They were written for another launcher; nothing is lent to them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { type Answer, answer, comparable } from '../support/answer.ts';
import { type Running, until, Workplace } from '../support/programs.ts';
import { cloudsVariable, fakeClouds, python, pythonIsThere } from '../support/python.ts';
import { buildIds, fillImages, newBuild, uploadIds } from './tree.ts';

const patienceMs = 60_000;

let place: Workplace;
let cloud: string;
let launcher: Running;
let oursFile: string;
let pythonFile: string;
let cloudsFile: string;

beforeAll(async () => {
  pythonIsThere();
  place = new Workplace();
  const { directory } = place;
  await makeCertificates(directory);
  const fake = place.start('nodepool', ['fake-cloud', '--port', '0']);
  cloud = await until(fake.output, () => /http:\/\/\S+/.exec(fake.output())?.[0]);
  const dataDir = join(directory, 'data');
  oursFile = place.file(
    'ours.yaml',
    `coordinator: {data-dir: ${dataDir}, tls-port: 0, tls: {ca: ${directory}/ca.pem, cert: ${directory}/server.pem, key: ${directory}/server.key}}
${common(`fake-cloud: {address: '${cloud}'}`)}`,
  );
  launcher = place.start('nodepool', ['-c', oursFile, 'up'], { NODEPOOL_TEST_CLEANUP_INTERVAL: '1' });
  const address = await until(launcher.output, () => readAddress(dataDir));
  cloudsFile = place.file('clouds.yaml', fakeClouds);
  pythonFile = place.file(
    'python.yaml',
    `zookeeper-servers: [{host: localhost, port: ${address.tlsPort!}}]
zookeeper-tls: {ca: ${directory}/ca.pem, cert: ${directory}/client.pem, key: ${directory}/client.key}
${common('')}`,
  );
  await stock(2);
  await fillImages(place.client(dataDir), Date.now() - 3_630_000);
});
afterAll(() => place.clear());

const common = (fakeCloud: string) => `labels: [{name: warm, min-ready: 2}]
elements-dir: /elements
images-dir: /tmp
diskimages: [{name: debian, elements: [vm]}]
webapp: {port: 0}
providers:
  - name: cloud9
    driver: fake
    cloud: fake
    ${fakeCloud}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, max-servers: 6, labels: [{name: warm, cloud-image: image, min-ram: 1024}]}]
`;

const theirs = (...argv: string[]): Promise<Answer> => {
  const [command, ...first] = python('cli');
  return answer(command, [...first, '-c', pythonFile, ...argv], { env: { [cloudsVariable]: cloudsFile } });
};
const nodepool = new URL('../../../bin/nodepool', import.meta.url).pathname;
const ours = (...argv: string[]) => answer(process.execPath, [nodepool, '-c', oursFile, ...argv]);

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly server_id: string;
  readonly locked: string;
}
const nodes = async () => JSON.parse((await ours('list', '--format', 'json')).stdout) as Listed[];
const servers = async () =>
  ((await (await fetch(`${cloud}/accounts/cloud9/servers`)).json()) as { id: string }[]).map(({ id }) => id);

/** Until so many nodes are free to be taken and the cloud holds an instance for each node, and no other. */
async function stock(ready: number): Promise<readonly Listed[]> {
  return until(
    () => `${ready} nodes in stock:\n${launcher.output().slice(-3000)}`,
    async () => {
      const all = await nodes();
      const held = all.map((node) => node.server_id).sort();
      const free = all.filter((node) => node.state === 'ready');
      // A node on its way out would be gone in the middle of a Python command, which takes that for an error.
      const settled = free.length === ready && all.every((node) => free.includes(node) || node.state === 'hold');
      return settled && JSON.stringify(held) === JSON.stringify((await servers()).sort()) ? all : null;
    },
    patienceMs,
  );
}

const done = (stdout = expect.any(String)) => ({ status: 0, stdout });

async function taken(): Promise<string> {
  const { status, stdout } = await ours('request', '--label', 'warm', '--exec', 'echo "took $NODEPOOL_NODE_ID."');
  expect(status).toBe(0);
  return /took (\d{10})\./.exec(stdout)![1]!;
}

async function isWell(): Promise<void> {
  const { status, stdout } = await ours('doctor');
  expect(status, stdout).toBe(0);
}

test.each([
  [['list', '--detail'], 2],
  [['request-list'], 0],
  [['image-list'], 8],
  [['info', 'cloud9'], 2],
  [['alien-image-list'], 0],
] as [string[], number][])('%j lists the live tree as our command does', async (argv, rows) => {
  const [their, our] = await Promise.all([theirs(...argv), ours(...argv)]);
  expect(comparable(our)).toEqual(comparable(their));
  expect(their.status).toBe(0);
  expect(comparable(their).rows).toHaveLength(rows);
});

test('hold keeps a node from our launcher and from jobs, delete has it deleted in the cloud', async () => {
  const [first] = await stock(2);
  const { id, server_id } = first!;
  expect(comparable(await theirs('hold', id)).rows).toEqual([expect.stringContaining('hold')]);
  // Two others are made for the stock.
  expect(await stock(2)).toContainEqual(expect.objectContaining({ id, state: 'hold', server_id, locked: 'unlocked' }));
  for (let i = 0; i < 3; i++) expect(await taken()).not.toBe(id);
  expect(await stock(2)).toContainEqual(expect.objectContaining({ id, state: 'hold', server_id }));
  // Its row is shown only if our launcher has not been quicker. Where it is so in the middle of that, Python takes it for an error.
  const [program, ...itsArguments] = python('cli');
  const deletion = ['-c', '"$@" 2>&1', 'sh', program, ...itsArguments, '-c', pythonFile, 'delete', id];
  const { status, stdout } = await answer('sh', deletion, { env: { [cloudsVariable]: cloudsFile } });
  if (status !== 0) expect(stdout).toContain('NoNodeError');
  const left = await stock(2);
  expect(left.map((node) => node.id)).not.toContain(id);
  expect(await servers()).not.toContain(server_id);
  expect(await theirs('delete', id)).toEqual(done(`Node id ${id} not found\n`));
  await isWell();
});

test('a node that a job holds is not deleted under it', async () => {
  await stock(2);
  const job = place.start('nodepool', ['-c', oursFile, 'request', '--label', 'warm', '--exec', 'exec sleep 600']);
  const held = await until(job.output, async () => (await nodes()).find((node) => node.state === 'in-use'));
  expect(await theirs('delete', held.id)).toMatchObject({ status: 1 });
  expect(await nodes()).toContainEqual(expect.objectContaining({ id: held.id, state: 'in-use', locked: 'locked' }));
  job.process.kill('SIGINT');
  await job.ended;
  expect((await stock(2)).map((node) => node.id)).not.toContain(held.id);
});

test('erase takes all records from a launcher at work: what they stood for goes, new stock is made, requests are served', async () => {
  const before = await stock(2);
  expect((await theirs('erase', 'cloud9', '--force')).status).toBe(0);
  const after = await stock(2);
  for (const { id, server_id } of before) {
    expect(after.map((node) => node.id)).not.toContain(id);
    expect(await servers()).not.toContain(server_id);
  }
  await taken();
  await stock(2);
  await isWell();
});

/** What the event stream tells, from now on. */
async function listen(): Promise<{ told(): string; end(): void }> {
  const port = /Status pages are served.*?port["=:]+(\d+)/.exec(launcher.output())![1]!;
  const ending = new AbortController();
  const { body } = await fetch(`http://127.0.0.1:${port}/events`, { signal: ending.signal });
  let text = '';
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
  })().catch(() => undefined);
  await until(
    () => text,
    () => text.includes('event: hello'),
  );
  return { told: () => text.slice(text.indexOf('event: hello')), end: () => ending.abort() };
}

test('the commands about images, and what the event stream tells of them', async () => {
  const events = await listen();
  expect(await theirs('image-pause', 'debian')).toEqual(done(''));
  expect(await theirs('image-build', 'debian')).toEqual(done(''));
  expect(comparable(await ours('image-status')).rows).toContainEqual(expect.stringMatching(/debian .*True .*pending/));
  expect(await theirs('image-unpause', 'debian')).toEqual(done(''));
  expect(comparable(await ours('image-status')).rows).toContainEqual(expect.stringMatching(/debian .*False .*pending/));
  expect(await theirs('dib-image-delete', `debian-${buildIds.building}`)).toEqual(
    done('Cannot delete a build in progress\n'),
  );
  expect(await theirs('dib-image-delete', `debian-${buildIds.failed}`)).toEqual(done(''));
  const upload = ['--provider', 'cloud1', '--image', 'debian', '--build-id', newBuild, '--upload-id', uploadIds.ready];
  expect(await theirs('image-delete', ...upload)).toEqual(done(''));
  const states = async (command: string) =>
    (JSON.parse((await ours(command, '--format', 'json')).stdout) as Record<string, string>[]).map((row) =>
      [row['upload_id'] ?? row['id'], row['provider'], row['state']].filter(Boolean).join(' '),
    );
  expect(await states('dib-image-list')).toContain(`debian-${buildIds.failed} deleting`);
  expect(await states('image-list')).toContain(`${uploadIds.ready} cloud1 deleting`);

  const file = join(place.directory, 'images.json');
  expect(await theirs('export-image-data', file)).toEqual(done(''));
  const exported = readFileSync(file, 'utf8');
  expect((await theirs('erase', 'cloud1', '--force')).status).toBe(0);
  expect(await states('image-list')).toHaveLength(4);
  expect(await theirs('import-image-data', file)).toEqual(done(''));
  expect(await states('image-list')).toHaveLength(8);
  writeFileSync(file, '');
  expect(await theirs('export-image-data', file)).toEqual(done(''));
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(exported));

  expect((await ours('image-pause', 'bare')).status).toBe(0);
  const upload1 = `"id":"${uploadIds.ready}","image":"debian","build_id":"${newBuild}","provider":"cloud1"`;
  for (const expected of [
    'image-changed\ndata: {"id":"debian","paused":true,"build_requested":true}',
    'image-changed\ndata: {"id":"debian","paused":false,"build_requested":true}',
    `image-build-changed\ndata: {"id":"debian-${buildIds.failed}","image":"debian","build_id":"${buildIds.failed}","state":"deleting"`,
    `image-upload-changed\ndata: {${upload1},"state":"deleting"`,
    `image-upload-removed\ndata: {${upload1},"state":null}`,
    `image-upload-created\ndata: {${upload1},"state":"deleting"`,
    'image-changed\ndata: {"id":"bare","paused":true,"build_requested":false}',
  ]) {
    await until(
      () => `${expected} in:\n${events.told()}`,
      () => events.told().includes(`event: ${expected}`),
    );
  }
  events.end();
});
