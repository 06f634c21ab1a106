import { expect, test } from 'vitest';
import { NoNodeError } from '../contract/errors.ts';
import type { NodeData, ZooKeeper } from '../contract/types.ts';
import { BatchedReads } from './batched-reads.ts';

interface Sent {
  readonly kind: string;
  readonly paths: readonly string[];
}

function setUp() {
  const sent: Sent[] = [];
  const absent = (path: string) => path.endsWith('gone');
  const data = (path: string) => ({ data: Buffer.from(path), stat: {} }) as unknown as NodeData;
  const answer = (type: string, path: string) => {
    if (absent(path)) return new NoNodeError('no-node', path);
    return type === 'get' ? data(path) : { children: [path] };
  };
  const one = async (type: string, path: string) => {
    sent.push({ kind: type, paths: [path] });
    const result = answer(type, path);
    if (result instanceof Error) throw result;
    return Promise.resolve(result);
  };
  const client: Pick<ZooKeeper, 'get' | 'children' | 'multiRead'> = {
    get: (path) => one('get', path) as Promise<NodeData>,
    children: (path) => one('children', path) as unknown as ReturnType<ZooKeeper['children']>,
    multiRead: (reads) => {
      sent.push({ kind: 'multi', paths: reads.map((read) => read.path) });
      if (reads.some(({ path }) => path === '/lost')) return Promise.reject(new Error('connection lost'));
      return Promise.resolve(reads.map(({ type, path }) => answer(type, path)));
    },
  };
  return { sent, reads: new BatchedReads(client as ZooKeeper) };
}

test('what is asked for together goes out together, each with its own answer', async () => {
  const { sent, reads } = setUp();
  const results = await Promise.allSettled([reads.get('/a'), reads.children('/b'), reads.get('/gone')]);
  expect(sent).toEqual([{ kind: 'multi', paths: ['/a', '/b', '/gone'] }]);
  expect(results).toMatchObject([
    { status: 'fulfilled', value: { data: Buffer.from('/a') } },
    { status: 'fulfilled', value: ['/b'] },
    { status: 'rejected', reason: { code: 'no-node' } },
  ]);
});

test('one alone is an ordinary request, many are several of a bounded size', async () => {
  const { sent, reads } = setUp();
  await reads.get('/a');
  await expect(reads.children('/gone')).rejects.toMatchObject({ code: 'no-node' });
  expect(sent.map(({ kind }) => kind)).toEqual(['get', 'children']);
  await Promise.all(Array.from({ length: 70 }, (_, n) => reads.get(`/${n}`)));
  expect(sent.slice(2).map(({ paths }) => paths.length)).toEqual([32, 32, 6]);
});

test('a request that fails fails all that went with it, and nothing else', async () => {
  const { reads } = setUp();
  const first = Promise.allSettled([reads.get('/a'), reads.get('/lost')]);
  expect((await first).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  expect((await reads.get('/a')).data.toString()).toBe('/a');
});
