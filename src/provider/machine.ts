/**
 * The bounds of one machine: one signal for all that it does, a deadline for the whole and one for each step. It ends at
 * the first failure even if the cloud's answer never comes. Knows nothing of what the steps do.
 */
import type { Runtime, Timer } from '../base/runtime.ts';
import { asError, asProviderError, ProviderError } from '../driver-kit/errors.ts';
import { onAbort } from '../base/signals.ts';

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
  private fail: (error: Error) => void = () => {};
  /** While above 0 the outer signal ends the machine only after this time. */
  private graceMs = 0;
  private graceTimer: Timer | null = null;
  private interruption: Error | null = null;

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
      let ended = false;
      const end = () => {
        ended = true;
        timer.cancel();
        this.graceTimer?.cancel();
        unfollow();
      };
      this.fail = (error) => {
        if (ended) return;
        end();
        // Whatever else was started for it must not go on.
        this.abort.abort(error);
        reject(error);
      };
      const timer = this.runtime.setTimer(timeoutMs, () =>
        this.fail(
          new ProviderError('timeout', `the ${this.kind} of ${this.of} took longer than ${timeoutMs / 1000} s`),
        ),
      );
      const unfollow = onAbort(outer, () => this.interrupt(outer.reason as Error));
      if (outer.aborted) return this.fail(outer.reason as Error);
      body().then(
        (value) => {
          if (ended) return;
          end();
          resolve(value);
        },
        (error: unknown) => this.fail(asError(error)),
      );
    });
  }

  /** What makes something whose id must be learnt and stored is not broken off at once, but given `graceMs` to end. */
  async sheltered<T>(graceMs: number, work: () => Promise<T>): Promise<T> {
    this.graceMs = graceMs;
    try {
      return await work();
    } finally {
      this.graceMs = 0;
      if (this.interruption) this.fail(this.interruption);
    }
  }

  private interrupt(reason: Error): void {
    if (this.graceMs <= 0) return this.fail(reason);
    this.interruption = reason;
    this.graceTimer = this.runtime.setTimer(this.graceMs, () => this.fail(reason));
  }

  /** One call of the adapter. One that hangs ends the machine. */
  async step<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    this.note('the cloud');
    const timer: Timer = this.runtime.setBackgroundTimer(timeoutMs, () =>
      this.fail(
        new ProviderError('timeout', `a step of the ${this.kind} of ${this.of} took longer than ${timeoutMs / 1000} s`),
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
      const stop = () => reject(signal.reason as Error);
      if (signal.aborted) {
        event.catch(() => undefined);
        return stop();
      }
      signal.addEventListener('abort', stop, { once: true });
      event.then(
        () => {
          signal.removeEventListener('abort', stop);
          resolve();
        },
        (error: unknown) => {
          signal.removeEventListener('abort', stop);
          reject(asProviderError(error));
        },
      );
    });
  }
}
