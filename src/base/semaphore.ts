/** So many at once, the others wait in the order in which they came; whoever gives up leaves the queue at once. */
import { onAbort } from './signals.ts';

export class Semaphore {
  private free: number;
  private readonly queue = new Set<() => void>();

  constructor(count: number) {
    this.free = count;
  }

  /** Rejects with the signal's reason when it fires before the turn has come; `work` has to follow the signal itself. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.take(signal);
    try {
      return await work();
    } finally {
      this.giveBack();
    }
  }

  private take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        unfollow();
        resolve();
      };
      const unfollow = onAbort(signal, () => {
        this.queue.delete(go);
        reject(signal.reason as Error);
      });
      this.queue.add(go);
    });
  }

  private giveBack(): void {
    const [next] = this.queue;
    if (!next) {
      this.free++;
      return;
    }
    this.queue.delete(next);
    next();
  }
}
