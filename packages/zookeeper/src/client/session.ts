/**
 * Keeps one ZooKeeper session alive over changing connections: connects, re-establishes, pings, sends calls in order and
 * gives each its answer, its error or its deadline. Knows nothing of what the calls mean.
 */
import type { Duplex } from 'node:stream';
import { opCode, xid as reservedXid } from '../protocol/constants.ts';
import { FrameSplitter } from '../protocol/framing.ts';
import { JuteReader, JuteWriter } from '../protocol/jute.ts';
import {
  decodeConnectResponse,
  encodeConnectRequest,
  readEvent,
  readReplyHeader,
  replyHeaderBytes,
  type WireEvent,
} from '../protocol/records.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import { type Call, setXid } from './call.ts';
import {
  ClosedError,
  ConnectionLossError,
  DeadlineExceededError,
  OverloadError,
  SessionExpiredError,
  type ZooKeeperError,
} from './errors.ts';
import { FrameQueue } from './frame-queue.ts';
import { ServerList } from './server-list.ts';
import type { Connector } from './transport.ts';
import type { ServerAddress, SessionState } from './types.ts';

export interface SessionOptions {
  readonly servers: readonly ServerAddress[];
  readonly connector: Connector;
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly maxFrameBytes: number;
  readonly maxInFlight: number;
  readonly maxWaiting: number;
  readonly runtime: Runtime;
  readonly onState: (state: SessionState, reason: string) => void;
  readonly onEvent: (event: WireEvent) => void;
  /** Frames that go first on a connection; `fresh` when the session is new. */
  readonly onConnect: (fresh: boolean, lastZxid: bigint) => Buffer[];
  /** Answers to credentials come in the order in which these were sent, but outside the order of calls. */
  readonly onAuth: (error: number) => void;
}

const sweepMs = 100;
/** Then the event loop has a turn. */
const mostDrainsInRow = 64;
const noPassword = Buffer.alloc(16);

export class Session {
  state: SessionState = 'connecting';
  sessionId = 0n;
  sessionTimeoutMs: number;
  lastZxid = 0n;
  /** Why the last connection attempt or connection failed. */
  lastProblem = 'not connected yet';
  private password: Buffer = noPassword;
  private readonly o: SessionOptions;
  private stream: Duplex | null = null;
  private ready = false;
  private nextXid = 1;
  private waiting: Call[] = [];
  private inFlight: Call[] = [];
  private outbox: Buffer[] = [];
  private flushing = false;
  private sweepTimer: Timer | null = null;
  private pingTimer: Timer | null = null;
  private heardMs = 0;
  private connectedMs = 0;
  private sentMs = 0;
  private lostAtMs: number | null = null;
  private everConnected = false;
  private readonly stop = new AbortController();
  private closing: Promise<void> | null = null;
  /** Frames that wait until the continuations of the answers before them have run. */
  private readonly backlog = new FrameQueue();
  private answered = false;
  private draining = false;
  private drainsInRow = 0;
  private wakeConnect: (() => void) | null = null;
  private readonly servers: ServerList;
  private server: ServerAddress | null = null;
  private failuresInARow = 0;

  constructor(options: SessionOptions) {
    this.o = options;
    this.servers = new ServerList(options.servers, options.runtime);
    this.sessionTimeoutMs = options.sessionTimeoutMs;
    void this.run();
  }

  get outstanding(): number {
    return this.inFlight.length + this.waiting.length;
  }

  submit(call: Call): void {
    if (this.stop.signal.aborted) return call.fail(new ClosedError(call.path));
    if (this.waiting.length >= this.o.maxWaiting) return call.fail(new OverloadError(this.o.maxWaiting));
    this.waiting.push(call);
    this.armSweep();
    if (this.ready) this.scheduleFlush();
  }

  /** Takes a call back that nobody waits for any more; one that is under way still gets its answer, which is ignored. */
  forget(call: Call): void {
    call.settled = true;
    const at = this.waiting.indexOf(call);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** From now on; a connection to a server that is not among them is given up for one that is, the session stays. */
  setServers(servers: readonly ServerAddress[]): void {
    this.servers.replace(servers);
    if (this.server && !this.servers.has(this.server)) {
      this.stream?.destroy(new Error('this server is not to be used any more'));
    }
    this.wakeConnect?.();
  }

  close(): Promise<void> {
    // What the server does to the connection from here on is no loss of it.
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /** Goes out before the calls that are submitted after it. */
  sendAhead(frame: Buffer): void {
    if (!this.ready) return;
    this.outbox.push(frame);
    this.scheduleFlush();
  }

  private async shutDown(): Promise<void> {
    const stream = this.stream;
    const closing = new ClosedError();
    if (stream && this.ready) {
      this.flush();
      stream.write(new JuteWriter(16).int(0).int(opCode.closeSession).frame());
      await new Promise<void>((resolve) => {
        const timer = this.o.runtime.setTimer(1000, resolve);
        stream.once('close', () => {
          timer.cancel();
          resolve();
        });
        stream.end();
      });
    }
    this.stop.abort(closing);
    this.stream?.destroy();
    this.wakeConnect?.();
    this.pingTimer?.cancel();
    this.sweepTimer?.cancel();
    this.failAll(() => closing);
    this.setState('closed', 'closed by its owner');
  }

  private setState(state: SessionState, reason: string): void {
    if (this.state === state) return;
    this.state = state;
    this.o.onState(state, reason);
  }

  private get closed(): boolean {
    return this.stop.signal.aborted;
  }

  // --- connecting

  private async run(): Promise<void> {
    while (!this.closed && !this.closing) {
      try {
        await this.connectOnce();
        // A server that ends connections as soon as they stand must not be asked again at once.
        if (this.heardMs - this.connectedMs > 1000) this.failuresInARow = 0;
        else this.failuresInARow++;
      } catch (error) {
        this.failuresInARow++;
        this.lastProblem = error instanceof Error ? error.message : String(error);
      }
      if (this.closed || this.closing) return;
      if (this.everConnected && this.isOverdue()) this.expire('no server was reached within the session timeout');
      await this.pause(this.failuresInARow);
    }
  }

  private async pause(failures: number): Promise<void> {
    if (failures === 0 || this.closed) return;
    const delayMs = Math.min(1000, 20 * 2 ** Math.min(failures, 6)) * (0.5 + this.o.runtime.random());
    await new Promise<void>((resolve) => {
      const timer = this.o.runtime.setTimer(delayMs, resolve);
      this.wakeConnect = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** A session that could not be renewed in time is taken as lost; the server may have dropped it already. */
  private isOverdue(): boolean {
    return this.lostAtMs !== null && this.o.runtime.monotonicMs() - this.lostAtMs > this.sessionTimeoutMs * 1.5;
  }

  /** Resolves when an established connection has ended; rejects when none came about. */
  private async connectOnce(): Promise<void> {
    const server = this.servers.next();
    this.server = server;
    const where = `${server.host}:${server.port}`;
    const attempt = new AbortController();
    const timeoutMs = this.connectTimeoutMs();
    const timer = this.o.runtime.setTimer(timeoutMs, () =>
      attempt.abort(new Error(`${where} did not answer within ${timeoutMs} ms`)),
    );
    const onStop = () => attempt.abort(this.stop.signal.reason);
    this.stop.signal.addEventListener('abort', onStop, { once: true });
    let stream: Duplex;
    try {
      stream = await this.o.connector(server, attempt.signal).catch((error: unknown) => {
        const reason: unknown = attempt.signal.aborted ? attempt.signal.reason : error;
        throw new Error(`${where}: ${reason instanceof Error ? reason.message : String(reason)}`, { cause: error });
      });
    } finally {
      timer.cancel();
      this.stop.signal.removeEventListener('abort', onStop);
    }
    if (!this.servers.has(server)) {
      stream.destroy();
      throw new Error(`${where} is not to be used any more`);
    }
    await this.talk(stream, where);
  }

  /** Short enough to try every server before the session ends, as Apache's client does. */
  private connectTimeoutMs(): number {
    return Math.min(this.o.connectTimeoutMs, Math.max(1000, this.sessionTimeoutMs / this.servers.size));
  }

  private talk(stream: Duplex, where: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stream = stream;
      const splitter = new FrameSplitter(this.o.maxFrameBytes);
      let established = false;
      let problem = 'the server closed the connection';
      const timer = this.o.runtime.setTimer(this.connectTimeoutMs(), () => {
        problem = 'the server accepted the connection but did not answer';
        stream.destroy();
      });
      stream.on('error', (error: Error) => {
        problem = error.message;
      });
      stream.on('drain', () => this.flush());
      stream.on('data', (chunk: Buffer) => {
        this.heardMs = this.o.runtime.monotonicMs();
        try {
          splitter.push(chunk);
          for (let frame = splitter.next(); frame; frame = splitter.next()) {
            if (established) this.arrived(frame, stream);
            else {
              timer.cancel();
              established = this.handshake(frame);
              if (!established) return;
            }
          }
        } catch (error) {
          problem = error instanceof Error ? error.message : String(error);
          stream.destroy();
        }
      });
      stream.on('close', () => {
        timer.cancel();
        this.drainBacklog(stream, true);
        this.disconnected(`${where}: ${problem}`);
        if (established) resolve();
        else reject(new Error(`${where}: ${problem}`));
      });
      stream.write(
        encodeConnectRequest({
          lastZxidSeen: this.lastZxid,
          timeoutMs: this.o.sessionTimeoutMs,
          sessionId: this.sessionId,
          password: this.password,
          readOnly: false,
        }),
      );
    });
  }

  private handshake(frame: Buffer): boolean {
    const answer = decodeConnectResponse(frame);
    if (answer.timeoutMs <= 0 || answer.sessionId === 0n) {
      this.expire('the server does not know the session any more');
      this.stream?.destroy();
      return false;
    }
    const fresh = answer.sessionId !== this.sessionId;
    this.sessionId = answer.sessionId;
    this.password = Buffer.from(answer.password);
    this.sessionTimeoutMs = answer.timeoutMs;
    this.everConnected = true;
    this.lostAtMs = null;
    this.sentMs = this.o.runtime.monotonicMs();
    this.connectedMs = this.sentMs;
    this.outbox.push(...this.o.onConnect(fresh, this.lastZxid));
    this.ready = true;
    this.armPing();
    this.setState('connected', fresh ? 'new session' : 'same session');
    this.scheduleFlush();
    return true;
  }

  private disconnected(problem: string): void {
    this.stream = null;
    this.pingTimer?.cancel();
    this.outbox = [];
    this.backlog.clear();
    this.answered = false;
    this.lastProblem = problem;
    if (!this.ready) return;
    this.ready = false;
    this.lostAtMs = this.heardMs;
    const lost = this.inFlight;
    this.inFlight = [];
    const again: Call[] = [];
    for (const call of lost) {
      if (call.settled) continue;
      if (call.repeatable) again.push(call);
      else fail(call, new ConnectionLossError(call.path, new Error(problem)));
    }
    this.waiting = [...again, ...this.waiting];
    // Whoever closes the client on purpose does not lose the connection.
    if (!this.closed && !this.closing) this.setState('suspended', problem);
  }

  private expire(reason: string): void {
    this.sessionId = 0n;
    this.password = noPassword;
    this.lastZxid = 0n;
    this.everConnected = false;
    this.lostAtMs = null;
    this.ready = false;
    this.failAll((path) => new SessionExpiredError(path));
    this.setState('expired', reason);
    this.setState('connecting', 'opening a new session');
  }

  private failAll(error: (path: string | undefined) => ZooKeeperError): void {
    const calls = [...this.inFlight, ...this.waiting];
    this.inFlight = [];
    this.waiting = [];
    for (const call of calls) if (!call.settled) fail(call, error(call.path));
  }

  // --- talking

  private armPing(): void {
    this.pingTimer?.cancel();
    const third = this.sessionTimeoutMs / 3;
    this.pingTimer = this.o.runtime.setTimer(third / 2, () => {
      if (!this.ready || !this.stream) return;
      const now = this.o.runtime.monotonicMs();
      if (now - this.heardMs > third * 2) {
        this.stream.destroy(new Error(`nothing heard for ${Math.round(now - this.heardMs)} ms`));
        return;
      }
      if (now - this.sentMs > third / 2) {
        this.stream.write(new JuteWriter(16).int(reservedXid.ping).int(opCode.ping).frame());
        this.sentMs = now;
      }
      this.armPing();
    });
  }

  private scheduleFlush(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  /** Everything that may go out, in one write. */
  private flush(): void {
    const stream = this.stream;
    if (!stream || !this.ready || stream.writableNeedDrain) return;
    const frames = this.outbox;
    this.outbox = [];
    let taken = 0;
    while (taken < this.waiting.length && this.inFlight.length < this.o.maxInFlight) {
      const call = this.waiting[taken++]!;
      if (call.settled) continue;
      call.xid = this.nextXid;
      this.nextXid = this.nextXid === 0x7fffffff ? 1 : this.nextXid + 1;
      setXid(call.frame, call.xid);
      this.inFlight.push(call);
      frames.push(call.frame);
    }
    if (taken > 0) this.waiting.splice(0, taken);
    if (frames.length === 0) return;
    this.sentMs = this.o.runtime.monotonicMs();
    stream.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
  }

  /**
   * Answers and events reach their users in the server's order. An answer's user goes on in a microtask, so that an event
   * that follows an answer has to wait until those have run: else it would be handled before the state it changes is known.
   */
  private arrived(frame: Buffer, stream: Duplex): void {
    if (this.backlog.size > 0 || (this.answered && isNotification(frame))) {
      this.backlog.push(frame);
      return;
    }
    this.receive(frame);
    if (this.answered) this.drainSoon(stream);
  }

  private drainSoon(stream: Duplex): void {
    if (this.draining) return;
    this.draining = true;
    const drain = () => {
      this.draining = false;
      if (this.stream === stream) this.drainBacklog(stream, false);
    };
    // A tick that a microtask asks for comes when no microtask is left. Not by an immediate each time: what users do upon
    // many answers that came together goes out together.
    if (++this.drainsInRow % mostDrainsInRow === 0) setImmediate(drain);
    else queueMicrotask(() => process.nextTick(drain));
  }

  /** `ended`: nothing more will come, so what is here is handled at once. */
  private drainBacklog(stream: Duplex, ended: boolean): void {
    this.answered = false;
    try {
      for (let frame = this.backlog.first(); frame; frame = this.backlog.first()) {
        if (!ended && this.answered && isNotification(frame)) break;
        this.backlog.dropFirst();
        this.receive(frame);
      }
    } catch (error) {
      this.backlog.clear();
      stream.destroy(error as Error);
      return;
    }
    if (this.answered && !ended) this.drainSoon(stream);
  }

  private receive(frame: Buffer): void {
    if (isNotification(frame)) {
      const event = readEvent(new JuteReader(frame, replyHeaderBytes));
      if (event) this.o.onEvent(event);
      return;
    }
    const body = new JuteReader(frame);
    const header = readReplyHeader(body);
    if (header.zxid > 0n) this.lastZxid = header.zxid;
    if (header.xid < 0) {
      if (header.xid === reservedXid.auth) this.o.onAuth(header.error);
      return;
    }
    const call = this.inFlight.shift();
    if (!call || call.xid !== header.xid) {
      throw new Error(`answer ${header.xid} came where ${call ? call.xid : 'none'} was expected`);
    }
    if (this.waiting.length > 0) this.scheduleFlush();
    this.answered = true;
    if (call.settled) return;
    call.settled = true;
    call.answer(header.error, body, header.zxid);
  }

  /** One timer for all deadlines. */
  private armSweep(): void {
    if (this.sweepTimer) return;
    this.sweepTimer = this.o.runtime.setTimer(sweepMs, () => {
      this.sweepTimer = null;
      const now = this.o.runtime.monotonicMs();
      const late = (call: Call) => !call.settled && call.deadlineMs <= now;
      const reason = this.ready ? '' : this.lastProblem;
      const overdue = [...this.inFlight, ...this.waiting].filter(late);
      for (const call of overdue) fail(call, new DeadlineExceededError(call.timeoutMs, call.path, reason));
      if (overdue.length > 0) this.waiting = this.waiting.filter((call) => !call.settled);
      if (this.inFlight.length + this.waiting.length > 0) this.armSweep();
    });
  }
}

function isNotification(frame: Buffer): boolean {
  return frame.length >= 4 && frame.readInt32BE(0) === reservedXid.notification;
}

function fail(call: Call, error: ZooKeeperError): void {
  call.settled = true;
  call.fail(error);
}
