/** Tells now and then how far long work has come, on standard error, because results go to standard output. */
import type { Runtime } from '../../base/runtime.ts';

const intervalMs = 3000;

export class Progress {
  private readonly runtime: Runtime;
  private readonly what: string;
  private readonly total: number | null;
  private saidMs: number;
  private done = 0;

  constructor(runtime: Runtime, what: string, total: number | null = null) {
    this.runtime = runtime;
    this.what = what;
    this.total = total;
    this.saidMs = runtime.monotonicMs();
  }

  add(count: number): void {
    this.done += count;
    const nowMs = this.runtime.monotonicMs();
    if (nowMs - this.saidMs < intervalMs) return;
    this.saidMs = nowMs;
    console.error(`nodepool: ${this.what}: ${this.done}${this.total === null ? '' : ` of ${this.total}`}`);
  }
}
