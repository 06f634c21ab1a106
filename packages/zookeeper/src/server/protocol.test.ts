/** What the server says on the wire, seen by a client of bare frames. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRuntime } from '../runtime/runtime.ts';
import { addWatchMode, createFlags, errorCode, opCode, watcherType, xid } from '../protocol/constants.ts';
import { JuteWriter } from '../protocol/jute.ts';
import { readMultiResults, type WireOperation, writeMulti } from '../protocol/messages/multi.ts';
import { writeCreate } from '../protocol/messages/create.ts';
import { openAcl, readAcl, readStat, writeAcl } from '../protocol/records.ts';
import { type Coordinator, type CoordinatorLimits, startCoordinator } from './coordinator.ts';
import { RawClient } from './testing/raw-client.ts';
import { loggerTo } from '../testing/logger-to.ts';

let dataDir: string;
let coordinator: Coordinator;
let logged: string[];
const clients: RawClient[] = [];

async function start(limits: Partial<CoordinatorLimits> = {}): Promise<void> {
  const log = loggerTo((message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`));
  coordinator = await startCoordinator({
    dataDir,
    runtime: systemRuntime,
    log,
    limits: { containerCheckMs: 20, ...limits },
  });
}
async function restart(limits: Partial<CoordinatorLimits>): Promise<void> {
  await coordinator.close();
  await start(limits);
}
async function open(request = {}): Promise<RawClient> {
  const client = await RawClient.open(coordinator.address.port!, request);
  clients.push(client);
  return client;
}
async function raw(): Promise<RawClient> {
  const client = await RawClient.tcp(coordinator.address.port!);
  clients.push(client);
  return client;
}

const create =
  (path: string, flags: number = createFlags.persistent, text = '') =>
  (w: JuteWriter) =>
    writeCreate(w, { type: 'create', path, data: Buffer.from(text), acl: openAcl, flags, withStat: false, ttlMs: 50n });
const set = (path: string, text: string) => (w: JuteWriter) => w.string(path).buffer(Buffer.from(text)).int(-1);
const remove = (path: string) => (w: JuteWriter) => w.string(path).int(-1);
const watched = (path: string) => (w: JuteWriter) => w.string(path).bool(true);
const until = (condition: () => boolean | Promise<boolean>) =>
  expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
const exists = async (client: RawClient, path: string) =>
  (await client.request(opCode.exists, (w) => w.string(path).bool(false))).error === 0;

beforeEach(async () => {
  logged = [];
  dataDir = mkdtempSync(join(tmpdir(), 'coordinator-'));
  await start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.stream.destroy();
  await coordinator.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('requests', () => {
  test('a lone check and a multi of checks are answered', async () => {
    const client = await open();
    await client.request(opCode.create, create('/a'));
    expect((await client.request(opCode.check, (w) => w.string('/a').int(0))).error).toBe(errorCode.ok);
    const operations: WireOperation[] = [{ type: 'check', path: '/a', version: 0 }];
    const answer = await client.request(opCode.multi, (w) => writeMulti(w, operations));
    expect(readMultiResults(answer.body)).toEqual([{ type: 'check' }]);
    expect(readMultiResults((await client.request(opCode.multi, (w) => writeMulti(w, []))).body)).toEqual([]);
  });

  test('a refused multi: 0 before, the reason, -2 after', async () => {
    const client = await open();
    const operations: WireOperation[] = ['/a', '/x/y', '/b'].map((path) => ({
      type: 'create',
      path,
      data: Buffer.alloc(0),
      acl: openAcl,
      flags: 0,
      withStat: false,
    }));
    const { error, body } = await client.request(opCode.multi, (w) => writeMulti(w, operations));
    expect(error).toBe(errorCode.ok);
    const raws: number[] = [];
    for (let i = 0; i < 3; i++) {
      expect(body.int()).toBe(-1);
      body.bool();
      raws.push(body.int());
      expect(body.int()).toBe(raws[i]);
    }
    expect(raws).toEqual([errorCode.ok, errorCode.noNode, errorCode.runtimeInconsistency]);
  });

  test('multiRead answers each read for itself', async () => {
    const client = await open();
    await client.request(opCode.create, create('/a', 0, 'text'));
    const operations: WireOperation[] = [
      { type: 'get', path: '/a' },
      { type: 'get', path: '/none' },
      { type: 'children', path: '/' },
    ];
    const results = readMultiResults((await client.request(opCode.multiRead, (w) => writeMulti(w, operations))).body);
    expect(results).toMatchObject([
      { type: 'get', data: Buffer.from('text') },
      { type: 'error', error: errorCode.noNode },
      { type: 'children', children: ['zookeeper', 'a'] },
    ]);
  });

  test('ephemerals of the session, number of all children, sync', async () => {
    const client = await open();
    await client.request(opCode.create, create('/d'));
    await client.request(opCode.create, create('/d/e', createFlags.ephemeral));
    await client.request(opCode.create, create('/f', createFlags.ephemeral));
    const ephemerals = async (prefix: string) =>
      (await client.request(opCode.getEphemerals, (w) => w.string(prefix))).body.vector((r) => r.string());
    expect(await ephemerals('/d')).toEqual(['/d/e']);
    expect((await ephemerals('/')).sort()).toEqual(['/d/e', '/f']);
    expect((await client.request(opCode.getAllChildrenNumber, (w) => w.string('/d'))).body.int()).toBe(1);
    expect((await client.request(opCode.sync, (w) => w.string('/d'))).body.string()).toBe('/d');
  });

  test('digest: rights follow the password, hashes are hidden from those who may only read', async () => {
    const [owner, other] = [await open(), await open()];
    const login = (client: RawClient, proof: string) =>
      client.request(opCode.auth, (w) => w.int(0).string('digest').buffer(Buffer.from(proof)), xid.auth);
    await login(owner, 'u:secret');
    await owner.request(opCode.create, create('/a'));
    const acl = [
      { perms: 31, scheme: 'auth', id: '' },
      { perms: 1, scheme: 'world', id: 'anyone' },
    ];
    await owner.request(opCode.setAcl, (w) => w.string('/a').vector(acl, writeAcl).int(-1));
    expect((await other.request(opCode.setData, set('/a', 'x'))).error).toBe(errorCode.noAuth);
    const seenBy = async (client: RawClient) =>
      (await client.request(opCode.getAcl, (w) => w.string('/a'))).body.vector(readAcl).map((a) => a.id);
    expect(await seenBy(other)).toEqual(['u:x', 'anyone']);
    expect(await seenBy(owner)).toEqual([expect.stringMatching(/^u:.{28}$/), 'anyone']);
    await login(other, 'u:secret');
    expect((await other.request(opCode.setData, set('/a', 'x'))).error).toBe(errorCode.ok);
  });

  test('who cannot prove who he is loses the connection, after the answer', async () => {
    const client = await open();
    const answer = await client.request(
      opCode.auth,
      (w) => w.int(0).string('nonsense').buffer(Buffer.alloc(0)),
      xid.auth,
    );
    expect(answer.error).toBe(errorCode.authFailed);
    await client.closed;
  });

  test('unknown requests and cut-off ones get an error, the connection goes on', async () => {
    const client = await open();
    expect((await client.request(4711)).error).toBe(errorCode.unimplemented);
    expect((await client.request(opCode.getData, (w) => w.int(500))).error).toBe(errorCode.marshallingError);
    expect((await client.request(opCode.setWatches, (w) => w.long(0n).int(1_000_000))).error).toBe(
      errorCode.marshallingError,
    );
    expect((await client.request(opCode.create, create('/a', 0, 'x'.repeat(1024 * 1024 + 1)))).error).toBe(
      errorCode.badArguments,
    );
    expect((await client.request(opCode.create, create('/a', 0, 'x'.repeat(1024 * 1024)))).error).toBe(errorCode.ok);
  });
});

describe('watches', () => {
  test('events come before the answer to the write that fired them', async () => {
    const client = await open();
    await client.request(opCode.create, create('/a'));
    await client.request(opCode.getData, watched('/a'));
    await client.request(opCode.setData, set('/a', 'x'), 77);
    expect(client.order.slice(-2)).toEqual(['event data-changed /a', 'answer 77']);
  });

  test('re-armed after a reconnect: what was missed is told at once, the rest is watched again', async () => {
    const [client, other] = [await open(), await open()];
    for (const path of ['/same', '/changed', '/gone', '/parent', '/quiet'])
      await other.request(opCode.create, create(path));
    const since = (await other.request(opCode.exists, (w) => w.string('/').bool(false))).zxid;
    await other.request(opCode.setData, set('/changed', 'x'));
    await other.request(opCode.delete, remove('/gone'));
    await other.request(opCode.create, create('/parent/child'));
    await other.request(opCode.create, create('/came'));
    const lists = [['/same', '/changed', '/gone'], ['/came', '/later'], ['/parent', '/quiet', '/gone'], [], ['/tree']];
    await client.request(
      opCode.setWatches2,
      (w) => lists.reduce((v, list) => v.vector(list, (u, path) => u.string(path)), w.long(since)),
      xid.setWatches,
    );
    expect(client.events.splice(0).map((e) => `${e.type} ${e.path}`)).toEqual([
      'data-changed /changed',
      'deleted /gone',
      'created /came',
      'children-changed /parent',
      'deleted /gone',
    ]);
    await other.request(opCode.setData, set('/same', 'x'));
    await other.request(opCode.setData, set('/changed', 'y'));
    await other.request(opCode.create, create('/later'));
    await other.request(opCode.create, create('/quiet/x'));
    await other.request(opCode.create, create('/tree'));
    await client.ping();
    expect(client.events.map((e) => `${e.type} ${e.path}`)).toEqual([
      'data-changed /same',
      'created /later',
      'children-changed /quiet',
      'created /tree',
    ]);
  });

  test('removed watches are silent; one that is not there is an error', async () => {
    const client = await open();
    await client.request(opCode.addWatch, (w) => w.string('/a').int(addWatchMode['persistent-recursive']));
    const ask = async (op: number, type: number) => (await client.request(op, (w) => w.string('/a').int(type))).error;
    expect(await ask(opCode.checkWatches, watcherType.any)).toBe(errorCode.ok);
    expect(await ask(opCode.checkWatches, watcherType.data)).toBe(errorCode.noWatcher);
    expect(await ask(opCode.removeWatches, watcherType['persistent-recursive'])).toBe(errorCode.ok);
    expect(await ask(opCode.removeWatches, watcherType.any)).toBe(errorCode.noWatcher);
    await client.request(opCode.create, create('/a'));
    await client.ping();
    expect(client.events).toEqual([]);
    expect((await client.request(opCode.addWatch, (w) => w.string('/a').int(2))).error).toBe(errorCode.badArguments);
  });

  test('a connection that ends takes its watches along', async () => {
    const client = await open();
    await client.request(opCode.exists, watched('/a'));
    const other = await open();
    client.stream.destroy();
    await until(async () => (await word('wchs')).includes('Total watches:0'));
    await other.request(opCode.create, create('/a'));
  });
});

describe('sessions', () => {
  test('the timeout is negotiated', async () => {
    await restart({ minSessionTimeoutMs: 2000, maxSessionTimeoutMs: 5000 });
    expect((await open({ timeoutMs: 1 })).session!.timeoutMs).toBe(2000);
    expect((await open({ timeoutMs: 100_000 })).session!.timeoutMs).toBe(5000);
    expect((await open({ timeoutMs: 3000 })).session!.timeoutMs).toBe(3000);
  });

  test('moves to a new connection; the old one ends and may not write any more', async () => {
    const old = await open();
    await old.request(opCode.create, create('/e', createFlags.ephemeral));
    const { sessionId, password } = old.session!;
    const client = await open({ sessionId, password });
    expect(client.session!.sessionId).toBe(sessionId);
    await old.closed;
    expect(await exists(client, '/e')).toBe(true);
  });

  test('is refused with a wrong password, after its end, and when it never was', async () => {
    const client = await open();
    const { sessionId, password } = client.session!;
    const none = { sessionId: 0n, timeoutMs: 0 };
    const refused = await open({ sessionId, password: Buffer.alloc(16, 1) });
    expect(refused.session).toMatchObject(none);
    await refused.closed;
    expect((await open({ sessionId: 99n, password })).session).toMatchObject(none);
    await client.close();
    expect((await open({ sessionId, password })).session).toMatchObject(none);
  });

  test('expires when nothing is heard, and its ephemerals go in one transaction', async () => {
    await restart({ minSessionTimeoutMs: 100 });
    const [client, other] = [await open({ timeoutMs: 100 }), await open({ timeoutMs: 20_000 })];
    await client.request(opCode.create, create('/one', createFlags.ephemeral));
    await client.request(opCode.create, create('/two', createFlags.ephemeral));
    const root = async () =>
      readStat((await other.request(opCode.exists, (w) => w.string('/').bool(false))).body).pzxid;
    const before = await root();
    await client.closed;
    expect(await exists(other, '/one')).toBe(false);
    expect(await exists(other, '/two')).toBe(false);
    expect(await root()).toBe(before + 1n);
  });

  test('a close is answered when the ephemerals are gone for good', async () => {
    const client = await open();
    await client.request(opCode.create, create('/zookeeper-ish', createFlags.ephemeral));
    const made = client.request(opCode.create, create('/e', createFlags.ephemeral));
    const closing = await client.request(opCode.closeSession);
    expect(closing.zxid).toBe((await made).zxid + 1n);
    await client.closed;
    expect(await exists(await open(), '/e')).toBe(false);
    expect(await exists(await open(), '/zookeeper-ish')).toBe(false);
  });

  test('survives a restart, and what was closed stays closed', async () => {
    const [kept, gone] = [await open(), await open()];
    await kept.request(opCode.create, create('/kept', createFlags.ephemeral));
    await gone.close();
    await restart({});
    const { sessionId, password } = kept.session!;
    const again = await open({ sessionId, password });
    expect(again.session!.sessionId).toBe(sessionId);
    expect(await exists(again, '/kept')).toBe(true);
    expect(
      (await open({ sessionId: gone.session!.sessionId, password: gone.session!.password })).session!.sessionId,
    ).toBe(0n);
  });

  test('who has seen a later state than this server has is sent away without a word', async () => {
    const client = await raw();
    await expect(client.handshake({ lastZxidSeen: 1n << 40n })).rejects.toThrow('closed');
  });
});

test('containers and TTL znodes go by themselves', async () => {
  const client = await open();
  await client.request(opCode.createContainer, create('/c', createFlags.container));
  await client.request(opCode.create, create('/c/x'));
  await client.request(opCode.createTtl, create('/t', createFlags['persistent-ttl']));
  await until(async () => !(await exists(client, '/t')));
  expect(await exists(client, '/c')).toBe(true);
  await client.request(opCode.delete, remove('/c/x'));
  await until(async () => !(await exists(client, '/c')));
});

function word(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connectTcp({ host: '127.0.0.1', port: coordinator.address.port! }, () => socket.write(name));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

describe('four-letter words', () => {
  test('in the format of Apache ZooKeeper', async () => {
    const client = await open();
    await client.request(opCode.create, create('/a', createFlags.ephemeral, 'four'));
    await client.request(opCode.exists, watched('/none'));
    expect(await word('ruok')).toBe('imok');
    expect(await word('isro')).toBe('rw');
    expect(await word('srvr')).toMatch(
      /^Zookeeper version: 3\.8\.\d.*\nLatency min\/avg\/max: \d+\/[\d.]+\/\d+\nReceived: \d+\nSent: \d+\nConnections: \d+\nOutstanding: 0\nZxid: 0x2\nMode: standalone\nNode count: 5\n$/,
    );
    expect(await word('stat')).toMatch(
      /^Zookeeper version: .*\nClients:\n( \/127\.0\.0\.1:\d+\[\d\]\(queued=\d+,recved=\d+,sent=\d+\)\n)+\nLatency/,
    );
    expect(await word('cons')).toContain(
      `(queued=0,recved=3,sent=3,sid=0x${client.session!.sessionId.toString(16)},to=10000)`,
    );
    const monitored = Object.fromEntries(
      (await word('mntr'))
        .trim()
        .split('\n')
        .map((line) => line.split('\t')),
    );
    expect(monitored).toMatchObject({
      zk_server_state: 'standalone',
      zk_znode_count: '5',
      zk_ephemerals_count: '1',
      zk_watch_count: '1',
      zk_packets_received: '3',
      zk_packets_sent: '3',
      zk_approximate_data_size: '4',
      zk_version: expect.stringMatching(/^3\.8\.0/),
    });
    expect(await word('wchs')).toBe('1 connections watching 1 paths\nTotal watches:1\n');
    expect(await word('conf')).toContain(`clientPort=${coordinator.address.port}\n`);
    expect(await word('envi')).toContain('zookeeper.version=3.8.0');
  });

  test('change nothing', async () => {
    const client = await open();
    const before = (await client.ping()).zxid;
    for (const name of ['ruok', 'stat', 'srvr', 'mntr', 'cons', 'conf', 'isro', 'envi', 'wchs']) await word(name);
    expect(await word('crst')).toBe('');
    expect(await word('kill')).toBe('');
    expect((await client.ping()).zxid).toBe(before);
  });
});

describe('limits', () => {
  test('a frame that is too long ends the connection, not the server', async () => {
    const client = await open();
    client.stream.write(Buffer.from('7fffffff', 'hex'));
    await client.closed;
    expect(logged.some((line) => line.includes('frame of 2147483647 bytes'))).toBe(true);
    await open();
  });

  test.each([
    ['senseless bytes', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a greeting that is too long', Buffer.from('00000800', 'hex')],
    ['a greeting that is too short', Buffer.from('0000000400000000', 'hex')],
  ])('%s instead of a handshake', async (_name, bytes) => {
    const client = await raw();
    client.stream.write(bytes);
    await client.closed;
    await open();
  });

  test('who says nothing is not waited for', async () => {
    await restart({ handshakeTimeoutMs: 30 });
    const client = await raw();
    client.stream.write(Buffer.from('0000', 'hex'));
    await client.closed;
  });

  test('so many connections and no more', async () => {
    await restart({ maxConnections: 2 });
    const one = await open();
    await open();
    const third = await raw();
    await third.closed;
    one.stream.destroy();
    await until(async () => {
      const client = await raw();
      return client.handshake().then(
        () => true,
        () => false,
      );
    });
  });

  test('a client that does not read its answers is not read from, and gets them all later', async () => {
    await restart({ maxOutstandingBytes: 100_000 });
    const client = await open();
    await client.request(opCode.create, create('/big', 0, 'x'.repeat(500_000)));
    client.stream.pause();
    const answers = Array.from({ length: 200 }, () =>
      client.request(opCode.getData, (w) => w.string('/big').bool(false)),
    );
    const other = await open();
    // Far fewer than 200 answers are made while nobody reads.
    const made = async () => Number(/Sent: (\d+)/.exec(await word('srvr'))![1]);
    for (let i = 0; i < 20; i++) await other.ping();
    expect(await made()).toBeLessThan(100);
    client.stream.resume();
    for (const answer of answers) expect((await answer).body.remaining).toBeGreaterThan(500_000);
  });

  test('a client that never reads its events is given up', async () => {
    await restart({ maxQueuedBytes: 200_000 });
    const [client, other] = [await open(), await open()];
    await client.request(opCode.addWatch, (w) => w.string('/').int(addWatchMode['persistent-recursive']));
    client.stream.pause();
    const long = `/${'n'.repeat(50_000)}`;
    await other.request(opCode.create, create(long));
    for (let i = 0; i < 200 && !logged.some((line) => line.includes('does not read')); i++) {
      await Promise.all(Array.from({ length: 10 }, () => other.request(opCode.setData, set(long, 'x'))));
    }
    expect(logged.some((line) => line.includes('does not read'))).toBe(true);
    expect((await other.ping()).error).toBe(0);
  });
});
