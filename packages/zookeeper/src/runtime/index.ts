/** Time, chance, and pauses between tries: what the library asks of the machine, and what a simulation replaces. */
export { Backoff, type BackoffLimits, type BackoffOptions, fullPauseMs } from './backoff.ts';
export { type Runtime, sleep, systemRuntime, type Timer } from './runtime.ts';
