/**
 * The work queue of a reconciler: a key is worked on by one task at a time, at most `concurrency` keys at once; a key added
 * while it is being worked on runs once more afterwards; a failing key is retried with back-off and stops no other key.
 */
import type { Logger } from '../provider/logger.ts';
import type { Runtime, Timer } from '../runtime.ts';

export interface KeyedQueueOptions {
  readonly name: string;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly concurrency: number;
  /** Brings the key one step on; returns a delay in ms to look at it again, or nothing. */
  readonly work: (key: string) => Promise<number | undefined>;
  readonly retryMinMs?: number;
  readonly retryMaxMs?: number;
}

interface KeyState {
  running: boolean;
  again: boolean;
  failures: number;
  timer: Timer | null;
  queued: boolean;
}

export class KeyedQueue {
  private readonly o: KeyedQueueOptions;
  private readonly keys = new Map<string, KeyState>();
  private ready: string[] = [];
  private running = 0;
  private stopped = false;
  private idleWaiters: (() => void)[] = [];

  constructor(options: KeyedQueueOptions) {
    this.o = options;
  }

  /** Has the key looked at now, or after `delayMs`; an earlier look replaces a later one. */
  add(key: string, delayMs = 0): void {
    if (this.stopped) return;
    let state = this.keys.get(key);
    if (!state) {
      state = { running: false, again: false, failures: 0, timer: null, queued: false };
      this.keys.set(key, state);
    }
    if (state.running) {
      state.again = true;
      return;
    }
    if (state.queued) return;
    if (delayMs > 0) {
      if (!state.timer) this.arm(key, state, delayMs);
      return;
    }
    state.timer?.cancel();
    state.timer = null;
    state.queued = true;
    this.ready.push(key);
    this.pump();
  }

  get length(): number {
    return this.keys.size;
  }

  /** Nothing new is started; resolves when the running tasks have ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const state of this.keys.values()) state.timer?.cancel();
    this.ready = [];
    if (this.running > 0) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  private arm(key: string, state: KeyState, delayMs: number): void {
    state.timer = this.o.runtime.setBackgroundTimer(delayMs, () => {
      state.timer = null;
      this.add(key);
    });
  }

  private pump(): void {
    while (this.running < this.o.concurrency && this.ready.length > 0) {
      const key = this.ready.shift()!;
      const state = this.keys.get(key);
      if (!state) continue;
      state.queued = false;
      state.running = true;
      this.running++;
      void this.run(key, state);
    }
  }

  private async run(key: string, state: KeyState): Promise<void> {
    let delayMs: number | undefined;
    try {
      delayMs = await this.o.work(key);
      state.failures = 0;
    } catch (error) {
      state.failures++;
      delayMs = this.backoffMs(state.failures);
      this.o.log.warn({ queue: this.o.name, key, err: error, retryInMs: Math.round(delayMs) }, 'Work on a key failed');
    }
    this.running--;
    state.running = false;
    if (this.stopped) {
      if (this.running === 0) for (const resolve of this.idleWaiters.splice(0)) resolve();
      return;
    }
    const again = state.again;
    state.again = false;
    if (again && state.failures === 0) this.add(key);
    else if (delayMs !== undefined) this.arm(key, state, delayMs);
    else this.keys.delete(key);
    this.pump();
  }

  private backoffMs(failures: number): number {
    const min = this.o.retryMinMs ?? 200;
    const max = this.o.retryMaxMs ?? 30_000;
    return Math.min(max, min * 2 ** Math.min(failures - 1, 20)) * (0.75 + this.o.runtime.random() / 2);
  }
}
