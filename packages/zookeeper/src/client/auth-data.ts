/** What a client has proved itself with: sent again on each connection, dropped when the server refuses it. */
import type { Runtime } from '../runtime/runtime.ts';
import { xid } from '../protocol/constants.ts';
import { authMessage } from '../protocol/messages/auth.ts';
import { encodeRequest } from '../protocol/messages/header.ts';
import { ClosedError, DeadlineExceededError, errorOf } from '../contract/errors.ts';
import type { SessionState } from '../contract/types.ts';

export interface AuthDataDeps {
  readonly runtime: Runtime;
  readonly state: () => SessionState;
  readonly onState: (listener: (state: SessionState) => void) => () => void;
  readonly lastProblem: () => string;
  /** Goes out before calls that are made after it. */
  readonly send: (frame: Buffer) => void;
  /** Told of refused credentials. */
  readonly onError: (error: unknown) => void;
}

interface Proof {
  readonly scheme: string;
  readonly auth: Uint8Array;
  readonly settle: (error?: Error) => void;
}

export class AuthData {
  private readonly deps: AuthDataDeps;
  private proofs: Proof[] = [];
  /** Sent on this connection and not answered yet. */
  private unanswered: Proof[] = [];

  constructor(deps: AuthDataDeps) {
    this.deps = deps;
  }

  /** Resolves when the server has accepted it; rejects with AuthFailedError when it refuses. */
  async add(scheme: string, auth: Uint8Array, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.deps.state() === 'closed') throw new ClosedError();
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        timer.cancel();
        off();
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const proof: Proof = { scheme, auth, settle };
      const giveUp = (error: Error) => {
        this.forget(proof);
        settle(error);
      };
      const onAbort = () => giveUp(signal!.reason as Error);
      const off = this.deps.onState((state) => {
        if (state === 'closed') giveUp(new ClosedError());
      });
      const timer = this.deps.runtime.setTimer(timeoutMs, () =>
        giveUp(new DeadlineExceededError(timeoutMs, undefined, this.deps.lastProblem())),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.proofs.push(proof);
      if (this.deps.state() !== 'connected') return;
      this.unanswered.push(proof);
      this.deps.send(frameOf(proof));
    });
  }

  /** For a new connection. */
  frames(): Buffer[] {
    this.unanswered = [...this.proofs];
    return this.proofs.map(frameOf);
  }

  /** The server's answer to the oldest one that is under way. */
  answered(error: number): void {
    const proof = this.unanswered.shift();
    if (!proof) return;
    if (error === 0) return proof.settle();
    const refused = errorOf(error);
    // Kept, it would end every further connection.
    this.forget(proof);
    proof.settle(refused);
    this.deps.onError(refused);
  }

  private forget(proof: Proof): void {
    this.proofs = this.proofs.filter((other) => other !== proof);
  }
}

function frameOf({ scheme, auth }: Proof): Buffer {
  return encodeRequest(authMessage, { scheme, auth }, xid.auth);
}
