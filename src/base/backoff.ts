/** Growing, jittered pauses between tries, so that many who failed together do not come back together. */
import type { Runtime } from './runtime.ts';

export interface BackoffOptions {
  readonly runtime: Pick<Runtime, 'random'>;
  readonly firstMs: number;
  readonly mostMs: number;
}

export class Backoff {
  private readonly o: BackoffOptions;
  private count = 0;

  constructor(options: BackoffOptions) {
    this.o = options;
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.count;
  }

  /** The pause after one more failure: doubles each time up to the limit, less up to a quarter at random. */
  nextMs(): number {
    const fullMs = Math.min(this.o.mostMs, this.o.firstMs * 2 ** Math.min(this.count, 30));
    this.count++;
    return fullMs * (1 - this.o.runtime.random() / 4);
  }

  reset(): void {
    this.count = 0;
  }
}
