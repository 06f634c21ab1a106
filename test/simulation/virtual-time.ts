/**
 * The time of a simulated world: it stands still while anything can be done, and then jumps to the next timer. Each process
 * of that world has a Runtime of its own, which dies with it.
 */
import type { Runtime, Timer } from '../../src/base/runtime.ts';
import type { Random } from './random.ts';

interface Armed {
  readonly atMs: number;
  readonly order: number;
  callback: (() => void) | null;
}

const mostEventsInOneMs = 100_000;
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

  /** Moves on until `endMs`, or until `stop` says so. Throws when time does not get on. */
  async runUntil(endMs: number, stop: () => boolean = () => false): Promise<void> {
    let markMs = this.now;
    let markEvents = this.events;
    await settle();
    while (!stop()) {
      if (this.now > markMs + 1) {
        markMs = this.now;
        markEvents = this.events;
      } else if (this.events > markEvents + mostEventsInOneMs) {
        throw new Error(`time stands still at ${this.now} ms: timers without end`);
      }
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

export interface ProcessRuntimeOptions {
  /** How far its clock is off. */
  readonly skewMs?: number;
  /** For what is no process: timers to the fraction, where those of Node.js go by whole milliseconds. */
  readonly precise?: boolean;
}

/** What one process sees of time and chance. After `kill` none of its timers goes off any more. */
export class ProcessRuntime implements Runtime {
  dead = false;
  private readonly time: VirtualTime;
  private readonly chance: Random;
  private readonly skewMs: number;
  private readonly precise: boolean;
  /** What would have happened while it stands still, in its order; null: it runs. */
  private held: (() => void)[] | null = null;

  constructor(time: VirtualTime, chance: Random, options: ProcessRuntimeOptions = {}) {
    this.time = time;
    this.chance = chance;
    this.skewMs = options.skewMs ?? 0;
    this.precise = options.precise ?? false;
  }

  kill(): void {
    this.dead = true;
  }

  /** As at SIGSTOP: its clocks go on, it does nothing. */
  pause(): void {
    this.held ??= [];
  }

  /** As at SIGCONT: what has become due meanwhile happens now. */
  resume(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const callback of held) this.time.after(0, () => this.call(callback));
  }

  /** Resolves when it runs. */
  running(): Promise<void> {
    return this.held ? new Promise((resolve) => this.held!.push(resolve)) : Promise.resolve();
  }

  nowMs(): number {
    return Math.round(this.time.nowMs + this.skewMs);
  }

  monotonicMs(): number {
    return this.time.monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const wholeMs = this.precise ? delayMs : Math.max(1, Math.trunc(delayMs));
    let isOff = false;
    const timer = this.time.after(wholeMs, () =>
      this.call(() => {
        if (!isOff) callback();
      }),
    );
    return {
      cancel: () => {
        isOff = true;
        timer.cancel();
      },
    };
  }

  setBackgroundTimer(delayMs: number, callback: () => void): Timer {
    return this.setTimer(delayMs, callback);
  }

  private call(callback: () => void): void {
    if (this.dead) return;
    if (this.held) this.held.push(callback);
    else callback();
  }

  random(): number {
    return this.chance.next();
  }

  randomHex(digits: number): string {
    return this.chance.hex(digits);
  }
}
