/** Waiting for a client to be connected, with a deadline and a signal. */
import { ClosedError, DeadlineExceededError } from '../contract/errors.ts';
import type { CallOptions, SessionState } from '../contract/types.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Connecting {
  readonly state: SessionState;
  onState(listener: (state: SessionState) => void): () => void;
}

/** Rejects with ClosedError, the signal's reason, or DeadlineExceededError, which names the last problem. */
export async function waitConnected(
  client: Connecting,
  runtime: Runtime,
  { timeoutMs, signal }: CallOptions,
  lastProblem: () => string,
): Promise<void> {
  if (client.state === 'connected') return;
  if (client.state === 'closed') throw new ClosedError();
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const done = (settle: () => void) => {
      off();
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => done(() => reject(signal!.reason as Error));
    const off = client.onState((state) => {
      if (state === 'connected') done(resolve);
      if (state === 'closed') done(() => reject(new ClosedError()));
    });
    const late = (ms: number) => done(() => reject(new DeadlineExceededError(ms, undefined, lastProblem())));
    const timer = timeoutMs === undefined ? null : runtime.setTimer(timeoutMs, () => late(timeoutMs));
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
