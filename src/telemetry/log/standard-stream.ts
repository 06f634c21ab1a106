/**
 * Standard output or error as a place for the log. A full disk behind it, or a reader that hangs or is gone, costs lines, which
 * are counted, and never memory, time or the process.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { type Runtime, systemRuntime } from '../../base/runtime.ts';
import { lostMessage, type Notice } from './log-file.ts';

/** So much is kept for a slow reader. */
const mostBytes = 4 * 1024 * 1024;
const retryMs = 20;
/** The end of the process waits so long for a reader that takes nothing, and so long for one that is merely slow. */
const idleMs = 1500;
const flushMs = 4000;

interface Entry {
  /** The bytes that are not written yet. */
  rest: Buffer;
  isBegun: boolean;
  /** How many lines are missing when the entry cannot be written: for a notice, the lines that it counts. */
  readonly lines: number;
  /** The entry begins by ending a torn line. */
  readonly mends: boolean;
}

export interface StandardStreamDeps {
  readonly notice: Notice;
  readonly runtime?: Runtime;
}

export class StandardStream {
  private readonly fd: number;
  private readonly notice: Notice;
  private readonly runtime: Runtime;
  private queue: Entry[] = [];
  private queuedBytes = 0;
  private lost = 0;
  /** A line has been begun and cannot be ended. */
  private torn = false;
  private isRetrying = false;
  private isGone = false;

  constructor(fd: 1 | 2, { notice, runtime = systemRuntime }: StandardStreamDeps) {
    this.fd = withoutBlocking(fd);
    this.notice = notice;
    this.runtime = runtime;
  }

  write(text: string): void {
    if (this.isGone) return;
    const line = Buffer.from(text);
    if (this.queuedBytes + line.length > mostBytes) {
      this.lost++;
      return;
    }
    this.addNotice();
    this.add(line, 1, false);
    if (!this.isRetrying) this.drain();
  }

  /** Writes what is queued and blocks meanwhile, but not for long: the end of the process must not wait for a reader. */
  flush(): void {
    const beganMs = this.runtime.monotonicMs();
    let movedMs = beganMs;
    for (;;) {
      this.addNotice();
      const before = this.queuedBytes;
      if (before === 0 || !this.writeQueue()) return;
      const nowMs = this.runtime.monotonicMs();
      if (this.queuedBytes < before) movedMs = nowMs;
      if (nowMs - movedMs >= idleMs || nowMs - beganMs >= flushMs) return;
      Atomics.wait(nobodyWakes, 0, 0, retryMs);
    }
  }

  private add(rest: Buffer, lines: number, mends: boolean): void {
    this.queue.push({ rest, isBegun: false, lines, mends });
    this.queuedBytes += rest.length;
  }

  /** Puts a notice of the lost lines in the place where they are missing. */
  private addNotice(): void {
    if (this.lost === 0) return;
    this.add(
      Buffer.from(`${this.torn ? '\n' : ''}${this.notice(lostMessage, { lost: this.lost })}`),
      this.lost,
      this.torn,
    );
    this.lost = 0;
    this.torn = false;
  }

  private drain(): void {
    if (!this.writeQueue() || this.queuedBytes === 0) return;
    this.isRetrying = true;
    this.runtime.setBackgroundTimer(retryMs, () => {
      this.isRetrying = false;
      this.drain();
    });
  }

  /** False when another try before the next line would be in vain. */
  private writeQueue(): boolean {
    try {
      for (let entry = this.queue[0]; entry !== undefined; entry = this.queue[0]) {
        const written = writeSync(this.fd, entry.rest);
        this.queuedBytes -= written;
        entry.rest = entry.rest.subarray(written);
        entry.isBegun = true;
        if (entry.rest.length === 0) this.queue.shift();
      }
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return true;
      this.isGone = code === 'EPIPE';
      this.torn ||= this.queue.some(({ isBegun, mends }) => isBegun || mends);
      this.lost += this.queue.reduce((sum, { lines }) => sum + lines, 0);
      this.queue = [];
      this.queuedBytes = 0;
      return false;
    }
  }
}

const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));

/**
 * A descriptor that says EAGAIN instead of blocking. Pipes and terminals are opened anew for that, because other processes may
 * share them and reckon with blocking. Sockets cannot be opened anew; Node.js makes the sockets that it knows non-blocking.
 * Files do not block.
 */
function withoutBlocking(fd: 1 | 2): number {
  try {
    const stat = fstatSync(fd);
    if (stat.isFIFO() || isatty(fd)) {
      const again = reopened(fd);
      if (again !== null) return again;
    }
    if (stat.isFIFO() || stat.isSocket()) {
      const socket = new Socket({ fd, readable: false, writable: true }).unref();
      keptOpen.push(socket.on('error', () => undefined));
    }
  } catch {
    // The descriptor is closed, or of a kind that Node.js does not know: the first write shows that.
  }
  return fd;
}

/** A socket closes its descriptor when it is garbage-collected, so these are kept. */
const keptOpen: Socket[] = [];

/** null: the process may not open it (after a change of user), or nobody reads. */
function reopened(fd: 1 | 2): number | null {
  const path = `/proc/self/fd/${fd}`;
  try {
    const again = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const [before, after] = [fstatSync(fd), fstatSync(again)];
    if (before.ino === after.ino && before.dev === after.dev) return again;
    closeSync(again);
    return null;
  } catch {
    return null;
  }
}
