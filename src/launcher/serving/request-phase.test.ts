import { expect, test } from 'vitest';
import type { Plan, Waiting } from '../../scheduling/plan.ts';
import type { HeldRequest } from '../../store/transactions/operations.ts';
import type { RequestEnding } from './request-ending.ts';
import {
  accepted,
  endDue,
  ends,
  heldOf,
  isGone,
  isStuck,
  launchesOf,
  offered,
  openLabelsOf,
  over,
  type RequestPhase,
  type Serving,
  type SlotView,
  vanished,
  waitingFor,
  waitingOf,
  wasDropped,
} from './request-phase.ts';
import type { SlotState } from './slot.ts';

const held = { id: '100-1' } as unknown as HeldRequest;
const room: Waiting = { kind: 'resource', resource: 'instances', scope: 'pool', reason: 'the pool is full' };
const plan: Plan = {
  slots: [
    { kind: 'stock', label: 'a', nodeId: '7', az: null },
    { kind: 'launch', label: 'b', need: {} },
    { kind: 'wait', label: 'c' },
  ],
  waiting: room,
};
const serving = (more: Partial<Serving> = {}): Serving => ({ ...accepted(offered(null), held), ...more });
const ending = (of = serving()) => ends(of, {} as unknown as RequestEnding);
const slots = (...states: SlotState[]): SlotView[] =>
  states.map((state, index) => ({ label: 'abc'[index]!, state, progress: state === 'failed' ? 'no luck' : '' }));
const gone = { kind: 'gone' } as const;
const declining = { kind: 'declining', reason: 'never' } as const;

test('offered: the plan says what it launches and waits for, whatever its slots are', () => {
  const phase = offered(plan);
  expect([
    launchesOf(phase, slots('open', 'open', 'open')),
    openLabelsOf(phase, slots('open', 'open', 'open')),
  ]).toEqual([1, ['c']]);
  expect([waitingOf(phase), heldOf(phase), endDue(phase, slots('done'), true)]).toEqual([room, null, null]);
});

test('accepted: what it waits for stays, its slots count from then on', () => {
  const phase = accepted(offered(plan), held);
  expect([phase.waiting, phase.leaving, heldOf(phase)]).toEqual([room, null, held]);
  expect([launchesOf(phase, slots('launching', 'open')), openLabelsOf(phase, slots('launching', 'open'))]).toEqual([
    1,
    ['b'],
  ]);
});

test('vanished while it is being accepted: it is withdrawn as soon as it is accepted', () => {
  const phase = accepted(vanished(offered(plan))!, held);
  expect([isGone(phase), endDue(phase, slots('failed', 'failed'), false)]).toEqual([true, { kind: 'withdraw' }]);
});

test('only what is offered can be accepted', () => {
  for (const phase of [serving(), ending(), over(serving(), false)]) expect(() => accepted(phase, held)).toThrow();
});

test('vanished changes nothing twice, nor at the end', () => {
  expect(vanished(serving({ leaving: gone }))).toBeNull();
  expect(vanished(ending())).toBeNull();
  expect(vanished(over(serving(), false))).toBeNull();
  expect(vanished(serving({ leaving: declining }))).toMatchObject({ leaving: gone });
});

test('who ends, or has ended, waits for nothing any more', () => {
  const at: RequestPhase[] = [offered(null), serving(), ending(serving({ waiting: room })), over(offered(plan), false)];
  expect(at.map((phase) => waitingOf(waitingFor(phase, room)))).toEqual([room, room, null, null]);
});

test('nothing ends while something is under way', () => {
  for (const state of ['taking', 'launching'] as const) {
    for (const leaving of [null, gone, declining]) {
      expect(endDue(serving({ leaving }), slots('done', 'failed', state), true)).toBeNull();
    }
  }
});

test.each([
  ['all are there', serving(), slots('done', 'done'), false, { kind: 'fulfil' }],
  ['one is open', serving(), slots('done', 'open'), false, null],
  ['one is open, the pool has gone', serving(), slots('done', 'open'), true, { kind: 'hand-back' }],
  ['all are there, the pool has gone', serving(), slots('done', 'done'), true, { kind: 'fulfil' }],
  ['one has failed', serving(), slots('done', 'failed'), false, { kind: 'decline', reason: 'b: no luck' }],
  ['it was given up', serving({ leaving: declining }), slots('failed'), false, { kind: 'decline', reason: 'never' }],
  ['it has vanished', serving({ leaving: gone }), slots('done', 'failed'), true, { kind: 'withdraw' }],
  ['it ends already', ending(), slots('done'), false, null],
  ['it is over', over(serving(), true), slots('done'), false, null],
] as const)('the end that is due: %s', (_, phase, of, isRetired, due) => {
  const found = endDue(phase, of, isRetired);
  if (due) expect(found).toMatchObject(due);
  else expect(found).toBeNull();
});

test('stuck: it waits for room with nodes in its hands, nothing under way, and stands back for nobody', () => {
  const waits = serving({ waiting: room });
  expect(isStuck(waits, slots('done', 'open'))).toBe(true);
  expect(isStuck(waits, slots('open', 'open'))).toBe(false);
  expect(isStuck(waits, slots('done', 'launching', 'open'))).toBe(false);
  expect(isStuck(serving({ waiting: { ...room, kind: 'turn' } }), slots('done', 'open'))).toBe(false);
  expect(isStuck({ ...waits, standingBack: { behind: [], untilMs: 1 } }, slots('done', 'open'))).toBe(false);
  expect(isStuck(ending(waits), slots('done', 'open'))).toBe(false);
});

test('over: what was known stays, and dropped it stays for ever', () => {
  expect(over(ending(serving({ leaving: gone })), false)).toEqual({ kind: 'over', held, gone: true, dropped: false });
  const dropped = over(serving(), true);
  expect(wasDropped(over(dropped, false))).toBe(true);
  expect(heldOf(over(offered(plan), true))).toBeNull();
});
