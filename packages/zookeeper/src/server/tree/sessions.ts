/** Sessions: their numbers and passwords, time limits, re-establishment and expiry. They live on in storage over restarts. */
import { timingSafeEqual } from 'node:crypto';
import type { Runtime } from '../../runtime/runtime.ts';
import type { ConnectRequest } from '../../protocol/messages/connect.ts';
import type { ServerSession } from './peer.ts';
import type { StoredSession } from './stored-records.ts';

export interface SessionLimits {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
}

export class Sessions {
  readonly byId = new Map<bigint, ServerSession>();
  private readonly runtime: Runtime;
  private readonly limits: SessionLimits;
  private lastSweepMs: number;

  constructor(runtime: Runtime, limits: SessionLimits) {
    this.runtime = runtime;
    this.limits = limits;
    this.lastSweepMs = runtime.monotonicMs();
  }

  /** From the data file. The time of a session that survived a restart starts anew. */
  restore(stored: readonly StoredSession[]): void {
    for (const { id, password, timeoutMs } of stored) {
      this.byId.set(id, { id, password, timeoutMs, peer: null, heardMs: this.runtime.monotonicMs() });
    }
  }

  open(askedMs: number): ServerSession {
    // 60 bits: positive, and never one of the marks of containers and TTL znodes.
    let id: bigint;
    do id = BigInt(`0x1${this.runtime.randomHex(14)}`);
    while (this.byId.has(id));
    const session: ServerSession = {
      id,
      password: Buffer.from(this.runtime.randomHex(32), 'hex'),
      timeoutMs: this.negotiate(askedMs),
      peer: null,
      heardMs: this.runtime.monotonicMs(),
    };
    this.byId.set(id, session);
    return session;
  }

  /** The session that the client wants back, if it still is and the password is right. */
  find(request: ConnectRequest): ServerSession | null {
    const session = this.byId.get(request.sessionId);
    if (!session || session.password.length !== request.password.length) return null;
    return timingSafeEqual(session.password, request.password) ? session : null;
  }

  negotiate(askedMs: number): number {
    return Math.min(Math.max(askedMs, this.limits.minSessionTimeoutMs), this.limits.maxSessionTimeoutMs);
  }

  /** Those whose time is up. `everyMs`: how often this is asked. */
  overdue(everyMs: number): ServerSession[] {
    const now = this.runtime.monotonicMs();
    const lateMs = now - this.lastSweepMs - everyMs;
    this.lastSweepMs = now;
    // While this process stood still it could not hear anybody; what they have said is read after this.
    if (lateMs > everyMs) for (const session of this.byId.values()) session.heardMs += lateMs;
    return [...this.byId.values()].filter((session) => now - session.heardMs > session.timeoutMs);
  }

  /** Everybody gets the full time again. */
  restartClocks(): void {
    const now = this.runtime.monotonicMs();
    this.lastSweepMs = now;
    for (const session of this.byId.values()) session.heardMs = now;
  }
}
