/**
 * Jute, ZooKeeper's serialisation: big-endian numbers, length-prefixed strings, buffers and vectors. No I/O.
 * Every length is checked against what is there before anything is allocated, since frames are untrusted.
 */
import type { ownErrors } from './error-catalogue.ts';

/** The bytes are not what the protocol says they must be. */
export class ProtocolError extends Error {
  readonly code = 'protocol' satisfies keyof typeof ownErrors;

  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** A number whose upper half is below it is exact as a double. */
const doubleHigh = 2 ** 20;
const lengthBytes = 4;

export class JuteReader {
  private readonly bytes: Buffer;
  private at: number;

  constructor(bytes: Buffer, start = 0) {
    this.bytes = bytes;
    this.at = start;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  bool(): boolean {
    return this.bytes[this.advance(1)] !== 0;
  }

  int(): number {
    return this.bytes.readInt32BE(this.advance(4));
  }

  long(): bigint {
    const start = this.advance(8);
    const high = this.bytes.readInt32BE(start);
    // Counters and times fit into a double, which takes one allocation instead of four.
    if (high >= -doubleHigh && high < doubleHigh) return BigInt(high * 2 ** 32 + this.bytes.readUInt32BE(start + 4));
    return this.bytes.readBigInt64BE(start);
  }

  /** null for the length -1. */
  buffer(): Buffer | null {
    const length = this.int();
    if (length === -1) return null;
    if (length < 0) throw new ProtocolError(`negative length ${length}`);
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  string(): string {
    const length = this.int();
    if (length === -1) return '';
    if (length < 0) throw new ProtocolError(`negative length ${length}`);
    const start = this.advance(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** A null vector (-1) reads as an empty one. */
  vector<T>(item: (reader: this) => T): T[] {
    const count = this.int();
    if (count === -1) return [];
    // Every item takes at least one byte, so a larger count cannot be honest.
    if (count < 0 || count > this.remaining) throw new ProtocolError(`impossible vector length ${count}`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item(this));
    return items;
  }

  private advance(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start) {
      throw new ProtocolError(`${length} bytes wanted, ${this.bytes.length - start} left`);
    }
    this.at = start + length;
    return start;
  }
}

export class JuteWriter {
  private bytes: Buffer;
  /** In front is room for the length of the frame. */
  private at = lengthBytes;

  constructor(sizeHint = 256) {
    this.bytes = Buffer.allocUnsafe(lengthBytes + sizeHint);
  }

  bool(value: boolean): this {
    this.grow(1);
    this.bytes[this.at++] = value ? 1 : 0;
    return this;
  }

  int(value: number): this {
    this.grow(4);
    this.at = this.bytes.writeInt32BE(value, this.at);
    return this;
  }

  long(value: bigint): this {
    this.grow(8);
    this.at = this.bytes.writeBigInt64BE(value, this.at);
    return this;
  }

  buffer(value: Uint8Array | null): this {
    if (value === null) return this.int(-1);
    this.int(value.length);
    this.grow(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    this.grow(length);
    this.at += this.bytes.write(value, this.at, 'utf8');
    return this;
  }

  vector<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.int(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** What has been written, with the 4-byte length in front that frames it on the wire. */
  frame(): Buffer {
    this.bytes.writeInt32BE(this.at - lengthBytes, 0);
    return this.bytes.subarray(0, this.at);
  }

  payload(): Buffer {
    return this.bytes.subarray(lengthBytes, this.at);
  }

  private grow(more: number): void {
    const needed = this.at + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
