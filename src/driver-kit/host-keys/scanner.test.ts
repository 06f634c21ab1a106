import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { HostKeyScanner } from './scanner.ts';
import { connectToAny } from './connectivity.ts';
import { freePort, haveSshd, startSshd, type HostKeyKind, type TestSshd } from '../testing/sshd.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const never = new AbortController().signal;
const within = (timeoutMs: number) => ({ timeoutMs, signal: never });
const at = (port: number, connectionType = 'ssh', address = '127.0.0.1') => ({ address, port, connectionType });
let scanner: HostKeyScanner;
beforeEach(() => {
  scanner = new HostKeyScanner(systemRuntime);
});

async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

async function sshd(kinds: readonly HostKeyKind[], options?: Parameters<typeof startSshd>[1]): Promise<TestSshd> {
  const running = await startSshd(kinds, options);
  closers.push(() => running.stop());
  return running;
}

describe.skipIf(!haveSshd)('with a real sshd', () => {
  test('finds every key, exactly as the host has it', async () => {
    const { port, keys } = await sshd(['ed25519', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'rsa']);
    const scanned = await scanner.scan(at(port), within(10_000));
    expect([...scanned].sort()).toEqual([...keys].sort());
    expect(scanned.some((key) => key.startsWith('ssh-rsa '))).toBe(true);
  });

  test.each(['rsa', 'ed25519', 'ecdsa-384'] as const)('a host with nothing but an %s key is fine', async (kind) => {
    const { port, keys } = await sshd([kind]);
    expect(await scanner.scan(at(port, 'network_cli'), within(10_000))).toEqual(keys);
  });

  test('takes the name of a host, and many hosts at once', async () => {
    const hosts = await Promise.all([sshd(['ed25519', 'rsa']), sshd(['ecdsa-256']), sshd(['ed25519'])]);
    const scans = hosts.flatMap((host) =>
      Array.from({ length: 4 }, () => scanner.scan(at(host.port, 'ssh', 'localhost'), within(20_000))),
    );
    const found = await Promise.all(scans);
    hosts.forEach((host, i) => {
      for (const keys of found.slice(i * 4, i * 4 + 4)) expect([...keys].sort()).toEqual([...host.keys].sort());
    });
  });

  test('waits for a host that is still booting', async () => {
    const port = await freePort();
    const scan = scanner.scan(at(port), within(20_000));
    const { keys } = await sshd(['ed25519'], { port });
    expect(await scan).toEqual(keys);
  });

  test('finds all keys of a host that drops connections at random', { retry: 2 }, async () => {
    // After the first unfinished connection every second one is dropped, after the fourth all are.
    const { port, keys } = await sshd(['ed25519', 'ecdsa-256', 'rsa'], { options: ['MaxStartups 1:50:4'] });
    expect([...(await scanner.scan(at(port), within(20_000)))].sort()).toEqual([...keys].sort());
  });

  test('says that there is no common algorithm', async () => {
    const { port } = await sshd(['ed25519'], {
      options: ['Ciphers aes256-cbc'],
    });
    await expect(scanner.scan(at(port), within(500))).rejects.toMatchObject({
      code: 'keyscan',
      problem: 'negotiation',
    });
  });
});

test('a refused connection is tried until the time is up', async () => {
  const port = await freePort();
  const before = performance.now();
  const scan = scanner.scan(at(port), within(600));
  await expect(scan).rejects.toMatchObject({
    code: 'keyscan',
    problem: 'refused',
    message: expect.stringContaining('refused'),
  });
  expect(performance.now() - before).toBeGreaterThan(550);
});

test('a host that accepts and says nothing', async () => {
  const port = await listen(() => {});
  await expect(scanner.scan(at(port), within(300))).rejects.toMatchObject({
    problem: 'silent',
    message: expect.stringContaining(`port ${port}`),
  });
});

test('a host that closes at once', async () => {
  const port = await listen((socket) => socket.destroy());
  await expect(scanner.scan(at(port), within(300))).rejects.toMatchObject({ problem: 'closed' });
});

test('a port with something else than SSH', async () => {
  const port = await listen((socket) => {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
  await expect(scanner.scan(at(port), within(300))).rejects.toMatchObject({ problem: 'not-ssh' });
});

test('a flood of garbage neither hangs nor fills the memory', async () => {
  const port = await listen((socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 7)));
    };
    socket.on('drain', pour);
    pour();
  });
  await expect(scanner.scan(at(port), within(1500))).rejects.toMatchObject({ problem: 'not-ssh' });
});

test('an SSH server that stops in the middle of the exchange', async () => {
  const port = await listen((socket) => {
    socket.write('SSH-2.0-Broken\r\n');
    socket.once('data', () => socket.end());
  });
  await expect(scanner.scan(at(port), within(300))).rejects.toMatchObject({ problem: 'closed' });
});

test('a name that does not exist', async () => {
  await expect(scanner.scan(at(22, 'ssh', 'no-such-host.invalid'), within(2000))).rejects.toMatchObject({
    code: 'keyscan',
    problem: 'name',
  });
});

test('an open port is enough for other connection types, and no key is told', async () => {
  let connections = 0;
  const port = await listen(() => connections++);
  expect(await scanner.scan(at(port, 'winrm'), within(1000))).toEqual([]);
  expect(connections).toBe(1);
  await expect(scanner.scan(at(await freePort(), 'winrm'), within(200))).rejects.toMatchObject({ problem: 'refused' });
});

test('fake addresses need no network', async () => {
  expect(await scanner.scan(at(1, 'ssh', 'fake'), within(1))).toEqual(['ssh-rsa FAKEKEY']);
  expect(await scanner.scan(at(1, 'winrm', 'host.fake.example'), within(1))).toEqual([]);
  await scanner.reach(at(1, 'ssh', 'fake'), within(1));
});

test('reach looks once', async () => {
  const port = await listen(() => {});
  await scanner.reach(at(port), within(1000));
  await expect(scanner.reach(at(await freePort()), within(5000))).rejects.toMatchObject({ problem: 'refused' });
});

test('ends at once when it is called off', async () => {
  const port = await listen(() => {});
  const abort = new AbortController();
  const scan = scanner.scan(at(port), { timeoutMs: 60_000, signal: abort.signal });
  setImmediate(() => abort.abort(new Error('the launcher stops')));
  await expect(scan).rejects.toThrow('the launcher stops');
});

test('no more scans at once than allowed, and the time in the queue counts', async () => {
  let connections = 0;
  const port = await listen(() => connections++);
  const narrow = new HostKeyScanner(systemRuntime, 2);
  const abort = new AbortController();
  const running = [1, 2].map(() => narrow.scan(at(port), { timeoutMs: 60_000, signal: abort.signal }));
  const settled = Promise.allSettled(running);
  await expect.poll(() => connections).toBe(2);
  const queued = Array.from({ length: 4 }, () => narrow.scan(at(port), within(200)));
  for (const result of await Promise.allSettled(queued)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { problem: 'silent' } });
  }
  expect(connections).toBe(2);
  abort.abort(new Error('enough'));
  for (const result of await settled) expect(result).toMatchObject({ reason: { message: 'enough' } });
});

test('all addresses of a name are tried, a refused one delays nothing', async () => {
  const port = await listen(() => {});
  const before = performance.now();
  const socket = await connectToAny(['127.0.0.2', '127.0.0.3', '127.0.0.1'], port, {
    timeoutMs: 5000,
    signal: never,
    runtime: systemRuntime,
  });
  expect(socket.remoteAddress).toBe('127.0.0.1');
  expect(performance.now() - before).toBeLessThan(200);
  socket.destroy();
});
