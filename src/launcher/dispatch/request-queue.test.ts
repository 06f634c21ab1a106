import { expect, test } from 'vitest';
import { newRequest } from '../../records/request.ts';
import { type OpenRequest, RequestQueue } from './request-queue.ts';

const open = (id: string, lane: string): OpenRequest => ({
  request: { ...newRequest({ nodeTypes: [lane] }, 0), id },
  pools: [],
  lane,
});
const ids = ['100-0000000004', '200-0000000001', '200-0000000002', '200-0000000003', '300-0000000000'];

function filled(lanes: readonly string[]): RequestQueue {
  const queue = new RequestQueue();
  // Not in order of age.
  for (const n of [3, 0, 4, 2, 1]) queue.insert(open(ids[n]!, lanes[n % lanes.length]!));
  return queue;
}

test('all lanes together are shown in order, what is taken has gone', () => {
  const queue = filled(['a', 'b']);
  const seen: string[] = [];
  queue.visit(({ request }) => {
    seen.push(request.id);
    return 'taken';
  });
  expect(seen).toEqual(ids);
  expect(queue.size).toBe(0);
});

test('one that is blocked keeps those like it back, and no others', () => {
  const queue = filled(['a', 'b']);
  const seen: string[] = [];
  queue.visit(({ request, lane }) => {
    seen.push(request.id);
    return lane === 'a' ? 'blocked' : 'taken';
  });
  expect(seen).toEqual([ids[0], ids[1], ids[3]]);
  expect(queue.size).toBe(3);
});

test('a long queue of requests that are alike costs one look', () => {
  const queue = new RequestQueue();
  for (let n = 0; n < 5000; n++) queue.insert(open(`200-${String(n).padStart(10, '0')}`, `lane ${n % 7}`));
  let looks = 0;
  queue.visit(() => {
    looks++;
    return 'blocked';
  });
  expect(looks).toBe(7);
  expect(queue.size).toBe(5000);
});

test('removing is exact and harmless when repeated', () => {
  const queue = filled(['a']);
  const one = open(ids[2]!, 'a');
  queue.remove(one);
  queue.remove(one);
  queue.remove(open('200-0000000009', 'a'));
  queue.remove(open(ids[0]!, 'other lane'));
  expect(queue.size).toBe(4);
});
