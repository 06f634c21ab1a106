import { expect, test } from 'vitest';
import { killRounds } from '../../long/coordinator-kill9.ts';

test('kill -9 under load loses nothing that anybody was told', async () => {
  const { acknowledged, violations } = await killRounds({ rounds: 5, seed: 1, report: () => undefined });
  expect(violations).toEqual([]);
  expect(acknowledged).toBeGreaterThan(500);
});

test('a server that answers before it has written is found out', async () => {
  const { violations } = await killRounds({ rounds: 10, seed: 1, report: () => undefined, plant: 'early-answers' });
  expect(violations).not.toEqual([]);
});
