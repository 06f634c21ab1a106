/** Which event in which phase does what, on a handler whose ZooKeeper only notes what is done. */
import { beforeEach, expect, test } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { newRequest, withRequestId } from '../../records/request.ts';
import type { Plan, Waiting } from '../../scheduling/plan.ts';
import { noSpan } from '../../telemetry/tracing.ts';
import type { HeldRequest } from '../../store/transactions/operations.ts';
import { type HandlerDeps, RequestHandler } from './request-handler.ts';

const room: Waiting = { kind: 'resource', resource: 'instances', scope: 'pool', reason: 'the pool is full' };
const waits: Plan = { slots: [{ kind: 'wait', label: 'a' }], waiting: room };
const fromStock: Plan = { slots: [{ kind: 'stock', label: 'a', nodeId: '7', az: null }], waiting: null };
const request = withRequestId(newRequest({ nodeTypes: ['a'], requestor: 'test' }, 0), '100-1');

let done: string[];
let isHeld: boolean;
let fulfilment: { ok: boolean; reason?: string };
let lockable: Promise<boolean>;

beforeEach(() => {
  done = [];
  isHeld = true;
  fulfilment = { ok: true };
  lockable = Promise.resolve(true);
});

function later<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

const held = {
  id: request.id,
  entry: { id: request.id, request, version: 0 },
  update: ({ state }: { state: string }) => Promise.resolve(void done.push(state)),
  release: () =>
    Promise.resolve(isHeld ? void done.push('request unlocked') : undefined).then(() => void (isHeld = false)),
} as unknown as HeldRequest;

function handlerOf(plan: Plan | null) {
  const node = {
    id: '7',
    held: true,
    release() {
      if (this.held) done.push('node unlocked');
      this.held = false;
      return Promise.resolve();
    },
  };
  const deps = {
    operations: {
      lockNode: async () => ((await lockable) ? { ok: true, node } : { ok: false, reason: 'gone' }),
      fulfil: () => {
        done.push('fulfilled');
        return Promise.resolve(fulfilment);
      },
    },
    context: {
      traces: { request: () => noSpan },
      onEnded: (_: unknown, outcome: string) => done.push(`told ${outcome}`),
      checkStock: () => Promise.resolve(true),
      holdForTenant: () => [],
    },
    runtime: systemRuntime,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    stateAfterDecline: () => 'failed',
  };
  const pool = {
    id: 'pool',
    retired: false,
    handlers: new Set<unknown>(),
    setWaiting: (_: unknown, is: boolean) => void (pool.waits = is),
    waits: false,
  };
  const handler = new RequestHandler(
    request,
    pool as unknown as RequestHandler['pool'],
    plan,
    [],
    deps as unknown as HandlerDeps,
    () => undefined,
  );
  return { handler, pool };
}

const began = (plan: Plan) => {
  const { handler, pool } = handlerOf(plan);
  handler.begin(held, plan, [], []);
  return { handler, pool };
};

test('offered: it counts for its pool, and a lost session ends it untold', () => {
  const { handler, pool } = handlerOf(waits);
  expect([pool.handlers.has(handler), pool.waits, handler.openLabels]).toEqual([true, true, ['a']]);
  handler.drop('lost');
  expect([handler.over, handler.waiting, pool.handlers.size, pool.waits, done]).toEqual([true, null, 0, false, []]);
});

test('offered: not accepted after all', () => {
  const { handler, pool } = handlerOf(waits);
  handler.notAccepted();
  expect([handler.over, pool.handlers.size, pool.waits, done]).toEqual([true, 0, false, []]);
});

test('offered: a stop leaves it to whoever accepts it, and nothing is written', async () => {
  const { handler } = handlerOf(waits);
  await handler.handBackForStop();
  expect([handler.over, handler.signal.aborted, done]).toEqual([false, true, []]);
});

test('offered, then gone: accepted, it is let go at once, and what was reserved is free', async () => {
  const { handler } = handlerOf(fromStock);
  handler.requestGone();
  handler.begin(held, fromStock, [{ release: () => void done.push('reservation released') }], []);
  await expect.poll(() => handler.over).toBe(true);
  expect(done).toEqual(['reservation released', 'request unlocked', 'told withdrawn']);
});

test('serving: with all nodes it is fulfilled, told once, and nothing brings it back', async () => {
  const { handler, pool } = began(fromStock);
  await expect.poll(() => handler.over).toBe(true);
  handler.requestGone();
  handler.drop('late');
  await handler.handBackForStop();
  expect(done.filter((what) => what !== 'node unlocked')).toEqual(['fulfilled', 'told fulfilled']);
  expect([pool.handlers.size, handler.fill()]).toEqual([0, true]);
});

test('serving: a session lost at the hand-over ends it as lost', async () => {
  fulfilment = { ok: false, reason: 'session' };
  const { handler } = began(fromStock);
  await expect.poll(() => handler.over).toBe(true);
  expect(done.slice(0, 2)).toEqual(['fulfilled', 'told lost']);
});

test('serving: deleted at the hand-over, its nodes and itself are let go', async () => {
  fulfilment = { ok: false, reason: 'gone' };
  const { handler } = began(fromStock);
  await expect.poll(() => handler.over).toBe(true);
  expect(done).toEqual(['fulfilled', 'node unlocked', 'request unlocked', 'told withdrawn']);
});

test('serving, waiting: deleted, it is let go and nothing is written', async () => {
  const { handler, pool } = began(waits);
  expect(pool.waits).toBe(true);
  handler.requestGone();
  expect(pool.waits).toBe(false);
  await expect.poll(() => handler.over).toBe(true);
  expect(done).toEqual(['request unlocked', 'told withdrawn']);
});

test('serving, waiting: its pool leaves the configuration, so it is handed back', async () => {
  const { handler, pool } = began(waits);
  pool.retired = true;
  handler.retire();
  await expect.poll(() => handler.over).toBe(true);
  expect(done).toEqual(['requested', 'request unlocked', 'told handed-back']);
});

test('serving: a stop waits for what is under way, then hands back', async () => {
  const lock = later<boolean>();
  lockable = lock.promise;
  const { handler } = began(fromStock);
  const stopped = handler.handBackForStop();
  expect([handler.isServing, handler.fill(), done]).toEqual([false, true, []]);
  lock.resolve(true);
  await stopped;
  expect([handler.over, done]).toEqual([true, ['node unlocked', 'requested', 'request unlocked', 'told handed-back']]);
});

test('serving: a session lost while a node is being locked: nothing is written, the node is unlocked', async () => {
  const lock = later<boolean>();
  lockable = lock.promise;
  const { handler } = began(fromStock);
  handler.drop('lost');
  handler.drop('lost again');
  lock.resolve(true);
  await expect.poll(() => done).toEqual(['told lost', 'node unlocked']);
});

test('serving: an unexpected error declines it', async () => {
  lockable = Promise.reject(new Error('what is this'));
  const { handler } = began(fromStock);
  await expect.poll(() => handler.over).toBe(true);
  expect(done).toEqual(['failed', 'request unlocked', 'told failed']);
});
