/**
 * Keeps pages that have just been made, so that a page is made once a second however many clients ask for it. Clients that
 * ask at the same time share one making. The size of everything kept is bounded.
 */
import type { Runtime, Timer } from '../../base/runtime.ts';

export interface CachedPage {
  readonly body: Buffer;
  /** Milliseconds since the epoch. */
  readonly madeMs: number;
}

interface Entry {
  readonly page: Promise<CachedPage>;
  /** Monotonic milliseconds; Infinity while the page is being made. */
  endsMs: number;
  size: number;
}

export class PageCache {
  private readonly runtime: Runtime;
  private readonly lifeMs: number;
  private readonly mostBytes: number;
  private readonly entries = new Map<string, Entry>();
  private bytes = 0;
  private timer: Timer | null = null;

  constructor(runtime: Runtime, { lifeMs, mostBytes }: { readonly lifeMs: number; readonly mostBytes: number }) {
    this.runtime = runtime;
    this.lifeMs = lifeMs;
    this.mostBytes = mostBytes;
  }

  get(key: string, make: () => Promise<Buffer>): Promise<CachedPage> {
    const known = this.entries.get(key);
    if (known && this.runtime.monotonicMs() < known.endsMs) return known.page;
    if (known) this.drop(key, known);
    const madeMs = this.runtime.nowMs();
    const entry: Entry = { page: make().then((body) => ({ body, madeMs })), endsMs: Number.POSITIVE_INFINITY, size: 0 };
    this.entries.set(key, entry);
    entry.page.then(
      ({ body }) => this.made(key, entry, body.length),
      () => this.drop(key, entry),
    );
    return entry.page;
  }

  close(): void {
    this.timer?.cancel();
    this.entries.clear();
  }

  private made(key: string, entry: Entry, size: number): void {
    if (this.entries.get(key) !== entry) return;
    entry.endsMs = this.runtime.monotonicMs() + this.lifeMs;
    entry.size = size;
    this.bytes += size;
    // The map is in the order of making, so the oldest pages go first.
    for (const [other, one] of this.entries) {
      if (this.bytes <= this.mostBytes) break;
      if (one.size > 0) this.drop(other, one);
    }
    this.timer ??= this.runtime.setBackgroundTimer(this.lifeMs, () => this.sweep());
  }

  private sweep(): void {
    this.timer = null;
    const nowMs = this.runtime.monotonicMs();
    for (const [key, entry] of this.entries) if (nowMs >= entry.endsMs) this.drop(key, entry);
    if (this.entries.size > 0) this.timer = this.runtime.setBackgroundTimer(this.lifeMs, () => this.sweep());
  }

  private drop(key: string, entry: Entry): void {
    if (this.entries.get(key) !== entry) return;
    this.entries.delete(key);
    this.bytes -= entry.size;
  }
}
