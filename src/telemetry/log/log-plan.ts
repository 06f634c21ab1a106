/**
 * Which lines go where: loggers by dotted names, as in Python's logging. A logger without a level has the level of the next
 * logger above it. A line goes to the outputs of its logger and of the loggers above, up to one that does not propagate.
 */
import type { Level } from './levels.ts';
import type { RotationPolicy } from './rotation.ts';

export interface LoggerPlan {
  readonly level: Level | null;
  readonly outputs: readonly string[];
  readonly propagate: boolean;
}

export type Target =
  | { readonly kind: 'stream'; readonly fd: 1 | 2 }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly truncate: boolean;
      readonly rotation: RotationPolicy | null;
    }
  | { readonly kind: 'nowhere' };

export interface OutputPlan {
  /** Lines below this level are left out; null: no line is. */
  readonly level: Level | null;
  /** A layout in the notation of Python's logging, or JSON. */
  readonly format: OutputFormat;
  readonly target: Target;
}

export type OutputFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'human'; readonly layout: string; readonly dateLayout: string | null };

export interface LogPlan {
  /** By the logger's name; '' is the root. */
  readonly loggers: ReadonlyMap<string, LoggerPlan>;
  readonly outputs: ReadonlyMap<string, OutputPlan>;
}

const none: LoggerPlan = { level: null, outputs: [], propagate: true };

/** A logger and the loggers above it, the root last. */
function* upwards(plan: LogPlan, name: string): Iterable<LoggerPlan> {
  for (let at = name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    yield plan.loggers.get(at) ?? none;
  }
  yield plan.loggers.get('') ?? none;
}

export function levelFor(plan: LogPlan, name: string): Level {
  for (const { level } of upwards(plan, name)) if (level !== null) return level;
  return 'warn';
}

export function outputsFor(plan: LogPlan, name: string): string[] {
  const found = new Set<string>();
  for (const logger of upwards(plan, name)) {
    for (const output of logger.outputs) found.add(output);
    if (!logger.propagate) break;
  }
  return [...found];
}
