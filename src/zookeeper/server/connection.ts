/** One client's byte stream: four-letter words, the handshake, requests in, answers out in order once they are durable. */
import type { Duplex } from 'node:stream';
import type { Runtime, Timer } from '../../runtime.ts';
import { FrameSplitter } from '../protocol/framing.ts';
import { decodeConnectRequest } from '../protocol/records.ts';
import type { Identity } from './database.ts';
import type { Engine, Peer, Session } from './engine.ts';

export interface ConnectionLimits {
  readonly maxFrameBytes: number;
  /** Answers held back before reading stops. */
  readonly maxOutstanding: number;
  readonly handshakeTimeoutMs: number;
}

export class Connection implements Peer {
  readonly identities: Identity[] = [];
  session: Session | null = null;
  received = 0;
  sent = 0;
  readonly remote: string;
  private readonly stream: Duplex;
  private readonly engine: Engine;
  private readonly limits: ConnectionLimits;
  private readonly word: (name: string) => string | null;
  private readonly splitter: FrameSplitter;
  private readonly handshake: Timer;
  private established = false;
  private first: Buffer | null = Buffer.alloc(0);
  private held: { frame: Buffer; zxid: bigint }[] = [];
  private out: Buffer[] = [];
  private flushing = false;
  private ending = false;

  constructor(o: {
    stream: Duplex;
    remote: string;
    engine: Engine;
    limits: ConnectionLimits;
    runtime: Runtime;
    /** The answer to a four-letter word; null where it is none. */
    word: (name: string) => string | null;
    onClose: (connection: Connection) => void;
  }) {
    this.stream = o.stream;
    this.remote = o.remote;
    this.engine = o.engine;
    this.limits = o.limits;
    this.word = o.word;
    this.splitter = new FrameSplitter(o.limits.maxFrameBytes);
    this.handshake = o.runtime.setBackgroundTimer(o.limits.handshakeTimeoutMs, () => this.stream.destroy());
    this.stream.on('data', (chunk: Buffer) => this.onData(chunk));
    this.stream.on('error', () => this.stream.destroy());
    this.stream.on('drain', () => this.resume());
    this.stream.on('close', () => {
      this.handshake.cancel();
      this.engine.disconnected(this);
      this.held = [];
      o.onClose(this);
    });
  }

  get queued(): number {
    return this.held.length;
  }

  send(frame: Buffer, zxid: bigint): void {
    if (this.stream.destroyed) return;
    if (this.held.length > 0 || zxid > this.engine.durableZxid) {
      this.held.push({ frame, zxid });
      if (this.held.length >= this.limits.maxOutstanding) this.stream.pause();
      return;
    }
    this.write(frame);
  }

  end(): void {
    this.ending = true;
    if (this.held.length === 0) this.finish();
  }

  /** More has become durable: what waited for it goes out. */
  release(durable: bigint): void {
    let count = 0;
    while (count < this.held.length && this.held[count]!.zxid <= durable) this.write(this.held[count++]!.frame);
    if (count === 0) return;
    this.held.splice(0, count);
    this.resume();
    if (this.ending && this.held.length === 0) this.finish();
  }

  destroy(): void {
    this.stream.destroy();
  }

  private finish(): void {
    this.flush();
    this.stream.end();
  }

  private resume(): void {
    if (this.stream.isPaused() && this.held.length < this.limits.maxOutstanding && !this.stream.writableNeedDrain) {
      this.stream.resume();
    }
  }

  private write(frame: Buffer): void {
    this.sent++;
    this.out.push(frame);
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.out.length === 0 || this.stream.destroyed || this.stream.writableEnded) return;
    const frames = this.out;
    this.out = [];
    // A client that does not read its answers is not read from either.
    if (!this.stream.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))) this.stream.pause();
  }

  private onData(chunk: Buffer): void {
    if (this.ending) return;
    try {
      if (this.first) {
        this.first = Buffer.concat([this.first, chunk]);
        if (this.first.length < 4) return;
        const answer = this.word(this.first.toString('latin1', 0, 4));
        if (answer !== null) {
          this.stream.end(answer);
          this.ending = true;
          return;
        }
        chunk = this.first;
        this.first = null;
      }
      for (const frame of this.splitter.push(chunk)) this.onFrame(frame);
    } catch {
      // Bytes that make no sense, from whom it may be: the connection is not worth keeping.
      this.stream.destroy();
    }
  }

  private onFrame(frame: Buffer): void {
    this.received++;
    if (this.established) {
      if (this.session) this.engine.request(this, frame);
      return;
    }
    this.established = true;
    this.handshake.cancel();
    this.engine.connect(this, decodeConnectRequest(frame));
  }
}
