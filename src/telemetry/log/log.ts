/**
 * The loggers of a program, with pino underneath. Each room has a logger of its own name, whose level and outputs come from one
 * plan. Secrets are redacted by the names of their fields.
 */
import { type DestinationStream, type Logger as PinoLogger, pino, symbols } from 'pino';
import { systemRuntime } from '../../base/runtime.ts';
import { compileLayout, type PlainError } from './layout.ts';
import { levelNumbers } from './levels.ts';
import { LogFile, type Notice } from './log-file.ts';
import { levelFor, type LogPlan, type OutputPlan, outputsFor } from './log-plan.ts';
import { redact, withoutSecrets } from '../../base/redact.ts';
import { StandardStream } from './standard-stream.ts';

export type Log = PinoLogger;

/** The loggers of a program. */
export interface Logs {
  named(name: string): Log;
  close(): void;
}

interface Sink {
  readonly least: number;
  write(json: string): void;
}

type OpenStandard = (fd: 1 | 2, notice: Notice) => DestinationStream;

/** Throws the system's error when a log file cannot be written. */
export function createLogs(plan: LogPlan, standard: OpenStandard = standardStream): Logs {
  const files: LogFile[] = [];
  const sinks = new Map([...plan.outputs].map(([name, output]) => [name, sinkOf(output, files, standard)] as const));
  const loggers = new Map<string, Log>();
  return {
    named: (name) => {
      const known = loggers.get(name);
      if (known) return known;
      const mine = outputsFor(plan, name).flatMap((output) => sinks.get(output) ?? []);
      const log = pino({ ...options, level: levelFor(plan, name), base: { name } }, route(mine));
      loggers.set(name, log);
      return log;
    },
    close: () => {
      for (const file of files) file.close();
    },
  };
}

const options = {
  serializers: { err: plainError },
  formatters: { log: (fields: object) => redact(fields) as Record<string, unknown> },
};

/** pino tells the level of a line beside the line, so that an output need not parse the lines that it leaves out. */
function route(sinks: readonly Sink[]): DestinationStream {
  return {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    write(json: string) {
      for (const sink of sinks) if (this.lastLevel >= sink.least) sink.write(json);
    },
  } as DestinationStream & { lastLevel: number };
}

function sinkOf({ level, format, target }: OutputPlan, files: LogFile[], standard: OpenStandard): Sink {
  const least = level === null ? 0 : levelNumbers[level];
  if (target.kind === 'nowhere') return { least, write: () => undefined };
  const shown = format.kind === 'json' ? (json: string) => json : compileLayout(format.layout, format.dateLayout);
  const notice: Notice = (message, fields) => shown(noticeLine(message, fields));
  const output = target.kind === 'stream' ? standard(target.fd, notice) : new LogFile(target, { notice });
  if (output instanceof LogFile) files.push(output);
  return { least, write: (json) => output.write(shown(json)) };
}

/** A notice as pino would write it, so that readers of JSON get nothing else. */
function noticeLine(message: string, fields: object): string {
  const time = systemRuntime.nowMs();
  return `${JSON.stringify({ level: levelNumbers.warn, time, name: 'nodepool', ...fields, msg: message })}\n`;
}

const unflushed: StandardStream[] = [];

function standardStream(fd: 1 | 2, notice: Notice): DestinationStream {
  const stream = new StandardStream(fd, { notice });
  if (unflushed.push(stream) === 1) process.on('exit', () => unflushed.forEach((one) => one.flush()));
  return stream;
}

/** Only these four fields of an error are logged: errors of SDKs and HTTP clients carry requests with credentials. */
function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) } satisfies PlainError;
  const { code } = error as { code?: unknown };
  const causes: string[] = [];
  for (let at = error.cause; at instanceof Error && causes.length < 5; at = at.cause) causes.push(at.message);
  return {
    type: error.name,
    // A cause that the message quotes already is not repeated.
    message: withoutSecrets([error.message, ...causes.filter((cause) => !error.message.includes(cause))].join(': ')),
    ...(code === undefined ? {} : { code }),
    stack: error.stack === undefined ? undefined : withoutSecrets(error.stack),
  } satisfies PlainError;
}
