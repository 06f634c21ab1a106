import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { labelConfig, poolConfig, providerConfig } from '../../driver-kit/testing/configs.ts';
import { freePort, haveSshd, startSshd, type TestSshd } from '../../driver-kit/testing/sshd.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { systemRuntime } from '../../base/runtime.ts';
import { StaticAdapter } from './adapter.ts';
import type { StaticHost } from './config.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const never = new AbortController().signal;

function host(o: Partial<StaticHost> = {}): StaticHost {
  return {
    name: '127.0.0.1',
    labels: ['small'],
    hostKeys: [],
    hostKeyChecking: true,
    timeoutMs: 2000,
    connectionType: 'ssh',
    port: 22,
    shellType: null,
    username: 'zuul',
    pythonPath: 'auto',
    slots: 1,
    ...o,
  };
}

function adapterFor(...hosts: StaticHost[]) {
  const log = new MemoryLogger();
  const pool = poolConfig({
    settings: { hosts },
    labels: new Map([['small', labelConfig({ image: null })]]),
    nodeAttributes: { zone: 'x' },
  });
  const provider = providerConfig({ name: 'racks', driver: 'static', pools: new Map([['main', pool]]) });
  const adapter = new StaticAdapter({ provider, runtime: systemRuntime, log, env: {} });
  closers.push(() => adapter.stop());
  return { adapter, inventory: adapter.inventory, log, first: adapter.inventory.hosts[0]! };
}

async function listener(): Promise<{ port: number; count: () => number; server: Server }> {
  let count = 0;
  const server = createServer((socket) => {
    count++;
    socket.on('error', () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as { port: number }).port, count: () => count, server };
}

test('the inventory says what the configuration says', () => {
  const { first } = adapterFor(host({ name: 'a.example', slots: 3, shellType: 'cmd', labels: ['small', 'fast'] }));
  expect(first).toEqual({
    poolName: 'main',
    name: 'a.example',
    username: 'zuul',
    connectionPort: 22,
    connectionType: 'ssh',
    pythonPath: 'auto',
    shellType: 'cmd',
    labels: ['small', 'fast'],
    slots: 3,
    timeoutMs: 2000,
    nodeAttributes: { zone: 'x' },
  });
});

test('of two entries for one machine the last counts, and it is said', () => {
  const { inventory, log } = adapterFor(host({ slots: 1 }), host({ port: 23 }), host({ slots: 4 }));
  expect(inventory.hosts.map((h) => [h.connectionPort, h.slots])).toEqual([
    [23, 1],
    [22, 4],
  ]);
  expect(log.of('warn').length).toBe(1);
});

describe.skipIf(!haveSshd)('with a real sshd', () => {
  async function sshd(): Promise<TestSshd> {
    const running = await startSshd(['ed25519', 'ecdsa-256']);
    closers.push(() => running.stop());
    return running;
  }

  test('all scanned keys are stored, though only one is configured', async () => {
    const { port, keys } = await sshd();
    const { inventory, first } = adapterFor(host({ port, hostKeys: [`${keys[0]!} root@rack`] }));
    const found = await inventory.check(first, never);
    expect([...found.hostKeys].sort()).toEqual([...keys].sort());
    expect(found).toMatchObject({ publicIpv4: '127.0.0.1', publicIpv6: null });
  });

  test('another key than configured: not usable, and the message tells the keys found', async () => {
    const { port, keys } = await sshd();
    const { inventory, first } = adapterFor(host({ port, hostKeys: ['ssh-ed25519 AAAAnotthisone'] }));
    await expect(inventory.check(first, never)).rejects.toMatchObject({
      code: 'keyscan',
      problem: 'keys-differ',
      message: expect.stringContaining(keys[0]!),
    });
  });
});

test('without key checking no connection is made, and the configured keys are taken as they are', async () => {
  const { port, count } = await listener();
  const { inventory, first } = adapterFor(host({ port, hostKeyChecking: false, hostKeys: ['ssh-rsa X'] }));
  expect((await inventory.check(first, never)).hostKeys).toEqual(['ssh-rsa X']);
  await inventory.alive(first, never);
  expect(count()).toBe(0);
});

test.each([true, false])('winrm: an open port is enough, no keys (checking: %s)', async (hostKeyChecking) => {
  const { port, count } = await listener();
  const { inventory, first } = adapterFor(
    host({ port, connectionType: 'winrm', hostKeyChecking, hostKeys: ['ssh-rsa X'] }),
  );
  expect((await inventory.check(first, never)).hostKeys).toEqual([]);
  expect(count()).toBe(1);
  const closed = adapterFor(host({ port: await freePort(), connectionType: 'winrm', hostKeyChecking, timeoutMs: 300 }));
  await expect(closed.inventory.check(closed.first, never)).rejects.toMatchObject({ problem: 'refused' });
});

test('fake names need no network', async () => {
  const { inventory, first } = adapterFor(host({ name: 'fake-host-1' }));
  expect(await inventory.check(first, never)).toEqual({
    hostKeys: ['ssh-rsa FAKEKEY'],
    publicIpv4: null,
    publicIpv6: null,
  });
});

test('a name that cannot be resolved is an unreachable host like others', async () => {
  const { inventory, first } = adapterFor(host({ name: 'no-such-host.invalid', timeoutMs: 1000 }));
  await expect(inventory.check(first, never)).rejects.toMatchObject({ code: 'keyscan', problem: 'name' });
});

test('liveness is looked at once for all slots and a moment longer, but a dead host is looked at again', async () => {
  const { port, count, server } = await listener();
  const { inventory, first } = adapterFor(host({ port, timeoutMs: 1000 }));
  await Promise.all(Array.from({ length: 10 }, () => inventory.alive(first, never)));
  await inventory.alive(first, never);
  expect(count()).toBe(1);
  const dead = adapterFor(host({ port: await freePort(), timeoutMs: 1000 }));
  await expect(dead.inventory.alive(dead.first, never)).rejects.toMatchObject({ problem: 'refused' });
  const revived = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => revived.listen(dead.first.connectionPort, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => revived.close(resolve)));
  await dead.inventory.alive(dead.first, never);
  expect(server.listening).toBe(true);
});

test('nothing is launched, and a deletion has nothing to do', async () => {
  const { adapter } = adapterFor(host());
  await expect(adapter.advanceCreate()).rejects.toMatchObject({ code: 'permanent' });
  expect(await adapter.advanceDelete()).toEqual({ done: true });
  expect(await adapter.listResources()).toEqual([]);
});
