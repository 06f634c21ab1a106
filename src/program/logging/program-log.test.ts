import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { levelFor, outputsFor } from '../../telemetry/log/log-plan.ts';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';
import { type LogOptions, logPlan, programLogs } from './program-log.ts';

const defaults = { level: 'info', target: { kind: 'stream', fd: 1 }, env: {} } as const;

function file(text: string): string {
  const path = join(temporaryDirectory(), 'logging.yaml');
  writeFileSync(path, text);
  return path;
}

function levels(o: LogOptions, env: Record<string, string> = {}) {
  const { plan } = logPlan(o, { ...defaults, env });
  return ['nodepool.launcher', 'nodepool.driver.aws.one', 'zookeeper'].map((name) => levelFor(plan, name));
}

it('says INFO where nothing is said, to the place that the program names', () => {
  expect(levels({})).toEqual(['info', 'info', 'info']);
  const { plan } = logPlan({}, { ...defaults, target: { kind: 'stream', fd: 2 } });
  expect(outputsFor(plan, 'nodepool.x').map((name) => plan.outputs.get(name)?.target)).toEqual([
    { kind: 'stream', fd: 2 },
  ]);
});

it('takes levels from file, environment and options, the later over the earlier', () => {
  const logconfig = file('loggers: {nodepool: {level: ERROR}, kazoo: {level: DEBUG}}\n');
  expect(levels({ logconfig })).toEqual(['error', 'error', 'debug']);
  expect(levels({ logconfig, debug: true })).toEqual(['debug', 'debug', 'debug']);
  const env = { NODEPOOL_LOG_LEVEL: 'warning, nodepool.driver.aws=debug' };
  expect(levels({}, env)).toEqual(['warn', 'debug', 'warn']);
  expect(levels({ logconfig, logLevel: ['nodepool.driver.aws.one=info', 'kazoo=critical'] }, env)).toEqual([
    'warn',
    'info',
    'fatal',
  ]);
});

it('refuses levels and loggers that are none', () => {
  expect(() => levels({ logLevel: ['loud'] })).toThrow('loud: loud is no log level; write DEBUG');
  expect(() => levels({ logLevel: ['requests=debug'] })).toThrow('nothing logs under requests; there are nodepool,');
  expect(() => levels({}, { NODEPOOL_LOG_FORMAT: 'xml' })).toThrow('NODEPOOL_LOG_FORMAT is human or json, not xml');
  expect(() => levels({ logconfig: '/nowhere/x.yaml' })).toThrow("/nowhere/x.yaml can't be read");
});

it('writes where the file says, says what has no effect, and takes another form by option', () => {
  const directory = temporaryDirectory();
  const log = join(directory, 'nodepool.log');
  const logconfig = file(`version: 1
formatters: {f: {format: '%(levelname)s %(name)s %(message)s'}}
handlers: {h: {class: logging.FileHandler, filename: '${log}', formatter: f}}
loggers: {requests: {level: WARN}}
root: {level: INFO, handlers: [h]}
`);
  const logs = programLogs({ logconfig }, defaults);
  logs.named('nodepool.launcher').warn({ nodeId: '0000000001' }, 'Slow');
  logs.close();
  expect(readFileSync(log, 'utf8')).toBe(
    `WARNING nodepool.config ${logconfig}: without effect, nothing here logs under these names: requests\n` +
      'WARNING nodepool.launcher [node: 0000000001] Slow\n',
  );
  const json = programLogs({ logconfig, logFormat: 'json' }, defaults);
  json.named('nodepool.launcher').warn({ nodeId: '0000000001' }, 'Slow');
  json.close();
  const last = readFileSync(log, 'utf8').trimEnd().split('\n').at(-1)!;
  expect(JSON.parse(last)).toMatchObject({ name: 'nodepool.launcher', nodeId: '0000000001', msg: 'Slow' });
});

it('a log file that can not be written ends the program with the reason', () => {
  const logconfig = file('version: 1\nhandlers: {h: {class: logging.FileHandler, filename: /nowhere/x.log}}\n');
  expect(() => programLogs({ logconfig }, defaults)).toThrow(
    /^a log file can't be written: ENOENT.*make its directory/,
  );
  expect(existsSync('/nowhere')).toBe(false);
});
