/** A runtime whose time moves only when a test moves it. Between two timers everything that is ready runs. */
import type { Runtime, Timer } from '../runtime/runtime.ts';

interface Armed {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualRuntime implements Runtime {
  private now = 0;
  private order = 0;
  private hex = 0;
  private readonly armed = new Set<Armed>();
  /** What `random` gives. */
  randomValue = 0.5;

  nowMs(): number {
    return 1_700_000_000_000 + this.now;
  }

  monotonicMs(): number {
    return this.now;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const armed = { atMs: this.now + Math.max(0, delayMs), order: this.order++, callback };
    this.armed.add(armed);
    return { cancel: () => this.armed.delete(armed) };
  }

  setBackgroundTimer(delayMs: number, callback: () => void): Timer {
    return this.setTimer(delayMs, callback);
  }

  random(): number {
    return this.randomValue;
  }

  randomHex(digits: number): string {
    return (++this.hex).toString(16).padStart(digits, '0');
  }

  get timers(): number {
    return this.armed.size;
  }

  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const next = [...this.armed].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (!next || next.atMs > end) break;
      this.now = Math.max(this.now, next.atMs);
      this.armed.delete(next);
      next.callback();
      await settle();
    }
    this.now = end;
  }

  /** Moves on until the promise has settled. */
  async finish<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    const end = this.now + limitMs;
    await settle();
    while (!settled) {
      const next = Math.min(...[...this.armed].map((a) => a.atMs));
      if (!(next <= end)) throw new Error(`nothing settles within ${limitMs} virtual milliseconds`);
      await this.advance(next - this.now);
    }
    return promise;
  }
}

/** Lets all microtasks and immediates run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** A logger that keeps what it is told. */
export class MemoryLogger {
  readonly lines: LogLine[] = [];
  debug = (fields: object, message: string) => this.keep('debug', fields, message);
  info = (fields: object, message: string) => this.keep('info', fields, message);
  warn = (fields: object, message: string) => this.keep('warn', fields, message);
  error = (fields: object, message: string) => this.keep('error', fields, message);

  of(...levels: LogLine['level'][]): LogLine[] {
    return this.lines.filter((line) => levels.includes(line.level));
  }

  private keep(level: LogLine['level'], fields: object, message: string): void {
    this.lines.push({ level, fields: fields as Record<string, unknown>, message });
  }
}
