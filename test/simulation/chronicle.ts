/** What has happened in a simulated world: its lines and their hash, each fault with its count, the first broken promise. */
import { createHash } from 'node:crypto';
import type { Logger } from '../../src/base/logger.ts';
import type { Broken } from './promises.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface ChronicleOptions {
  /** With all lines for people; slower. */
  readonly traced?: boolean;
  readonly onLine?: (line: string) => void;
}

const keptLines = 80;

export class Chronicle {
  /** The first one. */
  broken: Broken | null = null;
  readonly faults: Record<string, number> = {};
  readonly traced: boolean;
  private readonly time: VirtualTime;
  private readonly onLine: (line: string) => void;
  private readonly lines: string[] = [];
  private readonly digest = createHash('sha256');

  constructor(time: VirtualTime, { traced = false, onLine = () => undefined }: ChronicleOptions) {
    this.time = time;
    this.traced = traced;
    this.onLine = onLine;
  }

  /** Of all that happened; '' unless traced. */
  get hash(): string {
    return this.traced ? this.digest.copy().digest('hex') : '';
  }

  /** The last lines; empty unless traced. */
  get trace(): readonly string[] {
    return this.lines.slice(-keptLines);
  }

  count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  note(text: string): void {
    if (this.traced) this.line(`${this.time.monotonicMs.toFixed(3)} ${text}`);
  }

  line(text: string): void {
    this.digest.update(text);
    this.onLine(text);
    this.lines.push(text);
    if (this.lines.length > 2 * keptLines) this.lines.splice(0, keptLines);
  }

  crashed(where: string, error: unknown): void {
    this.fail({
      promise: 'crash',
      message: `${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    });
  }

  fail(broken: Broken): void {
    if (this.broken) return;
    this.broken = broken;
    this.note(`${broken.promise} is broken: ${broken.message}`);
  }

  logger(name: string): Logger {
    const keep = (level: string) => (fields: object, message: string) => {
      if (!this.traced) return;
      const parts = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`);
      this.note(`${name} ${level}: ${message} ${parts.join(' ')}`);
    };
    return { debug: () => undefined, info: keep('info'), warn: keep('warn'), error: keep('error') };
  }
}

function shown(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? '');
}
