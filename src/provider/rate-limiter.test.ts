import { expect, test } from 'vitest';
import { RateLimiter } from './rate-limiter.ts';
import { settle, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

const never = new AbortController().signal;

test('spaces calls evenly, without a burst after a quiet time, first come first served', async () => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(4, runtime);
  await runtime.advance(60_000);
  const turns: [number, number][] = [];
  for (let i = 0; i < 5; i++) void limiter.take(never).then(() => turns.push([i, runtime.monotonicMs() - 60_000]));
  await runtime.advance(10_000);
  expect(turns).toEqual([
    [0, 0],
    [1, 250],
    [2, 500],
    [3, 750],
    [4, 1000],
  ]);
});

test('who gives up hands its turn to the next one', async () => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(1, runtime);
  await limiter.take(never);
  const abort = new AbortController();
  const leaving = limiter.take(abort.signal);
  leaving.catch(() => undefined);
  let got = -1;
  void limiter.take(never).then(() => (got = runtime.monotonicMs()));
  abort.abort(new Error('stopped'));
  await expect(leaving).rejects.toThrow('stopped');
  expect(limiter.waiting).toBe(1);
  await runtime.advance(5000);
  expect(got).toBe(1000);
  await expect(limiter.take(AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
});

test.each([Number.POSITIVE_INFINITY, 0, -1, Number.NaN])('a rate of %s is no limit', async (rate) => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(rate, runtime);
  for (let i = 0; i < 100; i++) await limiter.take(never);
  await settle();
  expect(runtime.monotonicMs()).toBe(0);
});

test('another rate holds for who waits already, and from the last call on', async () => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(1, runtime);
  const turns: number[] = [];
  for (let i = 0; i < 4; i++) void limiter.take(never).then(() => turns.push(runtime.monotonicMs()));
  await runtime.advance(1500);
  limiter.setRate(4);
  await runtime.advance(0);
  expect(turns).toEqual([0, 1000, 1500]);
  limiter.setRate(Number.POSITIVE_INFINITY);
  await runtime.advance(0);
  expect(turns).toEqual([0, 1000, 1500, 1500]);
});

test.each([4, Number.POSITIVE_INFINITY])('a pause holds for all, whatever the rate (%s)', async (rate) => {
  const runtime = new VirtualRuntime();
  const limiter = new RateLimiter(rate, runtime);
  await limiter.take(never);
  const turns: number[] = [];
  const take = () => void limiter.take(never).then(() => turns.push(runtime.monotonicMs()));
  if (Number.isFinite(rate)) take();
  limiter.pauseFor(2000);
  limiter.pauseFor(500);
  take();
  await runtime.advance(1999);
  expect(turns).toEqual([]);
  await runtime.advance(1);
  expect(turns[0]).toBe(2000);
  await runtime.advance(1000);
  await limiter.take(never);
  expect(runtime.monotonicMs()).toBe(3000);
});
