/** Client, watches and locks over a network that misbehaves, plain and TLS, with Apache ZooKeeper behind it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, lock, type ZooKeeper, ZooKeeperError } from '@nodepool/zookeeper';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { FaultProxy } from '@nodepool/zookeeper/internal/testing/fault-proxy';
import { type Held, overlaps } from './lock-history.ts';
import { mirroredData } from '@nodepool/zookeeper/internal/testing/mirrored-data';

const sessionTimeoutMs = 2000;
const callTimeoutMs = 5000;
/** The sweep of deadlines, and a machine under load. */
const graceMs = 3000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** One after the other; each ends healed. */
const troubles: readonly [name: string, make: (proxy: FaultProxy, round: number) => Promise<void>][] = [
  [
    'delayed answers',
    async (proxy) => {
      proxy.delay(60);
      await pause(600);
    },
  ],
  [
    'connections cut in the middle of a frame',
    async (proxy, round) => {
      for (let i = 0; i < 6; i++) {
        proxy.cutAfter(1 + ((i * 37 + round * 11) % 150));
        await pause(150);
      }
    },
  ],
  ['resets', async (proxy) => proxy.reset()],
  [
    'a network that stands still for less than the session',
    async (proxy) => {
      proxy.freeze();
      await pause(sessionTimeoutMs / 3);
    },
  ],
  [
    'a network that stands still until the session is over',
    async (proxy) => {
      proxy.freeze();
      await pause(sessionTimeoutMs * 2);
    },
  ],
  [
    'half-open connections',
    async (proxy) => {
      proxy.stall();
      await pause(sessionTimeoutMs * 1.5);
      proxy.reset();
    },
  ],
  [
    'refused connections',
    async (proxy) => {
      proxy.refuse();
      await pause(500);
    },
  ],
];

describe.each(['plain', 'TLS'] as const)('%s', (transport) => {
  let apache: Apache;
  let proxy: FaultProxy;
  const clients: ZooKeeper[] = [];
  let steady: ZooKeeper;

  const open = (through: FaultProxy | null) => {
    const [server] = apache.servers;
    const target = transport === 'TLS' ? server!.secure : server!.plain;
    const client = createZooKeeper({
      servers: [through?.address ?? target],
      sessionTimeoutMs: through ? sessionTimeoutMs : 10_000,
      callTimeoutMs,
      ...(transport === 'TLS' ? { tls: () => apache.tls } : {}),
    });
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    apache = await startApache(1);
    const [server] = apache.servers;
    proxy = await FaultProxy.open(transport === 'TLS' ? server!.secure : server!.plain);
    steady = open(null);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await proxy?.close();
    await apache?.close();
  });

  test('no change is missed, no call hangs, no lock is held twice', async () => {
    for (const path of ['/watched', '/mirrored', '/written', '/lock']) await steady.create(path, Buffer.from('0'));
    const [watching, writing, ...contending] = [open(proxy), open(proxy), open(proxy), open(proxy)];
    const working: Promise<void>[] = [];
    let running = true;

    // One-shot watches: each tells of a change, and the next one is set with the reading of it.
    let watched = '';
    const watch = async (): Promise<void> => {
      while (running) {
        try {
          const changed = deferred();
          watched = (await watching.get('/watched', { watch: () => changed.resolve() })).data.toString();
          const off = watching.onState((state) => {
            if (state === 'expired' || state === 'closed') changed.resolve();
          });
          await changed.promise;
          off();
        } catch (error) {
          expect(error).toBeInstanceOf(ZooKeeperError);
        }
      }
    };
    working.push(watch());

    const { mirror, seen: mirrored } = mirroredData(watching, '/mirrored');
    await mirror.start();

    // What changes, from a client without trouble.
    let value = 0;
    const change = async (): Promise<void> => {
      while (running) {
        value++;
        await steady.set('/watched', Buffer.from(String(value)));
        await steady.create(`/mirrored/n${value}`, Buffer.from(String(value)));
        if (value > 20) await steady.delete(`/mirrored/n${value - 20}`);
        if (value > 5) await steady.set(`/mirrored/n${value - 5}`, Buffer.from(`again ${value}`));
        await pause(5);
      }
    };
    working.push(change());

    // Calls over the bad network: each ends within its time.
    let slowestMs = 0;
    let calls = 0;
    const acknowledged = new Set<string>();
    const write = async (worker: number): Promise<void> => {
      for (let i = 0; running; i++) {
        const path = `/written/${worker}-${i}`;
        const started = performance.now();
        try {
          await writing.create(path, Buffer.from('x'));
          acknowledged.add(path);
        } catch (error) {
          expect(error).toBeInstanceOf(ZooKeeperError);
        }
        calls++;
        slowestMs = Math.max(slowestMs, performance.now() - started);
        await pause(2);
      }
    };
    working.push(write(0), write(1), write(2));

    const history: Held[] = [];
    const contend = async (client: ZooKeeper, who: string): Promise<void> => {
      while (running) {
        try {
          const o = { client, runtime: systemRuntime, path: '/lock', createParents: true, identifier: who };
          const outcome = await lock(o, { timeoutMs: callTimeoutMs });
          if (outcome.result !== 'acquired') continue;
          const from = process.hrtime.bigint();
          await pause(3);
          if (outcome.lock.held && client.state === 'connected') {
            history.push({ who, from, to: process.hrtime.bigint() });
          }
          await outcome.lock.release();
        } catch (error) {
          expect(error).toBeInstanceOf(ZooKeeperError);
        }
      }
    };
    contending.forEach((client, index) => working.push(contend(client, `shaky ${index}`)));
    working.push(contend(steady, 'steady'));

    for (let round = 0; round < 2; round++) {
      for (const [name, make] of troubles) {
        await make(proxy, round);
        proxy.heal();
        // Whoever watches comes to the newest value by itself.
        const target = value;
        await expect
          .poll(() => Number(watched), { timeout: 30_000, message: `watched after ${name}` })
          .toBeGreaterThanOrEqual(target);
      }
    }
    running = false;
    await steady.set('/watched', Buffer.from('last'));
    // Everything ends: what hangs is named.
    const names = ['watch', 'change', 'write 0', 'write 1', 'write 2', 'shaky 0', 'shaky 1', 'steady'];
    const hanging = new Set(names);
    working.forEach((work, index) => void work.then(() => hanging.delete(names[index]!)));
    await expect.poll(() => [...hanging], { timeout: 20_000 }).toEqual([]);
    await Promise.all(working);

    expect(calls).toBeGreaterThan(200);
    expect(slowestMs).toBeLessThan(callTimeoutMs + graceMs);
    const { children } = await steady.children('/mirrored');
    const truth = Object.fromEntries(
      await Promise.all([...children].map(async (c) => [c, (await steady.get(`/mirrored/${c}`)).data.toString()])),
    ) as Record<string, string>;
    await expect.poll(() => Object.fromEntries(mirrored), { timeout: 20_000 }).toEqual(truth);
    for (const path of acknowledged) expect(await steady.exists(path)).not.toBeNull();
    expect(overlaps(history)).toEqual([]);
    for (const who of ['shaky 0', 'shaky 1', 'steady']) {
      expect(history.filter((held) => held.who === who).length).toBeGreaterThan(5);
    }
    await mirror.close();
  });
});
