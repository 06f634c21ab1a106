/** Logging configurations, obeyed by Python's logging and by our programs: the same lines stand in the same files. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { nextRolloverMs, rolledSuffix, type RotationPolicy, whens } from '../../src/telemetry/log/rotation.ts';

const samples = fileURLToPath(new URL('../logging-samples/', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const python = process.env['NODEPOOL_TEST_PYTHON'] ?? 'python3';

/** Loggers of ours and of Python's that are the same. */
const common = ['nodepool', 'nodepool.launcher', 'nodepool.driver.gce.one', 'nodepool.driver.aws.two'];
/** kazoo's is called zookeeper here, which tells where sizes count. */
const loggersOf = (sample: string) => (sample.startsWith('sized') ? common : [...common, 'zookeeper']);

const ours = (loggers: readonly string[]) => `
import { readPythonPlan } from '${root}src/program/logging/python-plan.ts';
import { logPlan } from '${root}src/program/logging/program-log.ts';
import { createLogs } from '${root}src/telemetry/log/log.ts';
const { plan } = logPlan({ logconfig: process.argv[2] }, { level: 'info', target: { kind: 'stream', fd: 1 }, env: {} });
const logs = createLogs(plan);
for (const name of ${JSON.stringify(loggers)})
  for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) logs.named(name)[level]({}, 'from ' + name);
`;

const theirs = (loggers: readonly string[]) => `
import logging, sys
from nodepool.logconfig import load_config
load_config(sys.argv[1]).apply()
for name in ${JSON.stringify(loggers)}:
    logger = logging.getLogger('kazoo' if name == 'zookeeper' else name)
    for level in (10, 20, 30, 40, 50):
        logger.log(level, 'from ' + name)
`;

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-logging-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const withoutTime = (text: string) =>
  text
    .replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d{3})?/gm, (_all, ms?: string) =>
      ms === undefined ? 'SECONDS' : 'MILLISECONDS',
    )
    .replace(/\bkazoo\b/g, 'zookeeper');

/** What stands in each file after that program, and on the standard streams. */
function written(who: string, sample: string, command: (config: string) => [string, string[]]): Record<string, string> {
  const directory = join(temporary(), who);
  mkdirSync(join(directory, 'log'), { recursive: true });
  const config = join(directory, sample);
  writeFileSync(config, readFileSync(join(samples, sample), 'utf8').replaceAll('@DIR@', join(directory, 'log')));
  const [program, args] = command(config);
  const errors = join(directory, 'stderr');
  const stdout = execFileSync('sh', ['-c', '"$@" 2>"$0"', errors, program, ...args], { encoding: 'utf8' });
  const files = readdirSync(join(directory, 'log')).map((name) => [
    name,
    readFileSync(join(directory, 'log', name), 'utf8'),
  ]);
  const all = [...files, ['stdout', stdout], ['stderr', readFileSync(errors, 'utf8')]] as [string, string][];
  return Object.fromEntries(all.map(([name, text]) => [name, withoutTime(text)]));
}

it.each(readdirSync(samples).filter((name) => name !== 'README.md'))('%s', (sample) => {
  const script = join(temporary(), 'ours.ts');
  writeFileSync(script, ours(loggersOf(sample)));
  const fromOurs = written('ours', sample, (config) => [
    process.execPath,
    ['--import', `${root}test/run-typescript.mjs`, script, config],
  ]);
  const fromTheirs = written('theirs', sample, (config) => [python, ['-c', theirs(loggersOf(sample)), config]]);
  // Python makes the files of handlers that nothing reaches as well, and so do we.
  expect(fromOurs).toEqual(fromTheirs);
  expect(Object.values(fromOurs).join('').split('\n').length).toBeGreaterThan(10);
});

it('files are put aside when Python would do it, under the same names', () => {
  const cases: { since: number; when: string; interval: number; utc: boolean }[] = [];
  // At midnight Python before 3.13 does not look at the interval.
  for (const when of whens)
    for (const interval of 'SMHD'.includes(when) ? [1, 3] : [1])
      for (const utc of [true, false])
        for (const since of [1769776215, 1774746000, 1792890000, 1798761599])
          cases.push({ since, when, interval, utc });
  const script = `
import json, logging.handlers, os, sys, tempfile, time
out = []
for c in json.load(sys.stdin):
    path = os.path.join(tempfile.mkdtemp(dir=sys.argv[1]), 'x')
    h = logging.handlers.TimedRotatingFileHandler(path, c['when'], c['interval'], utc=c['utc'])
    at = time.gmtime(c['since']) if c['utc'] else time.localtime(c['since'])
    out.append([h.computeRollover(c['since']), time.strftime(h.suffix, at)])
print(json.dumps(out))`;
  // A zone whose clocks change, on days on which they do.
  const env = { ...process.env, TZ: 'Europe/Berlin' };
  const theirs = JSON.parse(
    execFileSync(python, ['-c', script, temporary()], { input: JSON.stringify(cases), env, encoding: 'utf8' }),
  ) as unknown;
  const zone = process.env['TZ'];
  process.env['TZ'] = 'Europe/Berlin';
  onTestFinished(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  const ours = cases.map(({ since, ...rest }) => {
    const policy = { by: 'time', keep: 0, ...rest } as Extract<RotationPolicy, { by: 'time' }>;
    return [nextRolloverMs(policy, since * 1000) / 1000, rolledSuffix(policy, since * 1000)];
  });
  expect(ours).toEqual(theirs);
});
