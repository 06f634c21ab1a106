/** Growing, spread pauses between tries, so that many who failed together do not come back together. */
import type { Runtime } from './runtime.ts';

export interface BackoffLimits {
  /** The pause after the first failure. */
  readonly firstMs: number;
  readonly mostMs: number;
}

export interface BackoffOptions extends BackoffLimits {
  readonly runtime: Pick<Runtime, 'random' | 'monotonicMs'>;
}

/** The pause after one more failure than `failures`, not spread: doubled each time up to the limit. */
export function fullPauseMs(failures: number, { firstMs, mostMs }: BackoffLimits): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30));
}

export class Backoff {
  private readonly options: BackoffOptions;
  private count = 0;
  private earliestMs = Number.NEGATIVE_INFINITY;

  constructor(options: BackoffOptions) {
    this.options = options;
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.count;
  }

  /** Monotonic milliseconds before which nobody should try again; minus infinity without a failure. */
  get notBeforeMs(): number {
    return this.earliestMs;
  }

  /** What is left of the pause; 0 when a try is due. */
  get remainingMs(): number {
    return this.count === 0 ? 0 : Math.max(0, this.earliestMs - this.options.runtime.monotonicMs());
  }

  /**
   * One more failure. Returns the pause after it, which `notBeforeMs` tells from now on: it doubles each time up to the
   * limit, less up to a quarter at random.
   */
  nextMs(): number {
    const { runtime } = this.options;
    const pauseMs = fullPauseMs(this.count, this.options) * (1 - runtime.random() / 4);
    this.count++;
    this.earliestMs = runtime.monotonicMs() + pauseMs;
    return pauseMs;
  }

  /** What failed has worked. */
  reset(): void {
    this.count = 0;
    this.earliestMs = Number.NEGATIVE_INFINITY;
  }
}
