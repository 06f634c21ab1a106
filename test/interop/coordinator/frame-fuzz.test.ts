import { expect, test } from 'vitest';
import { fuzz } from '../../long/frame-fuzz.ts';

test('twenty thousand mutated frames: an answer or an end, no fault of the server', async () => {
  const { frames, answers, faults } = await fuzz(20_000, 7, () => undefined);
  expect(faults).toEqual([]);
  expect(frames).toBeGreaterThanOrEqual(20_000);
  expect(answers).toBeGreaterThan(100);
});
