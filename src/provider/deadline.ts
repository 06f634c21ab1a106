/** Bounds an adapter's call: it gets a signal that fires at the deadline, and the caller goes on even if it ignores that. */
import type { Runtime } from '../runtime.ts';
import { asError, TimeoutError } from './errors.ts';
import { manyListeners } from './signals.ts';

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
      outer?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error) => {
      end();
      own.abort(error);
      reject(error);
    };
    const onAbort = () => fail(outer!.reason as Error);
    const timer = runtime.setTimer(timeoutMs, () => fail(new TimeoutError(`${what} took longer than ${timeoutMs} ms`)));
    if (outer?.aborted) return onAbort();
    if (outer) manyListeners(outer);
    outer?.addEventListener('abort', onAbort, { once: true });
    work(own.signal).then(
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
