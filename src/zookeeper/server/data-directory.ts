/** The directory that holds the data: one process at a time, and a file that tells others where that process listens. */
import { createServer, type Server } from 'node:net';
import { connect } from 'node:net';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';

export class CoordinatorError extends Error {
  readonly code: 'in-use' | 'port-in-use' | 'not-loopback' | 'tls' | 'data-dir' | 'disk';

  constructor(code: CoordinatorError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CoordinatorError';
    this.code = code;
  }
}

export interface Address {
  readonly pid: number;
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
}

const addressFile = (dataDir: string) => join(dataDir, 'address.json');

/**
 * An abstract socket named after the directory: the kernel gives it to one process and takes it back when that one ends,
 * however it ends, so that there is no stale lock.
 */
export function lockDataDirectory(dataDir: string): Promise<Server> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CoordinatorError('data-dir', `the data directory ${dataDir} can't be made: ${String(error)}`, error);
  }
  const name = `\0nodepool-coordinator-${createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 32)}`;
  return new Promise((done, fail) => {
    const server = createServer((socket) => socket.end(`${process.pid}\n`));
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return fail(error);
      void holderOf(name).then((holder) =>
        fail(new CoordinatorError('in-use', `the data directory ${dataDir} is in use by process ${holder}`)),
      );
    });
    server.listen(name, () => {
      server.unref();
      done(server);
    });
  });
}

function holderOf(name: string): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(name);
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => done('unknown'));
    socket.on('close', () => done(text.trim() || 'unknown'));
  });
}

export function writeAddress(dataDir: string, address: Address): void {
  const file = addressFile(dataDir);
  writeFileSync(`${file}.new`, `${JSON.stringify(address)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeAddress(dataDir: string): void {
  rmSync(addressFile(dataDir), { force: true });
}

/** Where the coordinator of that directory listens; null when none is running. */
export function readAddress(dataDir: string): Address | null {
  const file = addressFile(dataDir);
  if (!existsSync(file)) return null;
  try {
    const address = JSON.parse(readFileSync(file, 'utf8')) as Address;
    process.kill(address.pid, 0);
    return address;
  } catch (error) {
    // EPERM: it runs, as somebody else.
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return JSON.parse(readFileSync(file, 'utf8')) as Address;
    return null;
  }
}
