/** Repeats a question to the cloud: every so often, when asked for, and with growing pauses while it fails. */
import { Backoff } from '../base/backoff.ts';
import type { Runtime, Timer } from '../base/runtime.ts';

export interface RefresherDeps {
  /** Asks the question and keeps the answer. */
  readonly work: () => Promise<void>;
  readonly runtime: Runtime;
  /** Aborted: nothing is asked any more. */
  readonly signal: AbortSignal;
  readonly onFailure: (error: unknown) => void;
}

export interface RefresherOptions {
  /** What it means that the question fails, for people. */
  readonly what: string;
  /** From one good answer to the next question. */
  readonly intervalMs: number;
}

/** From one refresh that somebody asked for to the next, so that a storm of errors is not answered by one of questions. */
const spacingMs = 1000;

export class Refresher {
  private readonly deps: RefresherDeps;
  private readonly options: RefresherOptions;
  private readonly backoff: Backoff;
  private timer: Timer | null = null;
  private busy = false;
  private again = false;
  private lastMs = Number.NEGATIVE_INFINITY;
  /** Of the last try; `sinceMs` is that of the first in a row. */
  failure: { readonly error: unknown; readonly sinceMs: number } | null = null;

  constructor(deps: RefresherDeps, options: RefresherOptions) {
    this.deps = deps;
    this.options = options;
    this.backoff = new Backoff({ runtime: deps.runtime, firstMs: 1000, mostMs: 60_000 });
  }

  get what(): string {
    return this.options.what;
  }

  later(): void {
    this.arm(this.options.intervalMs);
  }

  soon(): void {
    if (this.busy) this.again = true;
    else this.arm(this.lastMs + spacingMs - this.deps.runtime.monotonicMs());
  }

  now(): void {
    if (this.busy) return;
    this.busy = true;
    this.timer?.cancel();
    void this.run();
  }

  stop(): void {
    this.timer?.cancel();
  }

  private async run(): Promise<void> {
    this.again = false;
    let pauseMs = this.options.intervalMs;
    try {
      await this.deps.work();
      this.backoff.reset();
      this.failure = null;
    } catch (error) {
      this.failure = { error, sinceMs: this.failure?.sinceMs ?? this.deps.runtime.monotonicMs() };
      this.deps.onFailure(error);
      pauseMs = this.backoff.nextMs();
    }
    this.busy = false;
    this.lastMs = this.deps.runtime.monotonicMs();
    this.arm(this.again ? spacingMs : pauseMs);
  }

  private arm(delayMs: number): void {
    this.timer?.cancel();
    if (!this.deps.signal.aborted) this.timer = this.deps.runtime.setBackgroundTimer(delayMs, () => this.now());
  }
}
