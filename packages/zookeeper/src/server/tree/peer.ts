/** A client's connection and its session, as the rest of the server sees them. */
import type { Identity } from './acl.ts';

export interface Peer {
  /** Who the client has proved to be. */
  readonly identities: Identity[];
  session: ServerSession | null;
  /** Sends in order, and not before everything up to `zxid` is on the disk. */
  send(frame: Buffer, zxid: bigint): void;
  /** Everything up to `durable` is on the disk now. False when nothing waits any more. */
  release(durable: bigint): boolean;
  /** Ends the connection after everything sent so far. */
  end(): void;
  /** Ends it at once; what waits is dropped. */
  destroy(): void;
}

export interface ServerSession {
  readonly id: bigint;
  readonly password: Buffer;
  timeoutMs: number;
  /** null while the client is away. */
  peer: Peer | null;
  /** When the client was last heard of, by the monotonic clock. */
  heardMs: number;
}
