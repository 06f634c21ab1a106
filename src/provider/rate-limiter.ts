/**
 * Spaces calls evenly, without bursts, in the order in which they came. One for all pools of a provider, and for what is left
 * of an earlier configuration of it: together they must not call twice as often.
 */
import type { Runtime, Timer } from '../base/runtime.ts';

interface Waiter {
  readonly go: () => void;
}

export class RateLimiter {
  private intervalMs = 0;
  private readonly runtime: Runtime;
  private readonly queue = new Set<Waiter>();
  private lastMs = Number.NEGATIVE_INFINITY;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  private timer: Timer | null = null;

  /** Infinity, or nothing above 0: no limit. */
  constructor(perSecond: number, runtime: Runtime) {
    this.runtime = runtime;
    this.setRate(perSecond);
  }

  /** For whoever waits too. */
  setRate(perSecond: number): void {
    this.intervalMs = perSecond > 0 ? 1000 / perSecond : 0;
    this.timer?.cancel();
    this.timer = null;
    this.arm();
  }

  /** The cloud has asked for fewer calls: nobody has a turn for so long. */
  pauseFor(ms: number): void {
    this.notBeforeMs = Math.max(this.notBeforeMs, this.runtime.monotonicMs() + ms);
    this.timer?.cancel();
    this.timer = null;
    this.arm();
  }

  /** How long nobody will have a turn yet. */
  get pausedForMs(): number {
    return Math.max(0, this.notBeforeMs - this.runtime.monotonicMs());
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** Resolves when it is the caller's turn; rejects with the signal's reason, and gives the turn to the next one. */
  take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const now = this.runtime.monotonicMs();
    const isPaused = now < this.notBeforeMs;
    if (this.intervalMs <= 0 && !isPaused) return Promise.resolve();
    if (this.queue.size === 0 && !isPaused && now - this.lastMs >= this.intervalMs) {
      this.lastMs = now;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.queue.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.queue.add(waiter);
      this.arm();
    });
  }

  private arm(): void {
    if (this.timer || this.queue.size === 0) return;
    const dueMs = Math.max(this.lastMs + this.intervalMs, this.notBeforeMs);
    this.timer = this.runtime.setTimer(dueMs - this.runtime.monotonicMs(), () => {
      this.timer = null;
      const [next] = this.queue;
      if (!next) return;
      this.queue.delete(next);
      // From when it was due, so that late timers do not add up; but never two closer than half an interval.
      const now = this.runtime.monotonicMs();
      this.lastMs = Math.max(this.lastMs + this.intervalMs, now - this.intervalMs / 2);
      next.go();
      this.arm();
    });
  }
}
