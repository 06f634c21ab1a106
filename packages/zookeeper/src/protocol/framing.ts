/** Cuts a byte stream into frames: a 4-byte length, then that many bytes. */
import { ProtocolError } from './jute.ts';

const none = Buffer.alloc(0);

export class FrameSplitter {
  private readonly maxFrameBytes: number;
  /** What has not been taken of it begins at `at`; most chunks hold whole frames and are never joined. */
  private chunk: Buffer = none;
  private at = 0;
  private later: Buffer[] = [];
  private buffered = 0;
  private wanted = -1;

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
  }

  push(chunk: Buffer): void {
    this.buffered += chunk.length;
    if (this.at < this.chunk.length) this.later.push(chunk);
    else {
      this.chunk = chunk;
      this.at = 0;
    }
  }

  /** A frame that is complete, without its length; null: there is none. Throws ProtocolError for an impossible length. */
  next(): Buffer | null {
    if (this.wanted < 0) {
      if (this.buffered < 4) return null;
      // Taking may replace the chunk.
      const start = this.take(4);
      this.wanted = this.chunk.readInt32BE(start);
      if (this.wanted < 0 || this.wanted > this.maxFrameBytes) {
        throw new ProtocolError(`frame of ${this.wanted} bytes, at most ${this.maxFrameBytes} are allowed`);
      }
    }
    if (this.buffered < this.wanted) return null;
    const start = this.take(this.wanted);
    const frame = this.chunk.subarray(start, start + this.wanted);
    this.wanted = -1;
    return frame;
  }

  /** Steps over that many bytes, which are there; returns where in the chunk they begin. */
  private take(length: number): number {
    if (this.chunk.length - this.at < length) {
      // Once a frame at most, and once its length: nothing is taken before it is complete.
      this.chunk = Buffer.concat([this.chunk.subarray(this.at), ...this.later]);
      this.later = [];
      this.at = 0;
    }
    const start = this.at;
    this.at += length;
    this.buffered -= length;
    return start;
  }
}
