/** Coordinators in processes of their own, as TypeScript straight from the source. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CoordinatorOptions } from '../coordinator.ts';
import type { Address } from '../storage/data-directory.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const loader = at('../../../../../test/run-typescript.mjs');
const script = at('./serve.ts');

export interface Spawned {
  readonly child: ChildProcess;
  readonly address: Address;
  /** What it has logged so far. */
  readonly log: () => string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/**
 * `wrap`: a shell command line before it, e.g. to set limits; `plant`: a bug for it to have. Rejects with the log when it
 * does not start.
 */
export async function spawnCoordinator(
  options: Omit<CoordinatorOptions, 'runtime' | 'log'>,
  wrap?: string,
  plant?: 'early-answers',
): Promise<Spawned> {
  const command = [process.execPath, '--import', loader, script, JSON.stringify(options), ...(plant ? [plant] : [])];
  const [program, ...rest] = wrap === undefined ? command : ['sh', '-c', `${wrap}; exec "$@"`, 'sh', ...command];
  const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(child, 'exit');
  const address = await new Promise<Address>((resolve, reject) => {
    child.stdout.on('data', () => {
      if (out.includes('\n')) resolve(JSON.parse(out) as Address);
    });
    void ended.then(() => reject(new Error(log)));
  });
  return {
    child,
    address,
    log: () => log,
    kill: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
}
