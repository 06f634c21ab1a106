import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFlags, errorCode, permission } from '../../protocol/constants.ts';
import type { WireOperation, WireResult } from '../../protocol/messages/multi.ts';
import { openAcl, type Acl } from '../../protocol/records.ts';
import { digestIdentity, type Identity } from './acl.ts';
import { Database } from './database.ts';
import { dueForRemoval } from './mortality.ts';
import { Refusal, RefusedTransaction } from './refusal.ts';
import { sequenceSuffix, statOf } from './znode.ts';

const data = (text = '') => Buffer.from(text);
const create = (path: string, flags: number = createFlags.persistent, more: object = {}): WireOperation => ({
  type: 'create',
  path,
  data: data(),
  acl: openAcl,
  flags,
  withStat: true,
  ...more,
});
const remove = (path: string, version = -1): WireOperation => ({ type: 'delete', path, version });
const set = (path: string, text: string, version = -1): WireOperation => ({
  type: 'set',
  path,
  data: data(text),
  version,
});
const check = (path: string, version: number): WireOperation => ({ type: 'check', path, version });

function tree(...paths: string[]): Database {
  const db = new Database(1000);
  for (const path of paths) db.apply([create(path)], 1n, [], 5);
  return db;
}
const apply = (db: Database, ...operations: WireOperation[]) => db.apply(operations, 7n, [], 9);
const code = (work: () => unknown): number => {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return 0;
};
const stat = (db: Database, path: string) => statOf(db.nodes.get(path)!);
/** Everything that can be seen of a tree. */
const picture = (db: Database) =>
  [...db.nodes.values()]
    .map(({ parent, children, ...n }) => ({ ...n, parent: parent?.path, children: [...(children ?? [])].sort() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));

describe('numbers', () => {
  test('the sequence counts creations, the reported cversion counts deletions too', () => {
    const db = tree('/a');
    const made = (name: string) =>
      (
        apply(db, create(`/a/${name}`, createFlags['persistent-sequential'])).results[0] as Extract<
          WireResult,
          { type: 'create' }
        >
      ).path;
    expect(made('x-')).toBe('/a/x-0000000000');
    expect(made('y-')).toBe('/a/y-0000000001');
    apply(db, remove('/a/x-0000000000'));
    expect(made('')).toBe('/a/0000000002');
    expect(stat(db, '/a')).toMatchObject({ cversion: 4, numChildren: 2 });
    expect([sequenceSuffix(-5), sequenceSuffix(12)]).toEqual(['-000000005', '0000000012']);
  });

  test('zxids and versions', () => {
    const db = tree('/a');
    apply(db, create('/a/b'));
    apply(db, set('/a/b', 'x'));
    expect(stat(db, '/a')).toMatchObject({ czxid: 1n, mzxid: 1n, pzxid: 2n, version: 0 });
    expect(stat(db, '/a/b')).toMatchObject({ czxid: 2n, mzxid: 3n, pzxid: 2n, version: 1, ctime: 9n, dataLength: 1 });
    apply(db, remove('/a/b', 1));
    expect(stat(db, '/a').pzxid).toBe(4n);
  });

  test('what changes nothing takes no zxid, so that nobody waits for its commit', () => {
    const db = tree('/a');
    expect(apply(db, check('/a', 0))).toMatchObject({ zxid: 1n, changed: new Map() });
    expect(apply(db)).toMatchObject({ zxid: 1n });
    expect(code(() => apply(db, check('/a', 1)))).toBe(errorCode.badVersion);
    expect(db.zxid).toBe(1n);
  });
});

describe('refusals', () => {
  test.each<[string, number, WireOperation]>([
    ['no parent', errorCode.noNode, create('/x/y')],
    ['exists', errorCode.nodeExists, create('/a')],
    ['the root', errorCode.nodeExists, create('/')],
    ['below an ephemeral', errorCode.noChildrenForEphemerals, create('/e/x')],
    ['relative path', errorCode.badArguments, create('a')],
    ['parent directory', errorCode.badArguments, create('/a/..')],
    ['empty name, of which there is no znode', errorCode.noNode, create('/a//b')],
    ['slash at the end', errorCode.badArguments, create('/a/')],
    ['unknown flags', errorCode.badArguments, create('/z', 9)],
    ['a TTL of zero', errorCode.badArguments, create('/z', createFlags['persistent-ttl'], { ttlMs: 0n })],
    ['a TTL of 41 bits', errorCode.badArguments, create('/z', createFlags['persistent-ttl'], { ttlMs: 1n << 40n })],
    ['too much data', errorCode.badArguments, create('/z', 0, { data: Buffer.alloc(1001) })],
    ['no rights at all', errorCode.invalidAcl, create('/z', 0, { acl: [] })],
    ['rights of nobody', errorCode.invalidAcl, create('/z', 0, { acl: [{ perms: 31, scheme: 'auth', id: '' }] })],
    ['set too much', errorCode.badArguments, { type: 'set', path: '/a', data: Buffer.alloc(1001), version: -1 }],
    ['set the wrong version', errorCode.badVersion, set('/a', 'x', 3)],
    ['delete what has children', errorCode.notEmpty, remove('/a')],
    ['delete the wrong version', errorCode.badVersion, remove('/a', 4)],
    ['delete nothing', errorCode.noNode, remove('/q')],
    ['delete a built-in', errorCode.badArguments, remove('/zookeeper/quota')],
    ['delete the root', errorCode.badArguments, remove('/')],
  ])('%s', (_name, expected, operation) => {
    const db = tree('/a', '/a/b');
    apply(db, create('/e', createFlags.ephemeral));
    const before = picture(db);
    expect(code(() => apply(db, operation))).toBe(expected);
    expect(picture(db)).toEqual(before);
  });

  test('a name that merely starts like a built-in one is free', () => {
    const db = tree('/zookeeperish', '/zookeeper/quota/x');
    expect(code(() => apply(db, remove('/zookeeperish')))).toBe(0);
    expect(code(() => apply(db, remove('/zookeeper/quota/x')))).toBe(0);
  });
});

describe('multi', () => {
  test('says which operation was refused and leaves nothing behind', () => {
    const db = tree('/a', '/a/b');
    const before = picture(db);
    const work = () =>
      apply(db, create('/n'), set('/a', 'x'), remove('/a/b'), create('/a/q-', 3), check('/n', 1), remove('/n'));
    expect(work).toThrow(RefusedTransaction);
    try {
      work();
    } catch (error) {
      expect(error).toMatchObject({ index: 4, code: errorCode.badVersion });
    }
    expect(picture(db)).toEqual(before);
    expect(db.ephemerals.size).toBe(0);
    expect(db.dataBytes).toBe(0);
  });

  test('later operations see the earlier ones', () => {
    const db = tree();
    const { results, events, changed } = apply(db, create('/m'), create('/m/x'), remove('/m/x'), set('/m', 'y', 0));
    expect(results.map((r) => r.type)).toEqual(['create', 'create', 'delete', 'set']);
    expect(events.map((e) => `${e.type} ${e.path}`)).toEqual([
      'created /m',
      'created /m/x',
      'deleted /m/x',
      'data-changed /m',
    ]);
    expect([...changed.values()].filter((n) => n === null)).toHaveLength(1);
  });

  test('property: a transaction is all or nothing, and the books agree with the tree', () => {
    const path = fc.constantFrom('/a', '/b', '/a/a', '/a/b', '/b/a', '/a/a/a', '/zookeeper/quota/a', '/', '/a/');
    const version = fc.constantFrom(-1, -1, -1, 0, 1);
    const operation: fc.Arbitrary<WireOperation> = fc.oneof(
      fc
        .tuple(path, fc.integer({ min: 0, max: 6 }))
        .map(([p, flags]) => create(p, flags, { ttlMs: 5n, data: data('xy') })),
      fc.tuple(path, version).map(([p, v]) => remove(p, v)),
      fc.tuple(path, version).map(([p, v]) => set(p, 'abc', v)),
      fc.tuple(path, version).map(([p, v]) => check(p, v)),
    );
    const transactions = fc.array(fc.array(operation, { minLength: 1, maxLength: 5 }), { maxLength: 40 });
    fc.assert(
      fc.property(transactions, (list) => {
        const db = new Database(1000);
        for (const operations of list) {
          const before = picture(db);
          const { zxid } = db;
          if (code(() => apply(db, ...operations)) !== 0) {
            expect(picture(db)).toEqual(before);
            expect(db.zxid).toBe(zxid);
          }
        }
        const nodes = [...db.nodes.values()];
        expect(db.dataBytes).toBe(nodes.reduce((sum, n) => sum + (n.data?.length ?? 0), 0));
        for (const node of nodes) {
          for (const name of node.children ?? [])
            expect(db.nodes.get(`${node.path === '/' ? '' : node.path}/${name}`)!.parent).toBe(node);
          if (node.parent) {
            expect(node.parent.children!.has(node.path.slice(node.path.lastIndexOf('/') + 1))).toBe(true);
            expect(node.parent.id).toBeLessThan(node.id);
          }
        }
        const owned = nodes.filter((n) => n.ephemeralOwner === 7n).map((n) => n.path);
        expect([...(db.ephemerals.get(7n) ?? [])].sort()).toEqual(owned.sort());
        expect(db.countBelow(db.nodes.get('/')!)).toBe(nodes.length - 1);
      }),
      { numRuns: 300 },
    );
  });
});

describe('rights', () => {
  const user = digestIdentity('u:p');
  const of = (perms: number): Acl[] => [{ perms, ...user }];
  const as = (db: Database, who: readonly Identity[], operation: WireOperation) =>
    code(() => db.apply([operation], 1n, who, 5));

  test('each operation needs its own right, at the znode or at its parent', () => {
    const db = tree();
    apply(db, create('/p', 0, { acl: of(permission.read) }), create('/open'));
    expect(as(db, [], create('/p/x'))).toBe(errorCode.noAuth);
    expect(as(db, [user], create('/p/x'))).toBe(errorCode.noAuth);
    expect(as(db, [user], check('/p', 0))).toBe(0);
    expect(as(db, [], check('/p', 0))).toBe(errorCode.noAuth);
    expect(as(db, [user], set('/p', 'x'))).toBe(errorCode.noAuth);
    // Deleting needs a right at the parent only.
    expect(as(db, [], remove('/p'))).toBe(0);
    apply(db, create('/q', 0, { acl: of(permission.create | permission.delete) }));
    expect(as(db, [], create('/q/x'))).toBe(errorCode.noAuth);
    expect(as(db, [user], create('/q/x'))).toBe(0);
    expect(as(db, [], remove('/q/x'))).toBe(errorCode.noAuth);
    // Without a right at the parent nobody learns whether the child exists.
    expect(as(db, [], remove('/q/none'))).toBe(errorCode.noAuth);
  });

  test('auth stands for who the client is; setAcl needs admin and counts', () => {
    const db = tree('/a');
    db.setAcl('/a', [{ perms: 31, scheme: 'auth', id: '' }], 0, [user]);
    expect(db.nodes.get('/a')!.acl).toEqual(of(31));
    expect(stat(db, '/a').aversion).toBe(1);
    expect(code(() => db.setAcl('/a', openAcl, -1, []))).toBe(errorCode.noAuth);
    expect(code(() => db.setAcl('/a', openAcl, 0, [user]))).toBe(errorCode.badVersion);
    expect(code(() => db.setAcl('/a', [{ perms: 1, scheme: 'ip', id: '1.2.3.4/40' }], 1, [user]))).toBe(
      errorCode.invalidAcl,
    );
  });

  test('addresses and networks', () => {
    const db = tree('/a');
    db.setAcl('/a', [{ perms: 31, scheme: 'ip', id: '10.1.0.0/16' }], -1, []);
    expect(as(db, [{ scheme: 'ip', id: '10.1.2.3' }], check('/a', 0))).toBe(0);
    expect(as(db, [{ scheme: 'ip', id: '10.2.2.3' }], check('/a', 0))).toBe(errorCode.noAuth);
    expect(as(db, [{ scheme: 'ip', id: '::1' }], check('/a', 0))).toBe(errorCode.noAuth);
  });
});

test('containers go after their last child, TTL znodes when nobody touches them; both look normal to clients', () => {
  const db = tree();
  apply(db, create('/c', createFlags.container), create('/t', createFlags['persistent-ttl'], { ttlMs: 100n }));
  expect(stat(db, '/c').ephemeralOwner).toBe(0n);
  expect(dueForRemoval(db.mortals, 100)).toEqual([]);
  expect(dueForRemoval(db.mortals, 110)).toEqual(['/t']);
  apply(db, create('/c/x'), create('/t/x'));
  expect(dueForRemoval(db.mortals, 1000)).toEqual([]);
  apply(db, remove('/c/x'));
  expect(dueForRemoval(db.mortals, 1000)).toEqual(['/c']);
});
