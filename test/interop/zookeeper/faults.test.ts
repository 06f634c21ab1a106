/** Client, locks and watches while servers die and Python contends. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, lock, newContenderPrefix, type ZooKeeper, ZooKeeperError } from '@nodepool/zookeeper';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { FaultProxy } from '@nodepool/zookeeper/internal/testing/fault-proxy';
import { type Held, overlaps } from './lock-history.ts';
import { mirroredData } from '@nodepool/zookeeper/internal/testing/mirrored-data';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('an ensemble whose servers die', () => {
  let apache: Apache;
  beforeAll(async () => {
    apache = await startApache(3);
  });
  afterAll(() => apache?.close());

  test('acknowledged writes stay, no call hangs, the mirror misses nothing', async () => {
    const servers = apache.servers.map((server) => server.plain);
    const writer = createZooKeeper({ servers, sessionTimeoutMs: 8000 });
    const reader = createZooKeeper({ servers, sessionTimeoutMs: 8000 });
    await writer.create('/load', Buffer.alloc(0));
    const { mirror, seen } = mirroredData(reader, '/load');
    await mirror.start();
    const acknowledged = new Map<string, string>();
    let running = true;
    let unsettled = 0;
    const load = async (worker: number) => {
      for (let i = 0; running; i++) {
        const name = `w${worker}-${i % 50}`;
        const value = String(i);
        unsettled++;
        try {
          if (i < 50) await writer.create(`/load/${name}`, Buffer.from(value), { timeoutMs: 20_000 });
          else await writer.set(`/load/${name}`, Buffer.from(value), -1, { timeoutMs: 20_000 });
          acknowledged.set(name, value);
        } catch (error) {
          expect(error).toBeInstanceOf(ZooKeeperError);
          acknowledged.delete(name);
        }
        unsettled--;
      }
    };
    const workers = [0, 1, 2, 3].map(load);
    for (let round = 0; round < 2; round++) {
      await pause(1000);
      const victim = await apache.leader();
      await victim.kill();
      await pause(3000);
      await victim.start();
    }
    running = false;
    await Promise.all(workers);
    expect(unsettled).toBe(0);
    await Promise.all([writer.sync('/'), reader.sync('/')]);
    expect(acknowledged.size).toBeGreaterThan(50);
    for (const [name, value] of acknowledged) {
      expect((await writer.get(`/load/${name}`)).data.toString()).toBe(value);
    }
    const { children } = await writer.children('/load');
    const truth = Object.fromEntries(
      await Promise.all([...children].sort().map(async (c) => [c, (await writer.get(`/load/${c}`)).data.toString()])),
    ) as Record<string, string>;
    await expect.poll(() => Object.fromEntries([...seen].sort()), { timeout: 20_000 }).toEqual(truth);
    await mirror.close();
    await Promise.all([writer.close(), reader.close()]);
  });
});

describe('one lock, contended with kazoo', () => {
  const python = process.env.NODEPOOL_TEST_PYTHON ?? join(homedir(), '.cache/nodepool-ci/peer/bin/python');
  const script = new URL('kazoo-contender.py', import.meta.url).pathname;
  const seconds = 10;
  let apache: Apache;
  beforeAll(async () => {
    apache = await startApache(1);
  });
  afterAll(() => apache?.close());

  const now = () => process.hrtime.bigint();

  async function kazoo(path: string, who: string): Promise<Held[]> {
    const { host, port } = apache.servers[0]!.plain;
    const child = spawn(python, [script, `${host}:${port}`, path, who, String(seconds)], { stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
    const lines = out.trim().split('\n');
    return lines.map((line) => {
      const [name, from, to] = line.split(' ');
      return { who: name!, from: BigInt(from!), to: BigInt(to!) };
    });
  }

  async function ours(client: ZooKeeper, path: string, who: string, careless: boolean): Promise<Held[]> {
    const history: Held[] = [];
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      try {
        if (careless) {
          // The planted bug: nobody looks who stands in front.
          const prefix = newContenderPrefix(systemRuntime);
          const mine = await client.create(`${path}/${prefix}`, Buffer.alloc(0), { mode: 'ephemeral-sequential' });
          const from = now();
          await pause(2);
          history.push({ who, from, to: now() });
          await client.delete(mine.path);
          continue;
        }
        const o = { client, runtime: systemRuntime, path, createParents: true, identifier: who };
        const outcome = await lock(o, { timeoutMs: 5000 });
        if (outcome.result !== 'acquired') continue;
        const from = now();
        await pause(2);
        // A lock that was lost meanwhile was not held to the end.
        if (outcome.lock.held && client.state === 'connected') history.push({ who, from, to: now() });
        await outcome.lock.release();
      } catch (error) {
        if (!(error instanceof ZooKeeperError)) throw error;
      }
    }
    return history;
  }

  async function contend(path: string, careless: boolean): Promise<Held[]> {
    expect(existsSync(python), `a Python with kazoo is needed at ${python} (NODEPOOL_TEST_PYTHON)`).toBe(true);
    const proxy = await FaultProxy.open(apache.servers[0]!.plain);
    const steady = createZooKeeper({ servers: [apache.servers[0]!.plain], sessionTimeoutMs: 4000 });
    const shaky = createZooKeeper({ servers: [proxy.address], sessionTimeoutMs: 2000 });
    await steady.ensurePath(path);
    const trouble = (async () => {
      for (let i = 0; i < 3; i++) {
        await pause(1500);
        proxy.reset();
        await pause(500);
        // Longer than the session: it expires.
        proxy.refuse();
        await pause(i === 1 ? 4500 : 300);
        proxy.heal();
      }
    })();
    const histories = await Promise.all([
      kazoo(path, 'python-1'),
      kazoo(path, 'python-2'),
      ours(steady, path, 'steady', careless),
      ours(shaky, path, 'shaky', false),
    ]);
    await trouble;
    await Promise.all([steady.close(), shaky.close()]);
    await proxy.close();
    for (const history of histories) expect(history.length).toBeGreaterThan(5);
    return histories.flat();
  }

  test('nobody holds it while somebody else does, over resets and expired sessions', async () => {
    expect(overlaps(await contend('/locks/contended', false))).toEqual([]);
  });

  test('the checker sees a contender that ignores its predecessor', async () => {
    expect(overlaps(await contend('/locks/careless', true)).length).toBeGreaterThan(0);
  });
});
