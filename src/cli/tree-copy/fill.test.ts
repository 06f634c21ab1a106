/** What is not for everybody is open to nobody while a tree is filled. */
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { StoreBed } from '../../store/testing/store-bed.ts';
import { ConnectionLossError, type ZooKeeper } from '@nodepool/zookeeper';
import { difference } from './difference.ts';
import { indexTree, type TreeEntry } from './entry.ts';
import { fillTree } from './fill.ts';
import { walkTree } from './walk.ts';

const readOnly = [{ perms: 1, scheme: 'world', id: 'anyone' }];
const entry = (path: string, data: string | Buffer = '', acl: TreeEntry['acl'] = null): TreeEntry => ({
  path,
  data: Buffer.from(data),
  next: 0,
  acl,
});
const tree = [
  entry('/keys'),
  entry('/keys/project', 'secret', readOnly),
  entry('/keys/project/leaf', 'secret of the leaf', readOnly),
  entry('/keys/there', 'secret of before', readOnly),
];

let zk: ZooKeeper;

beforeEach(async () => {
  const bed = await StoreBed.open();
  onTestFinished(() => bed.close());
  zk = bed.zk;
  await zk.ensurePath('/keys/there');
});

async function* source(entries: readonly TreeEntry[]) {
  await Promise.resolve();
  yield* entries;
}

const todo = async (entries: readonly TreeEntry[]) =>
  difference(await indexTree(source(entries)), await indexTree(walkTree(zk, { root: '/keys' })));

async function fill(client: ZooKeeper, entries = tree): Promise<void> {
  const progress = { written: () => undefined, numbersPassed: () => undefined };
  await fillTree(client, source(entries), await indexTree(source(entries)), await todo(entries), progress);
}

/** The client, with `before` called before each write. */
function spied(before: (call: string, path: string, data: Uint8Array) => void): ZooKeeper {
  return new Proxy(zk, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'set') before(name, args[0] as string, args[1] as Uint8Array);
        if (name === 'setAcl') before(name, args[0] as string, Buffer.alloc(0));
        if (name === 'multi') {
          for (const o of args[0] as { type: string; path: string; acl?: unknown; data: Uint8Array }[])
            before(`${o.type}${o.acl ? ' closed' : ''}`, o.path, o.data);
        }
        return Reflect.apply(value, target, args);
      };
    },
  });
}

it('secrets with children are written when everything is below them, each just before it is closed', async () => {
  await zk.set('/keys/there', Buffer.from('for everybody'));
  const calls: string[] = [];
  await fill(spied((call, path, data) => calls.push(`${call} ${path} ${Buffer.from(data).toString()}`.trim())));
  expect(calls).toEqual([
    'create /keys/project',
    'create closed /keys/project/leaf secret of the leaf',
    'set /keys/there secret of before',
    'setAcl /keys/there',
    'set /keys/project secret',
    'setAcl /keys/project',
  ]);
  expect(await todo(tree)).toMatchObject({ same: 4, missing: [], changed: [], acl: [] });
});

it('what was broken off before it was closed is no tree of somebody else', async () => {
  const broken = spied((call) => {
    if (call === 'set') throw new Error('killed');
  });
  await expect(fill(broken)).rejects.toThrow('killed');
  expect((await zk.get('/keys/project')).data).toHaveLength(0);
  expect(await todo(tree)).toMatchObject({ changedDocuments: [], extraDocuments: [] });
  await fill(zk);
  expect(await todo(tree)).toMatchObject({ same: 4 });
});

it('an answer that was lost after the list was in force is made up for', async () => {
  const closed = [{ perms: 16, scheme: 'world', id: 'anyone' }];
  const entries = [entry('/keys'), entry('/keys/project', 'secret', closed), entry('/keys/project/below')];
  let lost = false;
  const lossy = new Proxy(zk, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'setAcl') return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      return async (path: string, acl: typeof closed) => {
        await target.setAcl(path, acl);
        if (lost) return;
        lost = true;
        throw new ConnectionLossError(path);
      };
    },
  });
  await fill(lossy, entries);
  expect((await zk.getAcl('/keys/project')).acl).toEqual(closed);
  expect(lost).toBe(true);
});

it('says of what the server does not take that it may be too large', async () => {
  const large = [entry('/keys'), entry('/keys/large', Buffer.alloc(1024 * 1024 + 1))];
  await expect(fill(zk, large)).rejects.toThrow(
    /^\/keys\/large can't be written: .*; are its 1048577 bytes larger than the server takes \(jute\.maxbuffer\)\?$/,
  );
});
