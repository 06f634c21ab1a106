/** Cuts a byte stream into frames: a 4-byte length, then that many bytes. */
import { ProtocolError } from './jute.ts';

export class FrameSplitter {
  private readonly maxFrameBytes: number;
  private chunks: Buffer[] = [];
  private buffered = 0;
  private wanted = -1;

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
  }

  /** The frames that are complete now, without their lengths. Throws ProtocolError for an impossible length. */
  *push(chunk: Buffer): Generator<Buffer, void> {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    for (;;) {
      if (this.wanted < 0) {
        if (this.buffered < 4) return;
        this.wanted = this.take(4).readInt32BE(0);
        if (this.wanted < 0 || this.wanted > this.maxFrameBytes) {
          throw new ProtocolError(`frame of ${this.wanted} bytes, at most ${this.maxFrameBytes} are allowed`);
        }
      }
      if (this.buffered < this.wanted) return;
      const frame = this.take(this.wanted);
      this.wanted = -1;
      yield frame;
    }
  }

  private take(length: number): Buffer {
    this.buffered -= length;
    const first = this.chunks[0];
    if (first && first.length >= length) {
      if (first.length === length) this.chunks.shift();
      else this.chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    // Joining happens once a frame, since a frame is only taken when it is complete.
    const all = Buffer.concat(this.chunks);
    this.chunks = all.length > length ? [all.subarray(length)] : [];
    return all.subarray(0, length);
  }
}
