/**
 * The calls of one provider's adapter: each has a deadline and is known until it has really ended. One that ignores its
 * signal is left behind at the deadline, nobody waits for it any more, and it is seen here until its answer comes.
 */
import type { Runtime } from '../base/runtime.ts';
import { withDeadline } from '../driver-kit/deadline.ts';

interface Call {
  readonly what: string;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  readonly timeoutMs: number;
}

export interface SlowCalls {
  readonly count: number;
  /** Of these, how many have outlived their deadline. */
  readonly leftBehind: number;
  readonly oldest: { readonly what: string; readonly sinceMs: number };
}

export class Calls {
  private readonly runtime: Runtime;
  private readonly active = new Set<Call>();

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Settles as `work` does, or rejects at the deadline or with the outer signal's reason. */
  bounded<T>(
    what: string,
    timeoutMs: number,
    outer: AbortSignal | null,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return withDeadline(this.runtime, timeoutMs, what, outer, (signal) =>
      this.noted(what, timeoutMs, () => work(signal)),
    );
  }

  /** For calls whose deadline is somebody else's business (steps of machines). */
  async noted<T>(what: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const call: Call = { what, timeoutMs, sinceMs: this.runtime.monotonicMs() };
    this.active.add(call);
    try {
      return await work();
    } finally {
      this.active.delete(call);
    }
  }

  /** Those without an answer for longer than that; null: none. */
  slow(olderThanMs: number): SlowCalls | null {
    const now = this.runtime.monotonicMs();
    let oldest: Call | null = null;
    let count = 0;
    let leftBehind = 0;
    // In the order of their beginning.
    for (const call of this.active) {
      if (now - call.sinceMs < olderThanMs) break;
      oldest ??= call;
      count++;
      if (now - call.sinceMs >= call.timeoutMs) leftBehind++;
    }
    return oldest && { count, leftBehind, oldest };
  }
}
