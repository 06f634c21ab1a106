/** Logging: pino underneath, for people or for machines. Secrets are redacted by the name of their field. */
import { pino, type Logger as PinoLogger } from 'pino';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'human' | 'json';
  /** 1: standard output, 2: standard error. */
  readonly fd: 1 | 2;
}

export type Log = PinoLogger;

const secret = /password|passwd|token|secret|private|authorization|^key$|credential/i;

export function createLog(o: LogOptions): Log {
  const destination = pino.destination({ dest: o.fd, sync: false, minLength: 0 });
  const sink =
    o.format === 'json'
      ? destination
      : { write: (line: string) => destination.write(humanLine(line)), flushSync: () => destination.flushSync() };
  const log = pino(
    { level: o.level, base: null, formatters: { log: (fields) => redact(fields) as Record<string, unknown> } },
    sink,
  );
  process.on('exit', () => {
    try {
      destination.flushSync();
    } catch {
      // Nobody reads any more.
    }
  });
  return log;
}

function redact(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > 4 || value instanceof Error) return value;
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, secret.test(key) ? '[redacted]' : redact(item, depth + 1)]),
  );
}

const levels: Readonly<Record<number, string>> = {
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARNING',
  50: 'ERROR',
  60: 'CRITICAL',
};

interface Line {
  level: number;
  time: number;
  msg: string;
  err?: { message?: string; stack?: string };
  eventId?: string | null;
  requestId?: string;
  nodeId?: string;
}

/** `2026-01-31 12:00:00,123 INFO nodepool: [node_request: …] message field=value`; operators search for the prefixes. */
function humanLine(json: string): string {
  const { level, time, msg, err, eventId, requestId, nodeId, ...fields } = JSON.parse(json) as Line;
  const at = new Date(time).toISOString().replace('T', ' ').replace('.', ',').replace('Z', '');
  const prefix = [
    eventId ? `[e: ${eventId}]` : '',
    requestId ? `[node_request: ${requestId}]` : '',
    nodeId ? `[node: ${nodeId}]` : '',
  ].filter((part) => part !== '');
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const text = [...prefix, msg, ...rest].join(' ');
  const problem = err
    ? level >= 50
      ? `\n  ${(err.stack ?? err.message ?? '').replaceAll('\n', '\n  ')}`
      : ` (${err.message ?? ''})`
    : '';
  return `${at} ${levels[level] ?? level} nodepool: ${text}${problem}\n`;
}
