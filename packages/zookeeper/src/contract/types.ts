/**
 * The client's vocabulary: what a user of the library hands in and gets back. No behaviour.
 * Names and meanings follow ZooKeeper's own documentation (Programmer's Guide, 3.6+).
 */
import type { Acl, Stat } from '../protocol/records.ts';

export type { Acl, Stat } from '../protocol/records.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export type CreateMode =
  | 'persistent'
  | 'persistent-sequential'
  | 'ephemeral'
  | 'ephemeral-sequential'
  | 'container'
  | 'persistent-ttl'
  | 'persistent-sequential-ttl';

export type SessionState = 'connecting' | 'connected' | 'suspended' | 'expired' | 'closed';

export type WatchEventType =
  | 'created'
  | 'deleted'
  | 'data-changed'
  | 'children-changed'
  | 'data-watch-removed'
  | 'child-watch-removed'
  | 'persistent-watch-removed';

export interface WatchEvent {
  readonly type: WatchEventType;
  /** Relative to the client's chroot. */
  readonly path: string;
}

export interface CallOptions {
  /** The call rejects with DeadlineExceededError after this time; default: the client's `callTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CreateOptions extends CallOptions {
  readonly mode?: CreateMode;
  readonly acl?: readonly Acl[];
  /** Only with the two ttl modes. */
  readonly ttlMs?: number;
}

/** One operation of a multi. A version of -1 (the default) means any. */
export type MultiOperation =
  | {
      readonly type: 'create';
      readonly path: string;
      readonly data: Uint8Array;
      readonly mode?: CreateMode;
      readonly acl?: readonly Acl[];
      readonly ttlMs?: number;
    }
  | { readonly type: 'set'; readonly path: string; readonly data: Uint8Array; readonly version?: number }
  | { readonly type: 'delete'; readonly path: string; readonly version?: number }
  | { readonly type: 'check'; readonly path: string; readonly version: number };

export type MultiResult =
  /** Where the server answers without a stat (Apache 3.8 does), it is made of the transaction's zxid; its times are 0. */
  | { readonly type: 'create'; readonly path: string; readonly stat: Stat }
  | { readonly type: 'set'; readonly stat: Stat }
  | { readonly type: 'delete' }
  | { readonly type: 'check' };

export interface NodeData {
  readonly data: Buffer;
  readonly stat: Stat;
}

export interface Children {
  readonly children: readonly string[];
  readonly stat: Stat;
}

export interface WatchHandle {
  /** Stops the listener; the server's watch is removed when no listener needs it any more. */
  close(): Promise<void>;
}

/** One-shot watches: called once with the event, or never when the session ends first. */
export type WatchListener = (event: WatchEvent) => void;

/**
 * A ZooKeeper session that keeps itself connected. Every promise settles: with the answer, with a typed
 * error of errors.ts, or with DeadlineExceededError. Calls made while suspended wait for the reconnect until their deadline.
 */
export interface ZooKeeper {
  readonly state: SessionState;
  readonly sessionId: bigint;
  /** Negotiated with the server; what was asked for before the first connection. */
  readonly sessionTimeoutMs: number;
  /** Requests that wait for their answer or for their turn. */
  readonly outstanding: number;
  /**
   * Other members of the same ensemble, from now on. A connection to a server that is not among them is given up for one
   * to a server that is; session, watches and locks stay. Throws BadArgumentsError for an empty list.
   */
  setServers(servers: readonly ServerAddress[]): void;

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<{ path: string; stat: Stat }>;
  /** Creates the missing persistent ancestors and the node itself; existing ones are fine. */
  ensurePath(path: string, options?: CallOptions): Promise<void>;
  get(path: string, options?: CallOptions & { watch?: WatchListener }): Promise<NodeData>;
  /** null when there is no such node (the watch then waits for its creation). */
  exists(path: string, options?: CallOptions & { watch?: WatchListener }): Promise<Stat | null>;
  children(path: string, options?: CallOptions & { watch?: WatchListener }): Promise<Children>;
  set(path: string, data: Uint8Array, version?: number, options?: CallOptions): Promise<Stat>;
  delete(path: string, version?: number, options?: CallOptions): Promise<void>;
  sync(path: string, options?: CallOptions): Promise<void>;
  /** All or nothing. Rejects with MultiError, which says which operation failed and why. */
  multi(operations: readonly MultiOperation[], options?: CallOptions): Promise<MultiResult[]>;
  /** Reads at one zxid; a failed read is the error in its place. */
  multiRead(
    reads: readonly { readonly type: 'get' | 'children'; readonly path: string }[],
    options?: CallOptions,
  ): Promise<(NodeData | { readonly children: readonly string[] } | Error)[]>;
  getAcl(path: string, options?: CallOptions): Promise<{ acl: Acl[]; stat: Stat }>;
  setAcl(path: string, acl: readonly Acl[], aversion?: number, options?: CallOptions): Promise<Stat>;
  addAuth(scheme: string, auth: Uint8Array, options?: CallOptions): Promise<void>;
  getEphemerals(prefix?: string, options?: CallOptions): Promise<string[]>;
  /** Persistent watch; re-armed by itself after a reconnect and after a new session. */
  addWatch(
    path: string,
    mode: 'persistent' | 'persistent-recursive',
    listener: WatchListener,
    options?: CallOptions,
  ): Promise<WatchHandle>;
  /**
   * Called on every change of state. `reason` says why in words. After 'expired' the client opens a new session
   * by itself ('connecting', 'connected' with another sessionId); returns the function that unsubscribes.
   */
  onState(listener: (state: SessionState, reason: string) => void): () => void;
  /** Resolves when connected; rejects with the last cause at the deadline. Without a deadline it waits for ever. */
  waitConnected(options?: CallOptions): Promise<void>;
  /** Ends the session in order (ephemerals vanish at once); safe to call twice. */
  close(): Promise<void>;
}
