/**
 * An append-only file that makes a commit durable with one flush; the data file follows later (storage.ts). Each record is
 * guarded by a checksum over a salt of the file and its place, so that remains of a write that failed are never taken for one.
 */
import { close, constants, fchmodSync, openSync, readdirSync, readFileSync, rmSync, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Runtime } from '../../runtime/runtime.ts';

const writeAt = promisify(write);
const closeFile = promisify(close);
const magic = Buffer.from('npjrnl01', 'latin1');
const saltBytes = 16;
const firstRecord = magic.length + saltBytes;
/** Length and checksum. */
const headBytes = 8;
/** Zeros are written ahead: a flush within what a file already has needs no change of its size and extents. */
const reserveBytes = 1024 * 1024;

export class Journal {
  readonly file: string;
  /** Where the next record goes. */
  position = firstRecord;
  private readonly fd: number;
  private readonly salt: Buffer;
  private reserved = 0;
  private started = false;

  /** The file must not exist. Nothing is on the disk before the first record is. */
  constructor(file: string, runtime: Runtime) {
    this.file = file;
    this.salt = Buffer.from(runtime.randomHex(saltBytes * 2), 'hex');
    // Each write returns when it has been flushed.
    this.fd = openSync(file, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_DSYNC, 0o600);
    // Whatever the umask is.
    fchmodSync(this.fd, 0o600);
  }

  /** Resolves when the record is on the disk. One at a time; after a failure the next one takes the same place. */
  async append(payload: Buffer): Promise<void> {
    if (!this.started) await this.start();
    const end = this.position + headBytes + payload.length;
    if (end > this.reserved) await this.reserve(end);
    const head = Buffer.allocUnsafe(headBytes);
    head.writeUInt32BE(payload.length, 0);
    head.writeUInt32BE(checksum(this.salt, this.position, payload), 4);
    await this.writeAll(Buffer.concat([head, payload]), this.position);
    this.position = end;
  }

  close(): Promise<void> {
    return closeFile(this.fd);
  }

  private async start(): Promise<void> {
    await this.writeAll(Buffer.concat([magic, this.salt]), 0);
    // The file's name has to be on the disk as well.
    const directory = await open(dirname(this.file), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    this.started = true;
  }

  private async reserve(end: number): Promise<void> {
    const from = Math.max(this.reserved, this.position);
    const size = Math.max(reserveBytes, end - from);
    // It only saves time: where there is no space for it, there may be enough for the record.
    await this.writeAll(Buffer.alloc(size), from).then(
      () => (this.reserved = from + size),
      () => undefined,
    );
  }

  private async writeAll(bytes: Buffer, position: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await writeAt(this.fd, bytes, at, bytes.length - at, position + at)).bytesWritten;
    }
  }
}

/** The complete records of a journal, in order. One that was being written when the machine stopped was told to nobody. */
export function readJournal(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const records: Buffer[] = [];
  if (bytes.length < firstRecord || !bytes.subarray(0, magic.length).equals(magic)) return records;
  const salt = bytes.subarray(magic.length, firstRecord);
  for (let at = firstRecord; at + headBytes <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + headBytes + length;
    if (length === 0 || end > bytes.length) break;
    const payload = bytes.subarray(at + headBytes, end);
    if (bytes.readUInt32BE(at + 4) !== checksum(salt, at, payload)) break;
    records.push(payload);
    at = end;
  }
  return records;
}

/** Journals of a data file: `<data file>-journal-<number>`. */
export class JournalFiles {
  private readonly dataFile: string;
  private next = 1;

  constructor(dataFile: string) {
    this.dataFile = dataFile;
  }

  /** Those on the disk, oldest first. */
  existing(): string[] {
    const prefix = `${basename(this.dataFile)}-journal-`;
    const numbers = readdirSync(dirname(this.dataFile))
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((digits) => /^[1-9]\d*$/.test(digits))
      .map(Number)
      .sort((a, b) => a - b);
    this.next = Math.max(this.next, (numbers.at(-1) ?? 0) + 1);
    return numbers.map((number) => join(dirname(this.dataFile), `${prefix}${number}`));
  }

  create(runtime: Runtime): Journal {
    return new Journal(`${this.dataFile}-journal-${this.next++}`, runtime);
  }
}

/** What they held is in the data file now. */
export function removeJournals(files: readonly string[]): void {
  // Oldest first: what is left after an interruption is a sequence without a gap.
  for (const file of files) rmSync(file, { force: true });
}

function checksum(salt: Buffer, position: number, payload: Buffer): number {
  const place = Buffer.allocUnsafe(8);
  place.writeBigUInt64BE(BigInt(position));
  return crc32(payload, crc32(place, crc32(salt)));
}
