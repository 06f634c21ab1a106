/** Bounds an adapter's call: it gets a signal that fires at the deadline, and the caller goes on even if it ignores that. */
import type { Runtime } from '../base/runtime.ts';
import { asError, ProviderError } from './errors.ts';
import { onAbort } from '../base/signals.ts';

export function withDeadline<T>(
  runtime: Runtime,
  timeoutMs: number,
  what: string,
  outer: AbortSignal | null,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const own = new AbortController();
    const end = () => {
      timer.cancel();
      unfollow();
    };
    const fail = (error: Error) => {
      end();
      own.abort(error);
      reject(error);
    };
    const onOuterAbort = () => fail(outer!.reason as Error);
    const timer = runtime.setTimer(timeoutMs, () =>
      fail(new ProviderError('timeout', `${what} took longer than ${timeoutMs / 1000} s`)),
    );
    const unfollow = outer ? onAbort(outer, onOuterAbort) : () => {};
    if (outer?.aborted) return onOuterAbort();
    // One that throws before it is a promise must not leave timer and follower behind either.
    attempt(() => work(own.signal)).then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(asError(error));
      },
    );
  });
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  return work();
}
