import { expect, test } from 'vitest';
import { CapacityMemory, type Place } from './capacity-memory.ts';

const place = (zone: string | null, label = 'small', instanceType: string | null = null, provider = 'p'): Place => ({
  provider,
  zone,
  label,
  instanceType,
});

test('a zone without capacity is left out for a while that doubles with each refusal, up to a minute', () => {
  const memory = new CapacityMemory();
  let nowMs = 1000;
  const pauses = Array.from({ length: 10 }, () => {
    const { untilMs } = memory.refused(place('z1'), 'capacity', 'no hosts', nowMs);
    const pauseMs = untilMs - nowMs;
    expect(memory.bestZones(['z1', 'z2'], place(null), untilMs - 1)).toEqual(['z2']);
    expect(memory.bestZones(['z1', 'z2'], place(null), untilMs)).toEqual(['z1', 'z2']);
    nowMs = untilMs;
    return pauseMs;
  });
  expect(pauses.slice(0, 4)).toEqual([2000, 4000, 8000, 16_000]);
  expect(pauses.at(-1)).toBe(60_000);
});

test('refusals of launches that were under way together count as one', () => {
  const memory = new CapacityMemory();
  for (let n = 0; n < 50; n++) memory.refused(place('z1'), 'capacity', 'no hosts', 1000 + n);
  expect(memory.refused(place('z1'), 'capacity', 'no hosts', 1100).untilMs).toBe(3000);
});

test('it is known for the instance type, whichever label or pool asks, and for nothing else', () => {
  const memory = new CapacityMemory();
  memory.refused(place('z1', 'small', 'large.gpu'), 'capacity', 'no GPUs', 0);
  const avoided = (one: Place) => memory.avoided(one, 'capacity', 1)?.reason ?? null;
  expect(avoided(place('z1', 'other', 'large.gpu'))).toBe('p in z1 has just refused for capacity: no GPUs');
  expect(avoided(place('z2', 'small', 'large.gpu'))).toBeNull();
  expect(avoided(place('z1', 'small', 'small.cpu'))).toBeNull();
  expect(avoided(place('z1', 'large.gpu'))).toBeNull();
  expect(avoided(place('z1', 'small', 'large.gpu', 'other'))).toBeNull();
});

test('where every zone refuses, that one is best which is free again first', () => {
  const memory = new CapacityMemory();
  memory.refused(place('z1'), 'capacity', 'no', 0);
  memory.refused(place('z2'), 'capacity', 'no', 500);
  expect(memory.bestZones(['z2', 'z1'], place(null), 600)).toEqual(['z1']);
  expect(memory.nowhere(['z2', 'z1'], place(null), 600)?.untilMs).toBe(2000);
  expect(memory.nowhere(['z2', 'z1', 'z3'], place(null), 600)).toBeNull();
});

test('a success, time, and for quota a freed node take a refusal back', () => {
  const memory = new CapacityMemory();
  memory.refused(place('z1'), 'capacity', 'no', 0);
  memory.worked(place('z1'));
  expect(memory.avoided(place('z1'), 'capacity', 1)).toBeNull();

  memory.refused(place(null), 'quota', 'quota exceeded', 0);
  expect(memory.avoided(place('z7'), 'quota', 1)?.untilMs).toBe(500);
  memory.freed('other');
  expect(memory.avoided(place(null), 'quota', 1)).not.toBeNull();
  memory.freed('p');
  expect(memory.avoided(place(null), 'quota', 1)).toBeNull();
  // But what was refused then is remembered: refused again, it is left alone for longer.
  expect(memory.refused(place(null), 'quota', 'quota exceeded', 100).untilMs).toBe(1100);
  expect(memory.refused(place(null), 'quota', 'quota exceeded', 700_000 + 1100).untilMs).toBe(701_600);
});

test('the cloud may name a longer time itself', () => {
  const memory = new CapacityMemory();
  expect(memory.refused(place(null), 'quota', 'later', 0, 90_000).untilMs).toBe(90_000);
});
