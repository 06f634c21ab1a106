/**
 * The configuration's files while a daemon runs: read again when one of them has changed or when asked to. Looks at their
 * status instead of watching directories, which misses mounted files and swapped links.
 */
import { statSync } from 'node:fs';
import { ConfigError, formatIssue } from '../config/errors.ts';
import type { NodepoolConfig } from '../config/model.ts';
import type { Runtime, Timer } from '../runtime.ts';
import type { Logger } from '../provider/logger.ts';

export interface ConfigSourceOptions {
  /** Files whose change counts. */
  readonly paths: readonly string[];
  /** Throws ConfigError. */
  readonly load: () => NodepoolConfig;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Between two looks at the files. */
  readonly intervalMs?: number;
}

export class ConfigSource {
  /** What runs: the latest that could be loaded. */
  current: NodepoolConfig;
  private readonly o: ConfigSourceOptions;
  private seen: string;
  private timer: Timer | null = null;
  private onChange: ((config: NodepoolConfig) => void) | null = null;

  /** Loads for the first time. */
  constructor(options: ConfigSourceOptions) {
    this.o = options;
    // Before reading, so that a change in between is seen as one.
    this.seen = this.stamp();
    this.current = options.load();
  }

  follow(onChange: (config: NodepoolConfig) => void): void {
    this.onChange = onChange;
    this.arm();
  }

  /** Reads now, changed or not. A broken file changes nothing. */
  reload(): void {
    this.seen = this.stamp();
    let next: NodepoolConfig;
    try {
      next = this.o.load();
    } catch (error) {
      const problems = error instanceof ConfigError ? error.issues.map(formatIssue) : [String(error)];
      this.o.log.error({ problems }, 'The new configuration is refused, the running one stays in force');
      return;
    }
    this.current = next;
    this.onChange?.(next);
  }

  close(): void {
    this.onChange = null;
    this.timer?.cancel();
  }

  private arm(): void {
    this.timer = this.o.runtime.setBackgroundTimer(this.o.intervalMs ?? 500, () => {
      if (!this.onChange) return;
      const stamp = this.stamp();
      // In the moment of its replacement a file may be away.
      if (stamp !== this.seen && !stamp.includes('missing')) this.reload();
      this.arm();
    });
  }

  private stamp(): string {
    return this.o.paths
      .map((path) => {
        const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
        return stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'missing';
      })
      .join('\n');
  }
}
