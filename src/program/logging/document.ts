/**
 * A logging configuration of Python's, read but not understood yet: the same sections from both of its forms, each value with
 * the line it stands in.
 */
import { UserError } from '../../base/user-error.ts';

export interface Value {
  readonly value: unknown;
  readonly line: number;
}

export interface Section {
  readonly line: number;
  readonly fields: ReadonlyMap<string, Value>;
}

export interface LoggingDocument {
  readonly path: string;
  readonly formatters: ReadonlyMap<string, Section>;
  readonly handlers: ReadonlyMap<string, Section>;
  /** By their qualified names, without the root. */
  readonly loggers: ReadonlyMap<string, Section>;
  readonly root: Section | null;
}

/** What cannot be had here, and what to write instead. */
export class LoggingRefusal extends UserError {
  constructor(path: string, line: number, problem: string, hint: string) {
    super(`${path}:${line}: ${problem}; ${hint}`);
    this.name = 'LoggingRefusal';
  }
}
