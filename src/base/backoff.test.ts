import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';

test('doubles up to the limit, starts over after a reset, and is spread', () => {
  let random = 0;
  const backoff = new Backoff({ runtime: { random: () => random }, firstMs: 100, mostMs: 1000 });
  expect(Array.from({ length: 6 }, () => backoff.nextMs())).toEqual([100, 200, 400, 800, 1000, 1000]);
  random = 0.999;
  expect(backoff.nextMs()).toBeCloseTo(750, 0);
  backoff.reset();
  random = 0;
  expect(backoff.nextMs()).toBe(100);
  for (let i = 0; i < 5000; i++) backoff.nextMs();
  expect(backoff.nextMs()).toBe(1000);
});
