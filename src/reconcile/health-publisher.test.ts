import { expect, onTestFinished, test } from 'vitest';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { systemRuntime } from '../base/runtime.ts';
import { readHealth } from '../store/transactions/health.ts';
import { StoreBed } from '../store/testing/store-bed.ts';
import { HealthPublisher } from './health-publisher.ts';
import type { HealthFact } from './watchdog.ts';

const fact = (o: Partial<HealthFact> = {}): HealthFact => ({
  key: 'k',
  severity: 'warning',
  what: 'something',
  why: 'a reason',
  hint: 'a hint',
  since: 1_700_000_000_000,
  figures: {},
  ...o,
});

async function setUp() {
  const bed = await StoreBed.open();
  onTestFinished(() => bed.close());
  const { store, flaky } = await bed.side();
  let aheadMs = 0;
  const log = new MemoryLogger();
  const publisher = new HealthPublisher(
    {
      store,
      runtime: { ...systemRuntime, monotonicMs: () => systemRuntime.monotonicMs() + aheadMs },
      log,
    },
    {
      hostname: 'host',
      version: '1',
      processId: 5,
    },
  );
  const seen = async () => (await readHealth(store)).map(({ record }) => record?.troubles.map(({ why }) => why));
  return { publisher, seen, flaky, log, later: (ms: number) => (aheadMs += ms) };
}

test('publishes at once, then what is new and not too often; gone when it closes', async () => {
  const { publisher, seen, later } = await setUp();
  publisher.publish([]);
  await expect.poll(seen).toEqual([[]]);
  publisher.publish([fact({ why: 'too soon' })]);
  later(9000);
  publisher.publish([fact({ why: 'still too soon' })]);
  later(1000);
  publisher.publish([fact({ why: 'password=x in time' })]);
  await expect.poll(seen).toEqual([['password=[redacted] in time']]);
  await publisher.close();
  expect(await seen()).toEqual([]);
});

test('figures alone are refreshed once a minute', async () => {
  const { publisher, log, later, seen, flaky } = await setUp();
  publisher.publish([fact()]);
  await expect.poll(seen).toEqual([['a reason']]);
  later(10_000);
  // Would be met by a write.
  flaky.lose('set', false);
  publisher.publish([fact({ figures: { calls: 1 } })]);
  later(40_000);
  publisher.publish([fact({ figures: { calls: 2 } })]);
  expect(flaky.planned).toBe(1);
  later(20_000);
  publisher.publish([fact({ figures: { calls: 3 } })]);
  await expect.poll(() => log.of('debug').length).toBe(1);
  later(10_000);
  publisher.publish([fact({ figures: { calls: 3 } })]);
  await expect.poll(() => flaky.planned).toBe(0);
});
