import { expect, test } from 'vitest';
import { idText } from '../../src/driver-kit/contract.ts';
import { problemOf, Shapes } from './documents.ts';
import { themeOf } from './scenario.ts';
import { World } from './world.ts';

const run = (seed: number, traced = true) => new World({ seed, traced }).run();

// Many virtual minutes each, on a machine that may have other things to do.
const patience = 120_000;

test('the same seed gives the same world, to the line', { timeout: patience }, async () => {
  const [first, again, other] = [await run(1750), await run(1750), await run(2204)];
  expect([first.theme, other.theme]).toEqual(['turmoil', 'turmoil']);
  expect(first.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(again).toEqual(first);
  expect(other.hash).not.toBe(first.hash);
});

test('looking on changes nothing', { timeout: patience }, async () => {
  const watched = await run(1464);
  expect(await run(1464, false)).toEqual({ ...watched, hash: '', trace: [] });
});

test('each kind of world has its work done, and nothing is broken', { timeout: patience }, async () => {
  const seeds = [1, 3, 13, 7, 1990];
  expect(new Set(seeds.map(themeOf))).toEqual(new Set(['calm', 'kill', 'reload', 'hang', 'turmoil']));
  for (const seed of seeds) {
    const outcome = await run(seed, false);
    expect({ seed, broken: outcome.broken }).toEqual({ seed, broken: null });
    expect(outcome.fulfilled).toBeGreaterThan(3);
    expect(outcome.virtualMs).toBeGreaterThan(20_000);
    if (outcome.theme !== 'calm') expect(Object.keys(outcome.faults)).not.toEqual([]);
  }
});

test('a promise that is broken ends the run with its name', async () => {
  const world = new World({
    seed: 1,
    // Instances that vanish at once.
    wrapAdapter: (adapter) =>
      Object.assign(Object.create(adapter) as typeof adapter, {
        async advanceCreate(...args: Parameters<typeof adapter.advanceCreate>) {
          const step = await adapter.advanceCreate(...args);
          if (step.done) {
            const resource = { type: 'instance', id: idText(step.instance.externalId), metadata: {} };
            await adapter.deleteResource(resource, args[2].signal);
          }
          return step;
        },
      }),
  });
  expect((await world.run()).broken).toMatchObject({ promise: 'P2' });
});

test('documents are held to their schema, one example of each shape is kept', () => {
  const shapes = new Shapes();
  const launcher = { hostname: 'a', kind: 'launcher', model_api: 0, state: 'running', version: '1' };
  expect(problemOf('launcher', launcher)).toBeNull();
  expect(problemOf('launcher', { ...launcher, model_api: '0' })).toBe('launcher with model_api = "0"');
  expect(problemOf('launcher', { ...launcher, extra: 1 })).toBe('launcher with extra = 1');
  expect(problemOf('node', {})).toBe('node without state');
  for (const version of ['1', '2']) shapes.add('launcher', { ...launcher, version });
  shapes.add('launcher', { ...launcher, version: null });
  expect(shapes.examples.size).toBe(2);
});
