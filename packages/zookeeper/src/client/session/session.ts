/**
 * Keeps one ZooKeeper session alive over changing connections: looks for a server, takes the session up again, tells when
 * it is lost, and gives each call its answer, its error or its deadline. Knows nothing of what the calls mean.
 */
import type { Duplex } from 'node:stream';
import { ClosedError, SessionExpiredError } from '../../contract/errors.ts';
import type { ServerAddress, SessionState } from '../../contract/types.ts';
import { xid } from '../../protocol/constants.ts';
import { JuteReader } from '../../protocol/jute.ts';
import { type ConnectResponse, noPassword } from '../../protocol/messages/connect.ts';
import { decodeEvent, type WireEvent } from '../../protocol/messages/event.ts';
import { isNotification, readReplyHeader } from '../../protocol/messages/header.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Call } from './call.ts';
import { ServerConnection } from './connection.ts';
import { PendingCalls, type PendingCallsOptions } from './pending-calls.ts';
import { ServerList } from './server-list.ts';
import type { Connector } from './transport.ts';

export interface SessionDeps {
  readonly connector: Connector;
  readonly runtime: Runtime;
  readonly onState: (state: SessionState, reason: string) => void;
  readonly onEvent: (event: WireEvent) => void;
  /** Frames that go first on a connection; `fresh` when the session is new. */
  readonly onConnect: (fresh: boolean, lastZxid: bigint) => Buffer[];
  /** Answers to credentials come in the order in which these were sent, but outside the order of calls. */
  readonly onAuth: (error: number) => void;
  /** A connection did not come about. */
  readonly onProblem: (problem: string) => void;
}

export interface SessionOptions extends PendingCallsOptions {
  readonly servers: readonly ServerAddress[];
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly maxFrameBytes: number;
}

/** Between one server and the next: some 40 ms at first, a second in the end. */
const pauses = { firstMs: 45, mostMs: 1150 };
/** A connection that stood for less counts as a failure: a server that ends them at once must not be asked again at once. */
const shortestMs = 1000;

export class Session {
  state: SessionState = 'connecting';
  sessionId = 0n;
  sessionTimeoutMs: number;
  /** Why the last connection attempt or connection failed. */
  lastProblem = 'not connected yet';
  private readonly deps: SessionDeps;
  private readonly options: SessionOptions;
  private readonly servers: ServerList;
  private readonly calls: PendingCalls;
  private readonly backoff: Backoff;
  private password = noPassword;
  private lastZxid = 0n;
  private server: ServerAddress | null = null;
  private connection: ServerConnection | null = null;
  private everConnected = false;
  private lostAtMs: number | null = null;
  private wakeConnect: (() => void) | null = null;
  private readonly stop = new AbortController();
  private closing: Promise<void> | null = null;

  constructor(deps: SessionDeps, options: SessionOptions) {
    this.deps = deps;
    this.options = options;
    this.servers = new ServerList(options.servers, deps.runtime);
    this.calls = new PendingCalls(deps.runtime, options, () => (this.ready ? '' : this.lastProblem));
    this.backoff = new Backoff({ runtime: deps.runtime, ...pauses });
    this.sessionTimeoutMs = options.sessionTimeoutMs;
    void this.run();
  }

  get outstanding(): number {
    return this.calls.size;
  }

  submit(call: Call): void {
    if (this.closed) return call.fail(new ClosedError(call.path));
    this.calls.add(call);
    if (this.ready) this.connection!.flushSoon();
  }

  /** Takes a call back that nobody waits for any more. */
  forget(call: Call): void {
    this.calls.forget(call);
  }

  /** From now on; a connection to a server that is not among them is given up for one that is, the session stays. */
  setServers(servers: readonly ServerAddress[]): void {
    this.servers.replace(servers);
    if (this.server && !this.servers.has(this.server)) {
      this.connection?.destroy(new Error('this server is not to be used any more'));
    }
    this.wakeConnect?.();
  }

  /** Goes out before the calls that are submitted after it. */
  sendAhead(frame: Buffer): void {
    if (this.ready) this.connection!.sendAhead(frame);
  }

  close(): Promise<void> {
    // What the server does to the connection from here on is no loss of it.
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    const closing = new ClosedError();
    if (this.ready) await this.connection!.closeSession();
    this.stop.abort(closing);
    this.connection?.destroy();
    this.wakeConnect?.();
    this.calls.close();
    this.calls.failAll(() => closing);
    this.setState('closed', 'closed by its owner');
  }

  private get closed(): boolean {
    return this.stop.signal.aborted;
  }

  private get ready(): boolean {
    return this.connection?.ready ?? false;
  }

  private setState(state: SessionState, reason: string): void {
    if (this.state === state) return;
    this.state = state;
    this.deps.onState(state, reason);
  }

  // --- looking for a server

  private async run(): Promise<void> {
    while (!this.closed && !this.closing) {
      const pauseMs = await this.connectAndServe();
      if (this.closed || this.closing) return;
      if (this.everConnected && this.isOverdue()) this.expire('no server was reached within the session timeout');
      if (pauseMs > 0 && !this.closed) await this.pause(pauseMs);
    }
  }

  /** Returns how long to wait before the next connection. */
  private async connectAndServe(): Promise<number> {
    try {
      const stoodMs = await this.connectOnce();
      if (stoodMs <= shortestMs) return this.backoff.nextMs();
      this.backoff.reset();
      return 0;
    } catch (error) {
      this.lastProblem = error instanceof Error ? error.message : String(error);
      this.deps.onProblem(this.lastProblem);
      return this.backoff.nextMs();
    }
  }

  private async pause(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.deps.runtime.setTimer(pauseMs, resolve);
      this.wakeConnect = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** A session that could not be renewed in time is taken as lost; the server may have dropped it already. */
  private isOverdue(): boolean {
    return this.lostAtMs !== null && this.deps.runtime.monotonicMs() - this.lostAtMs > this.sessionTimeoutMs * 1.5;
  }

  /** Resolves when an established connection has ended, with the time for which it stood; rejects when none came about. */
  private async connectOnce(): Promise<number> {
    const server = this.servers.next();
    this.server = server;
    const where = `${server.host}:${server.port}`;
    const stream = await this.open(server, where);
    if (!this.servers.has(server)) {
      stream.destroy();
      throw new Error(`${where} is not to be used any more`);
    }
    const connection = this.connectionOver(stream, where);
    this.connection = connection;
    await connection.talk({
      lastZxidSeen: this.lastZxid,
      timeoutMs: this.options.sessionTimeoutMs,
      sessionId: this.sessionId,
      password: this.password,
      readOnly: false,
    });
    return connection.heardMs - connection.readySinceMs;
  }

  private async open(server: ServerAddress, where: string): Promise<Duplex> {
    const attempt = new AbortController();
    const timeoutMs = this.connectTimeoutMs();
    const timer = this.deps.runtime.setTimer(timeoutMs, () =>
      attempt.abort(new Error(`${where} did not answer within ${timeoutMs} ms`)),
    );
    const onStop = () => attempt.abort(this.stop.signal.reason);
    this.stop.signal.addEventListener('abort', onStop, { once: true });
    try {
      return await this.deps.connector(server, attempt.signal);
    } catch (error) {
      const reason: unknown = attempt.signal.aborted ? attempt.signal.reason : error;
      throw new Error(`${where}: ${reason instanceof Error ? reason.message : String(reason)}`, { cause: error });
    } finally {
      timer.cancel();
      this.stop.signal.removeEventListener('abort', onStop);
    }
  }

  /** Short enough to try every server before the session ends, as Apache's client does. */
  private connectTimeoutMs(): number {
    return Math.min(this.options.connectTimeoutMs, Math.max(1000, this.sessionTimeoutMs / this.servers.size));
  }

  private connectionOver(stream: Duplex, where: string): ServerConnection {
    let fresh = false;
    return new ServerConnection(
      {
        stream,
        runtime: this.deps.runtime,
        calls: this.calls,
        onHandshake: (answer) => {
          fresh = answer.sessionId !== this.sessionId;
          return this.taken(answer) ? this.deps.onConnect(fresh, this.lastZxid) : null;
        },
        onReady: () => this.setState('connected', fresh ? 'new session' : 'same session'),
        receive: (frame) => this.receive(frame),
        onEnd: (problem, heardMs) => this.disconnected(problem, heardMs),
      },
      { where, maxFrameBytes: this.options.maxFrameBytes, handshakeTimeoutMs: this.connectTimeoutMs() },
    );
  }

  // --- the life of the session

  /** The server's word on the session that it was asked for: false when it does not know it any more. */
  private taken(answer: ConnectResponse): boolean {
    if (answer.timeoutMs <= 0 || answer.sessionId === 0n) {
      this.expire('the server does not know the session any more');
      return false;
    }
    this.sessionId = answer.sessionId;
    this.password = Buffer.from(answer.password);
    this.sessionTimeoutMs = answer.timeoutMs;
    this.everConnected = true;
    this.lostAtMs = null;
    return true;
  }

  /** `heardMs` is null for a connection that never stood. */
  private disconnected(problem: string, heardMs: number | null): void {
    this.connection = null;
    this.lastProblem = problem;
    if (heardMs === null) return;
    this.lostAtMs = heardMs;
    this.calls.connectionLost(problem);
    // Whoever closes the client on purpose does not lose the connection.
    if (!this.closed && !this.closing) this.setState('suspended', problem);
  }

  private expire(reason: string): void {
    this.sessionId = 0n;
    this.password = noPassword;
    this.lastZxid = 0n;
    this.everConnected = false;
    this.lostAtMs = null;
    this.calls.failAll((path) => new SessionExpiredError(path));
    this.setState('expired', reason);
    this.setState('connecting', 'opening a new session');
  }

  private receive(frame: Buffer): boolean {
    if (isNotification(frame)) {
      const event = decodeEvent(frame);
      if (event) this.deps.onEvent(event);
      return false;
    }
    const body = new JuteReader(frame);
    const header = readReplyHeader(body);
    if (header.zxid > 0n) this.lastZxid = header.zxid;
    if (header.xid < 0) {
      if (header.xid === xid.auth) this.deps.onAuth(header.error);
      return false;
    }
    this.calls.answer(header, body);
    if (this.calls.anyWaiting) this.connection?.flushSoon();
    return true;
  }
}
