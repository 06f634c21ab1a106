/** The client as its users see it (types.ts): turns operations into calls of a session, paths through the chroot. */
import {
  BadArgumentsError,
  ClosedError,
  errorOf,
  NodeExistsError,
  NoNodeError,
  SessionExpiredError,
} from '../contract/errors.ts';
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
} from '../contract/types.ts';
import { type Logger, silent } from '../contract/logger.ts';
import { addWatchMode, errorCode, watcherType } from '../protocol/constants.ts';
import { getAclMessage, setAclMessage } from '../protocol/messages/acl.ts';
import { createMessageFor } from '../protocol/messages/create.ts';
import { deleteMessage } from '../protocol/messages/delete.ts';
import type { WireEvent } from '../protocol/messages/event.ts';
import { existsMessage } from '../protocol/messages/exists.ts';
import { getChildren2Message } from '../protocol/messages/get-children.ts';
import { getDataMessage } from '../protocol/messages/get-data.ts';
import { getEphemeralsMessage } from '../protocol/messages/get-ephemerals.ts';
import type { Message, WatchingRequest } from '../protocol/messages/message.ts';
import { multiMessage, multiReadMessage } from '../protocol/messages/multi.ts';
import { setDataMessage } from '../protocol/messages/set-data.ts';
import { syncMessage } from '../protocol/messages/sync.ts';
import { addWatchMessage, removeWatchesMessage } from '../protocol/messages/watches.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import { AuthData } from './auth-data.ts';
import { Calls } from './calls.ts';
import { Chroot } from './chroot.ts';
import type { ZooKeeperOptions } from './options.ts';
import { Session } from './session/session.ts';
import { tcpConnector, tlsConnector } from './session/transport.ts';
import { waitConnected } from './wait-connected.ts';
import { type OneShotKind, type PersistentKind, Watches } from './watches.ts';
import { multiResults, wireCreate, wireOperation } from './wire-operations.ts';

const noData = Buffer.alloc(0);
const maxFrameBytes = 64 * 1024 * 1024;

export function createZooKeeper(options: ZooKeeperOptions): ZooKeeper {
  return new ZooKeeperClient(options);
}

class ZooKeeperClient implements ZooKeeper {
  private readonly session: Session;
  private readonly calls: Calls;
  private readonly chroot: Chroot;
  private readonly runtime: Runtime;
  private readonly callTimeoutMs: number;
  private readonly watches = new Watches();
  private readonly stateListeners = new Set<(state: SessionState, reason: string) => void>();
  private readonly authData: AuthData;
  private readonly log: Logger;
  private readonly onError: (error: unknown) => void;

  constructor(options: ZooKeeperOptions) {
    const { servers, tls } = options;
    this.chroot = new Chroot(options.chroot ?? '');
    if (servers.length === 0 && !options.connector) throw new BadArgumentsError('bad-arguments', 'no servers given');
    this.runtime = options.runtime ?? systemRuntime;
    this.callTimeoutMs = options.callTimeoutMs ?? 30_000;
    this.log = options.log ?? silent;
    this.onError = options.onError ?? ((error) => this.log.error({ err: error }, 'Error outside any call'));
    this.session = new Session(
      {
        connector: options.connector ?? (tls ? tlsConnector(tls) : tcpConnector()),
        runtime: this.runtime,
        onState: (state, reason) => this.stateChanged(state, reason),
        onEvent: (event) => this.eventArrived(event),
        onConnect: (fresh, lastZxid) => this.firstFrames(fresh, lastZxid),
        onAuth: (error) => this.authData.answered(error),
        onProblem: (problem) => this.log.debug({ problem }, 'No connection to the server'),
      },
      {
        servers: servers.length > 0 ? servers : [{ host: 'in-process', port: 0 }],
        sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
        connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
        maxFrameBytes,
        maxInFlight: options.maxInFlight ?? 5000,
        maxWaiting: options.maxWaiting ?? 200_000,
      },
    );
    this.calls = new Calls(this.session, this.runtime, this.callTimeoutMs);
    this.authData = new AuthData({
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
    const request = wireCreate(this.chroot.full(path), data, mode, options.acl, options.ttlMs);
    const message = createMessageFor(request.flags);
    const result = (made: { path: string; stat: Stat }) => ({ path: this.chroot.strip(made.path), stat: made.stat });
    return this.calls.ask({ message, request, path, options, result });
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
    return this.read(getDataMessage, path, 'data', options, ({ data, stat }) => ({ data: data ?? noData, stat }));
  }

  async exists(path: string, options: CallOptions & { watch?: WatchListener } = {}): Promise<Stat | null> {
    const { watch } = options;
    try {
      return await this.read(existsMessage, path, 'data', options, same);
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      if (watch) this.watches.add('exists', path, watch);
      return null;
    }
  }

  children(path: string, options: CallOptions & { watch?: WatchListener } = {}): Promise<Children> {
    return this.read(getChildren2Message, path, 'children', options, same);
  }

  set(path: string, data: Uint8Array, version = -1, options: CallOptions = {}): Promise<Stat> {
    const request = { type: 'set', path: this.checked(path), data, version } as const;
    return this.calls.ask({ message: setDataMessage, request, path, options, result: same });
  }

  delete(path: string, version = -1, options: CallOptions = {}): Promise<void> {
    const request = { type: 'delete', path: this.checked(path), version } as const;
    return this.calls.ask({ message: deleteMessage, request, path, options, result: nothing });
  }

  sync(path: string, options: CallOptions = {}): Promise<void> {
    const request = { path: this.checked(path) };
    return this.calls.ask({ message: syncMessage, request, path, options, result: nothing });
  }

  async multi(operations: readonly MultiOperation[], options: CallOptions = {}): Promise<MultiResult[]> {
    const [first] = operations;
    if (!first) return [];
    const { results, zxid } = await this.calls.ask({
      message: multiMessage,
      request: operations.map((operation) => wireOperation(operation, this.chroot)),
      path: first.path,
      options,
      result: (results, zxid) => ({ results, zxid }),
    });
    return multiResults(results, operations, zxid, this.chroot);
  }

  async multiRead(
    reads: readonly { readonly type: 'get' | 'children'; readonly path: string }[],
    options: CallOptions = {},
  ): Promise<(NodeData | { readonly children: readonly string[] } | Error)[]> {
    const [first] = reads;
    if (!first) return [];
    const results = await this.calls.ask({
      message: multiReadMessage,
      request: reads.map(({ type, path }) => ({ type, path: this.checked(path) })),
      path: first.path,
      options,
      result: same,
    });
    return results.map((result, index) => {
      if (result.type === 'get') return { data: result.data ?? noData, stat: result.stat };
      if (result.type === 'children') return { children: result.children };
      return errorOf(result.type === 'error' ? result.error : errorCode.systemError, reads[index]?.path);
    });
  }

  getAcl(path: string, options: CallOptions = {}): Promise<{ acl: Acl[]; stat: Stat }> {
    const request = { path: this.checked(path) };
    return this.calls.ask({ message: getAclMessage, request, path, options, result: same });
  }

  setAcl(path: string, acl: readonly Acl[], aversion = -1, options: CallOptions = {}): Promise<Stat> {
    const request = { path: this.checked(path), acl, aversion };
    return this.calls.ask({ message: setAclMessage, request, path, options, result: same });
  }

  /** The credentials are sent again on each connection. Rejects with AuthFailedError when the server refuses them. */
  addAuth(scheme: string, auth: Uint8Array, options: CallOptions = {}): Promise<void> {
    return this.authData.add(scheme, auth, options.timeoutMs ?? this.callTimeoutMs, options.signal);
  }

  getEphemerals(prefix = '/', options: CallOptions = {}): Promise<string[]> {
    const request = { path: this.chroot.full(prefix) };
    const result = (paths: readonly string[]) => paths.map((path) => this.chroot.strip(path));
    return this.calls.ask({ message: getEphemeralsMessage, request, path: prefix, options, result });
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
        const request = { path: this.chroot.full(path), watcher: watcherType[mode] };
        const gone = this.calls.ask({ message: removeWatchesMessage, request, path, options: {}, result: nothing });
        // Older servers know only "any"; that the watch is gone already is as good.
        await gone.catch(() => undefined);
      },
    };
  }

  onState(listener: (state: SessionState, reason: string) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  waitConnected(options: CallOptions = {}): Promise<void> {
    return waitConnected(this, this.runtime, options, () => this.session.lastProblem);
  }

  close(): Promise<void> {
    return this.session.close();
  }

  // --- inside

  /** The path as the server knows it. Throws BadArgumentsError for what can't be one. */
  private checked(path: string): string {
    this.chroot.check(path);
    return this.chroot.full(path);
  }

  private read<Response, Result>(
    message: Message<WatchingRequest, Response, never>,
    path: string,
    kind: OneShotKind,
    options: CallOptions & { watch?: WatchListener },
    result: (response: Response) => Result,
  ): Promise<Result> {
    const { watch } = options;
    return this.calls.ask({
      message,
      request: { path: this.checked(path), watch: watch !== undefined },
      path,
      options,
      result: (response) => {
        // Registered while the answer is handled: the event can only come after it.
        if (watch) this.watches.add(kind, path, watch);
        return result(response);
      },
    });
  }

  private async sendAddWatch(mode: PersistentKind, path: string, options: CallOptions = {}): Promise<void> {
    const request = { path: this.chroot.full(path), mode: addWatchMode[mode] };
    await this.calls.ask({ message: addWatchMessage, request, path, options, result: nothing });
  }

  private firstFrames(fresh: boolean, lastZxid: bigint): Buffer[] {
    const frames = this.authData.frames();
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
    const level = state === 'suspended' || state === 'expired' ? 'warn' : 'info';
    this.log[level]({ state, reason }, 'ZooKeeper session');
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

const same = <T>(response: T): T => response;
const nothing = (): void => undefined;
