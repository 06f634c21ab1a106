import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRuntime } from '../runtime/runtime.ts';
import { createZooKeeper } from '../client/client.ts';
import { BadVersionError, MultiError, NodeExistsError, NoNodeError, NotEmptyError } from '../contract/errors.ts';
import type { WatchEvent, ZooKeeper } from '../contract/types.ts';
import { tryLock } from '../recipes/lock.ts';
import { Mirror } from '../recipes/mirror.ts';
import { type Coordinator, startCoordinator } from './coordinator.ts';

let dataDir: string;
let coordinator: Coordinator;
const clients: ZooKeeper[] = [];

const start = () => startCoordinator({ dataDir, runtime: systemRuntime });
const connect = (chroot = '') => {
  const client = createZooKeeper({
    servers: [{ host: '127.0.0.1', port: coordinator.address.port! }],
    chroot,
    sessionTimeoutMs: 4000,
  });
  clients.push(client);
  return client;
};
const bytes = (text: string) => Buffer.from(text);
const until = async (condition: () => boolean) => {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
};

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'coordinator-'));
  coordinator = await start();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await coordinator.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('operations', () => {
  test('create, read, write, delete with versions', async () => {
    const zk = connect();
    const made = await zk.create('/a', bytes('one'));
    expect(made.path).toBe('/a');
    expect((await zk.get('/a')).data.toString()).toBe('one');
    expect((await zk.set('/a', bytes('two'), 0)).version).toBe(1);
    await expect(zk.set('/a', bytes('x'), 0)).rejects.toBeInstanceOf(BadVersionError);
    await expect(zk.create('/a', bytes(''))).rejects.toBeInstanceOf(NodeExistsError);
    await zk.create('/a/b', bytes(''));
    await expect(zk.delete('/a')).rejects.toBeInstanceOf(NotEmptyError);
    expect((await zk.children('/a')).children).toEqual(['b']);
    await zk.delete('/a/b');
    await zk.delete('/a', 1);
    expect(await zk.exists('/a')).toBeNull();
    await expect(zk.get('/a')).rejects.toBeInstanceOf(NoNodeError);
  });

  test('sequence numbers count creations, also over a restart', async () => {
    const zk = connect();
    await zk.create('/s', bytes(''));
    const first = await zk.create('/s/n-', bytes(''), { mode: 'persistent-sequential' });
    expect(first.path).toBe('/s/n-0000000000');
    await zk.delete(first.path);
    await zk.close();
    await coordinator.close();
    coordinator = await start();
    const second = await connect().create('/s/n-', bytes(''), { mode: 'persistent-sequential' });
    expect(second.path).toBe('/s/n-0000000001');
  });

  test('a multi is all or nothing and says what failed', async () => {
    const zk = connect();
    await zk.create('/m', bytes('x'));
    const failed = zk.multi([
      { type: 'create', path: '/m/a', data: bytes('') },
      { type: 'set', path: '/m', data: bytes('y'), version: 7 },
    ]);
    await expect(failed).rejects.toMatchObject({ index: 1, error: expect.any(BadVersionError) });
    await expect(failed).rejects.toBeInstanceOf(MultiError);
    expect(await zk.exists('/m/a')).toBeNull();
    const results = await zk.multi([
      { type: 'create', path: '/m/q-', data: bytes(''), mode: 'persistent-sequential' },
      { type: 'set', path: '/m', data: bytes('y'), version: 0 },
      { type: 'check', path: '/m', version: 1 },
    ]);
    expect(results[0]).toMatchObject({ type: 'create', path: '/m/q-0000000000' });
    expect((await zk.get('/m')).data.toString()).toBe('y');
  });

  test('the chroot is invisible', async () => {
    await connect().create('/root', bytes(''));
    const zk = connect('/root');
    await zk.ensurePath('/a/b');
    expect(await connect().exists('/root/a/b')).not.toBeNull();
    expect((await zk.create('/a/b/c', bytes(''))).path).toBe('/a/b/c');
  });
});

describe('sessions and watches', () => {
  test('ephemerals go when their session is closed, watches tell', async () => {
    const [one, two] = [connect(), connect()];
    await one.create('/e', bytes(''), { mode: 'ephemeral' });
    const events: WatchEvent[] = [];
    await two.exists('/e', { watch: (event) => events.push(event) });
    await one.close();
    await until(() => events.length > 0);
    expect(events).toEqual([{ type: 'deleted', path: '/e' }]);
  });

  test('a recursive watch sees every change below, in order', async () => {
    const [one, two] = [connect(), connect()];
    const events: string[] = [];
    await two.addWatch('/w', 'persistent-recursive', (event) => events.push(`${event.type} ${event.path}`));
    await one.create('/w', bytes(''));
    await one.create('/w/a', bytes(''));
    await one.set('/w/a', bytes('1'));
    await one.delete('/w/a');
    await until(() => events.length === 4);
    expect(events).toEqual(['created /w', 'created /w/a', 'data-changed /w/a', 'deleted /w/a']);
  });

  test('a session survives a restart of the server, with its ephemerals', async () => {
    const zk = connect();
    await zk.create('/keep', bytes(''), { mode: 'ephemeral' });
    const { sessionId } = zk;
    const { port } = coordinator.address;
    await coordinator.close();
    coordinator = await startCoordinator({ dataDir, port, runtime: systemRuntime });
    await zk.waitConnected({ timeoutMs: 10_000 });
    expect(zk.sessionId).toBe(sessionId);
    expect(await zk.exists('/keep')).not.toBeNull();
  });

  test('a second process may not use the data directory', async () => {
    await expect(start()).rejects.toMatchObject({ code: 'in-use' });
  });
});

describe('recipes', () => {
  test('a lock excludes, and a missing parent means gone', async () => {
    const zk = connect();
    await zk.create('/node', bytes(''));
    const o = { client: zk, runtime: systemRuntime, path: '/node/lock', createParents: false };
    const first = await tryLock(o);
    expect(first.result).toBe('acquired');
    expect((await tryLock({ ...o, client: connect() })).result).toBe('locked');
    if (first.result === 'acquired') await first.lock.release();
    expect((await tryLock(o)).result).toBe('acquired');
    expect((await tryLock({ ...o, path: '/none/lock' })).result).toBe('gone');
  });

  test('a mirror follows changes and catches up after a restart of the server', async () => {
    const [one, two] = [connect(), connect()];
    await one.create('/t', bytes(''));
    await one.create('/t/a', bytes('1'));
    const seen = new Map<string, string | null>();
    const mirror = new Mirror({
      client: two,
      root: '/t',
      classify: (path) => (path.includes('/') ? 'name' : 'data'),
      parse: (_path, data) => data.toString(),
      onChange: (path, entry) => {
        if (entry === undefined) seen.delete(path);
        else seen.set(path, entry === null ? null : entry.value);
      },
      onSync: () => undefined,
      onError: (error) => expect.unreachable(String(error)),
    });
    await mirror.start();
    expect(seen).toEqual(new Map([['a', '1']]));
    await one.create('/t/b', bytes('2'));
    await one.create('/t/b/lock', bytes(''));
    await one.set('/t/a', bytes('3'));
    await until(() => seen.get('a') === '3' && seen.get('b') === '2' && seen.has('b/lock'));
    const { port } = coordinator.address;
    await coordinator.close();
    coordinator = await startCoordinator({ dataDir, port, runtime: systemRuntime });
    const three = connect();
    await three.delete('/t/a');
    await three.set('/t/b', bytes('4'));
    await until(() => !seen.has('a') && seen.get('b') === '4');
    await mirror.close();
  });
});
