/** coordinator-export and coordinator-import between embedded coordinators, running and stopped. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf, readIfThere } from '../../store/transactions/tree.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { run, temporaryDirectory } from '../testing/command-line.ts';

const empty = Buffer.alloc(0);
const everything = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const uploads = paths.uploads('debian', '0123456789abcdef0123456789abcdef', 'cloud1');

let directory: string;
let file: string;
let zk: ZooKeeper;

const config = (name: string) => `${directory}/${name}.yaml`;

function configure(name: string): string {
  writeFileSync(config(name), `coordinator: {data-dir: ${directory}/${name}}\n`);
  return `${directory}/${name}`;
}

async function start(name: string): Promise<{ zk: ZooKeeper; stop: () => Promise<void> }> {
  const coordinator = await startCoordinator({
    dataDir: configure(name),
    runtime: systemRuntime,
  });
  const client = createZooKeeper({ servers: [], connector: coordinator.connector });
  let stopped: Promise<void> | null = null;
  const stop = () => (stopped ??= client.close().then(() => coordinator.close()));
  onTestFinished(stop);
  return { zk: client, stop };
}

const exported = (from: string, ...more: string[]) => run('-c', config(from), 'coordinator-export', file, ...more);
const imported = (into: string, ...more: string[]) => run('-c', config(into), 'coordinator-import', file, ...more);

/** As if so many children had come and gone. */
async function number(client: ZooKeeper, path: string): Promise<string> {
  const made = await client.create(`${path}/`, empty, { mode: 'persistent-sequential' });
  await client.delete(made.path);
  return made.path.slice(path.length + 1);
}

async function fill(client: ZooKeeper): Promise<void> {
  for (const path of [paths.nodes, paths.requests, paths.requestLocks, uploads]) await client.ensurePath(path);
  await Promise.all(Array.from({ length: 1234 }, () => number(client, paths.nodes)));
  for (let i = 0; i < 5; i++) await number(client, paths.requests);
  await number(client, uploads);
  await client.create(`${paths.nodes}/`, Buffer.from('{"state": "ready", "comment": "é\\n"}'), {
    mode: 'persistent-sequential',
  });
  const lock = paths.nodeLock('0000001234');
  await client.ensurePath(lock);
  for (let i = 0; i < 3; i++) await number(client, lock);
  const contender = `${lock}/0123456789abcdef0123456789abcdef__lock__`;
  await client.create(contender, Buffer.from('metastatic'), { mode: 'persistent-sequential' });
  await client.create(contender, empty, { mode: 'ephemeral-sequential' });
  await client.create(`${paths.requests}/200-`, everything, { mode: 'persistent-sequential' });
  await client.create(`${paths.requestLocks}/200-0000000005`, empty);
  await client.ensurePath('/zuul/keystorage/gerrit');
  await client.set('/zuul/keystorage/gerrit', Buffer.from('secret'));
}

beforeEach(async () => {
  directory = temporaryDirectory();
  file = `${directory}/tree.jsonl`;
  ({ zk } = await start('old'));
  await fill(zk);
});

describe('coordinator-export and coordinator-import', () => {
  it('carry everything over, to the byte and to the next number', async () => {
    const out = await exported('old');
    expect(out).toMatchObject({ status: 0, stderr: '' });
    expect(out.stdout).toContain('left out, as they end with a session: 1\n    /nodepool/nodes/0000001234/lock/');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).filter((name) => name.startsWith('tree'))).toEqual(['tree.jsonl']);

    const { zk: copy } = await start('new');
    expect((await imported('new', '--compare')).status).toBe(1);
    const planned = await imported('new', '--dry-run');
    expect(planned).toMatchObject({ status: 0, stderr: '' });
    expect(planned.stdout).toMatch(/to create +19\n {4}\/nodepool\n/);
    expect(planned.stdout).toContain('    /nodepool/nodes: next is 1, was to be 1235');
    expect(await copy.exists('/nodepool')).toBe(null);

    expect(await imported('new')).toMatchObject({ status: 0, stderr: '' });
    expect((await imported('new', '--compare')).status).toBe(0);
    expect((await readIfThere(copy, `${paths.requests}/200-0000000005`))!.data).toEqual(everything);
    for (const path of [paths.nodes, paths.requests, uploads]) {
      expect(await number(copy, path)).toBe(await number(zk, path));
    }
    // Whoever comes next stands behind the contender that outlives sessions.
    const lock = paths.nodeLock('0000001234');
    const contenders = await childrenOf(copy, lock);
    expect(contenders).toEqual(['0123456789abcdef0123456789abcdef__lock__0000000003']);
    expect(await number(copy, lock)).toBe('0000000005');
  });

  it('go from a stopped coordinator into one that has never run, and back', async () => {
    const { stop } = await start('stopped');
    await stop();
    expect((await imported('stopped')).stderr).toContain('ENOENT');
    await exported('old');
    configure('fresh');
    expect(await exported('fresh')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is no coordinator'),
    });
    expect((await imported('fresh', '--compare')).status).toBe(1);
    expect((await imported('fresh', '--dry-run')).stdout).toContain('to create');
    expect((await imported('fresh')).status).toBe(0);
    expect((await exported('fresh')).status).toBe(0);
    expect((await imported('old', '--compare')).status).toBe(0);
    const direct = await run('-c', config('stopped'), 'coordinator-import', '--from-config', config('fresh'));
    expect(direct).toMatchObject({ status: 0, stderr: '' });
    expect((await imported('stopped', '--compare')).status).toBe(0);
  });

  it('compare tells what is missing, other, too much, and which counter is too low', async () => {
    await exported('old');
    await zk.delete(`${paths.requestLocks}/200-0000000005`);
    await zk.set(`${paths.nodes}/0000001234`, Buffer.from('{}'));
    await zk.ensurePath(paths.imagePause('debian'));
    await zk.setAcl('/zuul/keystorage', [{ perms: 1, scheme: 'world', id: 'anyone' }]);
    await number(zk, paths.requests);
    const found = await imported('old', '--compare', '--format', 'json');
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      missing: [`${paths.requestLocks}/200-0000000005`],
      changed: [`${paths.nodes}/0000001234`],
      acl: ['/zuul/keystorage'],
      extra: [paths.imagePause('debian')],
      counters: [],
    });
    expect((await exported('old')).status).toBe(0);
    await start('copy');
    await imported('copy');
    await number(zk, paths.nodes);
    const further = await run('-c', config('copy'), 'coordinator-import', '--from-config', config('old'), '--compare');
    expect(further.status).toBe(1);
    expect(further.stdout).toContain('counters too low          1\n    /nodepool/nodes: next is 1235, was to be 1236');
  });

  it('access lists are carried over, also where they close a parent', async () => {
    await zk.setAcl('/zuul/keystorage/gerrit', [{ perms: 1, scheme: 'world', id: 'anyone' }]);
    await zk.setAcl('/zuul/keystorage', [{ perms: 1, scheme: 'world', id: 'anyone' }]);
    await exported('old');
    const { zk: copy } = await start('new');
    expect((await imported('new')).status).toBe(0);
    expect((await copy.getAcl('/zuul/keystorage')).acl).toEqual([{ perms: 1, scheme: 'world', id: 'anyone' }]);
    expect((await copy.getAcl('/zuul/keystorage/gerrit')).acl).toEqual([{ perms: 1, scheme: 'world', id: 'anyone' }]);
    expect((await imported('new', '--compare')).status).toBe(0);
  });

  it('a tree with other documents is left alone unless they may be merged', async () => {
    await exported('old');
    const { zk: taken } = await start('new');
    await taken.ensurePath(paths.nodes);
    await taken.create(`${paths.nodes}/0000001234`, Buffer.from('{"state": "in-use"}'));
    await taken.create(`${paths.nodes}/0000009999`, Buffer.from('{"state": "in-use"}'));
    await taken.ensurePath('/other/tree');
    await taken.set('/other/tree', Buffer.from('theirs'));
    const refused = await imported('new');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      'with 2 other documents:\n    /nodepool/nodes/0000001234\n    /nodepool/nodes/0000009999\n',
    );
    expect(await imported('new', '--dry-run')).toMatchObject({ status: 1, stderr: refused.stderr });
    expect(await taken.exists(paths.requests)).toBe(null);
    expect((await imported('new', '--merge')).status).toBe(0);
    expect((await taken.get(`${paths.nodes}/0000001234`)).data).toEqual(
      (await zk.get(`${paths.nodes}/0000001234`)).data,
    );
    expect(await taken.exists(`${paths.nodes}/0000009999`)).not.toBe(null);
  });

  it('whoever is registered must stop first, unless asked otherwise', async () => {
    await exported('old');
    const launcher = Buffer.from('{"hostname": "host1", "kind": "launcher"}');
    await zk.ensurePath(paths.component('launcher'));
    const register = () =>
      zk.create(`${paths.component('launcher')}/host1`, launcher, { mode: 'ephemeral-sequential' });
    await register();
    const { zk: other } = await start('new');
    await other.ensurePath('/zuul/components/scheduler');
    await other.create('/zuul/components/scheduler/a', empty, { mode: 'ephemeral-sequential' });
    expect((await exported('old')).stderr).toContain('is in use by launcher on host1; stop them first');
    expect(await exported('old', '--allow-running')).toMatchObject({ status: 0, stderr: '' });
    expect((await imported('new')).stderr).toContain('is in use by scheduler on a0000000000; stop them first');
    expect((await imported('new', '--dry-run')).status).toBe(1);
    expect(await other.exists(paths.root)).toBe(null);
    const from = ['-c', config('new'), 'coordinator-import', '--from-config', config('old')];
    await register();
    expect((await run(...from)).stderr).toContain('is in use by 2 times launcher on host1; stop them first');
    expect((await imported('new', '--allow-running')).status).toBe(0);
  });

  it('only a subtree, which leaves the rest of the target out of account', async () => {
    expect((await exported('old', '--root', '/nodepool')).status).toBe(0);
    const { zk: shared } = await start('new');
    await shared.ensurePath('/zuul/keystorage');
    await shared.set('/zuul/keystorage', Buffer.from('theirs'));
    expect((await imported('new')).status).toBe(0);
    expect((await imported('new', '--compare')).status).toBe(0);
    expect(await shared.exists('/zuul/keystorage/gerrit')).toBe(null);
    expect((await imported('new', '--root', '/zuul')).stderr).toContain('the file holds /nodepool only, not /zuul');
    expect((await exported('old', '--root', '/nothing')).stderr).toContain('there is no /nothing in');
  });

  it('a subtree that the source does not hold is an error, whatever is asked', async () => {
    await exported('old');
    await start('new');
    const mistyped = ['--root', '/nodepol'];
    for (const ask of [[], ['--dry-run'], ['--compare']]) {
      const missing = { status: 1, stdout: '' };
      expect(await imported('new', ...mistyped, ...ask)).toEqual({
        ...missing,
        stderr: `nodepool: there is no /nodepol in ${file}\n`,
      });
      const from = ['-c', config('new'), 'coordinator-import', '--from-config', config('old')];
      expect(await run(...from, ...mistyped, ...ask)).toEqual({
        ...missing,
        stderr: `nodepool: there is no /nodepol in the coordinator in ${directory}/old\n`,
      });
    }
  });

  it('an import that was broken off is repeated to the same end', async () => {
    await exported('old');
    const { zk: half } = await start('new');
    await half.ensurePath(paths.nodes);
    await half.create(`${paths.nodes}/0000001234`, (await zk.get(`${paths.nodes}/0000001234`)).data);
    // Made and not filled yet.
    await half.ensurePath('/zuul/keystorage/gerrit');
    await Promise.all(Array.from({ length: 700 }, () => number(half, paths.nodes)));
    expect((await imported('new')).status).toBe(0);
    expect((await imported('new')).status).toBe(0);
    expect((await imported('new', '--compare')).status).toBe(0);
    expect(await number(half, paths.nodes)).toBe('0000001235');
  });

  it('an export that is interrupted leaves nothing', async () => {
    const interrupt = (name: string | symbol) => {
      if (name === 'SIGTERM') setImmediate(() => process.emit('SIGTERM'));
    };
    process.on('newListener', interrupt);
    onTestFinished(() => void process.off('newListener', interrupt));
    expect(await exported('old')).toMatchObject({ status: 143, stderr: 'nodepool: interrupted\n' });
    expect(readdirSync(directory).filter((name) => name.startsWith('tree'))).toEqual([]);
  });

  it('documents that a server may not take are named beforehand', async () => {
    const line = (path: string, data: string) => JSON.stringify({ path, data });
    const large = 'x'.repeat(1024 * 1024 + 100_000);
    const lines = ['{"nodepool-tree":1,"root":"/"}', line('/small', 'y'.repeat(1_000_000)), line('/large', large)];
    const text = lines.map((one) => `${one}\n`).join('');
    const end = { znodes: 2, sha256: createHash('sha256').update(text).digest('hex') };
    writeFileSync(file, `${text}${JSON.stringify(end)}\n`);
    await start('new');
    const warning =
      'nodepool: 1 documents are larger than a server takes, unless its jute.maxbuffer has been raised:\n    /large\n';
    expect(await imported('new', '--dry-run')).toMatchObject({ status: 0, stderr: warning });
    const failed = await imported('new');
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain(warning);
    expect(failed.stderr).toMatch(/\/large can't be written: .*; are its 1148576 bytes larger than the server takes/);
  });

  it('half a file changes nothing', async () => {
    await exported('old');
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, lines.slice(0, -2).join('\n') + '\n');
    const { zk: copy } = await start('new');
    const refused = await imported('new');
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('the end is missing: the file is not whole');
    expect(await childrenOf(copy, '/')).toEqual(['zookeeper']);
  });

  it('a file that asks for more numbers than anybody has given is refused', async () => {
    const head = '{"nodepool-tree":1,"root":"/"}\n{"path":"/nodepool"}\n{"path":"/nodepool/nodes","next":2147483647}\n';
    const sha256 = createHash('sha256').update(head).digest('hex');
    writeFileSync(file, `${head}${JSON.stringify({ znodes: 2, sha256 })}\n`);
    const { zk: copy } = await start('new');
    expect((await imported('new')).stderr).toContain(
      'counters would have to be raised by 2147483647, more than 100000000',
    );
    expect(await copy.exists(paths.root)).toBe(null);
  });

  it('take a file or a configuration, not both and not neither', async () => {
    expect((await run('-c', config('old'), 'coordinator-import')).status).toBe(2);
    expect((await imported('old', '--from-config', config('old'))).status).toBe(2);
    expect((await imported('old', '--root', 'nodepool')).status).toBe(2);
  });
});
