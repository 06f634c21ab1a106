import { expect, test } from 'vitest';
import { VirtualRuntime } from '../testing/virtual-runtime.ts';
import { Backoff } from './backoff.ts';

function made() {
  const runtime = new VirtualRuntime();
  runtime.randomValue = 0;
  return { runtime, backoff: new Backoff({ runtime, firstMs: 100, mostMs: 1000 }) };
}

test('doubles up to the limit, starts over after a reset, and is spread', () => {
  const { runtime, backoff } = made();
  expect(Array.from({ length: 6 }, () => backoff.nextMs())).toEqual([100, 200, 400, 800, 1000, 1000]);
  runtime.randomValue = 0.999;
  expect(backoff.nextMs()).toBeCloseTo(750, 0);
  backoff.reset();
  runtime.randomValue = 0;
  expect(backoff.nextMs()).toBe(100);
  for (let i = 0; i < 5000; i++) backoff.nextMs();
  expect(backoff.nextMs()).toBe(1000);
});

test('tells before when nothing is to be tried, and how long that still is', () => {
  const { runtime, backoff } = made();
  expect(backoff.notBeforeMs).toBe(Number.NEGATIVE_INFINITY);
  expect(backoff.remainingMs).toBe(0);
  const startMs = runtime.monotonicMs();
  backoff.nextMs();
  expect(backoff.notBeforeMs).toBe(startMs + 100);
  expect(backoff.remainingMs).toBe(100);
  backoff.reset();
  expect(backoff.remainingMs).toBe(0);
});
