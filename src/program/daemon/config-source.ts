/**
 * The configuration's files while a daemon runs: read again when one of them has changed or when asked to. Looks at their
 * status instead of watching directories, which misses mounted files and swapped links.
 */
import { statSync } from 'node:fs';
import { ConfigError, formatIssue } from '../../config/yaml/errors.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';

export interface ConfigSourceDeps {
  /** Throws ConfigError. */
  readonly load: () => NodepoolConfig;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export interface ConfigSourceOptions {
  /** Files whose change counts. */
  readonly paths: readonly string[];
  /** Between two looks at the files. */
  readonly intervalMs?: number;
}

/** Replacing a file takes a moment. */
const missingPatienceMs = 10_000;

export class ConfigSource {
  /** What runs: the latest that could be loaded. */
  current: NodepoolConfig;
  private readonly deps: ConfigSourceDeps;
  private readonly options: ConfigSourceOptions;
  private seen: string;
  private timer: Timer | null = null;
  /** Why the files as they are now are not in force. */
  private refusal: { readonly problem: string; readonly sinceMs: number } | null = null;
  private missingSinceMs: number | null = null;
  private onChange: ((config: NodepoolConfig) => void) | null = null;

  /** Loads for the first time. */
  constructor(deps: ConfigSourceDeps, options: ConfigSourceOptions) {
    this.deps = deps;
    this.options = options;
    // Before reading, so that a change in between is seen as one.
    this.seen = this.stamp();
    this.current = deps.load();
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
      next = this.deps.load();
    } catch (error) {
      const problems = error instanceof ConfigError ? error.issues.map(formatIssue) : [String(error)];
      this.deps.log.error({ problems }, 'The new configuration is refused, the running one stays in force');
      this.refusal = {
        problem: problems[0] ?? '',
        sinceMs: this.refusal?.sinceMs ?? this.deps.runtime.monotonicMs(),
      };
      return;
    }
    this.refusal = null;
    this.current = next;
    this.onChange?.(next);
  }

  *troubles(): Iterable<Trouble> {
    const now = this.deps.runtime.monotonicMs();
    if (this.refusal) {
      yield {
        key: 'configuration: refused',
        severity: 'warning',
        what: 'the configuration on disk is refused, an older one is in force',
        why: this.refusal.problem,
        sinceMs: this.refusal.sinceMs,
        hint: 'mend the file; `nodepool config-validate` says what is wrong with it',
        said: true,
      };
    }
    if (this.missingSinceMs !== null && now - this.missingSinceMs > missingPatienceMs) {
      yield {
        key: 'configuration: missing',
        severity: 'warning',
        what: 'the configuration file is not there any more, the last one read is in force',
        why: this.options.paths.join(', '),
        sinceMs: this.missingSinceMs,
        hint: 'put it back: without it this launcher cannot be restarted',
      };
    }
  }

  close(): void {
    this.onChange = null;
    this.timer?.cancel();
  }

  private arm(): void {
    this.timer = this.deps.runtime.setBackgroundTimer(this.options.intervalMs ?? 500, () => {
      if (!this.onChange) return;
      const stamp = this.stamp();
      // In the moment of its replacement a file may be away.
      const missing = stamp.includes('missing');
      if (stamp !== this.seen && !missing) this.reload();
      this.missingSinceMs = missing ? (this.missingSinceMs ?? this.deps.runtime.monotonicMs()) : null;
      this.arm();
    });
  }

  private stamp(): string {
    return this.options.paths
      .map((path) => {
        const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
        return stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'missing';
      })
      .join('\n');
  }
}
