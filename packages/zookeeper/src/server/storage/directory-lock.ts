/**
 * One process per data directory. Each process that wants it listens on a socket of its own in the directory and then looks
 * for the others': the kernel closes a socket with its process, however that ends, so that nothing stale is ever in the way.
 * Since everybody listens before looking, of two that start together at least one sees the other.
 */
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';
import { type Runtime, sleep } from '../../runtime/runtime.ts';
import { CoordinatorError, reasonOf } from './coordinator-error.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

const socketName = /^lock-(\d+)-([0-9a-f]{16})\.sock$/;
/** Paths of sockets are limited to 107 bytes. */
const longestPlainDirectory = 70;
const recheckMs = 20;
const answerTimeoutMs = 1000;
const mostRechecks = 250;

/** Unclear: it ended while it was asked. */
type State = 'holds' | 'wants' | 'dead' | 'unclear';

export async function lockDataDirectory(dataDir: string, runtime: Runtime): Promise<DirectoryLock> {
  const directory = new SocketDirectory(dataDir);
  const own = `lock-${process.pid}-${runtime.randomHex(16)}.sock`;
  let state: 'wants' | 'holds' = 'wants';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(state);
  });
  const release = async () => {
    await new Promise((resolve) => server.close(resolve));
    directory.remove(own);
    directory.close();
  };
  try {
    await listen(server, directory.path(own));
  } catch (error) {
    directory.close();
    throw new CoordinatorError('data-dir', `the data directory ${dataDir} can't be locked: ${reasonOf(error)}`, error);
  }
  try {
    await outwait(directory, own, runtime);
  } catch (error) {
    await release();
    throw error;
  }
  state = 'holds';
  server.unref();
  return { release };
}

/** Returns when nobody else has or wants the directory; throws when somebody else has it or comes first. */
async function outwait(directory: SocketDirectory, own: string, runtime: Runtime): Promise<void> {
  for (let rechecks = 0; ; rechecks++) {
    let others = false;
    for (const name of directory.names()) {
      if (name === own) continue;
      const state = await ask(directory.path(name), runtime);
      if (state === 'dead') continue;
      // Two that start together: the lower name waits for the other one to give up.
      if (state === 'holds' || (state === 'wants' && name < own) || rechecks > mostRechecks) {
        const pid = socketName.exec(name)![1]!;
        throw new CoordinatorError('in-use', `the data directory ${directory.dataDir} is in use by process ${pid}`);
      }
      others = true;
    }
    if (!others) break;
    await sleep(runtime, recheckMs);
  }
  // Left over by processes that did not end in order. One that is just starting looks itself when it is ready.
  for (const name of directory.names()) {
    if (name !== own && (await ask(directory.path(name), runtime)) === 'dead') directory.remove(name);
  }
}

/** A process that is there but does not answer, e.g. because it is stopped, holds. */
function ask(path: string, runtime: Runtime): Promise<State> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    const timer = runtime.setTimer(answerTimeoutMs, () => done('holds'));
    const done = (state: State) => {
      timer.cancel();
      socket.destroy();
      resolve(state);
    };
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1', 0, 16)));
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      done(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'dead' : 'unclear'),
    );
    socket.on('end', () => done(text === 'holds' || text === 'wants' ? text : 'unclear'));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve();
    });
  });
}

class SocketDirectory {
  readonly dataDir: string;
  private readonly handle: number | null;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
    // Linux reaches a directory through an open handle by a short path.
    const long = Buffer.byteLength(dataDir) > longestPlainDirectory;
    this.handle = long && platform() === 'linux' ? openSync(dataDir, 'r') : null;
  }

  path(name: string): string {
    return this.handle === null ? join(this.dataDir, name) : `/proc/self/fd/${this.handle}/${name}`;
  }

  names(): string[] {
    return readdirSync(this.dataDir).filter((name) => socketName.test(name));
  }

  remove(name: string): void {
    rmSync(join(this.dataDir, name), { force: true });
  }

  close(): void {
    if (this.handle !== null) closeSync(this.handle);
  }
}
