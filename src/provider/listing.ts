/** One listing for all machines of a provider: whoever waits gets the first one that began after the wait did. */
import { type Runtime, sleep } from '../runtime.ts';
import { withDeadline } from './deadline.ts';
import type { ListedInstance } from './adapter.ts';

export const idText = (externalId: unknown): string => (typeof externalId === 'string' ? externalId : JSON.stringify(externalId));

export class SharedListing {
  private readonly list: (signal: AbortSignal) => Promise<readonly ListedInstance[]>;
  private readonly runtime: Runtime;
  private readonly intervalMs: number;
  private readonly timeoutMs: number;
  private readonly onError: (error: unknown) => void;
  private latest: ReadonlyMap<string, ListedInstance> = new Map();
  private waiters: (() => void)[] = [];
  private running = false;
  private lastEndMs = Number.NEGATIVE_INFINITY;

  constructor(o: {
    list: (signal: AbortSignal) => Promise<readonly ListedInstance[]>;
    runtime: Runtime;
    intervalMs: number;
    timeoutMs: number;
    onError: (error: unknown) => void;
  }) {
    this.list = o.list;
    this.runtime = o.runtime;
    this.intervalMs = o.intervalMs;
    this.timeoutMs = o.timeoutMs;
    this.onError = o.onError;
  }

  current(): ReadonlyMap<string, ListedInstance> {
    return this.latest;
  }

  /** Resolves after a listing that began later than this call. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    let failures = 0;
    while (this.waiters.length > 0) {
      const pauseMs = this.lastEndMs + this.intervalMs * 2 ** Math.min(failures, 6) - this.runtime.monotonicMs();
      if (pauseMs > 0) await sleep(this.runtime, pauseMs);
      const served = this.waiters;
      this.waiters = [];
      try {
        const instances = await withDeadline(this.runtime, this.timeoutMs, 'listing instances', null, this.list);
        this.latest = new Map(instances.map((instance) => [idText(instance.externalId), instance]));
        failures = 0;
        for (const resolve of served) resolve();
      } catch (error) {
        failures++;
        this.onError(error);
        // They wait for the next one; their own deadlines end the waiting.
        this.waiters = [...served, ...this.waiters];
      }
      this.lastEndMs = this.runtime.monotonicMs();
    }
    this.running = false;
  }
}
