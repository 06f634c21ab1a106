/**
 * One client's byte stream: four-letter words, the handshake, requests in, answers out in order once they are durable.
 * It stops reading from a client that has too much outstanding, and ends one that does not read its events.
 */
import type { Duplex } from 'node:stream';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import { FrameSplitter } from '../protocol/framing.ts';
import { ProtocolError } from '../protocol/jute.ts';
import { decodeConnectRequest } from '../protocol/messages/connect.ts';
import type { Identity } from './tree/acl.ts';
import type { Engine } from './tree/engine.ts';
import type { Peer, ServerSession } from './tree/peer.ts';
import type { Traffic } from './traffic.ts';

export interface ConnectionLimits {
  readonly maxFrameBytes: number;
  /** Answers held back before reading stops. */
  readonly maxOutstanding: number;
  /** Bytes on their way to a client before reading stops. */
  readonly maxOutstandingBytes: number;
  /** Bytes on their way to a client before it is given up: events go on coming when it is not read from. */
  readonly maxQueuedBytes: number;
  readonly handshakeTimeoutMs: number;
}

export interface ClientConnectionDeps {
  readonly stream: Duplex;
  /** For people. */
  readonly remote: string;
  /** Of the client, where it has one. */
  readonly address: string | null;
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly traffic: Traffic;
  /** The answer to a four-letter word; null where it is none. */
  readonly word: (name: string) => string | null;
  readonly onClose: (connection: ClientConnection) => void;
  /** The connection was ended by the server. */
  readonly onProblem: (problem: string, error: unknown) => void;
}

interface Held {
  readonly frame: Buffer;
  readonly zxid: bigint;
  readonly sinceMs: number;
}

/** A connect request has 45 bytes; nobody may make the server keep more before it has introduced itself. */
const longestHandshakeBytes = 1024;

export class ClientConnection implements Peer {
  readonly identities: Identity[];
  session: ServerSession | null = null;
  received = 0;
  sent = 0;
  readonly remote: string;
  private readonly deps: ClientConnectionDeps;
  private readonly limits: ConnectionLimits;
  private readonly stream: Duplex;
  private readonly splitter: FrameSplitter;
  private readonly handshakeTimer: Timer;
  private lingerTimer: Timer | null = null;
  /** What has come before the handshake is complete. */
  private greeting: Buffer | null = Buffer.alloc(0);
  private inbox: Buffer[] = [];
  private held: Held[] = [];
  private out: Buffer[] = [];
  /** Bytes in `held` and `out`. */
  private keptBytes = 0;
  private flushing = false;
  private ending = false;

  constructor(deps: ClientConnectionDeps, limits: ConnectionLimits) {
    this.deps = deps;
    this.limits = limits;
    this.stream = deps.stream;
    this.remote = deps.remote;
    this.identities = deps.address === null ? [] : [{ scheme: 'ip', id: deps.address }];
    this.splitter = new FrameSplitter(limits.maxFrameBytes);
    this.handshakeTimer = deps.runtime.setBackgroundTimer(limits.handshakeTimeoutMs, () => this.destroy());
    this.stream.on('data', (chunk: Buffer) => this.onData(chunk));
    this.stream.on('error', () => this.destroy());
    this.stream.on('drain', () => this.pump());
    this.stream.on('end', () => this.end());
    this.stream.on('close', () => this.closed());
  }

  get queued(): number {
    return this.held.length + this.inbox.length;
  }

  send(frame: Buffer, zxid: bigint): void {
    if (this.stream.destroyed) return;
    this.keptBytes += frame.length;
    const durable = zxid <= this.deps.engine.durableZxid;
    if (this.held.length > 0 || !durable) {
      this.held.push({ frame, zxid, sinceMs: this.deps.runtime.monotonicMs() });
      if (!durable) this.deps.engine.awaitDurable(this);
    } else {
      this.deps.traffic.answered(0);
      this.write(frame);
    }
    if (this.queuedBytes > this.limits.maxQueuedBytes) {
      this.deps.onProblem(`it does not read what it is sent (${this.queuedBytes} bytes)`, null);
      this.destroy();
    }
  }

  release(durable: bigint): boolean {
    const { held } = this;
    const now = this.deps.runtime.monotonicMs();
    let count = 0;
    for (; count < held.length && held[count]!.zxid <= durable; count++) {
      this.deps.traffic.answered(now - held[count]!.sinceMs);
      this.write(held[count]!.frame);
    }
    this.held = count === held.length ? [] : held.slice(count);
    return this.held.length > 0;
  }

  end(): void {
    this.ending = true;
    this.inbox = [];
    this.scheduleFlush();
  }

  destroy(): void {
    this.stream.destroy();
  }

  private get queuedBytes(): number {
    return this.keptBytes + this.stream.writableLength;
  }

  private get overloaded(): boolean {
    return this.held.length >= this.limits.maxOutstanding || this.queuedBytes >= this.limits.maxOutstandingBytes;
  }

  private closed(): void {
    this.handshakeTimer.cancel();
    this.lingerTimer?.cancel();
    this.ending = true;
    this.inbox = [];
    this.held = [];
    this.out = [];
    this.deps.engine.disconnected(this);
    this.deps.onClose(this);
  }

  // --- in

  private onData(chunk: Buffer): void {
    // What comes after the end is read and dropped, so that the client's own end is seen.
    if (this.ending) return;
    this.guard(() => {
      const bytes = this.greeting ? this.greet(Buffer.concat([this.greeting, chunk])) : chunk;
      if (!bytes) return;
      this.splitter.push(bytes);
      for (let frame = this.splitter.next(); frame; frame = this.splitter.next()) this.inbox.push(frame);
      this.pump();
    });
  }

  /** Waits for a four-letter word or a complete handshake; returns what came after it. */
  private greet(bytes: Buffer): Buffer | null {
    this.greeting = bytes;
    if (bytes.length < 4) return null;
    const word = this.deps.word(bytes.toString('latin1', 0, 4));
    if (word !== null) {
      this.ending = true;
      this.stream.end(word);
      return null;
    }
    const end = 4 + bytes.readInt32BE(0);
    if (end < 4 || end > longestHandshakeBytes) throw new ProtocolError('this is not the ZooKeeper protocol');
    if (bytes.length < end) return null;
    this.greeting = null;
    this.handshakeTimer.cancel();
    this.count();
    this.deps.engine.connect(this, decodeConnectRequest(bytes.subarray(4, end)));
    return bytes.subarray(end);
  }

  /** Answers what has arrived, as long as the client takes its answers. */
  private pump(): void {
    this.guard(() => {
      let taken = 0;
      while (taken < this.inbox.length && !this.ending && !this.overloaded) {
        this.count();
        this.deps.engine.request(this, this.inbox[taken++]!);
      }
      if (taken > 0) this.inbox = this.inbox.slice(taken);
    });
    if (this.stream.destroyed) return;
    if (this.inbox.length > 0 || this.overloaded) this.stream.pause();
    else if (this.stream.isPaused()) this.stream.resume();
  }

  private count(): void {
    this.received++;
    this.deps.traffic.received++;
  }

  /** Whatever the bytes do, they do it to this connection only. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.deps.onProblem(error instanceof ProtocolError ? error.message : 'an error of the server', error);
      // What was asked before is still answered.
      this.end();
    }
  }

  // --- out

  private write(frame: Buffer): void {
    this.sent++;
    this.deps.traffic.sent++;
    this.out.push(frame);
    this.scheduleFlush();
  }

  private scheduleFlush(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  /** A client that does not close its side, or does not read what is left, is not waited for. */
  private finish(): void {
    this.stream.end();
    this.stream.resume();
    this.lingerTimer ??= this.deps.runtime.setBackgroundTimer(this.limits.handshakeTimeoutMs, () => this.destroy());
  }

  private flush(): void {
    if (this.stream.destroyed || this.stream.writableEnded) return;
    if (this.out.length > 0) {
      const frames = this.out;
      this.out = [];
      const bytes = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
      this.keptBytes -= bytes.length;
      this.stream.write(bytes);
    }
    if (this.ending && this.held.length === 0) this.finish();
    else if (this.inbox.length > 0 || this.stream.isPaused()) this.pump();
  }
}
