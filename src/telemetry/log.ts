/** Logging: pino underneath, for people or for machines. Secrets are redacted by the name of their field. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { redact } from './redact.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level: Level;
  readonly format: 'human' | 'json';
  /** 1: standard output, 2: standard error. Written behind, flushed at the end of the process. */
  readonly to: 1 | 2 | DestinationStream;
}

export type Log = PinoLogger;

export function createLog(o: LogOptions): Log {
  const output = typeof o.to === 'number' ? standardStream(o.to) : o.to;
  const sink = o.format === 'json' ? output : { write: (line: string) => output.write(humanLine(line)) };
  const options = {
    level: o.level,
    base: null,
    serializers: { err: plainError },
    formatters: { log: (fields: object) => redact(fields) as Record<string, unknown> },
  };
  return pino(options, sink);
}

const unflushed: { flushSync(): void }[] = [];

function standardStream(fd: 1 | 2): DestinationStream {
  const stream = pino.destination({ dest: fd, sync: false, minLength: 0 });
  if (unflushed.push(stream) === 1) process.on('exit', flush);
  return stream;
}

function flush(): void {
  for (const stream of unflushed) {
    try {
      stream.flushSync();
    } catch {
      // Nobody reads any more.
    }
  }
}

interface PlainError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
}

/** Only these four: the errors of SDKs and HTTP clients carry requests, and those carry credentials. */
function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) } satisfies PlainError;
  const { code } = error as { code?: unknown };
  const causes: string[] = [];
  for (let at = error.cause; at instanceof Error && causes.length < 5; at = at.cause) causes.push(at.message);
  return {
    type: error.name,
    // A cause that the message quotes already is not said twice.
    message: [error.message, ...causes.filter((cause) => !error.message.includes(cause))].join(': '),
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
  } satisfies PlainError;
}

const levelNames: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARNING',
  50: 'ERROR',
  60: 'CRITICAL',
};

interface Line {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly name?: string;
  readonly err?: PlainError;
  readonly eventId?: string | null;
  readonly requestId?: string | null;
  readonly nodeId?: string | null;
}

/**
 * `2026-01-31 12:00:00,123 INFO nodepool: [node_request: …] message field=value`: operators search for the prefixes
 * (spec: operations, logging). Continuation lines repeat what stands before the message.
 */
function humanLine(json: string): string {
  const { level, time, msg, name, err, eventId, requestId, nodeId, ...fields } = JSON.parse(json) as Line;
  const at = new Date(time).toISOString().replace('T', ' ').replace('.', ',').replace('Z', '');
  const ids =
    (eventId ? `[e: ${printable(eventId)}] ` : '') +
    (requestId ? `[node_request: ${printable(requestId)}] ` : '') +
    (nodeId ? `[node: ${printable(nodeId)}] ` : '');
  const head = `${at} ${levelNames[level] ?? level} ${name ?? 'nodepool'}: ${ids}`;
  let text = head + (msg ?? '');
  for (const [key, value] of Object.entries(fields)) {
    text += ` ${key}=${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`;
  }
  if (err) text += `: ${printable(err.message)}`;
  // A stack is for what should not have happened; a refused connection at WARNING needs none.
  if (err?.stack !== undefined && level >= 50) {
    for (const line of err.stack.split('\n')) text += `\n${head}  ${line.trimEnd()}`;
  }
  return `${text}\n`;
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Values come from anybody who writes to ZooKeeper: none may begin a line of its own or steer a terminal. */
function printable(text: string): string {
  return unprintable.test(text) ? JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, '?') : text;
}
