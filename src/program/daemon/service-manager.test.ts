import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { createLogs } from '../../telemetry/log/log.ts';
import { ServiceManager } from './service-manager.ts';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';

let said: () => string[];
let lines: string[];

/** A `systemd-notify` that notes what it is given. */
beforeEach(() => {
  const directory = temporaryDirectory();
  const file = join(directory, 'said');
  writeFileSync(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$*" >> '${file}'\n`);
  chmodSync(join(directory, 'systemd-notify'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${directory}${delimiter}${path}`;
  onTestFinished(() => {
    process.env['PATH'] = path;
  });
  said = () => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []);
  lines = [];
});

function manager(env: Record<string, string>): ServiceManager {
  const plan = {
    loggers: new Map([['', { level: 'info', outputs: ['all'], propagate: true }]] as const),
    outputs: new Map([['all', { level: null, format: { kind: 'json' }, target: { kind: 'stream', fd: 1 } }]] as const),
  };
  const logs = createLogs(plan, () => ({ write: (line) => void lines.push(line) }));
  const made = new ServiceManager({ runtime: systemRuntime, log: logs.named('nodepool') }, { env, processId: 42 });
  onTestFinished(() => made.close());
  return made;
}

const socket = { NOTIFY_SOCKET: '/run/systemd/notify' };

it('is ready when the service is, tells of life while there is some, and of the stop', async () => {
  const service = { isReady: false, isAlive: true };
  const one = manager({ ...socket, WATCHDOG_USEC: '150000', WATCHDOG_PID: '42' });
  one.status('Waiting');
  one.follow({ ready: () => service.isReady, alive: () => service.isAlive });
  await expect.poll(said).toEqual(['STATUS=Waiting']);
  service.isReady = true;
  await expect.poll(() => said().length, { timeout: 10_000 }).toBeGreaterThan(4);
  expect(said().slice(0, 4)).toEqual(['STATUS=Waiting', 'READY=1 STATUS=Ready', 'WATCHDOG=1', 'WATCHDOG=1']);

  service.isAlive = false;
  await expect.poll(() => lines.join('')).toContain('does its work no more');
  await one.idle();
  const before = said().length;
  await expect.poll(() => lines.length).toBeGreaterThan(3);
  expect(said().length).toBe(before);

  one.stopping();
  await one.idle();
  expect(said().at(-1)).toBe('STOPPING=1 STATUS=Stopping');
});

it.each([
  ['without systemd', { WATCHDOG_USEC: '1000' }, []],
  ['without a watchdog', socket, ['READY=1 STATUS=Ready']],
  [
    'where another process is watched',
    { ...socket, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' },
    ['READY=1 STATUS=Ready'],
  ],
])('%s: says %j %j', async (_case, env, expected) => {
  const one = manager(env);
  one.follow({ ready: () => true, alive: () => true });
  await one.idle();
  await one.idle();
  expect(said()).toEqual(expected);
});

it('a systemd that can not be told is said once, and changes nothing', async () => {
  process.env['PATH'] = '/nowhere';
  const one = manager({ ...socket, WATCHDOG_USEC: '30000' });
  one.follow({ ready: () => true, alive: () => true });
  for (let i = 0; i < 3; i++) await one.idle();
  expect(lines.filter((line) => line.includes('systemd could not be told'))).toHaveLength(1);
});

it('nor does one whose words make the call itself throw, and later words get through', async () => {
  const one = manager(socket);
  one.status('a text that no command line takes\0');
  one.status('later');
  await one.idle();
  expect(said()).toEqual(['STATUS=later']);
  expect(lines.filter((line) => line.includes('systemd could not be told'))).toHaveLength(1);
});
