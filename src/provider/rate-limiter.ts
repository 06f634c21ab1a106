/** Spaces calls evenly, without bursts, in the order in which they came. */
import { type Runtime, sleep } from '../runtime.ts';

export class RateLimiter {
  private readonly intervalMs: number;
  private readonly runtime: Runtime;
  private nextMs = 0;

  /** Infinity: no limit. */
  constructor(perSecond: number, runtime: Runtime) {
    this.intervalMs = 1000 / perSecond;
    this.runtime = runtime;
  }

  async take(signal: AbortSignal): Promise<void> {
    if (this.intervalMs <= 0) return;
    const now = this.runtime.monotonicMs();
    const at = Math.max(now, this.nextMs);
    this.nextMs = at + this.intervalMs;
    if (at > now) await sleep(this.runtime, at - now, signal);
  }
}
