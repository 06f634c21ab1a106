/** Leader election, compatible with kazoo's: the leader is whoever holds the lock. */
import { SessionExpiredError } from '../contract/errors.ts';
import { lock, type LockOptions } from './lock.ts';

/**
 * Waits to be elected, then runs `lead`; its signal fires when leadership is lost (session gone) or `signal` fires. After
 * `lead` has ended, leadership is given up. Rejects with the signal's reason when it fires while waiting.
 */
export async function runElection(
  options: LockOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await lock(options, { signal });
  if (outcome.result !== 'acquired') return;
  const lost = new AbortController();
  const off = options.client.onState((state) => {
    if (state === 'expired' || state === 'closed') lost.abort(new SessionExpiredError(options.path));
  });
  if (!outcome.lock.held) lost.abort(new SessionExpiredError(options.path));
  try {
    await lead(AbortSignal.any([signal, lost.signal]));
  } finally {
    off();
    await outcome.lock.release();
  }
}
