import { expect, it } from 'vitest';
import { defaultLayout } from './layout.ts';
import type { Level } from './levels.ts';
import { createLogs } from './log.ts';
import { levelFor, type LogPlan, type OutputPlan, outputsFor } from './log-plan.ts';

const logger = (level: Level | null, outputs: string[] = [], propagate = true) => ({ level, outputs, propagate });

const plan: LogPlan = {
  loggers: new Map([
    ['', logger('warn', ['console'])],
    ['nodepool', logger('info', ['file'])],
    ['nodepool.driver', logger(null)],
    ['nodepool.driver.aws', logger('debug', ['file', 'aws'])],
    ['nodepool.driver.aws.quiet', logger('error', ['quiet'], false)],
  ]),
  outputs: new Map(),
};

it.each([
  ['zookeeper', 'warn', ['console']],
  ['nodepool', 'info', ['file', 'console']],
  ['nodepool.launcher', 'info', ['file', 'console']],
  ['nodepooler', 'warn', ['console']],
  ['nodepool.driver.gce.one', 'info', ['file', 'console']],
  // A provider's name may have dots.
  ['nodepool.driver.aws.eu.west', 'debug', ['file', 'aws', 'console']],
  ['nodepool.driver.aws.quiet', 'error', ['quiet']],
])('%s has level %s and goes to %j', (name, level, outputs) => {
  expect(levelFor(plan, name)).toBe(level);
  expect(outputsFor(plan, name)).toEqual(outputs);
});

it('an output has a level and a form of its own', () => {
  const written: Record<1 | 2, string[]> = { 1: [], 2: [] };
  const human = { kind: 'human', layout: defaultLayout, dateLayout: null } as const;
  const output = (level: Level | null, fd: 1 | 2): OutputPlan => ({
    level,
    format: fd === 1 ? { kind: 'json' } : human,
    target: { kind: 'stream', fd },
  });
  const logs = createLogs(
    {
      loggers: new Map([['', logger('debug', ['all', 'bad', 'nowhere'])]]),
      outputs: new Map<string, OutputPlan>([
        ['all', output(null, 1)],
        ['bad', output('error', 2)],
        ['nowhere', { level: null, format: human, target: { kind: 'nowhere' } }],
      ]),
    },
    (fd) => ({ write: (line: string) => void written[fd].push(line) }),
  );
  logs.named('a.b').debug({ n: 1 }, 'small');
  logs.named('a.b').fatal({}, 'large');
  expect(written[1].map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 20, name: 'a.b', n: 1, msg: 'small' },
    { level: 60, name: 'a.b', msg: 'large' },
  ]);
  expect(written[2]).toEqual([expect.stringMatching(/ CRITICAL a\.b: large\n$/)]);
});
