/**
 * The layout of a line for people, in the notation of Python's logging (`%(asctime)s %(levelname)s …`), so that a layout of an
 * existing logging configuration serves as it is.
 */
import { shownLevel } from './levels.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

export const defaultLayout = '%(asctime)s %(levelname)s %(name)s: %(message)s';

export interface PlainError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
}

/** A line as pino writes it. */
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

export class LayoutError extends Error {
  readonly code = 'log-layout' satisfies OwnErrorCode;
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'LayoutError';
    this.hint = hint;
  }
}

type Part = (line: Line, message: string) => string;

const knownFields = {
  asctime: 'asctime',
  levelname: 'levelname',
  levelno: 'levelno',
  name: 'name',
  message: 'message',
  process: 'process',
  created: 'created',
  msecs: 'msecs',
} as const;

/** Turns a line of pino's JSON into text. Throws LayoutError for a layout that says what lines here do not have. */
export function compileLayout(layout: string, dateLayout: string | null): (json: string) => string {
  const parts = partsOf(layout, compileDate(dateLayout));
  return (json) => {
    const line = JSON.parse(json) as Line;
    const [first, ...rest] = messageLines(line);
    const render = (message: string) => parts.map((part) => part(line, message)).join('');
    // Continuation lines repeat everything before the message (spec: operations, logging).
    return [first!, ...rest].map((text) => `${render(text)}\n`).join('');
  };
}

function partsOf(layout: string, date: (ms: number) => string): Part[] {
  const parts: Part[] = [];
  const pattern = /%%|%\((\w+)\)([-0]?)(\d*)(?:\.(\d+))?([a-z])|%/g;
  let end = 0;
  for (const match of layout.matchAll(pattern)) {
    const text = layout.slice(end, match.index);
    if (text !== '') parts.push(() => text);
    end = match.index + match[0].length;
    if (match[0] === '%%') parts.push(() => '%');
    else if (match[0] === '%')
      throw new LayoutError(`"${layout}" has a % that begins no field`, 'write %% for the sign itself');
    else parts.push(fieldPart(match[1]!, padding(match[2]!, match[3]!, match[4]), date));
  }
  const rest = layout.slice(end);
  if (rest !== '') parts.push(() => rest);
  return parts;
}

function padding(flag: string, width: string, precision: string | undefined): (text: string) => string {
  const size = Number(width);
  const most = precision === undefined ? Number.POSITIVE_INFINITY : Number(precision);
  return (text) => {
    const cut = text.slice(0, most);
    return flag === '-' ? cut.padEnd(size) : cut.padStart(size, flag === '0' ? '0' : ' ');
  };
}

function fieldPart(name: string, pad: (text: string) => string, date: (ms: number) => string): Part {
  switch (Object.hasOwn(knownFields, name) ? knownFields[name as keyof typeof knownFields] : undefined) {
    case 'asctime':
      return (line) => pad(date(line.time));
    case 'levelname':
      return (line) => pad(shownLevel[line.level] ?? String(line.level));
    case 'levelno':
      return (line) => pad(String(line.level - 10));
    case 'name':
      return (line) => pad(line.name ?? 'nodepool');
    case 'message':
      return (_line, message) => pad(message);
    case 'process':
      return () => pad(String(process.pid));
    case 'created':
      return (line) => pad((line.time / 1000).toFixed(6));
    case 'msecs':
      return (line) => pad(String(line.time % 1000));
    default:
      throw new LayoutError(
        `a line here has no %(${name})s`,
        `take it out of the format; there are ${Object.keys(knownFields).join(', ')}`,
      );
  }
}

const two = (value: number) => String(value).padStart(2, '0');

function zone(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

const dateFields: Readonly<Record<string, (at: Date) => string>> = {
  Y: (at) => String(at.getFullYear()),
  y: (at) => two(at.getFullYear() % 100),
  m: (at) => two(at.getMonth() + 1),
  d: (at) => two(at.getDate()),
  H: (at) => two(at.getHours()),
  M: (at) => two(at.getMinutes()),
  S: (at) => two(at.getSeconds()),
  F: (at) => `${dateFields['Y']!(at)}-${dateFields['m']!(at)}-${dateFields['d']!(at)}`,
  T: (at) => `${dateFields['H']!(at)}:${dateFields['M']!(at)}:${dateFields['S']!(at)}`,
  b: (at) => ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][at.getMonth()]!,
  a: (at) => ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][at.getDay()]!,
  z: zone,
  s: (at) => String(Math.floor(at.getTime() / 1000)),
  '%': () => '%',
};

/** Shows local time, as Python's logging does. null: Python's default, with milliseconds after a comma. */
export function compileDate(layout: string | null): (ms: number) => string {
  if (layout === null) {
    return (ms) => `${formatDate('%F %T', new Date(ms))},${String(ms % 1000).padStart(3, '0')}`;
  }
  for (const [, field] of layout.matchAll(/%(.?)/g)) {
    if (dateFields[field!] === undefined) {
      throw new LayoutError(
        `the date format "${layout}" has %${field}, which is not known here`,
        `there are ${Object.keys(dateFields)
          .map((name) => `%${name}`)
          .join(' ')}`,
      );
    }
  }
  return (ms) => formatDate(layout, new Date(ms));
}

function formatDate(layout: string, at: Date): string {
  return layout.replace(/%(.)/g, (_all, field: string) => dateFields[field]!(at));
}

/** `[node_request: …] message field=value`, then the lines of a stack. Operators search for these prefixes. */
function messageLines(line: Line): string[] {
  const { level, msg, err, eventId, requestId, nodeId, ...fields } = line;
  const ids =
    (eventId ? `[e: ${printable(eventId)}] ` : '') +
    (requestId ? `[node_request: ${printable(requestId)}] ` : '') +
    (nodeId ? `[node: ${printable(nodeId)}] ` : '');
  let text = msg ?? '';
  for (const [key, value] of Object.entries(fields)) {
    if (key === 'time' || key === 'name') continue;
    text += ` ${printable(key)}=${typeof value === 'string' ? printable(value) : withoutControls(JSON.stringify(value))}`;
  }
  if (err) text += `: ${printable(err.message)}`;
  const lines = text.split('\n').map((one, i) => ids + (i === 0 ? '' : '  ') + withoutControls(one));
  // Only errors get their stack: a refused connection at WARNING needs none.
  if (err?.stack !== undefined && level >= 50) {
    for (const one of err.stack.split('\n')) lines.push(`${ids}  ${withoutControls(one.trimEnd())}`);
  }
  return lines;
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** A value in a form that cannot begin a line or steer a terminal: anybody who writes to ZooKeeper may have made it. */
function printable(text: string): string {
  return unprintable.test(text) ? withoutControls(JSON.stringify(text)) : text;
}

/** The same for texts in which quotes would be in the way. */
const withoutControls = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
