/** The units as systemd judges them, and the words of a launcher at a real notification socket. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configFile, temporaryDirectory } from '../../src/cli/testing/command-line.ts';
import { Workplace } from './support/programs.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const units = ['nodepool-launcher.service', 'nodepool-coordinator.service'];
/** From 0 (closed) to 10 (open): what `docs/installation.md` tells. */
const mostExposure = 1.5;

/** The unit with programs that are there; systemd looks for them. */
function unit(name: string): string {
  const text = readFileSync(join(root, 'contrib/systemd', name), 'utf8');
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, text.replaceAll('ExecStart=nodepool', `ExecStart=${root}bin/nodepool`));
  return path;
}

const run = (command: string, args: string[]) =>
  execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...args], { encoding: 'utf8' });

describe.each(units)('%s', (name) => {
  it('is understood, word by word', () => {
    expect(run('systemd-analyze', ['verify', '--man=no', unit(name)])).toBe('');
  });

  it('is closed as far as a launcher can be', () => {
    const said = run('systemd-analyze', ['security', '--offline=true', unit(name)]);
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(said)!;
    expect(Number(exposure)).toBeLessThanOrEqual(mostExposure);
    expect(readFileSync(`${root}docs/installation.md`, 'utf8')).toContain(`exposure ${exposure}`);
  });
});

it('user and directories', () => {
  const users = run('systemd-sysusers', ['--dry-run', `${root}contrib/systemd/nodepool.sysusers`]);
  expect(users).toMatch(/Would create user 'nodepool'|Creating user 'nodepool'/i);
  const place = temporaryDirectory();
  for (const directory of ['etc', 'var/lib', 'var/log', 'run']) mkdirSync(join(place, directory), { recursive: true });
  writeFileSync(join(place, 'etc/passwd'), 'nodepool:x:10001:10001::/var/lib/nodepool:/usr/sbin/nologin\n');
  writeFileSync(join(place, 'etc/group'), 'nodepool:x:10001:\n');
  run('systemd-tmpfiles', ['--create', `--root=${place}`, `${root}contrib/systemd/nodepool.tmpfiles`]);
  const made = run('stat', [
    '-c',
    '%n %a %u',
    ...['var/lib', 'var/log', 'run'].map((path) => join(place, path, 'nodepool')),
  ]);
  expect(made.replaceAll(`${place}/`, '').trim().split('\n')).toEqual([
    'var/lib/nodepool 700 10001',
    'var/log/nodepool 750 10001',
    'run/nodepool 755 10001',
  ]);
});

const listener = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + sys.argv[1][1:] if sys.argv[1].startswith('@') else sys.argv[1])
print('listening', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 8)
    for fd in fds:
        os.close(fd)
    for word in data.decode().splitlines():
        print(word, flush=True)
`;

it.each(['a file', 'an abstract name'])(
  'says at a socket with %s that it waits, is ready, lives and stops',
  async (kind) => {
    const directory = temporaryDirectory();
    const place = new Workplace();
    onTestFinished(() => place.clear());
    const address = kind === 'a file' ? join(directory, 'notify') : `@nodepool-test-${process.pid}`;
    const words: string[] = [];
    const hearing = spawn('python3', ['-c', listener, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    hearing.stdout.on('data', (chunk) =>
      words.push(
        ...String(chunk)
          .split('\n')
          .filter((word) => word !== ''),
      ),
    );
    onTestFinished(() => void hearing.kill('SIGKILL'));
    await expect.poll(() => words, { timeout: 10_000 }).toEqual(['listening']);

    const config = configFile(directory, `coordinator: {data-dir: ${directory}/data, port: 0}\nwebapp: {port: 0}\n`);
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '600000' };
    const up = place.start('nodepool', ['-c', config, 'up', '--no-webapp'], env);
    await expect
      .poll(() => words.filter((word) => word === 'WATCHDOG=1').length, { timeout: 20_000 })
      .toBeGreaterThan(3);
    up.process.kill('SIGTERM');
    expect(await up.ended, up.output()).toBe(0);
    // systemd-notify waits until its words have been taken, by an empty barrier after them.
    const said = words.filter((word) => !/^(?:listening|BARRIER=1|MAINPID=.*)$/.test(word));
    const others = said.filter((word) => word !== 'WATCHDOG=1');
    expect(others).toEqual([
      'STATUS=Waiting for ZooKeeper',
      'READY=1',
      'STATUS=Ready',
      'STOPPING=1',
      'STATUS=Stopping',
    ]);
    expect(said.indexOf('WATCHDOG=1')).toBeGreaterThan(said.indexOf('READY=1'));
    expect(said.slice(said.indexOf('STOPPING=1'))).not.toContain('WATCHDOG=1');
  },
  60_000,
);
