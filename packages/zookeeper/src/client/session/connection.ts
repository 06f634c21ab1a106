/**
 * One connection to one server, from the handshake to its end: bytes to frames and back, many calls in one write, signs of
 * life. Knows neither what frames hold nor what becomes of the session afterwards.
 */
import type { Duplex } from 'node:stream';
import { xid } from '../../protocol/constants.ts';
import { FrameSplitter } from '../../protocol/framing.ts';
import {
  type ConnectRequest,
  type ConnectResponse,
  decodeConnectResponse,
  encodeConnectRequest,
} from '../../protocol/messages/connect.ts';
import { encodeRequest } from '../../protocol/messages/header.ts';
import { closeSessionMessage, pingMessage } from '../../protocol/messages/session.ts';
import type { Runtime, Timer } from '../../runtime/runtime.ts';
import { OrderedDelivery } from './ordered-delivery.ts';
import type { PendingCalls } from './pending-calls.ts';

export interface ServerConnectionDeps {
  readonly stream: Duplex;
  readonly runtime: Runtime;
  /** Those that go out are taken from here. */
  readonly calls: PendingCalls;
  /** The server's answer to the handshake. Returns the frames that go first, or null where there is no session. */
  readonly onHandshake: (answer: ConnectResponse) => Buffer[] | null;
  /** Calls can go out from now on. */
  readonly onReady: () => void;
  /** A frame in its turn. Returns true when somebody goes on because of it. */
  readonly receive: (frame: Buffer) => boolean;
  /** Called once. `problem` says why; `heardMs` is when the server was last heard of, null when the connection never stood. */
  readonly onEnd: (problem: string, heardMs: number | null) => void;
}

export interface ServerConnectionOptions {
  /** For people. */
  readonly where: string;
  readonly maxFrameBytes: number;
  readonly handshakeTimeoutMs: number;
}

/** The server's own end is waited for so long when the session is closed. */
const closePatienceMs = 1000;

export class ServerConnection {
  /** Calls can go out. */
  ready = false;
  /** When the server was last heard of, and when it took the session, by the monotonic clock. */
  heardMs = 0;
  readySinceMs = 0;
  private readonly deps: ServerConnectionDeps;
  private readonly options: ServerConnectionOptions;
  private readonly stream: Duplex;
  private readonly splitter: FrameSplitter;
  private readonly delivery: OrderedDelivery;
  private handshakeTimer: Timer | null = null;
  private pingTimer: Timer | null = null;
  private sentMs = 0;
  /** Goes out before the calls that wait. */
  private outbox: Buffer[] = [];
  private flushing = false;
  private problem = 'the server closed the connection';

  constructor(deps: ServerConnectionDeps, options: ServerConnectionOptions) {
    this.deps = deps;
    this.options = options;
    this.stream = deps.stream;
    this.splitter = new FrameSplitter(options.maxFrameBytes);
    this.delivery = new OrderedDelivery(deps.receive, (error) => this.stream.destroy(error));
  }

  /** Resolves when a connection has ended that stood; rejects when none came about. */
  talk(request: ConnectRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const { stream } = this;
      this.handshakeTimer = this.deps.runtime.setTimer(this.options.handshakeTimeoutMs, () => {
        this.problem = 'the server accepted the connection but did not answer';
        stream.destroy();
      });
      stream.on('error', (error: Error) => {
        this.problem = error.message;
      });
      stream.on('drain', () => this.flush());
      stream.on('data', (chunk: Buffer) => this.arrived(chunk));
      stream.on('close', () => {
        const problem = `${this.options.where}: ${this.problem}`;
        if (this.ended(problem)) resolve();
        else reject(new Error(problem));
      });
      stream.write(encodeConnectRequest(request));
    });
  }

  /** Goes out before the calls that are made after it. */
  sendAhead(frame: Buffer): void {
    this.outbox.push(frame);
    this.flushSoon();
  }

  flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  /** Ends the session; resolves when the server has closed the connection, or after a while. */
  async closeSession(): Promise<void> {
    const { stream } = this;
    this.flush();
    stream.write(encodeRequest(closeSessionMessage, undefined));
    await new Promise<void>((resolve) => {
      const timer = this.deps.runtime.setTimer(closePatienceMs, resolve);
      stream.once('close', () => {
        timer.cancel();
        resolve();
      });
      stream.end();
    });
  }

  destroy(error?: Error): void {
    this.pingTimer?.cancel();
    this.stream.destroy(error);
  }

  private arrived(chunk: Buffer): void {
    this.heardMs = this.deps.runtime.monotonicMs();
    try {
      this.splitter.push(chunk);
      for (let frame = this.splitter.next(); frame; frame = this.splitter.next()) {
        if (this.ready) this.delivery.arrived(frame);
        else if (!this.handshake(frame)) return;
      }
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      this.stream.destroy();
    }
  }

  private handshake(frame: Buffer): boolean {
    this.handshakeTimer?.cancel();
    const answer = decodeConnectResponse(frame);
    const first = this.deps.onHandshake(answer);
    if (!first) {
      this.stream.destroy();
      return false;
    }
    this.sentMs = this.deps.runtime.monotonicMs();
    this.readySinceMs = this.sentMs;
    this.outbox.push(...first);
    this.ready = true;
    this.armPing(answer.timeoutMs / 3);
    this.deps.onReady();
    this.flushSoon();
    return true;
  }

  /** Returns whether the connection stood. */
  private ended(problem: string): boolean {
    const stood = this.ready;
    this.handshakeTimer?.cancel();
    this.pingTimer?.cancel();
    this.delivery.end();
    this.ready = false;
    this.outbox = [];
    this.deps.onEnd(problem, stood ? this.heardMs : null);
    return stood;
  }

  /** `third`: of the session's time, which is what a server may be silent for before another one is tried, twice. */
  private armPing(third: number): void {
    this.pingTimer = this.deps.runtime.setTimer(third / 2, () => {
      if (!this.ready) return;
      const now = this.deps.runtime.monotonicMs();
      if (now - this.heardMs > third * 2) {
        this.stream.destroy(new Error(`nothing heard for ${Math.round(now - this.heardMs)} ms`));
        return;
      }
      if (now - this.sentMs > third / 2) {
        this.stream.write(encodeRequest(pingMessage, undefined, xid.ping));
        this.sentMs = now;
      }
      this.armPing(third);
    });
  }

  /** Everything that may go out, in one write. */
  private flush(): void {
    if (!this.ready || this.stream.writableNeedDrain) return;
    const frames = this.outbox;
    this.outbox = [];
    this.deps.calls.sendInto(frames);
    if (frames.length === 0) return;
    this.sentMs = this.deps.runtime.monotonicMs();
    this.stream.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  }
}
