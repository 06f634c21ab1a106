/** What concerns the process and its surroundings: data directory, ports, certificates, kill -9, a full disk. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../runtime/runtime.ts';
import { createFlags, opCode } from '../../protocol/constants.ts';
import { writeCreate } from '../../protocol/messages/create.ts';
import { openAcl } from '../../protocol/records.ts';
import { makeCertificates } from '../certificates.ts';
import { type Coordinator, type CoordinatorOptions, startCoordinator } from '../coordinator.ts';
import { readAddress } from './data-directory.ts';
import { RawClient } from '../testing/raw-client.ts';
import { type Spawned, spawnCoordinator } from '../testing/spawn.ts';
import { loggerTo } from '../../testing/logger-to.ts';

const haveOpenssl = spawnSync('openssl', ['version']).status === 0;

let directory: string;
let dataDir: string;
let logged: string[];
const running: Coordinator[] = [];
const spawned: Spawned[] = [];
const servers: Server[] = [];

async function start(more: Partial<CoordinatorOptions> = {}): Promise<Coordinator> {
  const log = loggerTo((message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`));
  const coordinator = await startCoordinator({ dataDir, runtime: systemRuntime, log, ...more });
  running.push(coordinator);
  return coordinator;
}
async function spawn(more: Partial<CoordinatorOptions> = {}, wrap?: string): Promise<Spawned> {
  const process = await spawnCoordinator({ dataDir, ...more }, wrap);
  spawned.push(process);
  return process;
}
const create = (client: RawClient, path: string, data: Buffer = Buffer.alloc(0)) =>
  client.request(opCode.create, (w) =>
    writeCreate(w, { type: 'create', path, data, acl: openAcl, flags: createFlags.persistent, withStat: false }),
  );
const exists = async (client: RawClient, path: string) =>
  (await client.request(opCode.exists, (w) => w.string(path).bool(false))).error === 0;
const until = (condition: () => boolean | Promise<boolean>) =>
  expect.poll(condition, { timeout: 20_000, interval: 10 }).toBe(true);

beforeEach(() => {
  logged = [];
  directory = mkdtempSync(join(tmpdir(), 'coordinator-'));
  dataDir = join(directory, 'data');
});
afterEach(async () => {
  for (const coordinator of running.splice(0)) await coordinator.close();
  for (const { child, kill } of spawned.splice(0))
    if (child.exitCode === null && child.signalCode === null) await kill('SIGKILL');
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('the data directory', () => {
  test('is made for its owner alone; the address file says where the coordinator is, and goes with it', async () => {
    const coordinator = await start();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir, 'address.json')).mode & 0o777).toBe(0o600);
    expect(readAddress(dataDir)).toEqual(coordinator.address);
    expect(coordinator.address).toMatchObject({ pid: process.pid, host: '127.0.0.1', tlsPort: null });
    await coordinator.close();
    expect(readAddress(dataDir)).toBeNull();
    expect(readdirSync(dataDir).filter((name) => !name.startsWith('data.mdb'))).toEqual([]);
  });

  test('an address that nobody has any more, or that is none, is no address', async () => {
    const { address } = await start();
    const file = join(dataDir, 'address.json');
    const text = readFileSync(file, 'utf8');
    // A later process with the number of the coordinator.
    writeFileSync(file, text.replace(/"started":"\d+"/, '"started":"1"'));
    expect(readAddress(dataDir)).toBeNull();
    writeFileSync(file, text.replace(`"pid":${address.pid}`, '"pid":4194304'));
    expect(readAddress(dataDir)).toBeNull();
    for (const broken of ['', '{', '[]', '{"pid":-1}', text.replace('127.0.0.1"', '"')]) {
      writeFileSync(file, broken);
      expect(readAddress(dataDir)).toBeNull();
    }
  });

  test('belongs to one process, also under another name', async () => {
    const other = await spawn();
    symlinkSync(dataDir, join(directory, 'link'));
    const message = expect.stringContaining(`in use by process ${other.child.pid}`);
    await expect(start()).rejects.toMatchObject({ code: 'in-use', message });
    await expect(start({ dataDir: join(directory, 'link') })).rejects.toMatchObject({ code: 'in-use', message });
    // One that stands still holds it all the same.
    other.child.kill('SIGSTOP');
    await expect(start()).rejects.toMatchObject({ code: 'in-use', message });
    other.child.kill('SIGCONT');
    await other.kill('SIGTERM');
    await start();
  });

  test('of many that start at once one gets it', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => start()));
    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    for (const attempt of attempts)
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'in-use' });
  });

  test('may have a long path', async () => {
    dataDir = join(directory, 'l'.repeat(120), 'm'.repeat(120));
    await start();
    await expect(start()).rejects.toMatchObject({ code: 'in-use' });
  });

  test.each([
    ['a file', (path: string) => writeFileSync(path, '')],
    [
      'one that others write into',
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, 'something'), '');
        execFileSync('chmod', ['1777', path]);
      },
    ],
  ])('is refused when it is %s', async (_name, make) => {
    make(dataDir);
    await expect(start()).rejects.toMatchObject({ code: 'data-dir', message: expect.stringContaining(dataDir) });
  });
});

describe('kill -9', () => {
  test('loses nothing that was acknowledged, and the directory is free at once', async () => {
    const first = await spawn();
    const client = await RawClient.open(first.address.port!);
    const acknowledged: string[] = [];
    const writes = Array.from({ length: 500 }, (_, i) =>
      create(client, `/n${i}`).then(() => acknowledged.push(`/n${i}`)),
    );
    for (const write of writes) write.catch(() => undefined);
    await until(() => acknowledged.length > 100);
    await first.kill('SIGKILL');
    await Promise.allSettled(writes);
    expect(existsSync(join(dataDir, 'address.json'))).toBe(true);
    expect(readAddress(dataDir)).toBeNull();
    const { address } = await start();
    const again = await RawClient.open(address.port!);
    for (const path of acknowledged) expect(await exists(again, path)).toBe(true);
    again.stream.destroy();
  });
});

describe('ports', () => {
  test('one that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await expect(start({ port })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(`port ${port} on 127.0.0.1 is in use`),
    });
    // Nothing is left behind that would be in the way of the next attempt.
    await start();
  });

  test('no plain port on an address that others can reach', async () => {
    await expect(start({ listen: '0.0.0.0' })).rejects.toMatchObject({ code: 'not-loopback' });
    const outside =
      Object.values(networkInterfaces())
        .flat()
        .find((i) => i && !i.internal && i.family === 'IPv4')?.address ?? '10.0.0.1';
    await expect(start({ listen: outside })).rejects.toMatchObject({
      code: 'not-loopback',
      message: expect.stringContaining(outside),
    });
  });
});

describe('TLS', () => {
  const tlsOf = (name = 'certs') => {
    const at = (file: string) => join(directory, name, file);
    return { cert: at('server.pem'), key: at('server.key'), ca: at('ca.pem') };
  };
  const dial = async (port: number, certs: string, own: string | null) => {
    const file = (name: string) => readFileSync(join(directory, certs, name));
    const mine =
      own === null
        ? {}
        : {
            cert: readFileSync(join(directory, own, 'client.pem')),
            key: readFileSync(join(directory, own, 'client.key')),
          };
    const socket = connectTls({ host: '127.0.0.1', port, ca: file('ca.pem'), servername: 'localhost', ...mine });
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  };

  test('serves who shows a certificate of the CA, beside the plain port', async () => {
    await makeCertificates(join(directory, 'certs'), ['zk.example.org', '192.0.2.7']);
    await makeCertificates(join(directory, 'foreign'));
    const { address } = await start({ listen: '0.0.0.0', tlsPort: 0, tls: tlsOf() });
    expect(address).toMatchObject({ host: '127.0.0.1', tlsHost: '127.0.0.1' });
    const client = await dial(address.tlsPort!, 'certs', 'certs');
    await client.handshake();
    await create(client, '/tls');
    const plain = await RawClient.open(address.port!);
    expect(await exists(plain, '/tls')).toBe(true);
    for (const own of [null, 'foreign']) {
      const stranger = await dial(address.tlsPort!, 'certs', own).catch(() => null);
      if (stranger) await expect(stranger.handshake()).rejects.toThrow();
    }
    await until(() => logged.filter((line) => line.startsWith('A client was turned away')).length >= 2);
    // Plain bytes on the TLS port.
    const confused = await RawClient.tcp(address.tlsPort!);
    await expect(confused.handshake()).rejects.toThrow();
    client.stream.destroy();
    plain.stream.destroy();
  });

  // The judge is openssl, where there is one.
  test.skipIf(!haveOpenssl)('the certificates hold the names, verify, and are not overwritten', async () => {
    const certs = join(directory, 'certs');
    await makeCertificates(certs, ['zk.example.org', '192.0.2.7', '2001:db8::1']);
    for (const name of readdirSync(certs)) expect(statSync(join(certs, name)).mode & 0o777).toBe(0o600);
    expect(readdirSync(certs).sort()).toEqual(['ca.pem', 'client.key', 'client.pem', 'server.key', 'server.pem']);
    for (const [who, purpose] of [
      ['server', 'sslserver'],
      ['client', 'sslclient'],
    ] as const) {
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-CAfile',
        join(certs, 'ca.pem'),
        join(certs, `${who}.pem`),
      ];
      expect(execFileSync('openssl', args).toString()).toContain(': OK');
    }
    const text = execFileSync('openssl', [
      'x509',
      '-in',
      join(certs, 'server.pem'),
      '-noout',
      '-ext',
      'subjectAltName',
    ]).toString();
    for (const name of [
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'DNS:zk.example.org',
      'IP Address:192.0.2.7',
      'IP Address:2001:DB8:0:0:0:0:0:1',
    ]) {
      expect(text).toContain(name);
    }
    const before = readFileSync(join(certs, 'client.key'), 'utf8');
    rmSync(join(certs, 'ca.pem'));
    await expect(makeCertificates(certs)).rejects.toMatchObject({
      code: 'tls',
      message: expect.stringContaining('exists already'),
    });
    expect(readFileSync(join(certs, 'client.key'), 'utf8')).toBe(before);
  });

  test('wrong files are named', async () => {
    await makeCertificates(join(directory, 'certs'));
    await makeCertificates(join(directory, 'other'));
    const tls = tlsOf();
    await expect(start({ tlsPort: 0 })).rejects.toMatchObject({ code: 'tls' });
    await expect(start({ tlsPort: 0, tls: { ...tls, cert: '/nowhere/x.pem' } })).rejects.toMatchObject({
      code: 'tls',
      message: expect.stringContaining('/nowhere/x.pem'),
    });
    await expect(start({ tlsPort: 0, tls: { ...tls, key: tlsOf('other').key } })).rejects.toMatchObject({
      code: 'tls',
    });
    await expect(start({ tlsPort: 0, tls: { ...tls, key: tls.ca } })).rejects.toMatchObject({ code: 'tls' });
    await start({ tlsPort: 0, tls });
  });
});

describe('a disk that is full', () => {
  // The limit on the size of files stands for it: the write fails, and the limit can be lifted while the process runs.
  const tight = 'ulimit -S -f 1024';
  const lift = (pid: number) => execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited']);

  test('nothing is acknowledged that is not written; it says so, and goes on when there is space', async () => {
    const process = await spawn({}, tight);
    const client = await RawClient.open(process.address.port!);
    const acknowledged: string[] = [];
    for (let i = 0; i < 100; i++) {
      const written = await create(client, `/n${i}`, Buffer.alloc(50_000)).then(
        (answer) => answer.error === 0,
        () => false,
      );
      if (!written) break;
      acknowledged.push(`/n${i}`);
    }
    expect(acknowledged.length).toBeGreaterThan(2);
    expect(acknowledged.length).toBeLessThan(100);
    await client.closed;
    await until(() => process.log().includes("can't write to"));
    const turnedAway = await RawClient.tcp(process.address.port!);
    await expect(turnedAway.handshake()).rejects.toThrow('closed');

    lift(process.child.pid!);
    await until(() => process.log().includes('serves again'));
    const { sessionId, password } = client.session!;
    const again = await RawClient.open(process.address.port!, { sessionId, password });
    expect(again.session!.sessionId).toBe(sessionId);
    for (const path of acknowledged) expect(await exists(again, path)).toBe(true);
    expect((await create(again, '/after', Buffer.alloc(50_000))).error).toBe(0);
    await process.kill('SIGKILL');
    const { address } = await start();
    const last = await RawClient.open(address.port!);
    for (const path of [...acknowledged, '/after']) expect(await exists(last, path)).toBe(true);
    last.stream.destroy();
  });

  test('a restart without space in between keeps what was acknowledged', async () => {
    const process = await spawn({}, tight);
    const client = await RawClient.open(process.address.port!);
    const acknowledged: string[] = [];
    // One after the other until it is full, and many more at once.
    const write = async (path: string) => {
      const { error } = await create(client, path, Buffer.alloc(50_000));
      if (error === 0) acknowledged.push(path);
    };
    for (let i = 0; i < 3; i++) await write(`/n${i}`);
    const writes = Array.from({ length: 100 }, (_, i) => write(`/m${i}`));
    await Promise.allSettled(writes);
    await process.kill('SIGTERM');
    const { address } = await start();
    const last = await RawClient.open(address.port!);
    for (const path of acknowledged) expect(await exists(last, path)).toBe(true);
    last.stream.destroy();
  });
});
