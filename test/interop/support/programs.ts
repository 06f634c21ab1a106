/** Runs the built programs as a user does, each in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';

const root = new URL('../../..', import.meta.url).pathname;

export interface Running {
  readonly process: ChildProcess;
  output(): string;
  /** Resolves with exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export class Workplace {
  readonly directory = mkdtempSync(join(tmpdir(), 'nodepool-interop-'));
  private readonly running: Running[] = [];
  private readonly clients: ZooKeeper[] = [];

  file(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  start(program: 'nodepool' | 'nodepool-launcher', args: readonly string[], env: Record<string, string> = {}): Running {
    return this.spawn(process.execPath, [join(root, 'bin', program), ...args], env);
  }

  spawn(command: string, args: readonly string[], env: Record<string, string> = {}): Running {
    const child = spawn(command, args, {
      cwd: this.directory,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    child.stderr.on('data', (chunk) => (text += String(chunk)));
    const ended = new Promise<number | NodeJS.Signals>((resolve) =>
      child.on('exit', (code, signal) => resolve(code ?? signal ?? 0)),
    );
    const running = { process: child, output: () => text, ended };
    this.running.push(running);
    return running;
  }

  /** A client of the coordinator that runs in `dataDir`. */
  client(dataDir: string): ZooKeeper {
    const port = readAddress(dataDir)?.port;
    if (!port) throw new Error(`no coordinator in ${dataDir}`);
    const client = createZooKeeper({ servers: [{ host: '127.0.0.1', port }], runtime: systemRuntime });
    this.clients.push(client);
    return client;
  }

  async clear(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    for (const one of this.running) one.process.kill('SIGKILL');
    await Promise.all(this.running.map((one) => one.ended));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Polls until the condition gives something; what went wrong is in `what`. */
export async function until<T>(
  what: () => string,
  condition: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`after ${timeoutMs} ms still not: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
