/** `nodepool-launcher` as a process: its signals, and how it leaves the foreground. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../src/base/runtime.ts';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { pidIn } from '../../src/program/daemon/pid-file.ts';
import { configFile, temporaryDirectory } from '../../src/cli/testing/command-line.ts';

const program = fileURLToPath(new URL('../../bin/nodepool-launcher', import.meta.url));
const patience = { timeout: 30_000 };

interface Started {
  readonly child: ChildProcess;
  output(): string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** A place with a running coordinator and a configuration without providers. */
async function place() {
  const directory = temporaryDirectory();
  const coordinator = await startCoordinator({
    dataDir: join(directory, 'data'),
    runtime: systemRuntime,
  });
  onTestFinished(() => coordinator.close());
  const config = configFile(directory, `coordinator: {data-dir: ${directory}/data}\nwebapp: {port: 0}\n`);
  const start = (...args: string[]): Started => {
    const child = spawn(process.execPath, [program, ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = new Promise<number | NodeJS.Signals | null>((done) =>
      child.on('close', (code, signal) => done(code ?? signal)),
    );
    return { child, output: () => text, ended };
  };
  return { directory, config, start };
}

const running = 'The launcher has started';

describe('signals', () => {
  it('tells how it is, reads its configuration again, and stops in order', async () => {
    const { start, config, directory } = await place();
    const pidFile = join(directory, 'nodepool.pid');
    const launcher = start('-f', '-c', config, '-p', pidFile, '--no-webapp');
    await expect.poll(launcher.output, patience).toContain(running);
    launcher.child.kill('SIGUSR2');
    await expect
      .poll(launcher.output, patience)
      .toMatch(/INFO nodepool\.stack_dump: State of this process .*"?rssMiB=\d+/);
    launcher.child.kill('SIGHUP');
    await expect.poll(launcher.output, patience).toContain('INFO nodepool.config: The configuration is as before');
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
    expect(launcher.output()).toContain('The launcher stops');
    // In the foreground there is none.
    expect(existsSync(pidFile)).toBe(false);
  }, 60_000);

  it.each(['SIGTERM', 'SIGUSR1'] as const)(
    '%s stops it in order',
    async (signal) => {
      const { start, config } = await place();
      const launcher = start('-d', '-c', config, '--no-webapp');
      await expect.poll(launcher.output, patience).toContain(running);
      launcher.child.kill(signal);
      expect(await launcher.ended).toBe(0);
      expect(launcher.output()).toContain('The launcher stops');
    },
    60_000,
  );
});

it('has no console in the process, and says what there is instead', async () => {
  const { start, config } = await place();
  const refused = start('-f', '--repl', '-c', config);
  expect(await refused.ended).toBe(2);
  expect(refused.output()).toContain('--repl: there is no console in the process; `kill -USR2`');
});

describe('without -f', () => {
  function logging(directory: string): string {
    writeFileSync(
      join(directory, 'logging.yaml'),
      `version: 1
formatters: {f: {format: '%(process)d %(levelname)s %(name)s: %(message)s'}}
handlers: {file: {class: logging.FileHandler, filename: '${directory}/log', formatter: f}}
root: {level: INFO, handlers: [file]}
`,
    );
    return 'logging.yaml';
  }

  it('runs detached, with a pid file that a crash leaves and the next one puts aside', async () => {
    const { start, directory } = await place();
    const pidFile = join(directory, 'nodepool.pid');
    const log = () => readFileSync(join(directory, 'log'), 'utf8');
    // Relative paths: the working directory of the process is another one.
    const args = ['-c', 'nodepool.yaml', '-l', logging(directory), '-p', 'nodepool.pid', '--no-webapp'];
    const detached = async () => {
      const starter = start(...args);
      expect(await starter.ended, starter.output()).toBe(0);
      expect(starter.output()).toBe('');
      const pid = pidIn(pidFile)!;
      onTestFinished(() => {
        if (isRunning(pid)) process.kill(pid, 'SIGKILL');
      });
      await expect.poll(log, patience).toContain(`${pid} INFO nodepool.launcher: ${running}`);
      return pid;
    };

    const first = await detached();
    expect(readlinkSync(`/proc/${first}/cwd`)).toBe('/');
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${first}/fd/${fd}`)).toBe('/dev/null');
    // Leader of a session of its own, without a terminal.
    const [, , , , , session, terminal] = readFileSync(`/proc/${first}/stat`, 'latin1')
      .replace(/\(.*\)/, 'x')
      .split(' ');
    expect([Number(session), Number(terminal)]).toEqual([first, 0]);
    process.kill(first, 'SIGKILL');
    await expect.poll(() => isRunning(first), patience).toBe(false);
    expect(pidIn(pidFile)).toBe(first);

    const second = await detached();
    expect(second).not.toBe(first);
    process.kill(second, 'SIGTERM');
    await expect.poll(() => isRunning(second), patience).toBe(false);
    expect(log()).toContain(`${second} INFO nodepool.launcher: The launcher stops`);
    expect(existsSync(pidFile)).toBe(false);
  }, 90_000);

  it('says to whoever starts it what is wrong', async () => {
    const { start, directory, config } = await place();
    const args = ['-c', config, '-l', logging(directory), '-p', join(directory, 'nodepool.pid')];
    writeFileSync(config, 'labels: nonsense\n');
    const refused = start(...args);
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toMatch(/^nodepool-launcher: .*nodepool\.yaml:1:\d+: .*labels/s);
    expect(existsSync(join(directory, 'nodepool.pid'))).toBe(false);

    rmSync(join(directory, 'logging.yaml'));
    const missing = start(...args);
    expect(await missing.ended).toBe(1);
    expect(missing.output()).toContain("logging.yaml can't be read");
  }, 60_000);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] !== 'Z';
  } catch {
    return false;
  }
}
