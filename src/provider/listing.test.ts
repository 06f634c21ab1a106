import { expect, test } from 'vitest';
import type { ListedInstance } from '../driver-kit/contract.ts';
import { Calls } from './calls.ts';
import { SharedListing } from './listing.ts';
import { settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

const never = new AbortController().signal;

function setUp() {
  const runtime = new VirtualRuntime();
  const began: number[] = [];
  const errors: unknown[] = [];
  const answers: { resolve: (ids: string[]) => void; reject: (error: Error) => void }[] = [];
  const listing = new SharedListing(
    {
      list: (signal) => {
        began.push(runtime.monotonicMs());
        const answer = new Promise<readonly ListedInstance[]>((resolve, reject) => {
          const instances = (ids: string[]) =>
            ids.map((externalId) => ({ externalId, metadata: {}, resources: {}, native: null }));
          answers.push({ resolve: (ids) => resolve(instances(ids)), reject });
        });
        return new Calls(runtime).bounded('listing', 60_000, signal, () => answer);
      },
      runtime,
      onError: (error) => errors.push(error),
    },
    { intervalMs: 1000 },
  );
  return { runtime, listing, began, errors, answers };
}

test('nothing is listed while nobody waits', async () => {
  const { runtime, began } = setUp();
  await runtime.advance(100_000);
  expect(began).toEqual([]);
});

test('who comes while a listing is under way gets the next one', async () => {
  const { runtime, listing, began, answers } = setUp();
  const woken: string[] = [];
  void listing.next(never).then(() => woken.push('first'));
  await settle();
  void listing.next(never).then(() => woken.push('second'));
  answers[0]!.resolve(['a']);
  await settle();
  expect(woken).toEqual(['first']);
  expect([...listing.current().keys()]).toEqual(['a']);
  await runtime.advance(1000);
  answers[1]!.resolve(['b']);
  await settle();
  expect(woken).toEqual(['first', 'second']);
  expect([...listing.current().keys()]).toEqual(['b']);
  expect(began).toEqual([0, 1000]);
});

test('failures are reported, spaced out, and keep the waiting and the last good listing', async () => {
  const { runtime, listing, began, errors, answers } = setUp();
  let woken = false;
  void listing.next(never).then(() => (woken = true));
  await settle();
  answers[0]!.reject(new Error('503'));
  await runtime.advance(2000);
  answers[1]!.reject(new Error('503'));
  await runtime.advance(4000);
  expect(began).toEqual([0, 2000, 6000]);
  expect([errors.length, woken]).toEqual([2, false]);
  answers[2]!.resolve(['a']);
  await settle();
  expect(woken).toBe(true);
});

test('a listing that hangs: a second one is tried beside it, and its answer counts', async () => {
  const { runtime, listing, began, answers, errors } = setUp();
  let woken = false;
  void listing.next(never).then(() => (woken = true));
  await runtime.advance(9999);
  expect(began).toEqual([0]);
  await runtime.advance(1);
  answers[1]!.resolve(['a']);
  await settle();
  expect([woken, began, errors, [...listing.current().keys()]]).toEqual([true, [0, 10_000], [], ['a']]);
  answers[0]!.resolve(['late']);
  await runtime.advance(100_000);
  expect([[...listing.current().keys()], began.length, runtime.timers]).toEqual([['a'], 2, 0]);
});

test('listings that all hang are given up, and tried again', async () => {
  const { runtime, listing, began, errors } = setUp();
  let woken = false;
  void listing.next(never).then(() => (woken = true));
  await runtime.advance(69_999);
  expect([began, errors, listing.failure]).toEqual([[0, 10_000], [], null]);
  await runtime.advance(1);
  expect(errors).toMatchObject([{ code: 'timeout' }]);
  expect(listing.failure).toMatchObject({ count: 1, sinceMs: 0 });
  await runtime.advance(2000);
  expect([began.length, woken]).toEqual([3, false]);
});

test('a slow cloud is given the time that its last answer took', async () => {
  const { runtime, listing, began, answers } = setUp();
  void listing.next(never);
  await runtime.advance(8000);
  answers[0]!.resolve([]);
  await runtime.advance(1000);
  void listing.next(never);
  await runtime.advance(31_000);
  expect(began).toEqual([0, 9000]);
  await runtime.advance(1000);
  expect(began).toEqual([0, 9000, 41_000]);
});

test('who gives up is forgotten, even in the middle of a listing that fails', async () => {
  const { runtime, listing, began, answers } = setUp();
  const abort = new AbortController();
  const waiting = listing.next(abort.signal);
  waiting.catch(() => undefined);
  await settle();
  abort.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  answers[0]!.reject(new Error('503'));
  await runtime.advance(100_000);
  expect(began.length).toBe(1);
});

test('a stopped listing lists no more', async () => {
  const { runtime, listing, began, errors } = setUp();
  listing.next(never).catch(() => undefined);
  await settle();
  listing.stop();
  await runtime.advance(100_000);
  expect([began.length, errors.length, runtime.timers]).toEqual([1, 0, 0]);
});
