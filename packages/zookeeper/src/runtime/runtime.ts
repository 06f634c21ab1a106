/**
 * Clock, timers and randomness: the only file that asks the machine for them. Everything else is handed a Runtime, so that
 * tests and simulations can put a virtual one in its place.
 */
import { randomBytes } from 'node:crypto';

export interface Timer {
  /** Idempotent; harmless after the timer has fired. */
  cancel(): void;
}

export interface Runtime {
  /** Milliseconds since the epoch. May jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, with fraction. Never goes back. */
  monotonicMs(): number;
  /** Calls back once, not earlier than `delayMs` from now. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Like setTimer, but does not keep the process alive. */
  setBackgroundTimer(delayMs: number, callback: () => void): Timer;
  /** Uniform in [0, 1). */
  random(): number;
  /** `digits` lower-case hex digits from a cryptographic source. */
  randomHex(digits: number): string;
}

// Node clamps longer delays to 1 ms.
const longestDelayMs = 2_147_483_647;

function arm(delayMs: number, callback: () => void, keepAlive: boolean): Timer {
  const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), longestDelayMs));
  if (!keepAlive) timer.unref();
  return { cancel: () => clearTimeout(timer) };
}

export const systemRuntime: Runtime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => arm(delayMs, callback, true),
  setBackgroundTimer: (delayMs, callback) => arm(delayMs, callback, false),
  random: () => Math.random(),
  randomHex,
};

// Asking the system for a few bytes costs as much as asking for many.
let pool = '';

function randomHex(digits: number): string {
  if (pool.length < digits) pool = randomBytes(Math.max(2048, Math.ceil(digits / 2))).toString('hex');
  const hex = pool.slice(0, digits);
  pool = pool.slice(digits);
  return hex;
}

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(runtime: Runtime, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = runtime.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
