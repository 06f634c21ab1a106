import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VirtualRuntime } from './virtual-runtime.ts';
import { createZooKeeper } from '../client/client.ts';
import { ConnectionLossError, SessionExpiredError, ZooKeeperError } from '../contract/errors.ts';
import type { ZooKeeper } from '../contract/types.ts';
import { tryLock } from '../recipes/lock.ts';
import { SimulatedZooKeeper, type SimulatedZooKeeperOptions } from './simulated-zookeeper.ts';
import { mirroredData } from './mirrored-data.ts';

const nothing = Buffer.alloc(0);

class SeededRuntime extends VirtualRuntime {
  private state: number;

  constructor(seed: number) {
    super();
    this.state = seed;
  }

  /** mulberry32 */
  override random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}

class World {
  readonly runtime: SeededRuntime;
  readonly trace: string[] = [];
  readonly zk: SimulatedZooKeeper;
  readonly clients: ZooKeeper[] = [];

  constructor(seed = 1, options: Partial<SimulatedZooKeeperOptions> = {}) {
    this.runtime = new SeededRuntime(seed);
    this.zk = new SimulatedZooKeeper({
      runtime: this.runtime,
      onTrace: (line) => this.trace.push(line),
      ...options,
    });
  }

  client(name: string): ZooKeeper {
    const client = createZooKeeper({ ...this.zk.clientOptions(name), sessionTimeoutMs: 4000 });
    this.clients.push(client);
    return client;
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.runtime.finish(promise);
  }

  async close(): Promise<void> {
    await this.finish(Promise.all(this.clients.map((client) => client.close())));
    await this.zk.close();
  }
}

describe('one client', () => {
  let world: World;
  let client: ZooKeeper;
  beforeEach(async () => {
    world = new World();
    client = world.client('one');
    await world.finish(client.waitConnected());
  });
  afterEach(() => world.close());

  const create = (path: string) => world.finish(client.create(path, nothing));

  test('writes and reads; the snapshot shows it', async () => {
    await create('/a');
    await world.finish(client.create('/a/b', Buffer.from('data'), { mode: 'ephemeral' }));
    expect((await world.finish(client.get('/a/b'))).data.toString()).toBe('data');
    expect([...world.zk.snapshot().keys()]).toEqual(['/a', '/a/b']);
    expect(world.zk.read('/a/b')).toMatchObject({ ephemeralOwner: client.sessionId, version: 0 });
    expect(world.zk.childrenOf('/a')).toEqual(['b']);
  });

  test('a request that is lost before the commit has not happened', async () => {
    world.zk.faults.next('lost-before-commit', (r) => r.paths.includes('/a'));
    await expect(create('/a')).rejects.toBeInstanceOf(ConnectionLossError);
    expect(world.zk.read('/a')).toBeNull();
    expect(world.zk.faults.injected['lost-before-commit']).toBe(1);
    await create('/a');
  });

  test('one whose answer is lost has happened', async () => {
    world.zk.faults.next('lost-after-commit', (r) => r.operation === 'create2');
    await expect(create('/a')).rejects.toBeInstanceOf(ConnectionLossError);
    expect(world.zk.read('/a')).not.toBeNull();
  });

  test('reads are repeated by themselves', async () => {
    await create('/a');
    world.zk.faults.next('lost-before-commit', (r) => r.operation === 'getData');
    world.zk.faults.next('lost-after-commit', (r) => r.operation === 'getData');
    expect((await world.finish(client.get('/a'))).stat.version).toBe(0);
    expect(world.zk.faults.injected).toMatchObject({ 'lost-before-commit': 1, 'lost-after-commit': 1 });
  });

  test('a slow answer takes virtual time', async () => {
    world.zk.faults.slowestMs = 3000;
    world.zk.faults.next('slow');
    const before = world.runtime.monotonicMs();
    await create('/a');
    expect(world.runtime.monotonicMs() - before).toBeGreaterThan(20);
  });

  test('an expired session takes its ephemerals with it; the client opens another one', async () => {
    await world.finish(client.create('/mine', nothing, { mode: 'ephemeral' }));
    const before = client.sessionId;
    world.zk.faults.next('session-expired');
    await expect(world.finish(client.get('/mine'))).rejects.toBeInstanceOf(SessionExpiredError);
    expect(world.zk.read('/mine')).toBeNull();
    await world.finish(client.waitConnected());
    expect(client.sessionId).not.toBe(before);
    expect(world.zk.expire('one')).toBe(true);
    expect(world.zk.faults.injected['session-expired']).toBe(2);
  });

  test('a new leader cuts everybody off and keeps sessions and ephemerals', async () => {
    await world.finish(client.create('/mine', nothing, { mode: 'ephemeral' }));
    const before = client.sessionId;
    const states: string[] = [];
    client.onState((state) => states.push(state));
    world.zk.changeLeader(2500);
    await world.runtime.advance(1000);
    expect(client.state).toBe('suspended');
    await world.finish(client.waitConnected());
    expect(states).toEqual(['suspended', 'connected']);
    expect(client.sessionId).toBe(before);
    expect(world.zk.read('/mine')).not.toBeNull();
  });

  test('a partition shorter than the session is bridged, a longer one ends it', async () => {
    await world.finish(client.create('/mine', nothing, { mode: 'ephemeral' }));
    const before = client.sessionId;
    world.zk.partition('one');
    await world.runtime.advance(3000);
    world.zk.heal('one');
    await world.finish(client.get('/mine'));
    expect(client.sessionId).toBe(before);
    world.zk.partition('one');
    await world.runtime.advance(10_000);
    expect(world.zk.read('/mine')).toBeNull();
    world.zk.heal('one');
    await world.finish(client.waitConnected());
    expect(client.sessionId).not.toBe(before);
  });

  test('a banned client leaves its session to time out', async () => {
    await world.finish(client.create('/mine', nothing, { mode: 'ephemeral' }));
    world.zk.ban('one');
    await world.runtime.advance(3500);
    expect(world.zk.read('/mine')).not.toBeNull();
    await world.runtime.advance(1000);
    expect(world.zk.read('/mine')).toBeNull();
    world.zk.heal('one');
    await world.finish(client.waitConnected());
  });

  test('each transaction is shown before anybody is told', async () => {
    const seen: string[] = [];
    const other = new World(2, { onTransaction: (t) => seen.push(...t.events.map((e) => `${e.type} ${e.path}`)) });
    const writer = other.client('writer');
    await other.finish(writer.create('/a', nothing));
    await other.finish(writer.delete('/a'));
    expect(seen).toEqual(['created /a', 'deleted /a']);
    await other.close();
  });
});

/** Three clients do what they like under all faults; returns all that can be observed. */
async function turmoil(seed: number): Promise<{ trace: string[]; outcomes: string[]; violations: string[] }> {
  const world = new World(seed);
  const { runtime, zk } = world;
  const outcomes: string[] = [];
  const violations: string[] = [];
  const watcher = world.client('watcher');
  const setUp = world.client('set-up');
  await world.finish(setUp.create('/tree', nothing));
  const { mirror, seen: mirrored } = mirroredData(watcher, '/tree');
  await world.finish(mirror.start());
  Object.assign(zk.faults.rates, { lostBeforeCommit: 0.02, lostAfterCommit: 0.02, sessionExpired: 0.01, slow: 0.02 });
  let holder: { readonly name: string; readonly sessionId: bigint } | null = null;
  const work = async (name: string) => {
    const client = world.client(name);
    for (let i = 0; i < 40; i++) {
      const path = `/tree/n${Math.floor(runtime.random() * 8)}`;
      try {
        const dice = runtime.random();
        if (dice < 0.4) await client.create(path, Buffer.from(`${name} ${i}`));
        else if (dice < 0.6) await client.set(path, Buffer.from(`${name} ${i}`));
        else if (dice < 0.8) await client.delete(path);
        else {
          const got = await tryLock({ client, runtime, path: '/tree/lock', createParents: true, identifier: name });
          if (got.result === 'acquired') {
            // A holder whose session has ended without its knowing can't write any more.
            if (holder !== null && zk.sessions().includes(holder.sessionId)) {
              violations.push(`${name} got the lock that ${holder.name} holds`);
            }
            const mine = { name, sessionId: client.sessionId };
            holder = mine;
            await client.exists('/tree').catch(() => undefined);
            if (holder === mine) holder = null;
            await got.lock.release().catch(() => undefined);
          }
        }
        outcomes.push(`${name} ${i} done`);
      } catch (error) {
        outcomes.push(`${name} ${i} ${error instanceof ZooKeeperError ? error.code : String(error)}`);
      }
    }
  };
  const trouble = async () => {
    const pause = (ms: number) => new Promise<void>((resolve) => runtime.setTimer(ms, resolve));
    await pause(500);
    zk.changeLeader(800);
    await pause(3000);
    zk.partition('b');
    await pause(6000);
    zk.heal('b');
    zk.cut();
  };
  await world.finish(Promise.all([work('a'), work('b'), work('c'), trouble()]));
  zk.faults.stop();
  await runtime.advance(20_000);
  const truth = [...zk.snapshot()].map(([path, e]) => [path.slice('/tree/'.length), e.data.toString()]);
  const tree = Object.fromEntries(truth.filter(([path]) => path !== ''));
  if (!isDeepStrictEqual(Object.fromEntries(mirrored), tree)) {
    violations.push(`the mirror is not the tree: ${JSON.stringify([...mirrored])}`);
  }
  await world.finish(mirror.close());
  await world.close();
  return { trace: world.trace, outcomes, violations };
}

describe('runs under all faults', () => {
  test('are repeated exactly by their seed', async () => {
    const [first, again, other] = [await turmoil(7), await turmoil(7), await turmoil(8)];
    expect(first.trace.length).toBeGreaterThan(300);
    expect(again).toEqual(first);
    expect(other.trace).not.toEqual(first.trace);
    for (const kind of ['lost-before-commit', 'lost-after-commit', 'slow', 'no leader', 'is partitioned']) {
      expect([...first.trace, ...other.trace].some((line) => line.includes(kind))).toBe(true);
    }
  });

  test('every call ends, the mirror catches up, the lock has one holder', async () => {
    for (let seed = 100; seed < 130; seed++) {
      const { outcomes, violations } = await turmoil(seed);
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      expect(outcomes).toHaveLength(120);
    }
  });
});
