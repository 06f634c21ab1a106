/** What follows when room comes and goes: who waits is looked at, the registry hears of it, stock makes way. */
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import type { ServedPools } from './pools/served-pools.ts';
import type { Eviction } from './upkeep/eviction.ts';

/** The registry hears of a pause only when it lasts: capacity comes and goes many times a second. */
const settleMs = 150;

export interface PausesDeps {
  readonly runtime: Runtime;
  readonly dispatcher: Dispatcher;
  readonly pools: ServedPools;
  readonly eviction: Eviction;
}

export class Pauses {
  private readonly deps: PausesDeps;
  private timer: Timer | null = null;
  private stopped = false;

  constructor(deps: PausesDeps) {
    this.deps = deps;
  }

  capacityChanged(): void {
    this.deps.dispatcher.touchCapacity();
    this.publishSoon();
  }

  /** A cloud has begun to refuse something: other pools may do, and it may itself in a while. */
  refused(againInMs: number): void {
    const { runtime, dispatcher } = this.deps;
    dispatcher.touchAll();
    // The machine's timers may be early by a part of a millisecond; looked at then, it would be refused and not looked at again.
    runtime.setBackgroundTimer(againInMs + 1, () => {
      if (this.stopped) return;
      dispatcher.touchAll();
      dispatcher.touchCapacity();
    });
  }

  publishSoon(): void {
    if (this.timer || this.stopped) return;
    this.timer = this.deps.runtime.setBackgroundTimer(settleMs, () => {
      this.timer = null;
      this.publish();
    });
  }

  stop(): void {
    this.stopped = true;
  }

  private publish(): void {
    const { dispatcher, pools, eviction } = this.deps;
    // What has come free meanwhile is enough for some: no stock needs to make way for them.
    dispatcher.flush();
    pools.publishPauses();
    const all = [...pools.all()];
    for (const pool of all) {
      if (!pool.paused) continue;
      const siblings = all.filter((other) => other !== pool && other.providerName === pool.providerName);
      eviction.makeRoom(pool, siblings);
    }
  }
}
