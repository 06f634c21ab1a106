/** What a cloud says again and again: since when, and whether lately. */
import type { Runtime } from '../base/runtime.ts';

export interface FailureReport {
  readonly message: string;
  /** Monotonic. */
  readonly sinceMs: number;
}

export class RecentFailure {
  private said: (FailureReport & { readonly lastMs: number }) | null = null;
  private readonly runtime: Runtime;
  private readonly memoryMs: number;

  constructor(runtime: Runtime, memoryMs: number) {
    this.runtime = runtime;
    this.memoryMs = memoryMs;
  }

  /** `before`: what this goes on with. */
  note(message: string, before: FailureReport | null = this.recent): void {
    const now = this.runtime.monotonicMs();
    this.said = { message, sinceMs: before?.sinceMs ?? now, lastMs: now };
  }

  forget(): void {
    this.said = null;
  }

  get last(): FailureReport | null {
    return this.said;
  }

  /** null where it was not said for so long that it is over. */
  get recent(): FailureReport | null {
    const { said } = this;
    return said && this.runtime.monotonicMs() - said.lastMs <= this.memoryMs ? said : null;
  }
}
