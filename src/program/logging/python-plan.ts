/**
 * Makes our plan of a logging configuration written for the Python programs. A part without a counterpart is refused, with its
 * line and what to write instead; a part without effect is named in a note.
 */
import { readFileSync } from 'node:fs';
import { type Level, levelNumbers } from '../../telemetry/log/levels.ts';
import type { LoggerPlan, LogPlan, OutputPlan } from '../../telemetry/log/log-plan.ts';
import { UserError } from '../../base/user-error.ts';
import { readDictForm } from './dict-form.ts';
import type { LoggingDocument, Section } from './document.ts';
import { FieldReader } from './field-reader.ts';
import { readIniForm } from './ini-form.ts';
import { counterpart } from './loggers.ts';
import { outputOf } from './outputs.ts';

export interface PythonPlan {
  /** A file that names no handler gives no outputs: its levels count, and the program decides where lines go. */
  readonly plan: LogPlan;
  /** Loggers that have another name here. */
  readonly renames: readonly string[];
  /** Parts of the file without effect. */
  readonly notes: readonly string[];
}

export function readPythonPlan(path: string): PythonPlan {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`the logging configuration ${path} can't be read: ${(error as Error).message}`, 1, error);
  }
  const document = /\.(?:ya?ml|json)$/.test(path) ? readDictForm(path, text) : readIniForm(path, text);
  return planOf(document);
}

function planOf(document: LoggingDocument): PythonPlan {
  const renames: string[] = [];
  const notes: string[] = [];
  const outputs = new Map<string, OutputPlan>();
  for (const [name, section] of document.handlers) outputs.set(name, outputOf(document, name, section, notes));

  const loggers = new Map<string, LoggerPlan>();
  const root = loggerOf(document, 'root', document.root ?? { line: 1, fields: new Map() }, outputs, true);
  loggers.set('', root);
  const foreign: string[] = [];
  for (const [name, section] of document.loggers) {
    const logger = loggerOf(document, name, section, outputs, false);
    const ours = counterpart(name);
    if (ours === null) foreign.push(name);
    else loggers.set(ours, merged(loggers.get(ours), logger));
    if (ours !== null && ours !== name) renames.push(`${document.path}:${section.line}: ${name} is ${ours} here`);
  }
  if (foreign.length > 0) {
    notes.push(`${document.path}: without effect, nothing here logs under these names: ${foreign.join(', ')}`);
  }
  return { plan: { loggers, outputs }, renames, notes };
}

function loggerOf(
  document: LoggingDocument,
  name: string,
  section: Section,
  outputs: ReadonlyMap<string, OutputPlan>,
  isRoot: boolean,
): LoggerPlan {
  const fields = new FieldReader(document.path, `logger ${name}`, section);
  fields.only(['level', 'handlers', 'propagate', 'filters']);
  if (fields.list('filters').length > 0)
    fields.refuse('filters', 'filters are Python code', 'take them out; levels of loggers and handlers are obeyed');
  const handlers = fields.list('handlers');
  for (const handler of handlers) {
    if (!outputs.has(handler))
      fields.refuse(
        'handlers',
        `there is no handler ${handler}`,
        `there are ${[...outputs.keys()].join(', ') || 'none'}`,
      );
  }
  const level = fields.levelOrUnset('level');
  return {
    // The root has nothing above it, so NOTSET lets every line through.
    level: level === 'unset' ? (isRoot ? 'debug' : null) : level,
    outputs: handlers,
    propagate: fields.flag('propagate') ?? true,
  };
}

/** Merges several loggers of Python's that are one here: the lower level and all outputs count. */
function merged(before: LoggerPlan | undefined, next: LoggerPlan): LoggerPlan {
  if (!before) return next;
  return {
    level: lower(before.level, next.level),
    outputs: [...new Set([...before.outputs, ...next.outputs])],
    propagate: before.propagate || next.propagate,
  };
}

function lower(a: Level | null, b: Level | null): Level | null {
  if (a === null || b === null) return a ?? b;
  return levelNumbers[a] < levelNumbers[b] ? a : b;
}
