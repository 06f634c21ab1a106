/**
 * The server without its sockets: sessions, requests, watches, and the rule that nothing is told to anybody before what it
 * rests on is on the disk. Connections hand in frames and get frames back.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Runtime, Timer } from '../../runtime.ts';
import { addWatchMode, errorCode, opCode, permission, syncConnected, watcherType } from '../protocol/constants.ts';
import { JuteReader, JuteWriter, ProtocolError } from '../protocol/jute.ts';
import { readCreate, readMulti, type WireOperation, type WireResult, writeMultiResults } from '../protocol/multi.ts';
import {
  type ConnectRequest,
  encodeConnectResponse,
  encodeEvent,
  readAcl,
  writeAcl,
  writeStat,
} from '../protocol/records.ts';
import { Database, type Identity, Refusal, RefusedTransaction, type Transaction } from './database.ts';
import { longestPathBytes, Storage, type StoredSession } from './storage.ts';
import { WatchTable } from './watch-table.ts';

export interface EngineLimits {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly maxDataBytes: number;
}

/** A connection as the engine sees it. */
export interface Peer {
  readonly identities: Identity[];
  session: Session | null;
  /** Sends in order; held back until `zxid` is durable. */
  send(frame: Buffer, zxid: bigint): void;
  /** Ends the connection after everything sent so far. */
  end(): void;
}

export interface Session {
  readonly id: bigint;
  readonly password: Buffer;
  readonly timeoutMs: number;
  peer: Peer | null;
  heardMs: number;
}

const sweepMs = 250;
const containerSweepMs = 1000;

export class Engine {
  readonly database: Database;
  readonly watches = new WatchTable<Peer>();
  readonly sessions = new Map<bigint, Session>();
  readonly storage: Storage;
  requests = 0;
  private readonly runtime: Runtime;
  private readonly limits: EngineLimits;
  private readonly timers: Timer[] = [];
  private closed = false;

  constructor(o: {
    file: string;
    runtime: Runtime;
    limits: EngineLimits;
    mapSizeBytes?: number;
    onDurable: (zxid: bigint) => void;
    onFailure: (error: Error) => void;
  }) {
    this.runtime = o.runtime;
    this.limits = o.limits;
    this.database = new Database(o.limits.maxDataBytes);
    this.storage = new Storage({ ...o, database: this.database });
    // The expiry clock of a session that survived a restart starts anew.
    for (const stored of this.storage.load()) this.sessions.set(stored.id, { ...stored, peer: null, heardMs: this.now() });
    this.sweep();
    this.sweepContainers();
  }

  get durableZxid(): bigint {
    return this.storage.durableZxid;
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    await this.storage.close();
  }

  // --- sessions

  connect(peer: Peer, request: ConnectRequest): void {
    const session = request.sessionId === 0n ? this.newSession(request.timeoutMs) : this.resume(request);
    if (!session || request.lastZxidSeen > this.database.zxid) {
      peer.send(encodeConnectResponse({ timeoutMs: 0, sessionId: 0n, password: Buffer.alloc(16), readOnly: false }), 0n);
      peer.end();
      return;
    }
    if (session.peer && session.peer !== peer) this.detach(session.peer, true);
    session.peer = peer;
    session.heardMs = this.now();
    peer.session = session;
    peer.send(
      encodeConnectResponse({ timeoutMs: session.timeoutMs, sessionId: session.id, password: session.password, readOnly: false }),
      this.database.zxid,
    );
  }

  /** The connection has ended; the session lives on until its time is up. */
  disconnected(peer: Peer): void {
    this.detach(peer, false);
  }

  private detach(peer: Peer, end: boolean): void {
    this.watches.removeAll(peer);
    if (peer.session?.peer === peer) peer.session.peer = null;
    peer.session = null;
    if (end) peer.end();
  }

  private newSession(askedMs: number): Session {
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.limits;
    const id = BigInt(`0x1${this.runtime.randomHex(14)}`);
    const session: Session = {
      id,
      password: Buffer.from(this.runtime.randomHex(32), 'hex'),
      timeoutMs: Math.min(Math.max(askedMs, minSessionTimeoutMs), maxSessionTimeoutMs),
      peer: null,
      heardMs: this.now(),
    };
    this.sessions.set(id, session);
    this.database.zxid++;
    const stored: StoredSession = { id, timeoutMs: session.timeoutMs, password: session.password };
    this.storage.recordSession(id, stored, this.database.zxid);
    return session;
  }

  private resume(request: ConnectRequest): Session | null {
    const session = this.sessions.get(request.sessionId);
    if (!session || session.password.length !== request.password.length) return null;
    return timingSafeEqual(session.password, request.password) ? session : null;
  }

  private endSession(session: Session): void {
    this.sessions.delete(session.id);
    const paths = [...(this.database.ephemerals.get(session.id) ?? [])];
    const operations = paths.map((path): WireOperation => ({ type: 'delete', path, version: -1 }));
    const transaction = this.database.apply(operations, session.id, [{ scheme: 'super', id: '' }], this.runtime.nowMs());
    this.storage.recordSession(session.id, null, transaction.zxid);
    this.publish(transaction);
    if (session.peer) this.detach(session.peer, true);
  }

  private sweep(): void {
    const now = this.now();
    for (const session of [...this.sessions.values()]) {
      if (now - session.heardMs > session.timeoutMs) this.endSession(session);
    }
    if (!this.closed) this.timers[0] = this.runtime.setBackgroundTimer(sweepMs, () => this.sweep());
  }

  /** Containers go when their last child has gone, TTL nodes when they were not touched for so long. */
  private sweepContainers(): void {
    const nowMs = this.runtime.nowMs();
    for (const path of [...this.database.containers]) {
      const node = this.database.nodes.get(path)!;
      if (node.children.size > 0) continue;
      const due = node.kind === 'ttl' ? nowMs - Number(node.mtime) > node.ttlMs : node.created > 0;
      if (!due) continue;
      this.publish(this.database.apply([{ type: 'delete', path, version: -1 }], 0n, [{ scheme: 'super', id: '' }], nowMs));
    }
    if (!this.closed) this.timers[1] = this.runtime.setBackgroundTimer(containerSweepMs, () => this.sweepContainers());
  }

  private publish(transaction: Transaction): void {
    this.storage.record(transaction);
    for (const event of transaction.events) {
      this.watches.fire(event, (peer, e) => peer.send(encodeEvent(e, syncConnected), transaction.zxid));
    }
  }

  // --- requests

  /** Answers one request of an established connection. Throws ProtocolError for bytes that make no sense. */
  request(peer: Peer, frame: Buffer): void {
    const session = peer.session;
    if (!session) throw new ProtocolError('a request before the session');
    session.heardMs = this.now();
    this.requests++;
    const r = new JuteReader(frame);
    const id = r.int();
    const op = r.int();
    const reply = new JuteWriter(256).int(id);
    let error: number = errorCode.ok;
    let body: ((w: JuteWriter) => void) | null = null;
    try {
      if (this.storage.failure) throw new Refusal(errorCode.systemError);
      body = this.perform(peer, session, op, r);
    } catch (failure) {
      if (failure instanceof ProtocolError) error = errorCode.marshallingError;
      else if (failure instanceof Refusal) error = failure.code;
      else throw failure;
    }
    reply.long(this.database.zxid).int(error);
    body?.(reply);
    peer.send(reply.frame(), this.database.zxid);
    if (op === opCode.closeSession) this.endSession(session);
  }

  private perform(peer: Peer, session: Session, op: number, r: JuteReader): ((w: JuteWriter) => void) | null {
    const { database } = this;
    switch (op) {
      case opCode.ping:
      case opCode.closeSession:
        return null;
      case opCode.create:
      case opCode.create2:
      case opCode.createContainer:
      case opCode.createTtl: {
        const result = this.write(readCreate(r, op), session, peer) as Extract<WireResult, { type: 'create' }>;
        return (w) => {
          w.string(result.path);
          if (result.stat) writeStat(w, result.stat);
        };
      }
      case opCode.delete:
        this.write({ type: 'delete', path: r.string(), version: r.int() }, session, peer);
        return null;
      case opCode.setData: {
        const operation = { type: 'set', path: r.string(), data: r.buffer() ?? Buffer.alloc(0), version: r.int() } as const;
        const result = this.write(operation, session, peer) as Extract<WireResult, { type: 'set' }>;
        return (w) => writeStat(w, result.stat);
      }
      case opCode.check:
        this.write({ type: 'check', path: r.string(), version: r.int() }, session, peer);
        return null;
      case opCode.exists: {
        const path = r.string();
        if (r.bool()) this.watches.add('data', path, peer);
        const node = database.nodes.get(path);
        if (!node) throw new Refusal(errorCode.noNode);
        const stat = database.stat(node);
        return (w) => writeStat(w, stat);
      }
      case opCode.getData: {
        const path = r.string();
        const watch = r.bool();
        const node = database.read(path, peer.identities);
        if (watch) this.watches.add('data', path, peer);
        const { data } = node;
        const stat = database.stat(node);
        return (w) => writeStat(w.buffer(data), stat);
      }
      case opCode.getChildren:
      case opCode.getChildren2: {
        const path = r.string();
        const watch = r.bool();
        const node = database.read(path, peer.identities);
        if (watch) this.watches.add('children', path, peer);
        return (w) => {
          w.vector([...node.children], (v, name) => v.string(name));
          if (op === opCode.getChildren2) writeStat(w, database.stat(node));
        };
      }
      case opCode.getAllChildrenNumber: {
        const path = r.string();
        database.read(path, peer.identities);
        const below = path === '/' ? '/' : `${path}/`;
        let count = 0;
        for (const other of database.nodes.keys()) if (other !== path && other.startsWith(below)) count++;
        return (w) => w.int(count);
      }
      case opCode.getEphemerals: {
        const prefix = r.string();
        const own = [...(database.ephemerals.get(session.id) ?? [])].filter((path) => path.startsWith(prefix));
        return (w) => w.vector(own, (v, path) => v.string(path));
      }
      case opCode.sync: {
        const path = r.string();
        return (w) => w.string(path);
      }
      case opCode.getAcl: {
        const node = database.read(r.string(), peer.identities, permission.read | permission.admin);
        return (w) => writeStat(w.vector(node.acl, writeAcl), database.stat(node));
      }
      case opCode.setAcl: {
        const path = r.string();
        const acl = r.vector(readAcl);
        this.publish(database.setAcl(path, acl, r.int(), peer.identities));
        const stat = database.stat(database.nodes.get(path)!);
        return (w) => writeStat(w, stat);
      }
      case opCode.multi:
        return this.multi(readMulti(r), session, peer);
      case opCode.multiRead:
        return this.multiRead(readMulti(r), peer);
      case opCode.auth:
        return this.auth(peer, r);
      case opCode.setWatches:
      case opCode.setWatches2:
        return this.setWatches(peer, r, op === opCode.setWatches2);
      case opCode.addWatch: {
        const path = r.string();
        const mode = r.int();
        if (mode !== addWatchMode.persistent && mode !== addWatchMode['persistent-recursive']) {
          throw new Refusal(errorCode.badArguments);
        }
        this.watches.add(mode === addWatchMode.persistent ? 'persistent' : 'persistent-recursive', path, peer);
        return (w) => w.int(0);
      }
      case opCode.removeWatches:
      case opCode.checkWatches:
        return this.removeWatches(peer, r.string(), r.int(), op === opCode.removeWatches);
      default:
        throw new Refusal(errorCode.unimplemented);
    }
  }

  private write(operation: WireOperation, session: Session, peer: Peer): WireResult {
    if (operation.type === 'create' && Buffer.byteLength(operation.path) > longestPathBytes) {
      throw new Refusal(errorCode.badArguments);
    }
    const transaction = this.database.apply([operation], session.id, peer.identities, this.runtime.nowMs());
    this.publish(transaction);
    return transaction.results[0]!;
  }

  private multi(operations: WireOperation[], session: Session, peer: Peer): (w: JuteWriter) => void {
    try {
      const transaction = this.database.apply(operations, session.id, peer.identities, this.runtime.nowMs());
      this.publish(transaction);
      return (w) => writeMultiResults(w, transaction.results);
    } catch (error) {
      if (!(error instanceof RefusedTransaction)) throw error;
      const results = operations.map((_operation, index): WireResult => {
        if (index < error.index) return { type: 'error', error: errorCode.ok };
        return { type: 'error', error: index === error.index ? error.code : errorCode.runtimeInconsistency };
      });
      return (w) => writeMultiResults(w, results);
    }
  }

  private multiRead(operations: WireOperation[], peer: Peer): (w: JuteWriter) => void {
    const results = operations.map((operation): WireResult => {
      try {
        const node = this.database.read(operation.path, peer.identities);
        if (operation.type === 'get') return { type: 'get', data: node.data, stat: this.database.stat(node) };
        if (operation.type === 'children') return { type: 'children', children: [...node.children] };
        throw new Refusal(errorCode.unimplemented);
      } catch (error) {
        if (error instanceof Refusal) return { type: 'error', error: error.code };
        throw error;
      }
    });
    return (w) => writeMultiResults(w, results);
  }

  private auth(peer: Peer, r: JuteReader): null {
    r.int();
    const scheme = r.string();
    const auth = r.buffer() ?? Buffer.alloc(0);
    if (scheme !== 'digest') throw new Refusal(errorCode.authFailed);
    const text = auth.toString('utf8');
    const hash = createHash('sha1').update(text).digest('base64');
    peer.identities.push({ scheme, id: `${text.split(':')[0] ?? ''}:${hash}` });
    return null;
  }

  /** Re-arms the watches of a client that comes back, and tells it at once what it has missed. */
  private setWatches(peer: Peer, r: JuteReader, withPersistent: boolean): null {
    const since = r.long();
    const paths = () => r.vector((v) => v.string());
    const tell = (type: 'created' | 'deleted' | 'data-changed' | 'children-changed', path: string) =>
      peer.send(encodeEvent({ type, path }, syncConnected), this.database.zxid);
    for (const path of paths()) {
      const node = this.database.nodes.get(path);
      if (!node) tell('deleted', path);
      else if (node.mzxid > since) tell('data-changed', path);
      else this.watches.add('data', path, peer);
    }
    for (const path of paths()) {
      if (this.database.nodes.has(path)) tell('created', path);
      else this.watches.add('data', path, peer);
    }
    for (const path of paths()) {
      const node = this.database.nodes.get(path);
      if (!node) tell('deleted', path);
      else if (node.pzxid > since) tell('children-changed', path);
      else this.watches.add('children', path, peer);
    }
    if (withPersistent) {
      for (const path of paths()) this.watches.add('persistent', path, peer);
      for (const path of paths()) this.watches.add('persistent-recursive', path, peer);
    }
    return null;
  }

  private removeWatches(peer: Peer, path: string, type: number, remove: boolean): null {
    const kinds =
      type === watcherType.children
        ? (['children'] as const)
        : type === watcherType.data
          ? (['data'] as const)
          : type === watcherType.persistent
            ? (['persistent'] as const)
            : type === watcherType['persistent-recursive']
              ? (['persistent-recursive'] as const)
              : (['children', 'data', 'persistent', 'persistent-recursive'] as const);
    const found = kinds.filter((kind) => this.watches.has(kind, path, peer));
    if (found.length === 0) throw new Refusal(errorCode.noWatcher);
    if (remove) for (const kind of found) this.watches.remove(kind, path, peer);
    return null;
  }

  private now(): number {
    return this.runtime.monotonicMs();
  }
}

