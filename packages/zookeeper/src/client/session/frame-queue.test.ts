import { expect, test } from 'vitest';
import { FrameQueue } from './frame-queue.ts';

test('first in, first out, however they come and go', () => {
  const queue = new FrameQueue();
  const model: string[] = [];
  let next = 0;
  for (let round = 0; round < 200; round++) {
    for (let n = 0; n < (round * 7) % 97; n++) {
      queue.push(Buffer.from(String(next)));
      model.push(String(next++));
    }
    for (let n = 0; n < (round * 11) % 89 && model.length > 0; n++) {
      expect(queue.first()?.toString()).toBe(model.shift());
      queue.dropFirst();
    }
    expect([queue.size, queue.first()?.toString()]).toEqual([model.length, model[0]]);
  }
  queue.clear();
  expect([queue.size, queue.first()]).toEqual([0, undefined]);
});

test('a hundred thousand waiting frames are taken at the pace of a few', () => {
  const queue = new FrameQueue();
  const frame = Buffer.alloc(1);
  const taken = (count: number) => {
    for (let n = 0; n < count; n++) queue.push(frame);
    for (let n = 0; n < count; n++) queue.dropFirst();
    return queue.size;
  };
  expect(taken(100_000)).toBe(0);
});
