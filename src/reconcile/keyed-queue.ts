/**
 * The work queue of a reconciler: a key is worked on by one task at a time, at most `concurrency` keys of a lane at once; a
 * key added while it is being worked on runs once more afterwards; a failing key is retried with back-off and stops no other.
 */
import { Backoff } from '../base/backoff.ts';
import type { Logger } from '../base/logger.ts';
import type { Trouble } from '../base/trouble.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import { type FailingKey, type QueueCondition, queueTroubles } from './queue-troubles.ts';

export interface KeyedQueueDeps {
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Keys of different lanes do not wait for one another (a provider, for one); default: all in one. */
  readonly lane?: (key: string) => string;
  /** Brings the key one step on; returns a delay in ms to look at it again, or nothing. */
  readonly work: (key: string) => Promise<number | undefined>;
}

export interface KeyedQueueOptions {
  readonly name: string;
  /** Keys worked on at once, in each lane. */
  readonly concurrency: number;
  /** Work on one key that takes longer is worth a word. */
  readonly longWorkMs?: number;
}

/** Of a key whose work fails. */
const retryPauses = { firstMs: 200, mostMs: 30_000 } as const;

interface KeyState {
  running: boolean;
  again: boolean;
  /** null: its last work succeeded. */
  backoff: Backoff | null;
  timer: Timer | null;
  queued: boolean;
}

interface Lane {
  /** Due keys in their order, with the monotonic time since when. */
  readonly ready: Map<string, number>;
  running: number;
}

export class KeyedQueue {
  private readonly deps: KeyedQueueDeps;
  private readonly options: KeyedQueueOptions;
  private readonly keys = new Map<string, KeyState>();
  private readonly lanes = new Map<string, Lane>();
  /** Keys that are being worked on, with the monotonic time since when. */
  private readonly running = new Map<string, number>();
  private readonly failing = new Map<string, FailingKey>();
  private stopped = false;
  private idleWaiters: (() => void)[] = [];

  constructor(deps: KeyedQueueDeps, options: KeyedQueueOptions) {
    this.deps = deps;
    this.options = options;
  }

  /** Has the key looked at now, or after `delayMs`; a look at once takes the place of a later one. */
  add(key: string, delayMs = 0): void {
    if (this.stopped) return;
    let state = this.keys.get(key);
    if (!state) {
      state = { running: false, again: false, backoff: null, timer: null, queued: false };
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
    const name = this.laneOf(key);
    let lane = this.lanes.get(name);
    if (!lane) this.lanes.set(name, (lane = { ready: new Map(), running: 0 }));
    lane.ready.set(key, this.deps.runtime.monotonicMs());
    this.pump(name, lane);
  }

  get length(): number {
    return this.keys.size;
  }

  /** How far behind it is, and what fails. */
  troubles(): Trouble[] {
    return queueTroubles(this.condition());
  }

  /** Nothing new is started; resolves when the running tasks have ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const state of this.keys.values()) state.timer?.cancel();
    this.lanes.clear();
    if (this.running.size > 0) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  private laneOf(key: string): string {
    return this.deps.lane?.(key) ?? '';
  }

  private condition(): QueueCondition {
    let waiting = 0;
    let oldestDueMs: number | null = null;
    for (const { ready } of this.lanes.values()) {
      waiting += ready.size;
      const [first] = ready.values();
      if (first !== undefined && (oldestDueMs === null || first < oldestDueMs)) oldestDueMs = first;
    }
    const [longest] = this.running;
    return {
      name: this.options.name,
      nowMs: this.deps.runtime.monotonicMs(),
      longWorkMs: this.options.longWorkMs ?? null,
      waiting,
      oldestDueMs,
      running: this.running.size,
      longestRunning: longest ? { key: longest[0], sinceMs: longest[1] } : null,
      failing: this.failing,
    };
  }

  private arm(key: string, state: KeyState, delayMs: number): void {
    state.timer = this.deps.runtime.setBackgroundTimer(delayMs, () => {
      state.timer = null;
      this.add(key);
    });
  }

  private pump(name: string, lane: Lane): void {
    while (lane.running < this.options.concurrency && !this.stopped) {
      const [key] = lane.ready.keys();
      if (key === undefined) break;
      lane.ready.delete(key);
      const state = this.keys.get(key);
      if (!state) continue;
      state.queued = false;
      state.running = true;
      lane.running++;
      this.running.set(key, this.deps.runtime.monotonicMs());
      void this.run(key, state, name, lane);
    }
    if (lane.running === 0 && lane.ready.size === 0) this.lanes.delete(name);
  }

  private async run(key: string, state: KeyState, name: string, lane: Lane): Promise<void> {
    let delayMs: number | undefined;
    try {
      delayMs = await this.deps.work(key);
      state.backoff = null;
      this.failing.delete(key);
    } catch (error) {
      state.backoff ??= new Backoff({ runtime: this.deps.runtime, ...retryPauses });
      delayMs = state.backoff.nextMs();
      const sinceMs = this.failing.get(key)?.sinceMs ?? this.deps.runtime.monotonicMs();
      this.failing.set(key, { error, sinceMs, count: state.backoff.failures });
      const fields = { queue: this.options.name, key, err: error, retryInMs: Math.round(delayMs) };
      // What was broken off by the stop has not failed.
      if (!this.stopped) this.deps.log.warn(fields, 'Work on a key failed');
    }
    lane.running--;
    this.running.delete(key);
    state.running = false;
    if (this.stopped) {
      if (this.running.size === 0) for (const resolve of this.idleWaiters.splice(0)) resolve();
      return;
    }
    const again = state.again;
    state.again = false;
    if (again && state.backoff === null) this.add(key);
    else if (delayMs !== undefined) this.arm(key, state, delayMs);
    else this.keys.delete(key);
    this.pump(name, lane);
  }
}
