/** `up` as a whole with the fake driver: coordinator, launcher and the commands of an operator beside it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { encodeNode, newNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { createZooKeeper, tryLock } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { nodepool } from '../../cli/program.ts';
import { configFile, fakeCloudConfig, type Printed, run, temporaryDirectory } from '../../cli/testing/command-line.ts';

const quiet = ['--log-format', 'json', '-l'];

const example = (directory: string) =>
  fakeCloudConfig(directory, 'labels: [{name: small, min-ready: 1}, {name: large}]');

/** The log level of a file, so that the daemon is silent in the test's output. */
function silence(directory: string): string[] {
  const file = `${directory}/log.yaml`;
  writeFileSync(file, 'loggers: {nodepool: {level: CRITICAL}}\n');
  return [...quiet, file];
}

interface ListedRow {
  readonly id: string;
  readonly state: string;
  readonly label: readonly string[];
}

it('serves requests and operators, and ends in order', async () => {
  const directory = temporaryDirectory();
  const file = example(directory);
  const up = nodepool(['-c', file, ...silence(directory), 'up']);
  const command = (...argv: string[]) => run('-c', file, ...argv);
  const rows = async () => JSON.parse((await command('list', '--format', 'json')).stdout) as ListedRow[];
  const states = async () => (await rows()).map((row) => row.state);
  await expect.poll(() => existsSync(`${directory}/data/address.json`), { timeout: 10_000 }).toBe(true);
  await expect.poll(states, { timeout: 20_000 }).toEqual(['ready']);

  const launchers = JSON.parse((await command('launcher-list', '--format', 'json')).stdout) as object[];
  expect(launchers).toMatchObject([{ provider: 'cloud', pool: 'main', labels: ['small', 'large'], state: 'running' }]);

  const taken = await command('request', '-l', 'large', '--exec', `test "$NODEPOOL_NODE_IP" = fake && exit 3`);
  expect(taken.status).toBe(3);
  await expect.poll(states, { timeout: 20_000 }).toEqual(['ready']);

  const [stock] = await rows();
  const why = await command('explain', stock!.id);
  expect(why.stdout).toContain('in stock');
  const held = await command('hold', stock!.id);
  expect(held.stdout).toMatch(/^\+-+/);
  expect(held.stdout).toContain('| hold  |');
  const deleted = await command('delete', stock!.id, '--now');
  expect(deleted).toMatchObject({ status: 0, stderr: '' });
  await expect.poll(async () => (await rows()).map((row) => row.id), { timeout: 20_000 }).not.toContain(stock!.id);

  await expect.poll(states, { timeout: 20_000 }).toEqual(['ready']);
  const next = `${directory}/next.yaml`;
  writeFileSync(
    next,
    readFileSync(file, 'utf8').replace('min-ready: 1', 'min-ready: 2').replace('max-servers: 3', 'max-servers: 4'),
  );
  const difference = await command('config-diff', next);
  expect(difference.status).toBe(1);
  expect(difference.stdout).toMatch(
    /label small: changed[^]*provider cloud: replaced[^]*nodes of provider cloud: 1 ready/,
  );
  expect((await command('config-diff', file)).status).toBe(0);
  writeFileSync(file, readFileSync(next));
  await expect.poll(states, { timeout: 20_000 }).toEqual(['ready', 'ready']);
  writeFileSync(file, 'labels: nonsense\n');
  process.emit('SIGHUP');
  writeFileSync(file, readFileSync(next, 'utf8').replace('min-ready: 2', 'min-ready: 3'));
  process.emit('SIGHUP');
  await expect.poll(states, { timeout: 20_000 }).toEqual(['ready', 'ready', 'ready']);

  const waiting = await command('request', ...Array.from({ length: 5 }, () => ['-l', 'small']).flat());
  const id = waiting.stdout.trim();
  const state = async () => {
    const all = JSON.parse((await command('request-list', '--format', 'json')).stdout) as {
      id: string;
      state: string;
    }[];
    return all.find((row) => row.id === id)?.state;
  };
  await expect.poll(state, { timeout: 20_000 }).toBe('failed');
  expect((await command('explain', id)).stdout).toContain('declined');
  expect((await command('info', 'cloud')).stdout).toContain('ZooKeeper data for provider cloud\n\nImage data:\n+--');
  expect((await command('explain', '0000099999')).status).toBe(1);

  process.emit('SIGUSR1');
  expect(await up).toBe(0);
  expect(existsSync(`${directory}/data/address.json`)).toBe(false);
  const after = await command('list');
  expect(after.stderr).toContain('no coordinator is running');
});

it('a coordinator alone is found by the commands, which see what can not be read', async () => {
  const directory = temporaryDirectory();
  const file = example(directory);
  const alone = nodepool(['-c', file, ...silence(directory), 'coordinator']);
  await expect.poll(() => readAddress(`${directory}/data`), { timeout: 10_000 }).not.toBeNull();
  const zk = createZooKeeper({ servers: [{ host: '127.0.0.1', port: readAddress(`${directory}/data`)!.port! }] });
  await zk.ensurePath(paths.nodes);
  const add = async (data: Uint8Array) =>
    (await zk.create(`${paths.nodes}/`, data, { mode: 'persistent-sequential' })).path.slice(-10);
  const command = (...argv: string[]): Promise<Printed> => run('-c', file, ...argv);
  const now = systemRuntime.nowMs();

  const good = await add(encodeNode(newNode({ state: 'ready', provider: 'elsewhere', labels: ['a'] }, now)));
  const broken = await add(Buffer.from('{"state": "re'));
  const unknown = await add(Buffer.from('{"state": "sleeping"}'));
  const listed = await command('list');
  expect(listed.status).toBe(0);
  expect(listed.stdout).toContain(good);
  for (const id of [broken, unknown]) expect(listed.stderr).toContain(`the document of node ${id} can't be read`);
  expect((await command('explain', broken)).stdout).toContain('cannot be read');

  expect((await command('delete', good, '--now')).stdout).toBe(
    `Provider elsewhere for node ${good} not defined on this launcher\n`,
  );
  for (const argv of [
    ['delete', '0000000099'],
    ['hold', '../x'],
    ['delete', '0000000099', '--now'],
  ]) {
    expect(await command(...argv)).toMatchObject({ status: 0, stdout: `Node id ${argv[1]} not found\n` });
  }

  const owner = await tryLock({ client: zk, runtime: systemRuntime, path: paths.nodeLock(good), createParents: false });
  if (owner.result !== 'acquired') throw new Error('not locked');
  const refused = await command('hold', good);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`node ${good} is locked by somebody else`);
  expect((await command('list')).stdout).toMatch(/ready\s+\| \S+ \| locked/);
  await owner.lock.release();

  await zk.close();
  process.emit('SIGUSR1');
  expect(await alone).toBe(0);
});

it('a launcher waits for its ZooKeeper, and can be stopped while it does', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  const directory = temporaryDirectory();
  const file = configFile(directory, `zookeeper-servers: [{host: 127.0.0.1, port: ${port}}]\n`);
  const connected = new Promise<void>((resolve) => silent.once('connection', () => resolve()));
  const waiting = nodepool(['-c', file, ...silence(directory), 'launcher']);
  await connected;
  process.emit('SIGUSR1');
  expect(await waiting).toBe(0);
});

it('two launchers share one coordinator', async () => {
  const directory = temporaryDirectory();
  const file = example(directory);
  const coordinator = await startCoordinator({
    dataDir: `${directory}/data`,
    runtime: systemRuntime,
  });
  onTestFinished(() => coordinator.close());
  const both = [0, 1].map(() => nodepool(['-c', file, ...silence(directory), 'launcher']));
  const pools = async () =>
    (JSON.parse((await run('-c', file, 'launcher-list', '--format', 'json')).stdout) as object[]).length;
  await expect.poll(pools, { timeout: 20_000 }).toBe(2);
  process.emit('SIGUSR1');
  expect(await Promise.all(both)).toEqual([0, 0]);
  expect(await pools()).toBe(0);
});
