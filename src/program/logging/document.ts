/**
 * A logging configuration of Python's, as sections of values with their lines. Both of its forms are read into this; nothing
 * here knows what the values mean.
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
  /** Loggers by their qualified names, without the root. */
  readonly loggers: ReadonlyMap<string, Section>;
  readonly root: Section | null;
}

/** A part of the file that has no counterpart here, with what to write instead. */
export class LoggingRefusal extends UserError {
  constructor(path: string, line: number, problem: string, hint: string) {
    super(`${path}:${line}: ${problem}; ${hint}`);
    this.name = 'LoggingRefusal';
  }
}
