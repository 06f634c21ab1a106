/** The directory that holds the data, and the file in it that tells other commands where the coordinator listens. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoordinatorError, reasonOf } from './coordinator-error.ts';

export { CoordinatorError } from './coordinator-error.ts';

export interface Address {
  readonly pid: number;
  /** Where a client of this machine reaches the ports. */
  readonly host: string;
  readonly port: number | null;
  readonly tlsHost: string;
  readonly tlsPort: number | null;
}

const addressFile = (dataDir: string) => join(dataDir, 'address.json');
const dataFileName = 'data.mdb';
export const dataFile = (dataDir: string): string => join(dataDir, dataFileName);

/** What LMDB and the journal make. A copy that somebody has put beside them is no business of ours. */
const isOurs = (name: string) => /^data\.mdb(-lock|-journal-[1-9]\d*)?$/.test(name);

const directoryMode = 0o700;
const fileMode = 0o600;

/**
 * Makes the directory, for its owner alone, whatever the umask is; what is in it of ours is closed too. Throws CoordinatorError.
 * `uid`: of this process; undefined where there are no users.
 */
export function prepareDataDirectory(dataDir: string, uid = process.getuid?.()): void {
  try {
    if (mkdirSync(dataDir, { recursive: true, mode: directoryMode }) !== undefined) chmodSync(dataDir, directoryMode);
    const files = readdirSync(dataDir).filter(isOurs);
    for (const path of [dataDir, ...files.map((name) => join(dataDir, name))]) {
      const owner = ifThere(() => statSync(path).uid);
      if (owner === null) continue;
      // What one user makes here the other one could not open.
      if (uid !== undefined && owner !== uid) {
        throw new CoordinatorError(
          'data-dir',
          `${path} belongs to user ${owner}, and this process is user ${uid}; run it as user ${owner}, or give the coordinator a data directory of its own`,
        );
      }
      if (path !== dataDir) ifThere(() => chmodSync(path, fileMode));
    }
    const { mode } = statSync(dataDir);
    if ((mode & 0o77) === 0) return;
    // Not to shut others out of a directory that is more than ours; the files in it are closed to them anyway.
    if (files.length > 0 || readdirSync(dataDir).length === 0) chmodSync(dataDir, directoryMode);
    else if ((mode & 0o22) !== 0) {
      throw new CoordinatorError(
        'data-dir',
        `others may write into the data directory ${dataDir}; give the coordinator one of its own`,
      );
    }
  } catch (error) {
    if (error instanceof CoordinatorError) throw error;
    throw new CoordinatorError('data-dir', `the data directory ${dataDir} can't be used: ${reasonOf(error)}`, error);
  }
}

/** A coordinator that runs there already takes its journals away when it is done with them. */
function ifThere<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export function writeAddress(dataDir: string, address: Address): void {
  const file = addressFile(dataDir);
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...address, started: startOf(address.pid) })}\n`, {
    mode: fileMode,
  });
  chmodSync(`${file}.new`, fileMode);
  renameSync(`${file}.new`, file);
}

export function removeAddress(dataDir: string): void {
  rmSync(addressFile(dataDir), { force: true });
}

/** Where the coordinator of that directory listens; null when none is running. Throws CoordinatorError where that cannot be seen. */
export function readAddress(dataDir: string, uid = process.getuid?.()): Address | null {
  const file = addressFile(dataDir);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // It has ended in the meantime, or somebody else has written there; the coordinator replaces the file as a whole.
    if (error instanceof SyntaxError) return null;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    const unseen = `whether a coordinator runs in ${dataDir} can't be seen: ${reasonOf(error)}`;
    throw new CoordinatorError('data-dir', `${unseen}${whose(dataDir, uid)}`, error);
  }
  if (!isAddress(value) || !isRunning(value.pid, value.started)) return null;
  const { pid, host, port, tlsHost, tlsPort } = value;
  return { pid, host, port, tlsHost, tlsPort };
}

/** As the rest of a sentence; empty where it is ours or nobody knows. */
function whose(dataDir: string, uid: number | undefined): string {
  try {
    const owner = statSync(dataDir).uid;
    if (uid === undefined || owner === uid) return '';
    return `; it belongs to user ${owner}, and this process is user ${uid}; run it as user ${owner}`;
  } catch {
    return '';
  }
}

function isAddress(value: unknown): value is Address & { started: string | null } {
  if (typeof value !== 'object' || value === null) return false;
  const a = value as Record<string, unknown>;
  const isPort = (port: unknown) =>
    port === null || (Number.isInteger(port) && (port as number) > 0 && (port as number) < 65536);
  const isText = (text: unknown) => typeof text === 'string' && text !== '';
  const texts = isText(a['host']) && isText(a['tlsHost']) && (a['started'] === null || isText(a['started']));
  return Number.isInteger(a['pid']) && (a['pid'] as number) > 0 && texts && isPort(a['port']) && isPort(a['tlsPort']);
}

function isRunning(pid: number, started: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not permitted: it runs, as somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = startOf(pid);
  return started === null || now === null || started === now;
}

/** When a process was started, in the kernel's words: tells it from a later one with the same number. null where unknown. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before it may hold spaces and brackets; the time is the 20th field after it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
