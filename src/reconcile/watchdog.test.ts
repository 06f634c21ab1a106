import { expect, test } from 'vitest';
import type { Trouble } from '../base/trouble.ts';
import { MemoryLogger, VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { type HealthFact, Watchdog } from './watchdog.ts';

const epochMs = 1_700_000_000_000;

function setUp() {
  const runtime = new VirtualRuntime();
  const log = new MemoryLogger();
  const troubles = new Map<string, Trouble>();
  const looks: (readonly HealthFact[])[] = [];
  const watchdog = new Watchdog({
    runtime,
    log,
    sources: [{ troubles: () => troubles.values() }],
    onLook: (facts) => looks.push(facts),
  });
  const trouble = (key: string, o: Partial<Trouble> = {}) =>
    troubles.set(key, { key, severity: 'warning', what: key, why: 'why', sinceMs: 0, hint: 'hint', ...o });
  const said = () => log.lines.map(({ level, fields, message }) => `${level} ${message}: ${String(fields['what'])}`);
  return { runtime, log, troubles, looks, watchdog, trouble, said };
}

test('says it once, and once when it is over', async () => {
  const { runtime, watchdog, trouble, troubles, said, log } = setUp();
  await runtime.advance(2000);
  trouble('a call hangs', { sinceMs: 1000, figures: { calls: 3 } });
  await runtime.advance(58_000);
  expect(said()).toEqual(['warn Watchdog: something does not go as it should: a call hangs']);
  expect(log.lines[0]!.fields).toMatchObject({ why: 'why', calls: 3, since: new Date(epochMs + 1000).toISOString() });
  expect(watchdog.snapshot()).toEqual([
    {
      key: 'a call hangs',
      severity: 'warning',
      what: 'a call hangs',
      why: 'why',
      hint: 'hint',
      since: epochMs + 1000,
      figures: { calls: 3 },
    },
  ]);
  troubles.clear();
  await runtime.advance(5000);
  expect(said().slice(1)).toEqual(['info Watchdog: over: a call hangs']);
  expect(log.lines[1]!.fields).toMatchObject({ lastedS: 64 });
  expect(watchdog.snapshot()).toEqual([]);
});

test('says it again when it gets worse or has another reason, but not all the time', async () => {
  const { runtime, trouble, said } = setUp();
  trouble('x');
  await runtime.advance(5000);
  for (let i = 0; i < 12; i++) {
    trouble('x', { why: `reason ${i}` });
    await runtime.advance(5000);
  }
  expect(said().length).toBe(2);
  trouble('x', { severity: 'critical', why: 'reason 11' });
  await runtime.advance(5000);
  expect(said().at(-1)).toBe('error Watchdog: something is stuck: x');
  trouble('x', { severity: 'warning', why: 'reason 11' });
  await runtime.advance(5000);
  expect(said().length).toBe(3);
});

test('what is logged already is only kept', async () => {
  const { runtime, trouble, troubles, watchdog, log } = setUp();
  trouble('x', { said: true, sinceMs: null });
  await runtime.advance(60_000);
  expect(watchdog.snapshot()).toMatchObject([{ since: epochMs + 5000 }]);
  troubles.clear();
  await runtime.advance(60_000);
  expect(log.lines).toEqual([]);
});

test('the worst and oldest first; a source that fails harms no other', async () => {
  const { runtime, trouble, watchdog, log } = setUp();
  watchdog.addSource({
    troubles: () => {
      throw new Error('broken');
    },
  });
  trouble('young', { sinceMs: 3000 });
  trouble('old', { sinceMs: 1000 });
  trouble('bad', { severity: 'critical', sinceMs: 4000 });
  trouble('news', { severity: 'info' });
  await runtime.advance(5000);
  expect(watchdog.snapshot().map(({ key }) => key)).toEqual(['bad', 'old', 'young', 'news']);
  expect(log.of('error').map(({ message }) => message)).toContain('The watchdog could not ask');
});

test('a process that comes too late says so for a minute', async () => {
  const { runtime, watchdog } = setUp();
  let behindMs = 0;
  const monotonicMs = runtime.monotonicMs.bind(runtime);
  runtime.monotonicMs = () => monotonicMs() + behindMs;
  await runtime.advance(4000);
  expect(watchdog.snapshot()).toEqual([]);
  behindMs = 2500;
  await runtime.advance(1000);
  expect(watchdog.snapshot()).toMatchObject([{ key: 'event loop', figures: { longestMs: 2500 } }]);
  await runtime.advance(70_000);
  expect(watchdog.snapshot()).toEqual([]);
});

test('a stopped watchdog leaves nothing behind', async () => {
  const { runtime, watchdog, looks } = setUp();
  watchdog.stop();
  await runtime.advance(60_000);
  expect([looks.length, runtime.timers]).toEqual([0, 0]);
});
