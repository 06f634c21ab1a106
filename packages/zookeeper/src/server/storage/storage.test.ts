import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import * as lmdb from 'lmdb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemRuntime } from '../../runtime/runtime.ts';
import { createFlags } from '../../protocol/constants.ts';
import type { WireOperation } from '../../protocol/messages/multi.ts';
import { openAcl } from '../../protocol/records.ts';
import { Database } from '../tree/database.ts';
import { Refusal } from '../tree/refusal.ts';
import { Storage } from './storage.ts';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'storage-'));
  file = join(directory, 'data.mdb');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

class Open {
  readonly database = new Database(1 << 20);
  readonly durable: bigint[] = [];
  readonly storage: Storage;
  constructor(journalBytes = 1 << 24) {
    this.storage = new Storage(
      {
        lmdb,
        database: this.database,
        runtime: systemRuntime,
        onDurable: (zxid) => this.durable.push(zxid),
        onFailure: (reason) => expect.unreachable(reason),
        onRecovery: () => undefined,
      },
      { file, journalBytes },
    );
  }

  apply(...operations: WireOperation[]): void {
    this.storage.record(this.database.apply(operations, 5n, [], 77));
  }
}

const create = (path: string, more: Partial<Extract<WireOperation, { type: 'create' }>> = {}): WireOperation => ({
  type: 'create',
  path,
  data: Buffer.from(path),
  acl: openAcl,
  flags: createFlags.persistent,
  withStat: false,
  ...more,
});

const picture = (db: Database) =>
  [...db.nodes.values()]
    .map(({ parent, children, ...n }) => ({
      ...n,
      parent: parent?.path ?? null,
      children: [...(children ?? [])].sort(),
    }))
    .sort((a, b) => a.id - b.id);

describe('what was written is read back', () => {
  test('every field, long paths, large data, built-in znodes with children', async () => {
    const one = new Open();
    const long = `/${'ä'.repeat(3000)}`;
    one.apply(create(long), create(`${long}/x`, { flags: createFlags.ephemeral }));
    one.apply(create('/big', { data: Buffer.alloc(60_000, 7), acl: [{ perms: 1, scheme: 'digest', id: 'a:b' }] }));
    one.apply(create('/zookeeper/quota/q'), { type: 'set', path: '/zookeeper', data: Buffer.from('z'), version: -1 });
    one.apply(
      create('/t', { flags: createFlags['persistent-ttl'], ttlMs: 5000n }),
      create('/c', { flags: createFlags.container }),
    );
    one.apply({ type: 'delete', path: '/t', version: -1 });
    one.storage.recordSession(
      5n,
      { id: 5n, timeoutMs: 4000, password: Buffer.from('0123456789abcdef') },
      one.database.advance(),
    );
    one.storage.recordSession(6n, { id: 6n, timeoutMs: 4000, password: Buffer.alloc(16) }, one.database.advance());
    one.storage.recordSession(6n, null, one.database.advance());
    await one.storage.close();
    expect(one.durable.at(-1)).toBe(one.database.zxid);

    const two = new Open();
    expect(two.storage.load()).toEqual([{ id: 5n, timeoutMs: 4000, password: Buffer.from('0123456789abcdef') }]);
    expect(picture(two.database)).toEqual(picture(one.database));
    expect(two.database).toMatchObject({
      zxid: one.database.zxid,
      dataBytes: one.database.dataBytes,
      ephemerals: one.database.ephemerals,
    });
    expect([...two.database.mortals].map((n) => n.path)).toEqual(['/c']);
    // A number that is still in use is never given out again.
    two.apply(create('/new'));
    expect(two.database.nodes.get('/new')!.id).toBeGreaterThan(two.database.nodes.get('/c')!.id);
    await two.storage.close();
  });

  test('property: after any history, with commits at any time', async () => {
    const path = fc.constantFrom('/a', '/b', '/a/a', '/a/b', '/a/a/a');
    const operation: fc.Arbitrary<WireOperation | 'pause'> = fc.oneof(
      fc.tuple(path, fc.integer({ min: 0, max: 4 })).map(([p, flags]) => create(p, { flags })),
      path.map((p): WireOperation => ({ type: 'delete', path: p, version: -1 })),
      path.map((p): WireOperation => ({ type: 'set', path: p, data: Buffer.from('new'), version: -1 })),
      fc.constant('pause' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        rmSync(file, { force: true });
        rmSync(`${file}-lock`, { force: true });
        const one = new Open();
        for (const o of operations) {
          try {
            if (o === 'pause') await new Promise((resolve) => setImmediate(resolve));
            else one.apply(o);
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
          }
        }
        await one.storage.close();
        const two = new Open();
        two.storage.load();
        expect(picture(two.database)).toEqual(picture(one.database));
        expect(two.database.zxid).toBe(one.database.zxid);
        await two.storage.close();
      }),
      { numRuns: 40 },
    );
  });

  test('twenty thousand changes in one commit', async () => {
    const one = new Open();
    for (let i = 0; i < 20_000; i++) one.apply(create(`/n${i}`));
    await one.storage.close();
    expect(one.storage.commits).toBe(1);
    const two = new Open();
    two.storage.load();
    expect(picture(two.database)).toEqual(picture(one.database));
    await two.storage.close();
  });
});

test('changes that arrive during a commit share the next one, and durability is told in order', async () => {
  const one = new Open();
  for (let round = 0; round < 200; round++) {
    one.apply(create(`/r${round}`));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await one.storage.close();
  expect(one.durable).toEqual([...one.durable].sort((a, b) => Number(a - b)));
  expect(one.durable.at(-1)).toBe(200n);
  expect(one.storage.commits).toBeLessThan(200);
});

test('the data file takes over while writes go on, and the journals go', async () => {
  const one = new Open(20_000);
  const journals = () => readdirSync(directory).filter((name) => name.includes('-journal-'));
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    one.apply(create(`/n${i}`), ...(i > 50 ? [{ type: 'delete', path: `/n${i - 50}`, version: -1 } as const] : []));
    const { zxid } = one.database;
    await vi.waitUntil(() => one.durable.at(-1) === zxid, { interval: 1, timeout: 10_000 });
    for (const name of journals()) seen.add(name);
  }
  expect(seen.size).toBeGreaterThan(2);
  await one.storage.close();
  expect(journals()).toEqual([]);
  const two = new Open();
  two.storage.load();
  expect(picture(two.database)).toEqual(picture(one.database));
  await two.storage.close();
});

test('the files are for their owner alone', async () => {
  const { storage } = new Open();
  for (const name of [file, `${file}-lock`]) expect(statSync(name).mode & 0o777).toBe(0o600);
  await storage.close();
});

describe('files that are not ours are refused', () => {
  const plant = async (key: string | number, value: Buffer) => {
    const db = lmdb.open<Buffer, string | number>({ path: file, encoding: 'binary', overlappingSync: false });
    await db.put(key, value);
    await db.close();
  };

  test('another format', async () => {
    await plant('header', Buffer.from('00000063000000000000000a', 'hex'));
    const { storage } = new Open();
    expect(() => storage.load()).toThrow(
      expect.objectContaining({ code: 'data-dir', message: expect.stringContaining('format 99') }),
    );
    await storage.close();
  });

  test.each([
    [
      'a znode without a parent',
      40,
      Buffer.concat([Buffer.from('000000000000002100000001', 'hex'), Buffer.from('x'), Buffer.alloc(80)]),
    ],
    ['a record that is cut off', 40, Buffer.from('0000')],
  ])('%s', async (_name, key, value) => {
    await plant(key, value);
    const { storage } = new Open();
    expect(() => storage.load()).toThrow(expect.objectContaining({ code: 'data-dir' }));
    await storage.close();
  });
});
