/**
 * The bounds of one machine: one signal for all that it does, a deadline for the whole and one for each step. It ends at
 * the first failure even if the cloud's answer never comes. Knows nothing of what the steps do.
 */
import type { Runtime, Timer } from '../runtime.ts';
import { asError, asProviderError, TimeoutError } from './errors.ts';
import { manyListeners } from './signals.ts';

export interface MachineView {
  readonly kind: 'launch' | 'deletion';
  /** Node id of a launch, external id of a deletion. */
  readonly of: string;
  readonly waitsFor: string;
  /** Monotonic milliseconds: since when it waits for that. */
  readonly sinceMs: number;
  readonly startedMs: number;
}

export class Machine {
  readonly kind: MachineView['kind'];
  readonly of: string;
  private readonly runtime: Runtime;
  private readonly abort = new AbortController();
  private readonly startedMs: number;
  private waitsFor = 'the cloud';
  private sinceMs: number;

  constructor(kind: MachineView['kind'], of: string, runtime: Runtime) {
    this.kind = kind;
    this.of = of;
    this.runtime = runtime;
    this.startedMs = this.sinceMs = runtime.monotonicMs();
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get view(): MachineView {
    const { kind, of, waitsFor, sinceMs, startedMs } = this;
    return { kind, of, waitsFor, sinceMs, startedMs };
  }

  note(waitsFor: string): void {
    this.waitsFor = waitsFor;
    this.sinceMs = this.runtime.monotonicMs();
  }

  /** Settles as `body` does, or rejects at the deadline or with the outer signal's reason, whatever `body` is doing then. */
  run<T>(timeoutMs: number, outer: AbortSignal, body: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const what = `${this.kind} of ${this.of}`;
      const end = () => {
        timer.cancel();
        outer.removeEventListener('abort', onOuterAbort);
        this.signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        end();
        reject(this.signal.reason as Error);
      };
      const onOuterAbort = () => this.abort.abort(outer.reason);
      const timer = this.runtime.setTimer(timeoutMs, () =>
        this.abort.abort(new TimeoutError(`the ${what} took longer than ${timeoutMs / 1000} s`)),
      );
      this.signal.addEventListener('abort', onAbort, { once: true });
      manyListeners(outer).addEventListener('abort', onOuterAbort, { once: true });
      if (outer.aborted) return onOuterAbort();
      body().then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          // Whatever else it has started must not go on without it.
          this.abort.abort(error);
          reject(asError(error));
        },
      );
    });
  }

  /** One call of the adapter. One that hangs ends the machine. */
  async step<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    this.note('the cloud');
    const timer: Timer = this.runtime.setBackgroundTimer(timeoutMs, () =>
      this.abort.abort(
        new TimeoutError(`a step of the ${this.kind} of ${this.of} took longer than ${timeoutMs / 1000} s`),
      ),
    );
    try {
      return await work();
    } catch (error) {
      throw asProviderError(error);
    } finally {
      timer.cancel();
    }
  }

  /** After an end from outside a late answer must not lead to another step. */
  check(): void {
    if (this.signal.aborted) throw this.signal.reason as Error;
  }

  /** Waits for what cannot be cancelled, but not longer than the machine lives. */
  until(event: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) {
        event.catch(() => undefined);
        return onAbort();
      }
      signal.addEventListener('abort', onAbort, { once: true });
      event.then(
        () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
        (error: unknown) => {
          signal.removeEventListener('abort', onAbort);
          reject(asProviderError(error));
        },
      );
    });
  }
}
