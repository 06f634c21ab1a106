import { expect, test } from 'vitest';
import { ScriptedAdapter } from '../../../provider/testing/scripted-adapter.ts';
import { labelConfig, providerConfig } from '../../../driver-kit/testing/configs.ts';
import { type ConformanceBed, provided, shownAfterAll } from './bed.ts';

const bed: ConformanceBed = {
  config: providerConfig(),
  poolName: 'main',
  label: labelConfig(),
  impossibleLabel: labelConfig({ name: 'huge' }),
  createAdapter: () => new ScriptedAdapter(),
  instances: () => Promise.resolve([]),
  levers: { hang: () => Promise.resolve() },
  dispose: () => Promise.resolve(),
};

test('what is missing is either declared or an error', () => {
  expect(provided(bed, [], 'hang')).toBe(bed.levers.hang);
  expect(provided(bed, [], 'impossibleLabel')).toBe(bed.impossibleLabel);
  expect(provided(bed, [{ what: 'throttle', why: 'it has no limit of calls' }], 'throttle')).toBeNull();
  expect(() => provided(bed, [], 'throttle')).toThrow('the bed has no throttle');
  expect(() => provided(bed, [], 'labelWithMissingImage')).toThrow('the bed has no labelWithMissingImage');
});

test('a declaration for what is there after all is found', () => {
  const declared = (['hang', 'impossibleLabel', 'throttle', 'repeatedCreation'] as const).map((what) => ({
    what,
    why: '',
  }));
  expect(shownAfterAll(bed, new ScriptedAdapter(), declared)).toEqual(['hang', 'impossibleLabel']);
  const adapter = Object.assign(new ScriptedAdapter(), { createIsIdempotent: true });
  expect(shownAfterAll(bed, adapter, [{ what: 'repeatedCreation', why: '' }])).toEqual(['repeatedCreation']);
});
