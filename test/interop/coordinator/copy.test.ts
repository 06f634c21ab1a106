/**
 * A whole tree moves from an embedded coordinator to Apache ZooKeeper and back, by the programs: what was asked for, in
 * stock, in use or on hold goes on, instances stay, numbers do not come twice.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeTreeFile } from '../../../src/cli/tree-copy/tree-file.ts';
import { paths } from '../../../src/store/paths.ts';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { dumpTree, fillTree, newBuild } from '../cli/tree.ts';
import { type Running, until, Workplace } from '../support/programs.ts';

const empty = Buffer.alloc(0);
const sequential = { mode: 'persistent-sequential' } as const;

let place: Workplace;
let apache: Apache;
let cloud: string;
let file: string;

beforeEach(async () => {
  place = new Workplace();
  apache = await startApache(1);
  for (const name of ['ca', 'cert', 'key'] as const) place.file(`${name}.pem`, String(apache.tls[name]));
  const server = place.start('nodepool', ['fake-cloud', '--port', '0']);
  cloud = await until(server.output, () => /http:\/\/\S+/.exec(server.output())?.[0]);
  file = `${place.directory}/tree.jsonl`;
});
afterEach(async () => {
  await place.clear();
  await apache.close();
});

function config(name: string, where: string): string {
  return place.file(
    `${name}.yaml`,
    `${where}
zookeeper-timeout: 4.0
labels: [{name: warm, min-ready: 2}]
providers:
  - name: shared
    driver: fake
    cloud: fake
    fake-cloud: {address: '${cloud}'}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, max-servers: 5, labels: [{name: warm, cloud-image: image, min-ram: 1024}]}]
webapp: {port: 0}
`,
  );
}

const embedded = (name: string) => config(name, `coordinator: {data-dir: ${place.directory}/${name}}`);
const dataDir = (name: string) => `${place.directory}/${name}`;
function ensemble(): string {
  const { directory } = place;
  const server = `{host: localhost, port: ${apache.servers[0]!.secure.port}, chroot: /moved}`;
  const tls = `{ca: ${directory}/ca.pem, cert: ${directory}/cert.pem, key: ${directory}/key.pem}`;
  return config('ensemble', `zookeeper-servers: [${server}]\nzookeeper-tls: ${tls}`);
}

async function nodepool(...args: string[]): Promise<{ status: number | NodeJS.Signals; output: string }> {
  const command = place.start('nodepool', args);
  return { status: await command.ended, output: command.output() };
}

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly server_id: string;
  readonly provider: string | null;
}

async function listed(file: string): Promise<Listed[]> {
  const { output } = await nodepool('-c', file, 'list', '--format', 'json');
  return (JSON.parse(output) as Listed[]).filter((node) => node.provider === 'shared');
}
const ready = (nodes: readonly Listed[]) => nodes.filter((node) => node.state === 'ready').map((node) => node.id);

async function stop(running: Running): Promise<void> {
  running.process.kill('SIGINT');
  expect(await running.ended, running.output().slice(-2000)).toBe(0);
}

async function stocked(file: string, running: Running): Promise<readonly Listed[]> {
  return until(
    running.output,
    async () => {
      const nodes = await listed(file).catch(() => []);
      return ready(nodes).length === 2 ? nodes : null;
    },
    60_000,
  );
}

/** Takes a node as a CI system would, and tells which. */
async function taken(file: string): Promise<string> {
  const { status, output } = await nodepool(
    '-c',
    file,
    'request',
    '--label',
    'warm',
    '--exec',
    'echo "took $NODEPOOL_NODE_ID."',
  );
  expect(status, output).toBe(0);
  return /took (\d{10})\./.exec(output)![1]!;
}

const served = (file: string, running: Running) =>
  until(running.output, async () => (await nodepool('-c', file, 'launcher-list')).output.includes('shared'), 60_000);

/** Everything there is, and the numbers that come next. */
async function contents(client: ZooKeeper) {
  const next: Record<string, number> = {};
  for (const path of [paths.nodes, paths.requests, paths.uploads('debian', newBuild, 'cloud1')]) {
    const stat = (await client.exists(path))!;
    next[path] = (stat.cversion + stat.numChildren) / 2;
  }
  return { tree: await dumpTree(client, Date.now()), next };
}

const unstopped = { unique: 'x', signal: new AbortController().signal };

test('from an embedded coordinator to Apache ZooKeeper and back', async () => {
  const [old, moved, back] = [embedded('old'), ensemble(), embedded('back')];
  let running = place.start('nodepool', ['-c', old, 'up']);
  const before = await stocked(old, running);
  // Beside what is alive: nodes, requests, builds and uploads in every state, and numbers of what has gone.
  const zk = place.client(dataDir('old'));
  await fillTree(zk, Date.now() - 3_600_000);
  for (let i = 0; i < 700; i++) await zk.delete((await zk.create(`${paths.nodes}/`, empty, sequential)).path);
  const refused = await nodepool('-c', old, 'coordinator-export', file);
  expect(refused.status).toBe(1);
  expect(refused.output).toContain('in use by launcher on');
  await stop(running);

  running = place.start('nodepool', ['-c', old, 'coordinator']);
  await until(running.output, () => readAddress(dataDir('old')));
  const original = await contents(place.client(dataDir('old')));
  const out = await nodepool('-c', old, 'coordinator-export', file);
  expect(out.status, out.output).toBe(0);
  await stop(running);
  const dry = await nodepool('-c', moved, 'coordinator-import', '--dry-run', file);
  expect(dry.status, dry.output).toBe(0);
  expect((await nodepool('-c', moved, 'coordinator-import', '--compare', file)).status).toBe(1);
  const there = await nodepool('-c', moved, 'coordinator-import', file);
  expect(there.status, there.output).toBe(0);
  for (const from of [[file], ['--from-config', old]]) {
    const compared = await nodepool('-c', moved, 'coordinator-import', '--compare', ...from);
    expect(compared.status, compared.output).toBe(0);
  }
  const server = apache.servers[0]!.plain;
  const chrooted = createZooKeeper({ servers: [server], chroot: '/moved', runtime: systemRuntime });
  const copy = await contents(chrooted).finally(() => chrooted.close());
  expect(copy).toEqual(original);

  running = place.start('nodepool-launcher', ['-f', '-c', moved]);
  await served(moved, running);
  const first = await taken(moved);
  expect(ready(before)).toContain(first);
  const after = await stocked(moved, running);
  // The other one is the same instance as before, the new one has a number that nobody had.
  const kept = before.filter((node) => node.state === 'ready' && node.id !== first);
  expect(kept).toHaveLength(1);
  expect(after).toContainEqual(expect.objectContaining({ id: kept[0]!.id, server_id: kept[0]!.server_id }));
  expect(Math.max(...ready(after).map(Number))).toBeGreaterThanOrEqual(original.next[paths.nodes]!);
  await stop(running);

  const again = await nodepool('-c', moved, 'coordinator-export', file);
  expect(again.status, again.output).toBe(0);
  const home = await nodepool('-c', back, 'coordinator-import', file);
  expect(home.status, home.output).toBe(0);
  const same = await nodepool('-c', back, 'coordinator-import', '--compare', '--from-config', moved);
  expect(same.status, same.output).toBe(0);
  running = place.start('nodepool', ['-c', back, 'up']);
  await served(back, running);
  expect(ready(after)).toContain(await taken(back));
  await stop(running);
});

test('an import that is killed is repeated, one whose server is killed goes on', async () => {
  const moved = ensemble();
  const bytes = Buffer.alloc(1_000_000);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31) % 256;
  const count = 20_000;
  const next = 200_000;
  const entry = (path: string, data = empty, counter = 0) => ({ path, data, next: counter, acl: null });
  const name = (index: number) => `${paths.nodes}/${String(index).padStart(10, '0')}`;
  const source = async function* () {
    await Promise.resolve();
    yield entry('/nodepool', empty, 1);
    yield entry('/nodepool/nodes', empty, next);
    for (let index = 0; index < count; index++)
      yield entry(name(index), Buffer.from(`{"state": "ready", "n": ${index}}`));
    // As large as a server takes it.
    yield entry(name(count), bytes);
  };
  await writeTreeFile(file, { root: '/', taken: '', by: 'test' }, source(), unstopped);
  const server = apache.servers[0]!;
  const zk = createZooKeeper({ servers: [server.plain], chroot: '/moved', runtime: systemRuntime });
  const nodes = async () => (await zk.exists(paths.nodes).catch(() => null)) ?? { numChildren: 0, cversion: 0 };
  try {
    const killed = place.start('nodepool', ['-c', moved, 'coordinator-import', file]);
    await until(killed.output, async () => (await nodes()).numChildren > 2000, 60_000);
    killed.process.kill('SIGKILL');
    await killed.ended;
    const half = await nodes();
    expect((half.cversion + half.numChildren) / 2).toBeLessThan(next);

    const repeated = place.start('nodepool', ['-c', moved, 'coordinator-import', file]);
    await until(repeated.output, async () => (await nodes()).cversion > 3 * count, 60_000);
    await server.kill();
    await server.start();
    expect(await repeated.ended, repeated.output()).toBe(0);
    const compared = await nodepool('-c', moved, 'coordinator-import', '--compare', file);
    expect(compared.status, compared.output).toBe(0);
    expect((await zk.get(name(count))).data.equals(bytes)).toBe(true);
    expect((await zk.create(`${paths.nodes}/`, empty, sequential)).path).toBe(name(next));
  } finally {
    await zk.close();
  }
});

test('a chroot whose parent is not there is refused', async () => {
  await writeTreeFile(file, { root: '/', taken: '', by: 'test' }, (async function* () {})(), unstopped);
  const { port } = apache.servers[0]!.plain;
  const deep = config('deep', `zookeeper-servers: [{host: localhost, port: ${port}, chroot: /not/there}]`);
  const refused = await nodepool('-c', deep, 'coordinator-import', file);
  expect(refused.status).toBe(1);
  expect(refused.output).toContain('the znode above the chroot of zookeeper-servers is not there');
});

test('a document that the server does not take is named, after what is closed has been closed', async () => {
  const readOnly = [{ perms: 1, scheme: 'world', id: 'anyone' }];
  const entry = (path: string, data: string, acl: typeof readOnly | null = null) => ({
    path,
    data: Buffer.from(data),
    next: 0,
    acl,
  });
  const keys = [entry('/keys', 'secret', readOnly), entry('/keys/project', 'secret too', readOnly)];
  const write = (entries: typeof keys) =>
    writeTreeFile(
      file,
      { root: '/', taken: '', by: 'test' },
      (async function* () {
        await Promise.resolve();
        yield* entries;
      })(),
      unstopped,
    );
  const moved = ensemble();
  await write(keys);
  const whole = await nodepool('-c', moved, 'coordinator-import', file);
  expect(whole.status, whole.output).toBe(0);
  await write([...keys, entry('/large', 'x'.repeat(1024 * 1024))]);
  const refused = await nodepool('-c', moved, 'coordinator-import', file);
  expect(refused.status, refused.output).toBe(1);
  expect(refused.output).toContain('1 documents are larger than a server takes');
  expect(refused.output).toMatch(/\/large can't be written: .*are its 1048576 bytes larger than the server takes/);
});
