import { expect, test } from 'vitest';
import { sleep } from '../../src/base/runtime.ts';
import { Random } from './random.ts';
import { ProcessRuntime, VirtualTime } from './virtual-time.ts';

test('timers go off in the order of their time, then of their setting, at their time', async () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  for (const [name, ms] of Object.entries({ late: 500, soon: 1, same: 500, never: 5000 })) {
    time.after(ms, () => seen.push(`${name} ${time.monotonicMs}`));
  }
  time.after(2, () => seen.push('cancelled')).cancel();
  await time.runUntil(1000);
  expect(seen).toEqual(['soon 1', 'late 500', 'same 500']);
  expect(time.monotonicMs).toBe(1000);
});

test('a thousand timers in any order come out in order', async () => {
  const time = new VirtualTime();
  const random = new Random(7);
  const seen: number[] = [];
  for (let i = 0; i < 1000; i++) time.after(random.between(0, 100), () => seen.push(time.monotonicMs));
  await time.runUntil(100);
  expect(seen).toHaveLength(1000);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
});

test('everything that is ready runs before time goes on', async () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  time.after(1, () => {
    void Promise.resolve()
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => new Promise<void>((resolve) => process.nextTick(resolve)))
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => seen.push(`work at ${time.monotonicMs}`));
  });
  time.after(2, () => seen.push('next timer'));
  await time.runUntil(10);
  expect(seen).toEqual(['work at 1', 'next timer']);
});

test('time that does not get on is noticed', async () => {
  const time = new VirtualTime();
  const again = () => {
    time.after(0, again);
  };
  again();
  await expect(time.runUntil(1)).rejects.toThrow('time stands still');
});

test('a process counts whole milliseconds, and nothing happens to a dead one', async () => {
  const time = new VirtualTime();
  const runtime = new ProcessRuntime(time, new Random(1), { skewMs: 2000 });
  const seen: string[] = [];
  runtime.setTimer(0.2, () => seen.push(`${time.monotonicMs}`));
  runtime.setTimer(2.9, () => seen.push(`${time.monotonicMs}`));
  void sleep(runtime, 50).then(() => seen.push('after death'));
  expect(runtime.nowMs() - time.nowMs).toBe(2000);
  await time.runUntil(10);
  runtime.kill();
  await time.runUntil(100);
  expect(seen).toEqual(['1', '2']);
});

test('a process that stands still does nothing, and what is due later in its order when it goes on', async () => {
  const time = new VirtualTime();
  const runtime = new ProcessRuntime(time, new Random(1));
  const seen: string[] = [];
  const at = (what: string) => () => seen.push(`${what} ${time.monotonicMs}`);
  runtime.setTimer(5, at('first'));
  runtime.setTimer(6, at('second'));
  const cancelled = runtime.setTimer(7, at('cancelled'));
  runtime.setTimer(50, at('later'));
  runtime.pause();
  void runtime.running().then(at('goes on'));
  time.after(20, () => {
    cancelled.cancel();
    runtime.resume();
  });
  await time.runUntil(100);
  expect(seen).toEqual(['goes on 20', 'first 20', 'second 20', 'later 50']);
});

test('streams of chance are repeated by seed and name, and differ between both', () => {
  const first = (seed: number, name: string) => Array.from({ length: 5 }, Random.of(seed, name).next);
  expect(first(3, 'a')).toEqual(first(3, 'a'));
  const all = [first(3, 'a'), first(3, 'b'), first(4, 'a'), first(2, 'a')].map((numbers) => numbers.join());
  expect(new Set(all).size).toBe(4);
  for (const number of first(5, 'x')) expect(number).toBeGreaterThanOrEqual(0);
});
