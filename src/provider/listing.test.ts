import { expect, test } from 'vitest';
import type { ListedInstance } from './adapter.ts';
import { SharedListing } from './listing.ts';
import { settle, VirtualRuntime } from './testing/virtual-runtime.ts';

const never = new AbortController().signal;

function setUp() {
  const runtime = new VirtualRuntime();
  const began: number[] = [];
  const errors: unknown[] = [];
  const answers: { resolve: (ids: string[]) => void; reject: (error: Error) => void }[] = [];
  const listing = new SharedListing({
    list: () => {
      began.push(runtime.monotonicMs());
      return new Promise<readonly ListedInstance[]>((resolve, reject) => {
        const instances = (ids: string[]) =>
          ids.map((externalId) => ({ externalId, metadata: {}, resources: {}, native: null }));
        answers.push({ resolve: (ids) => resolve(instances(ids)), reject });
      });
    },
    runtime,
    intervalMs: 1000,
    timeoutMs: 5000,
    onError: (error) => errors.push(error),
  });
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

test('a listing that hangs is given up', async () => {
  const { runtime, listing, began, errors } = setUp();
  listing.next(never).catch(() => undefined);
  await runtime.advance(7000);
  expect(errors).toMatchObject([{ code: 'timeout' }]);
  expect(began.length).toBe(2);
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
