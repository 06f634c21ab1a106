/**
 * The file that tells others the id of a detached process, and keeps a second one from starting: who makes it has it. One whose
 * process does not run any more is put aside.
 */
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Runtime, sleep } from '../runtime.ts';
import { UserError } from './user-error.ts';

const lookMs = 100;
/** As long as a process that is being replaced may take for its end. */
const patienceMs = 10_000;
const fileMode = 0o644;

export interface PidFile {
  /** Takes the file away, unless somebody else has it by now. */
  release(): void;
}

/** Waits for another process to leave it; throws UserError when that does not happen, or the file cannot be written. */
export async function takePidFile(path: string, runtime: Runtime, waitMs = patienceMs): Promise<PidFile> {
  const endMs = runtime.monotonicMs() + waitMs;
  const own = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(own, `${process.pid}\n`, { mode: fileMode });
    chmodSync(own, fileMode);
    for (;;) {
      if (linked(own, path)) return { release: () => release(path) };
      const holder = pidIn(path);
      if (holder !== null && isOurs(holder)) {
        if (runtime.monotonicMs() > endMs)
          throw new UserError(`process ${holder} is running already: it has the pid file ${path}`);
        await sleep(runtime, lookMs);
      } else putAside(path, `${own}.stale`);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`the pid file ${path} can't be written: ${(error as Error).message}`, 1, error);
  } finally {
    rmSync(own, { force: true });
  }
}

/** Complete from its first moment, and only where there is none. */
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function release(path: string): void {
  if (pidIn(path) === process.pid) rmSync(path, { force: true });
}

/** null for what is no pid, or is gone. */
export function pidIn(path: string): number | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Does a Nodepool run under that id? After a restart of the machine or container it may be anybody's. */
function isOurs(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('nodepool');
  } catch {
    return true;
  }
}

/** Two that come at the same time may find each other's new file there: it is given back. */
function putAside(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const holder = pidIn(aside);
  if (holder !== null && isOurs(holder)) linked(aside, path);
  rmSync(aside, { force: true });
}
