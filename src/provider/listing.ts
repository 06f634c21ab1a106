/**
 * One listing for all machines of a provider: n launches cost one listing an interval, not n. Whoever waits gets the first
 * one that began after the wait did. Lists only while somebody waits.
 */
import { type Runtime, sleep } from '../runtime.ts';
import type { ListedInstance } from './adapter.ts';
import { withDeadline } from './deadline.ts';

export const idText = (externalId: unknown): string =>
  typeof externalId === 'string' ? externalId : JSON.stringify(externalId);

export interface SharedListingOptions {
  readonly list: (signal: AbortSignal) => Promise<readonly ListedInstance[]>;
  readonly runtime: Runtime;
  /** From the end of one listing to the beginning of the next, at least. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly onError: (error: unknown) => void;
}

const longestPauseMs = 60_000;

export class SharedListing {
  private readonly o: SharedListingOptions;
  private latest: ReadonlyMap<string, ListedInstance> = new Map();
  private waiters = new Set<() => void>();
  /** Those whom the listing under way will wake. */
  private served = new Set<() => void>();
  private readonly stopping = new AbortController();
  private running = false;
  private failures = 0;
  private lastEndMs = Number.NEGATIVE_INFINITY;

  constructor(options: SharedListingOptions) {
    this.o = options;
  }

  current(): ReadonlyMap<string, ListedInstance> {
    return this.latest;
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
      if (!this.stopping.signal.aborted) this.o.onError(error);
    } finally {
      this.running = false;
    }
  }

  private async turn(): Promise<void> {
    const { runtime, intervalMs, timeoutMs, list, onError } = this.o;
    const spacingMs = Math.min(Math.max(longestPauseMs, intervalMs), intervalMs * 2 ** Math.min(this.failures, 16));
    const pauseMs = this.lastEndMs + spacingMs - runtime.monotonicMs();
    if (pauseMs > 0) await sleep(runtime, pauseMs, this.stopping.signal);
    this.served = this.waiters;
    this.waiters = new Set();
    try {
      const instances = await withDeadline(runtime, timeoutMs, 'listing instances', this.stopping.signal, list);
      this.latest = new Map(instances.map((instance) => [idText(instance.externalId), instance]));
      this.failures = 0;
      for (const wake of this.served) wake();
    } catch (error) {
      this.failures++;
      // They wait for the next one; their own deadlines end the waiting.
      for (const wake of this.served) this.waiters.add(wake);
      if (!this.stopping.signal.aborted) onError(error);
    } finally {
      this.served = new Set();
      this.lastEndMs = runtime.monotonicMs();
    }
  }
}
