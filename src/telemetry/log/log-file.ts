/**
 * A log file. It is opened anew when somebody has moved it away (logrotate), and rotated here where that is wanted. A disk that
 * is full or gone costs lines, not the process. Writes go to the page cache at once, so that the last words of a dying process
 * are there, in the order of the calls.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Runtime, systemRuntime } from '../../base/runtime.ts';
import { nextRolloverMs, type RotationPolicy, rolledName, rolledSuffix } from './rotation.ts';

export interface LogFileOptions {
  readonly path: string;
  /** Begin with an empty file. */
  readonly truncate?: boolean;
  readonly rotation?: RotationPolicy | null;
}

export interface LogFileDeps {
  readonly runtime?: Runtime;
  readonly notice?: Notice;
}

/** A line about the output itself, in the form of the others. */
export type Notice = (message: string, fields: object) => string;

export const lostMessage = 'Lines could not be written here';

const plainNotice: Notice = (message, fields) => `${message} ${JSON.stringify(fields)}\n`;
/** A failed rotation is tried again after this time. */
const rotationRetryMs = 60_000;

/** Others must not read a log, because it has addresses and names of projects. */
const fileMode = 0o640;

interface Open {
  readonly fd: number;
  readonly inode: bigint;
  readonly device: bigint;
  bytes: number;
  /** When the file's lines begin, and when it is due for rotation. */
  readonly beganMs: number;
  readonly dueMs: number;
}

export class LogFile {
  private readonly path: string;
  private readonly rotation: RotationPolicy | null;
  private readonly runtime: Runtime;
  private readonly notice: Notice;
  private open: Open | null;
  private lost = 0;
  /** A line has been begun and could not be ended. */
  private torn = false;
  /** No rotation is tried before this time. */
  private rotateFromMs = Number.NEGATIVE_INFINITY;
  /** Why a rotation has failed, while the log does not say so yet. */
  private unsaidFailure: string | null = null;

  /** Throws the system's error when the file cannot be written. */
  constructor(
    { path, truncate = false, rotation = null }: LogFileOptions,
    { runtime = systemRuntime, notice = plainNotice }: LogFileDeps = {},
  ) {
    this.path = path;
    this.rotation = rotation;
    this.runtime = runtime;
    this.notice = notice;
    this.open = this.openFile();
    if (truncate) {
      ftruncateSync(this.open.fd);
      this.open.bytes = 0;
    }
  }

  write(text: string): void {
    try {
      if (this.open && this.isDue(this.open, text)) this.tryToRoll(this.open);
      if (this.open && this.isMovedAway(this.open)) this.close();
      this.open ??= this.openFile();
      if (this.torn) {
        this.append(this.open, '\n');
        this.torn = false;
      }
      if (this.lost > 0) {
        this.append(this.open, this.notice(lostMessage, { lost: this.lost }));
        this.lost = 0;
      }
      if (this.unsaidFailure !== null) {
        this.append(this.open, this.notice('This log can not be rotated', { reason: this.unsaidFailure }));
        this.unsaidFailure = null;
      }
      this.append(this.open, text);
    } catch {
      // The disk is full or gone, or the file forbidden: the next line tries again.
      this.lost++;
    }
  }

  close(): void {
    if (this.open) closeSync(this.open.fd);
    this.open = null;
  }

  /** Writes the whole text. A disk that fills up takes a part of it, which leaves a torn line. */
  private append(open: Open, text: string): void {
    let rest = Buffer.from(text);
    const size = rest.length;
    try {
      while (rest.length > 0) {
        const written = writeSync(open.fd, rest);
        open.bytes += written;
        rest = rest.subarray(written);
      }
    } catch (error) {
      this.torn ||= rest.length < size;
      throw error;
    }
  }

  private openFile(): Open {
    const fd = openSync(this.path, 'a', fileMode);
    const { ino, dev, size, mtimeMs } = fstatSync(fd, { bigint: true });
    const beganMs = size === 0n ? this.runtime.nowMs() : Number(mtimeMs);
    const dueMs = this.rotation?.by === 'time' ? nextRolloverMs(this.rotation, beganMs) : Number.POSITIVE_INFINITY;
    return { fd, inode: ino, device: dev, bytes: Number(size), beganMs, dueMs };
  }

  private isMovedAway(open: Open): boolean {
    const there = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    return there?.ino !== open.inode || there.dev !== open.device;
  }

  private isDue(open: Open, text: string): boolean {
    if (this.runtime.monotonicMs() < this.rotateFromMs) return false;
    if (this.rotation?.by !== 'size') return this.runtime.nowMs() >= open.dueMs;
    const { maxBytes } = this.rotation;
    return maxBytes > 0 && open.bytes > 0 && open.bytes + Buffer.byteLength(text) >= maxBytes;
  }

  /** After a failed rotation lines go on in the file that is there, so that none is lost. */
  private tryToRoll(open: Open): void {
    try {
      this.roll(open);
      this.rotateFromMs = Number.NEGATIVE_INFINITY;
    } catch (error) {
      if (this.rotateFromMs === Number.NEGATIVE_INFINITY) this.unsaidFailure = (error as Error).message;
      this.rotateFromMs = this.runtime.monotonicMs() + rotationRetryMs;
    }
  }

  private roll(open: Open): void {
    // A file that somebody else has put there in the meantime is not ours to move.
    if (!this.isMovedAway(open) && this.rotation) {
      if (this.rotation.by === 'size') this.shiftNumbers(this.rotation.keep);
      else {
        renameSync(this.path, `${this.path}.${rolledSuffix(this.rotation, open.beganMs)}`);
        this.removeOldest(this.rotation.keep);
      }
    }
    this.close();
  }

  /** FILE.1 is the latest. With no file to keep, lines go on in the same file, as in Python. */
  private shiftNumbers(keep: number): void {
    if (keep === 0) return;
    for (let i = keep - 1; i >= 1; i--) moveIfThere(`${this.path}.${i}`, `${this.path}.${i + 1}`);
    moveIfThere(this.path, `${this.path}.1`);
  }

  /** 0 keeps all. */
  private removeOldest(keep: number): void {
    if (keep === 0) return;
    const prefix = `${basename(this.path)}.`;
    const rolled = readdirSync(dirname(this.path))
      .filter((name) => name.startsWith(prefix) && rolledName.test(name.slice(prefix.length)))
      .sort();
    for (const name of rolled.slice(0, Math.max(0, rolled.length - keep))) {
      rmSync(join(dirname(this.path), name), { force: true });
    }
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to);
}
