import { expect, test } from 'vitest';
import { MemoryLogger, settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { KeyedQueue, type KeyedQueueDeps, type KeyedQueueOptions } from './keyed-queue.ts';

function setUp(deps: Partial<KeyedQueueDeps> = {}, options: Partial<KeyedQueueOptions> = {}) {
  const runtime = new VirtualRuntime();
  const log = new MemoryLogger();
  const done: string[] = [];
  const hung = new Set<string>();
  const broken = new Map<string, Error>();
  const queue = new KeyedQueue(
    {
      runtime,
      log,
      work: (key) => {
        if (hung.has(key)) return new Promise(() => undefined);
        const error = broken.get(key);
        if (error) return Promise.reject(error);
        done.push(key);
        return Promise.resolve(undefined);
      },
      ...deps,
    },
    { name: 'test', concurrency: 2, ...options },
  );
  return { runtime, log, done, hung, broken, queue };
}

test('so many at once, in their order; a key that is added in the meantime runs once more', async () => {
  const { queue, done, runtime } = setUp();
  for (const key of ['a', 'b', 'c', 'a', 'd']) queue.add(key);
  expect(done).toEqual(['a', 'b']);
  await settle();
  expect(done).toEqual(['a', 'b', 'c', 'd', 'a']);
  expect([queue.length, runtime.timers, queue.troubles()]).toEqual([0, 0, []]);
});

test('a lane that is full holds up no other lane', async () => {
  const { queue, done, hung, runtime } = setUp({ lane: (key) => key[0]! });
  for (const key of ['x1', 'x2', 'x3']) hung.add(key);
  for (const key of ['x1', 'x2', 'x3', 'y1', 'y2', 'y3']) queue.add(key);
  await settle();
  expect(done).toEqual(['y1', 'y2', 'y3']);
  await runtime.advance(5001);
  expect(queue.troubles()).toMatchObject([{ key: 'queue test: lag', sinceMs: 0, figures: { waiting: 1, running: 2 } }]);
  await runtime.advance(115_000);
  expect(queue.troubles().map(({ what }) => what)).toEqual([
    'test: work waits for its turn',
    'test: work on x1 takes long',
  ]);
});

test('a key that keeps failing is named with its error, since when, until it works', async () => {
  const { queue, broken, runtime } = setUp();
  await runtime.advance(1000);
  broken.set('a', new Error('the cloud says no'));
  queue.add('a');
  await runtime.advance(100);
  expect(queue.troubles()).toEqual([]);
  await runtime.advance(60_000);
  expect(queue.troubles()).toMatchObject([
    { key: 'queue test: failing', what: 'test: work on a keeps failing', why: 'the cloud says no', sinceMs: 1000 },
  ]);
  broken.clear();
  await runtime.advance(60_000);
  expect([queue.troubles(), queue.length]).toEqual([[], 0]);
});

test('stopping starts nothing more and waits for what runs', async () => {
  let end!: () => void;
  const { queue, done } = setUp(
    {
      work: async (key) => {
        done.push(key);
        await new Promise<void>((resolve) => (end = resolve));
        return undefined;
      },
    },
    { concurrency: 1 },
  );
  queue.add('a');
  queue.add('b');
  let stopped = false;
  const stopping = queue.stop().then(() => (stopped = true));
  await settle();
  expect(stopped).toBe(false);
  end();
  await stopping;
  queue.add('c');
  expect(done).toEqual(['a']);
});
