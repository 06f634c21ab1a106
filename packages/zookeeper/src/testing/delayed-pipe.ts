/** One direction of a simulated connection: what goes in comes out later, in order, and not at all while it is stopped. */
import type { Runtime } from '../runtime/runtime.ts';

export class DelayedPipe<T> {
  private readonly runtime: Runtime;
  private readonly delayMs: () => number;
  private readonly deliver: (item: T) => void;
  private queue: T[] = [];
  private lastAtMs = 0;
  /** Arrived while stopped. */
  private due = 0;
  private stopped = false;
  private broken = false;

  constructor(runtime: Runtime, delayMs: () => number, deliver: (item: T) => void) {
    this.runtime = runtime;
    this.delayMs = delayMs;
    this.deliver = deliver;
  }

  push(item: T, extraMs = 0): void {
    if (this.broken) return;
    const now = this.runtime.monotonicMs();
    this.lastAtMs = Math.max(this.lastAtMs, now + this.delayMs() + extraMs);
    this.queue.push(item);
    this.runtime.setTimer(this.lastAtMs - now, () => this.arrive());
  }

  stop(): void {
    this.stopped = true;
  }

  go(): void {
    this.stopped = false;
    for (; this.due > 0 && !this.stopped && !this.broken; this.due--) this.deliver(this.queue.shift()!);
  }

  /** What is on its way is lost. */
  break(): void {
    this.broken = true;
    this.queue = [];
  }

  private arrive(): void {
    if (this.broken) return;
    if (this.stopped) this.due++;
    else this.deliver(this.queue.shift()!);
  }
}
