/**
 * The time of a simulated world: it stands still while anything can be done, and then jumps to the next timer. Each process
 * of that world has a Runtime of its own, which dies with it.
 */
import type { Runtime, Timer } from '../../src/runtime.ts';
import type { Random } from './random.ts';

interface Armed {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | null;
}

const startMs = 1_700_000_000_000;
/** A chain of turns that is longer than this goes on while time passes: it waits for something, in its way. */
const mostTurns = 6;

const realSetImmediate = globalThis.setImmediate;
let outstandingTurns = 0;

/** Counts the turns of the event loop that the simulated programs ask for, so that nobody waits for turns without work. */
function countTurns(): void {
  const counted = <A extends unknown[]>(callback: (...args: A) => void, ...args: A): NodeJS.Immediate => {
    outstandingTurns++;
    return realSetImmediate(() => {
      outstandingTurns--;
      callback(...args);
    });
  };
  globalThis.setImmediate = Object.assign(counted, { __promisify__: realSetImmediate.__promisify__ });
}

/** Lets everything that is ready run: promises, ticks, immediates. */
async function settle(): Promise<void> {
  let turns = 0;
  do await new Promise<void>((resolve) => realSetImmediate(resolve));
  while (outstandingTurns > 0 && ++turns < mostTurns);
}

export class VirtualTime {
  private now = 0;
  private order = 0;
  /** A heap: the next one first. */
  private readonly heap: Armed[] = [];
  /** Timers that have gone off. */
  events = 0;

  constructor() {
    if (globalThis.setImmediate === realSetImmediate) countTurns();
  }

  get monotonicMs(): number {
    return this.now;
  }

  get nowMs(): number {
    return startMs + this.now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const armed: Armed = { atMs: this.now + Math.max(0, delayMs), order: this.order++, callback };
    this.push(armed);
    return {
      cancel: () => {
        armed.callback = null;
      },
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Moves on until `endMs`, or until `stop` says so. */
  async runUntil(endMs: number, stop: () => boolean = () => false): Promise<void> {
    await settle();
    while (!stop()) {
      const next = this.heap[0];
      if (!next || next.atMs > endMs) {
        this.now = Math.max(this.now, endMs);
        return;
      }
      this.pop();
      const { callback } = next;
      if (!callback) continue;
      this.now = next.atMs;
      this.events++;
      callback();
      await settle();
    }
  }

  private push(armed: Armed): void {
    const { heap } = this;
    let at = heap.push(armed) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(armed, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = armed;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(a: Armed, b: Armed): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** What one process sees of time and chance. After `kill` none of its timers goes off any more. */
export class ProcessRuntime implements Runtime {
  dead = false;
  private readonly time: VirtualTime;
  private readonly chance: Random;
  /** How far its clock is off. */
  private readonly skewMs: number;

  constructor(time: VirtualTime, chance: Random, skewMs = 0) {
    this.time = time;
    this.chance = chance;
    this.skewMs = skewMs;
  }

  kill(): void {
    this.dead = true;
  }

  nowMs(): number {
    return Math.round(this.time.nowMs + this.skewMs);
  }

  monotonicMs(): number {
    return this.time.monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.time.after(delayMs, () => {
      if (!this.dead) callback();
    });
  }

  setBackgroundTimer(delayMs: number, callback: () => void): Timer {
    return this.setTimer(delayMs, callback);
  }

  random(): number {
    return this.chance.next();
  }

  randomHex(digits: number): string {
    return this.chance.hex(digits);
  }
}
