/**
 * One listing for all machines of a provider: n launches cost one listing an interval, not n. Whoever waits gets the first
 * one that began after the wait did. Lists only while somebody waits. A listing that hangs delays nobody for long: a second
 * one is tried beside it.
 */
import { fullPauseMs } from '../base/backoff.ts';
import { type Runtime, sleep } from '../base/runtime.ts';
import type { ListedInstance } from '../driver-kit/contract.ts';
import { idText } from '../driver-kit/contract.ts';

export interface SharedListingDeps {
  /** Ends within a bound of its own. */
  readonly list: (signal: AbortSignal) => Promise<readonly ListedInstance[]>;
  readonly runtime: Runtime;
  readonly onError: (error: unknown) => void;
}

export interface SharedListingOptions {
  /** From the end of one listing to the beginning of the next, at least. */
  readonly intervalMs: number;
}

export interface ListingFailure {
  readonly error: unknown;
  /** Monotonic milliseconds of the first one in a row. */
  readonly sinceMs: number;
  readonly count: number;
}

const longestPauseMs = 60_000;
/** A listing that takes this long, and many times what the last one took, probably never answers. */
const patienceMs = 10_000;
const patienceFactor = 4;

export class SharedListing {
  private readonly deps: SharedListingDeps;
  private readonly options: SharedListingOptions;
  private latest: ReadonlyMap<string, ListedInstance> = new Map();
  private waiters = new Set<() => void>();
  /** Those whom the listing under way will wake. */
  private served = new Set<() => void>();
  private readonly stopping = new AbortController();
  private running = false;
  private lastEndMs = Number.NEGATIVE_INFINITY;
  private lastTookMs = 0;
  private failing: ListingFailure | null = null;

  constructor(deps: SharedListingDeps, options: SharedListingOptions) {
    this.deps = deps;
    this.options = options;
  }

  current(): ReadonlyMap<string, ListedInstance> {
    return this.latest;
  }

  /** null after a good one. */
  get failure(): ListingFailure | null {
    return this.failing;
  }

  /** Resolves after a listing that began later than this call; rejects with the signal's reason. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const onAbort = () => {
        this.waiters.delete(wake);
        this.served.delete(wake);
        reject(signal.reason as Error);
      };
      const wake = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiters.add(wake);
      if (!this.running) void this.run();
    });
  }

  /** Lists no more. Nobody waits any longer: a provider stops when its machines have ended. */
  stop(): void {
    this.stopping.abort(new Error('the provider stops'));
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.waiters.size > 0 && !this.stopping.signal.aborted) await this.turn();
    } catch (error) {
      if (!this.stopping.signal.aborted) this.deps.onError(error);
    } finally {
      this.running = false;
    }
  }

  private async turn(): Promise<void> {
    const { runtime, onError } = this.deps;
    const { intervalMs } = this.options;
    const failures = this.failing?.count ?? 0;
    const spacingMs = fullPauseMs(failures, { firstMs: intervalMs, mostMs: Math.max(longestPauseMs, intervalMs) });
    const pauseMs = this.lastEndMs + spacingMs - runtime.monotonicMs();
    if (pauseMs > 0) await sleep(runtime, pauseMs, this.stopping.signal);
    this.served = this.waiters;
    this.waiters = new Set();
    const beganMs = runtime.monotonicMs();
    try {
      const instances = await this.list();
      this.latest = new Map(instances.map((instance) => [idText(instance.externalId), instance]));
      this.failing = null;
      this.lastTookMs = runtime.monotonicMs() - beganMs;
      for (const wake of this.served) wake();
    } catch (error) {
      this.failing = { error, sinceMs: this.failing?.sinceMs ?? beganMs, count: failures + 1 };
      // They wait for the next one; their own deadlines end the waiting.
      for (const wake of this.served) this.waiters.add(wake);
      if (!this.stopping.signal.aborted) onError(error);
    } finally {
      this.served = new Set();
      this.lastEndMs = runtime.monotonicMs();
    }
  }

  /** Two at most are under way; the first good answer counts, and the other call is cancelled. */
  private list(): Promise<readonly ListedInstance[]> {
    const { runtime, list } = this.deps;
    return new Promise((resolve, reject) => {
      const ended = new AbortController();
      const signal = AbortSignal.any([this.stopping.signal, ended.signal]);
      let open = 0;
      const end = (settle: () => void) => {
        second.cancel();
        settle();
        ended.abort(new Error('another listing was quicker'));
      };
      const begin = () => {
        open++;
        list(signal).then(
          (instances) => end(() => resolve(instances)),
          (error: unknown) => {
            if (--open === 0) end(() => reject(error));
          },
        );
      };
      const second = runtime.setTimer(Math.max(patienceMs, this.lastTookMs * patienceFactor), begin);
      begin();
    });
  }
}
