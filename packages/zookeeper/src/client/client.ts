/** The client as its users see it (types.ts): turns operations into calls of a session, paths through the chroot. */
import { addWatchMode, errorCode, opCode, watcherType } from '../protocol/constants.ts';
import { type JuteReader, JuteWriter } from '../protocol/jute.ts';
import { createOpCode, readMultiResults, writeCreate, writeMulti } from '../protocol/multi.ts';
import { readAcl, readStat, type WireEvent, writeAcl } from '../protocol/records.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import { type Call, requestFrame } from './call.ts';
import { Chroot } from './chroot.ts';
import { Credentials } from './credentials.ts';
import {
  BadArgumentsError,
  ClosedError,
  DeadlineExceededError,
  errorOf,
  NodeExistsError,
  NoNodeError,
  SessionExpiredError,
  ZooKeeperError,
} from './errors.ts';
import { Session } from './session.ts';
import { type Connector, tcpConnector, tlsConnector, type TlsOptions } from './transport.ts';
import type {
  Acl,
  CallOptions,
  Children,
  CreateOptions,
  MultiOperation,
  MultiResult,
  NodeData,
  SessionState,
  ServerAddress,
  Stat,
  WatchHandle,
  WatchListener,
  ZooKeeper,
} from './types.ts';
import { type OneShotKind, type PersistentKind, Watches } from './watches.ts';
import { multiResults, wireCreate, wireOperation } from './wire-operations.ts';

export interface ZooKeeperOptions {
  readonly servers: readonly ServerAddress[];
  /** '' or '/path'; every path given and returned is below it. */
  readonly chroot?: string;
  readonly sessionTimeoutMs?: number;
  /** Deadline of a call that names none. */
  readonly callTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Read at each connection. Without it the connection is plain TCP. */
  readonly tls?: () => TlsOptions | Promise<TlsOptions>;
  /** Another way to reach the server, e.g. within the process. */
  readonly connector?: Connector;
  readonly runtime?: Runtime;
  readonly maxInFlight?: number;
  readonly maxWaiting?: number;
  /** Told of exceptions in listeners, which are the user's, and of refused credentials. */
  readonly onError?: (error: unknown) => void;
}

const maxFrameBytes = 64 * 1024 * 1024;

export function createZooKeeper(options: ZooKeeperOptions): ZooKeeper {
  return new ZooKeeperClient(options);
}

class ZooKeeperClient implements ZooKeeper {
  private readonly session: Session;
  private readonly chroot: Chroot;
  private readonly runtime: Runtime;
  private readonly callTimeoutMs: number;
  private readonly watches = new Watches();
  private readonly stateListeners = new Set<(state: SessionState, reason: string) => void>();
  private readonly credentials: Credentials;
  private readonly onError: (error: unknown) => void;

  constructor(o: ZooKeeperOptions) {
    this.chroot = new Chroot(o.chroot ?? '');
    if (o.servers.length === 0 && !o.connector) throw new BadArgumentsError('bad-arguments', 'no servers given');
    this.runtime = o.runtime ?? systemRuntime;
    this.callTimeoutMs = o.callTimeoutMs ?? 30_000;
    this.onError = o.onError ?? (() => undefined);
    this.session = new Session({
      servers: o.servers.length > 0 ? o.servers : [{ host: 'in-process', port: 0 }],
      connector: o.connector ?? (o.tls ? tlsConnector(o.tls) : tcpConnector()),
      sessionTimeoutMs: o.sessionTimeoutMs ?? 10_000,
      connectTimeoutMs: o.connectTimeoutMs ?? 10_000,
      maxFrameBytes,
      maxInFlight: o.maxInFlight ?? 5000,
      maxWaiting: o.maxWaiting ?? 200_000,
      runtime: this.runtime,
      onState: (state, reason) => this.stateChanged(state, reason),
      onEvent: (event) => this.eventArrived(event),
      onConnect: (fresh, lastZxid) => this.firstFrames(fresh, lastZxid),
      onAuth: (error) => this.credentials.answered(error),
    });
    this.credentials = new Credentials({
      runtime: this.runtime,
      state: () => this.state,
      onState: (listener) => this.onState(listener),
      lastProblem: () => this.session.lastProblem,
      send: (frame) => this.session.sendAhead(frame),
      onError: this.onError,
    });
  }

  get state(): SessionState {
    return this.session.state;
  }

  get sessionId(): bigint {
    return this.session.sessionId;
  }

  get sessionTimeoutMs(): number {
    return this.session.sessionTimeoutMs;
  }

  setServers(servers: readonly ServerAddress[]): void {
    if (servers.length === 0) throw new BadArgumentsError('bad-arguments', 'no servers given');
    this.session.setServers(servers);
  }

  get outstanding(): number {
    return this.session.outstanding;
  }

  create(path: string, data: Uint8Array, options: CreateOptions = {}): Promise<{ path: string; stat: Stat }> {
    const mode = options.mode ?? 'persistent';
    this.chroot.check(path, mode.includes('sequential'));
    const operation = wireCreate(this.chroot.full(path), data, mode, options.acl, options.ttlMs);
    const op = createOpCode(operation.flags, true);
    return this.call(
      op,
      path,
      (w) => writeCreate(w, operation),
      options,
      (body) => ({
        path: this.chroot.strip(body.string()),
        stat: readStat(body),
      }),
      false,
      data.length + path.length + 128,
    );
  }

  async ensurePath(path: string, options: CallOptions = {}): Promise<void> {
    const parts = path.split('/').slice(1);
    for (let i = 1; i <= parts.length; i++) {
      const part = `/${parts.slice(0, i).join('/')}`;
      if (i < parts.length && (await this.exists(part, options))) continue;
      await this.create(part, new Uint8Array(), options).catch((error: unknown) => {
        if (!(error instanceof NodeExistsError)) throw error;
      });
    }
  }

  get(path: string, options: CallOptions & { watch?: WatchListener } = {}): Promise<NodeData> {
    return this.read(opCode.getData, path, 'data', options, (body) => {
      const data = body.buffer() ?? Buffer.alloc(0);
      return { data, stat: readStat(body) };
    });
  }

  async exists(path: string, options: CallOptions & { watch?: WatchListener } = {}): Promise<Stat | null> {
    const { watch } = options;
    try {
      return await this.read(opCode.exists, path, 'data', options, readStat);
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      if (watch) this.watches.add('exists', path, watch);
      return null;
    }
  }

  children(path: string, options: CallOptions & { watch?: WatchListener } = {}): Promise<Children> {
    return this.read(opCode.getChildren2, path, 'children', options, (body) => {
      const children = body.vector((r) => r.string());
      return { children, stat: readStat(body) };
    });
  }

  set(path: string, data: Uint8Array, version = -1, options: CallOptions = {}): Promise<Stat> {
    this.chroot.check(path);
    const write = (w: JuteWriter) => w.string(this.chroot.full(path)).buffer(data).int(version);
    return this.call(opCode.setData, path, write, options, readStat, false, data.length + path.length + 64);
  }

  delete(path: string, version = -1, options: CallOptions = {}): Promise<void> {
    this.chroot.check(path);
    return this.call(
      opCode.delete,
      path,
      (w) => w.string(this.chroot.full(path)).int(version),
      options,
      () => undefined,
      false,
    );
  }

  sync(path: string, options: CallOptions = {}): Promise<void> {
    this.chroot.check(path);
    return this.call(
      opCode.sync,
      path,
      (w) => w.string(this.chroot.full(path)),
      options,
      () => undefined,
      true,
    );
  }

  async multi(operations: readonly MultiOperation[], options: CallOptions = {}): Promise<MultiResult[]> {
    if (operations.length === 0) return [];
    const wire = operations.map((o) => wireOperation(o, this.chroot));
    const size = wire.reduce((sum, o) => sum + 96 + o.path.length + ('data' in o ? (o.data?.length ?? 0) : 0), 0);
    let zxid = 0n;
    const decode = (body: JuteReader, at: bigint) => {
      zxid = at;
      return readMultiResults(body);
    };
    const results = await this.call(
      opCode.multi,
      operations[0]!.path,
      (w) => writeMulti(w, wire),
      options,
      decode,
      false,
      size,
    );
    return multiResults(results, operations, zxid, this.chroot);
  }

  async multiRead(
    reads: readonly { readonly type: 'get' | 'children'; readonly path: string }[],
    options: CallOptions = {},
  ): Promise<(NodeData | { readonly children: readonly string[] } | Error)[]> {
    if (reads.length === 0) return [];
    for (const read of reads) this.chroot.check(read.path);
    const wire = reads.map((r) => ({ type: r.type, path: this.chroot.full(r.path) }));
    const results = await this.call(
      opCode.multiRead,
      reads[0]!.path,
      (w) => writeMulti(w, wire),
      options,
      readMultiResults,
      true,
    );
    return results.map((result, index) => {
      if (result.type === 'get') return { data: result.data ?? Buffer.alloc(0), stat: result.stat };
      if (result.type === 'children') return { children: result.children };
      return errorOf(result.type === 'error' ? result.error : errorCode.systemError, reads[index]?.path);
    });
  }

  getAcl(path: string, options: CallOptions = {}): Promise<{ acl: Acl[]; stat: Stat }> {
    this.chroot.check(path);
    return this.call(
      opCode.getAcl,
      path,
      (w) => w.string(this.chroot.full(path)),
      options,
      (body) => {
        const acl = body.vector(readAcl);
        return { acl, stat: readStat(body) };
      },
      true,
    );
  }

  setAcl(path: string, acl: readonly Acl[], aversion = -1, options: CallOptions = {}): Promise<Stat> {
    this.chroot.check(path);
    const write = (w: JuteWriter) => w.string(this.chroot.full(path)).vector(acl, writeAcl).int(aversion);
    return this.call(opCode.setAcl, path, write, options, readStat, false);
  }

  /** The credentials are sent again on each connection. Rejects with AuthFailedError when the server refuses them. */
  addAuth(scheme: string, auth: Uint8Array, options: CallOptions = {}): Promise<void> {
    return this.credentials.add(scheme, auth, options.timeoutMs ?? this.callTimeoutMs, options.signal);
  }

  getEphemerals(prefix = '/', options: CallOptions = {}): Promise<string[]> {
    const write = (w: JuteWriter) => w.string(this.chroot.full(prefix));
    const answer = (body: JuteReader) => body.vector((r) => this.chroot.strip(r.string()));
    return this.call(opCode.getEphemerals, prefix, write, options, answer, true);
  }

  async addWatch(
    path: string,
    mode: 'persistent' | 'persistent-recursive',
    listener: WatchListener,
    options: CallOptions = {},
  ): Promise<WatchHandle> {
    this.chroot.check(path);
    this.watches.add(mode, path, listener);
    try {
      await this.sendAddWatch(mode, path, options);
    } catch (error) {
      this.watches.remove(mode, path, listener);
      throw error;
    }
    return {
      close: async () => {
        if (!this.watches.remove(mode, path, listener) || this.state === 'closed') return;
        const write = (w: JuteWriter) => w.string(this.chroot.full(path)).int(watcherType[mode]);
        // Older servers know only "any"; that the watch is gone already is as good.
        await this.call(opCode.removeWatches, path, write, {}, () => undefined, true).catch(() => undefined);
      },
    };
  }

  onState(listener: (state: SessionState, reason: string) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  async waitConnected(options: CallOptions = {}): Promise<void> {
    if (this.state === 'connected') return;
    if (this.state === 'closed') throw new ClosedError();
    options.signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const done = (settle: () => void) => {
        off();
        timer?.cancel();
        options.signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = () => done(() => reject(options.signal!.reason as Error));
      const off = this.onState((state) => {
        if (state === 'connected') done(resolve);
        if (state === 'closed') done(() => reject(new ClosedError()));
      });
      const { timeoutMs } = options;
      const timer =
        timeoutMs === undefined
          ? null
          : this.runtime.setTimer(timeoutMs, () =>
              done(() => reject(new DeadlineExceededError(timeoutMs, undefined, this.session.lastProblem))),
            );
      options.signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  close(): Promise<void> {
    return this.session.close();
  }

  // --- inside

  private read<T>(
    op: number,
    path: string,
    kind: OneShotKind,
    options: CallOptions & { watch?: WatchListener },
    decode: (body: JuteReader) => T,
  ): Promise<T> {
    this.chroot.check(path);
    const { watch } = options;
    const write = (w: JuteWriter) => w.string(this.chroot.full(path)).bool(watch !== undefined);
    const answer = (body: JuteReader) => {
      // Registered while the answer is handled: the event can only come after it.
      if (watch) this.watches.add(kind, path, watch);
      return decode(body);
    };
    return this.call(op, path, write, options, answer, true);
  }

  private call<T>(
    op: number,
    path: string | undefined,
    write: (w: JuteWriter) => unknown,
    options: CallOptions,
    decode: (body: JuteReader, zxid: bigint) => T,
    repeatable: boolean,
    sizeHint?: number,
  ): Promise<T> {
    const { signal } = options;
    const timeoutMs = options.timeoutMs ?? this.callTimeoutMs;
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      let onAbort: (() => void) | undefined;
      const call: Call = {
        op,
        path,
        frame: requestFrame(op, write, sizeHint),
        repeatable,
        timeoutMs,
        deadlineMs: this.runtime.monotonicMs() + timeoutMs,
        xid: 0,
        settled: false,
        answer: (error, body, zxid) => {
          if (onAbort) signal!.removeEventListener('abort', onAbort);
          // A refused multi has its reasons in its body.
          if (error !== 0 && !(op === opCode.multi && body.remaining > 0)) return reject(errorOf(error, path));
          try {
            resolve(decode(body, zxid));
          } catch (failure) {
            reject(
              new ZooKeeperError('bad-answer', `the answer can't be read: ${String(failure)}`, {
                path,
                cause: failure,
              }),
            );
          }
        },
        fail: (error) => {
          if (onAbort) signal!.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      if (signal) {
        onAbort = () => {
          this.session.forget(call);
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', onAbort, { once: true });
      }
      this.session.submit(call);
    });
  }

  private async sendAddWatch(mode: PersistentKind, path: string, options: CallOptions = {}): Promise<void> {
    const write = (w: JuteWriter) => w.string(this.chroot.full(path)).int(addWatchMode[mode]);
    await this.call(opCode.addWatch, path, write, options, () => undefined, true);
  }

  private firstFrames(fresh: boolean, lastZxid: bigint): Buffer[] {
    const frames = this.credentials.frames();
    if (!fresh) return [...frames, ...this.watches.rearmFrames(lastZxid, (path) => this.chroot.full(path))];
    this.watches.forgetOneShot();
    for (const [mode, path] of this.watches.persistentPaths()) {
      this.sendAddWatch(mode, path).catch((error: unknown) => {
        if (!(error instanceof ClosedError || error instanceof SessionExpiredError)) this.onError(error);
      });
    }
    return frames;
  }

  private stateChanged(state: SessionState, reason: string): void {
    for (const listener of [...this.stateListeners]) {
      try {
        listener(state, reason);
      } catch (error) {
        this.onError(error);
      }
    }
  }

  private eventArrived(event: WireEvent): void {
    this.watches.dispatch({ type: event.type, path: this.chroot.strip(event.path) }, this.onError);
  }
}
