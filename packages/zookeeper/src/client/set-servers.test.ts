import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemRuntime } from '../runtime/runtime.ts';
import { startCoordinator } from '../server/coordinator.ts';
import { FaultProxy } from '../testing/fault-proxy.ts';
import { createZooKeeper } from './client.ts';

test('other members of the ensemble are taken into use with session, watches and ephemerals', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'set-servers-'));
  const coordinator = await startCoordinator({ dataDir, port: 0, runtime: systemRuntime });
  const server = { host: '127.0.0.1', port: coordinator.address.port! };
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => FaultProxy.open(server)));
  const zk = createZooKeeper({ servers: [first!.address], runtime: systemRuntime });
  onTestFinished(async () => {
    await zk.close();
    for (const proxy of [first, second, third]) await proxy!.close();
    await coordinator.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  await zk.waitConnected({ timeoutMs: 10_000 });
  const { sessionId } = zk;
  const seen: string[] = [];
  await zk.addWatch('/', 'persistent-recursive', (event) => void seen.push(event.path));
  await zk.create('/mine', Buffer.alloc(0), { mode: 'ephemeral' });

  // Its server stays: nothing is interrupted.
  const states: string[] = [];
  zk.onState((state) => states.push(state));
  zk.setServers([third!.address, first!.address]);
  await zk.create('/still', Buffer.alloc(0));
  expect([states, first!.connections, third!.connections]).toEqual([[], 1, 0]);

  zk.setServers([second!.address]);
  await expect.poll(() => second!.connections, { timeout: 10_000 }).toBe(1);
  await zk.create('/later', Buffer.alloc(0));
  await expect.poll(() => first!.connections).toBe(0);
  expect(zk.sessionId).toBe(sessionId);
  expect((await zk.exists('/mine'))?.ephemeralOwner).toBe(sessionId);
  await expect.poll(() => seen).toEqual(['/mine', '/still', '/later']);
  expect(() => zk.setServers([])).toThrow('no servers');
});

test('a connection that was being made to a server that has left meanwhile is not used', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'set-servers-'));
  const coordinator = await startCoordinator({ dataDir, port: null, runtime: systemRuntime });
  const asked: string[] = [];
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const zk = createZooKeeper({
    servers: [{ host: 'old', port: 1 }],
    connector: async (server, signal) => {
      asked.push(server.host);
      if (server.host === 'old') await gate;
      return coordinator.connector(server, signal);
    },
  });
  onTestFinished(async () => {
    await zk.close();
    await coordinator.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  zk.setServers([{ host: 'new', port: 1 }]);
  go();
  await zk.waitConnected({ timeoutMs: 10_000 });
  expect(asked).toEqual(['old', 'new']);
});
