/**
 * The server without its sockets: sessions, requests, watches, storage, and the rule that binds them: nothing is told to
 * anybody before what it rests on is on the disk. Connections hand in frames and get frames back.
 */
import type { Runtime, Timer } from '../../runtime/runtime.ts';
import { errorCode, opCode, permission, syncConnected } from '../../protocol/constants.ts';
import { JuteReader, ProtocolError } from '../../protocol/jute.ts';
import { type ConnectRequest, encodeConnectResponse, noPassword } from '../../protocol/messages/connect.ts';
import { encodeEvent } from '../../protocol/messages/event.ts';
import { encodeReply, readRequestHeader } from '../../protocol/messages/header.ts';
import { isAllowed, itself } from './acl.ts';
import { Database, type Transaction } from './database.ts';
import { dueForRemoval } from './mortality.ts';
import type { Peer, ServerSession } from './peer.ts';
import type { Persistence, PersistenceHooks } from './persistence.ts';
import { Refusal } from './refusal.ts';
import { type Body, Requests } from './requests.ts';
import { type SessionLimits, Sessions } from './sessions.ts';
import { WatchRequests } from './watch-requests.ts';
import { WatchTable } from './watch-table.ts';

export interface EngineLimits extends SessionLimits {
  /** Largest data of one znode. */
  readonly maxDataBytes: number;
  /** How often containers and TTL znodes are looked through. */
  readonly containerCheckMs: number;
}

export interface EngineDeps {
  readonly openStorage: (hooks: PersistenceHooks) => Persistence;
  readonly runtime: Runtime;
  /** Nothing can be written any more: called once, until `onRecovery`. */
  readonly onFailure: (reason: string) => void;
  readonly onRecovery: () => void;
}

const sessionCheckMs = 250;
const noSession = encodeConnectResponse({ timeoutMs: 0, sessionId: 0n, password: noPassword, readOnly: false });

export class Engine {
  readonly database: Database;
  readonly watches = new WatchTable<Peer>((peer, acl) => isAllowed(acl, permission.read, peer.identities));
  readonly sessions: Sessions;
  readonly storage: Persistence;
  private readonly requests: Requests;
  private readonly runtime: Runtime;
  private readonly limits: EngineLimits;
  private readonly waiting = new Set<Peer>();
  private sessionTimer: Timer | null = null;
  private containerTimer: Timer | null = null;
  private closed = false;

  constructor(deps: EngineDeps, limits: EngineLimits) {
    const { runtime } = deps;
    this.runtime = runtime;
    this.limits = limits;
    this.database = new Database(limits.maxDataBytes);
    this.sessions = new Sessions(runtime, limits);
    this.storage = deps.openStorage({
      database: this.database,
      runtime,
      onDurable: (zxid) => this.release(zxid),
      onFailure: deps.onFailure,
      onRecovery: () => {
        this.sessions.restartClocks();
        deps.onRecovery();
      },
    });
    try {
      this.sessions.restore(this.storage.load());
    } catch (error) {
      void this.storage.close();
      throw error;
    }
    this.requests = new Requests({
      database: this.database,
      watches: this.watches,
      watchRequests: new WatchRequests(this.database, this.watches),
      runtime,
      publish: (transaction) => this.publish(transaction),
    });
    this.checkSessions();
    this.checkContainers();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.sessionTimer?.cancel();
    this.containerTimer?.cancel();
    await this.storage.close();
  }

  // --- connections

  get durableZxid(): bigint {
    return this.storage.durableZxid;
  }

  /** The peer holds something back: it is told when more is on the disk. */
  awaitDurable(peer: Peer): void {
    this.waiting.add(peer);
  }

  /** Begins a session or gives one back. */
  connect(peer: Peer, request: ConnectRequest): void {
    // Such a client knows a later state than this server has: as with Apache it may look for another one.
    if (this.storage.failure !== null || request.lastZxidSeen > this.database.zxid) return peer.destroy();
    const session = request.sessionId === 0n ? this.sessions.open(request.timeoutMs) : this.sessions.find(request);
    if (!session) {
      peer.send(noSession, 0n);
      return peer.end();
    }
    if (session.peer && session.peer !== peer) this.detach(session.peer).end();
    const timeoutMs = this.sessions.negotiate(request.timeoutMs);
    if (request.sessionId === 0n || timeoutMs !== session.timeoutMs) {
      session.timeoutMs = timeoutMs;
      const { id, password } = session;
      this.storage.recordSession(id, { id, password, timeoutMs }, this.database.advance());
    }
    session.peer = peer;
    session.heardMs = this.runtime.monotonicMs();
    peer.session = session;
    const { id: sessionId, password } = session;
    peer.send(encodeConnectResponse({ timeoutMs, sessionId, password, readOnly: false }), this.database.zxid);
  }

  /** The connection has ended; the session lives on until its time is up. */
  disconnected(peer: Peer): void {
    this.waiting.delete(peer);
    this.detach(peer);
  }

  /** Answers one request of a connection that has a session. Throws ProtocolError for bytes that make no sense. */
  request(peer: Peer, frame: Buffer): void {
    const { session } = peer;
    if (!session) return;
    session.heardMs = this.runtime.monotonicMs();
    const r = new JuteReader(frame);
    const { xid, op } = readRequestHeader(r);
    let error: number = errorCode.ok;
    let body: Body = null;
    try {
      if (this.storage.failure !== null) throw new Refusal(errorCode.systemError);
      if (op === opCode.closeSession) this.endSession(session);
      else body = this.requests.perform(peer, session, op, r);
    } catch (failure) {
      if (failure instanceof ProtocolError) error = errorCode.marshallingError;
      else if (failure instanceof Refusal) error = failure.code;
      else throw failure;
    }
    const { zxid } = this.database;
    peer.send(encodeReply({ xid, zxid, error }, body), zxid);
    // Apache ends the connection of a client that could not prove who it is.
    if (op === opCode.closeSession || error === errorCode.authFailed) peer.end();
  }

  /** Ends a session as if its time were up. False when there is none of that id. */
  expire(sessionId: bigint): boolean {
    const session = this.sessions.byId.get(sessionId);
    if (!session) return false;
    const { peer } = session;
    this.endSession(session);
    peer?.end();
    return true;
  }

  // --- what happens by itself

  private release(durable: bigint): void {
    for (const peer of this.waiting) if (!peer.release(durable)) this.waiting.delete(peer);
  }

  private detach(peer: Peer): Peer {
    this.watches.removeAll(peer);
    if (peer.session?.peer === peer) peer.session.peer = null;
    peer.session = null;
    return peer;
  }

  /** The end of a session and of its ephemerals is one transaction. */
  private endSession(session: ServerSession): void {
    const { peer } = session;
    if (peer) this.detach(peer);
    this.sessions.byId.delete(session.id);
    const paths = [...(this.database.ephemerals.get(session.id) ?? [])];
    const operations = paths.map((path) => ({ type: 'delete', path, version: -1 }) as const);
    const transaction = this.database.apply(operations, session.id, itself, this.runtime.nowMs());
    const zxid = transaction.changed.size > 0 ? transaction.zxid : this.database.advance();
    this.storage.recordSession(session.id, null, zxid);
    this.publish(transaction);
  }

  private publish(transaction: Transaction): void {
    this.storage.record(transaction);
    for (const event of transaction.events) {
      this.watches.fire(event, (peer, e) => peer.send(encodeEvent(e, syncConnected), transaction.zxid));
    }
  }

  private checkSessions(): void {
    // While nothing can be written nobody can be heard, and no end of a session could be told.
    if (this.storage.failure === null) {
      for (const { id } of this.sessions.overdue(sessionCheckMs)) this.expire(id);
    }
    if (!this.closed) this.sessionTimer = this.runtime.setBackgroundTimer(sessionCheckMs, () => this.checkSessions());
  }

  private checkContainers(): void {
    if (this.storage.failure === null) {
      const nowMs = this.runtime.nowMs();
      for (const path of dueForRemoval(this.database.mortals, nowMs)) {
        this.publish(this.database.apply([{ type: 'delete', path, version: -1 }], 0n, itself, nowMs));
      }
    }
    if (!this.closed)
      this.containerTimer = this.runtime.setBackgroundTimer(this.limits.containerCheckMs, () => this.checkContainers());
  }
}
