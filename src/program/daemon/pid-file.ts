/**
 * The file that tells others the id of a detached process, and keeps a second one from starting: who makes it has it. One whose
 * process does not run any more is put aside.
 */
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { UserError } from '../../base/user-error.ts';

const lookMs = 100;
/** As long as a process that is being replaced may take for its end. */
const patienceMs = 10_000;
const fileMode = 0o644;
/** No pid file is longer. */
const mostBytes = 64;
/** Clocks are set now and then; a process that has got its number from another began long after that one wrote its file. */
const clockStepMs = 60_000;
/** Of times in /proc, on every architecture of today. */
const ticksPerSecond = 100;

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
    // The name can be guessed: what lies there, a link perhaps, is not written through.
    rmSync(own, { force: true });
    writeFileSync(own, `${process.pid}\n`, { mode: fileMode, flag: 'wx' });
    chmodSync(own, fileMode);
    for (;;) {
      if (linked(own, path)) return { release: () => release(path) };
      const holder = holderIn(path);
      if (holder === 'foreign') throw foreign(path);
      if (typeof holder === 'number' && isOurs(holder, path, runtime)) {
        if (runtime.monotonicMs() > endMs)
          throw new UserError(`process ${holder} is running already: it has the pid file ${path}`);
        await sleep(runtime, lookMs);
      } else putAside(path, `${own}.stale`, runtime);
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
  const holder = holderIn(path);
  return typeof holder === 'number' ? holder : null;
}

/** null: there is none, or nothing in it. */
function holderIn(path: string): number | 'foreign' | null {
  try {
    const stat = statSync(path);
    if (!stat.isDirectory() && (!stat.isFile() || stat.size > mostBytes)) return 'foreign';
    const text = readFileSync(path, 'utf8').trim();
    if (text === '') return null;
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 'foreign';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const foreign = (path: string) =>
  new UserError(`${path} is no pid file: something else stands in it; name another file with -p, or remove this one`);

/** Does the Nodepool that wrote the file still run? After a restart of the machine or container its number may be anybody's. */
function isOurs(pid: number, path: string, runtime: Runtime): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  try {
    if (startedMs(pid, runtime) > statSync(path).mtimeMs + clockStepMs) return false;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    return command.includes('nodepool') || command.includes(process.argv[1] ?? 'nodepool');
  } catch {
    return true;
  }
}

/** Milliseconds since the epoch, reckoned from our own start: in a sandbox /proc may have nothing but processes. */
function startedMs(pid: number, runtime: Runtime): number {
  const ownMs = runtime.nowMs() - process.uptime() * 1000;
  return ownMs + ((startTicks(pid) - startTicks('self')) * 1000) / ticksPerSecond;
}

/** proc(5): the 22nd field, the 20th behind the name in brackets. */
function startTicks(pid: number | 'self'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

/** Two that come at the same time may find each other's new file there: it is given back. */
function putAside(path: string, aside: string, runtime: Runtime): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const holder = holderIn(aside);
  const isForeign = holder === 'foreign';
  if (isForeign || (holder !== null && isOurs(holder, aside, runtime))) {
    const isBack = linked(aside, path);
    if (isForeign && !isBack) return;
  }
  rmSync(aside, { force: true });
}
