/** Makes outputs of the handlers and formatters of a Python logging configuration. Those without a counterpart are refused. */
import { hint } from '../../config/suggest.ts';
import { compileLayout, defaultLayout, LayoutError } from '../../telemetry/log/layout.ts';
import type { OutputFormat, OutputPlan, Target } from '../../telemetry/log/log-plan.ts';
import { type RotationPolicy, type When, whens } from '../../telemetry/log/rotation.ts';
import { type LoggingDocument, LoggingRefusal, type Section } from './document.ts';
import { FieldReader } from './field-reader.ts';

/** The format of a handler without a formatter: Python prints the message alone. */
const bareMessage: OutputFormat = { kind: 'human', layout: '%(message)s', dateLayout: null };

const fileKeys = ['filename', 'mode', 'encoding', 'delay', 'errors'];
const handlerKeys: Readonly<Record<string, readonly string[]>> = {
  StreamHandler: ['stream', 'strm'],
  NullHandler: [],
  FileHandler: fileKeys,
  WatchedFileHandler: fileKeys,
  RotatingFileHandler: [...fileKeys, 'maxBytes', 'backupCount'],
  TimedRotatingFileHandler: [...fileKeys, 'when', 'interval', 'backupCount', 'utc', 'atTime'],
};

/** What to do instead of a handler, by a word in the name of its class. */
const elsewhere: readonly (readonly [RegExp, string])[] = [
  [
    /syslog|journal/i,
    'write a StreamHandler: under systemd what it prints goes to the journal, and from there to syslog',
  ],
  [
    /smtp|http|socket|datagram|queue|memory|logstash|gelf|fluent|slack|sentry/i,
    'write a StreamHandler or a file handler with a JSON formatter, and let a log shipper send it on',
  ],
];

export function outputOf(document: LoggingDocument, name: string, section: Section, notes: string[]): OutputPlan {
  const fields = new FieldReader(document.path, `handler ${name}`, section);
  const className = fields.text('class') ?? fields.missing('class', 'write logging.StreamHandler');
  const short = className.slice(className.lastIndexOf('.') + 1);
  const keys = Object.hasOwn(handlerKeys, short) ? handlerKeys[short] : undefined;
  if (!keys || !/^(?:logging\.(?:handlers\.)?|handlers\.)?\w+$/.test(className)) {
    const advice = elsewhere.find(([pattern]) => pattern.test(className))?.[1];
    const known = Object.keys(handlerKeys).join(', ');
    return fields.refuse('class', `${className} has no counterpart here`, advice ?? `there are ${known}`);
  }
  fields.only(['class', 'level', 'formatter', 'filters', ...keys]);
  if (fields.list('filters').length > 0)
    fields.refuse('filters', 'filters are Python code', 'take them out; levels of loggers and handlers are obeyed');
  const formatter = fields.text('formatter');
  return {
    level: fields.level('level') ?? null,
    format: formatter === null || formatter === '' ? bareMessage : formatOf(document, formatter, fields, notes),
    target: targetOf(short, fields),
  };
}

function targetOf(className: string, fields: FieldReader): Target {
  if (className === 'NullHandler') return { kind: 'nowhere' };
  if (className === 'StreamHandler') {
    const key = fields.has('strm') ? 'strm' : 'stream';
    const stream = fields.text(key) ?? 'ext://sys.stderr';
    if (stream === 'ext://sys.stdout') return { kind: 'stream', fd: 1 };
    if (stream === 'ext://sys.stderr') return { kind: 'stream', fd: 2 };
    return fields.refuse(key, `${stream} is Python code`, 'write ext://sys.stdout or ext://sys.stderr');
  }
  const path = fields.text('filename') ?? fields.missing('filename', 'write the path of the log file');
  const encoding = fields.text('encoding') ?? 'utf-8';
  if (!/^(?:utf-?8|us-ascii|ascii)$/i.test(encoding))
    fields.refuse('encoding', `log files are written as UTF-8, not ${encoding}`, 'write utf-8');
  const mode = fields.text('mode') ?? 'a';
  if (!/^[aw]$/.test(mode))
    fields.refuse('mode', `${mode} is no way to write a log`, 'write a (append) or w (begin anew)');
  const rotation = rotationOf(className, fields);
  // A rotating handler of Python appends whatever its mode says: an emptied file would have nothing to rotate.
  return { kind: 'file', path, truncate: mode === 'w' && rotation === null, rotation };
}

function rotationOf(className: string, fields: FieldReader): RotationPolicy | null {
  const keep = fields.count('backupCount') ?? 0;
  if (className === 'RotatingFileHandler') {
    const maxBytes = fields.count('maxBytes') ?? 0;
    return maxBytes === 0 ? null : { by: 'size', maxBytes, keep };
  }
  if (className !== 'TimedRotatingFileHandler') return null;
  const when = (fields.text('when') ?? 'H').toUpperCase();
  if (!(whens as readonly string[]).includes(when))
    fields.refuse('when', `${when} is no time of rotation${hint(when, whens)}`, `there are ${whens.join(', ')}`);
  if (fields.text('atTime') !== null)
    fields.refuse('atTime', 'files are put aside at midnight only', 'take atTime out');
  return {
    by: 'time',
    when: when as When,
    interval: fields.count('interval') ?? 1,
    keep,
    utc: fields.flag('utc') ?? false,
  };
}

function formatOf(document: LoggingDocument, name: string, user: FieldReader, notes: string[]): OutputFormat {
  const section = document.formatters.get(name);
  if (!section) {
    return user.refuse(
      'formatter',
      `there is no formatter ${name}`,
      `there are ${[...document.formatters.keys()].join(', ') || 'none'}`,
    );
  }
  const fields = new FieldReader(document.path, `formatter ${name}`, section);
  const key = fields.has('()') ? '()' : 'class';
  const className = fields.text(key) ?? 'logging.Formatter';
  const short = className.slice(className.lastIndexOf('.') + 1);
  if (/json/i.test(short)) {
    // Formatters for JSON take keys of their own, so unknown keys are not refused.
    if (fields.has('format') || fields.has('fmt'))
      notes.push(
        `${document.path}:${section.line}: the JSON lines of formatter ${name} have the fields of this program, not those of its format`,
      );
    return { kind: 'json' };
  }
  // The formatters of the Python programs themselves repeat prefixes on each line, as ours does.
  const own = /^(?:nodepool|zuul)\.(?:\w+\.)*logconfig\.\w+$/.test(className);
  if (!own && !/^(?:logging\.Formatter|Formatter|(?:\w+\.)*MultiLineFormatter)$/.test(className)) {
    fields.refuse(
      key,
      `${className} is Python code`,
      'write a `format` of %(asctime)s, %(levelname)s, %(name)s and %(message)s, or a class named JsonFormatter for JSON',
    );
  }
  fields.only(['class', '()', 'format', 'fmt', 'datefmt', 'style', 'validate']);
  const style = fields.text('style') ?? '%';
  if (style !== '%') fields.refuse('style', `formats of the style ${style} are not read`, "write it with style '%'");
  const formatKey = fields.has('fmt') ? 'fmt' : 'format';
  const layout = fields.text(formatKey) || (key === '()' && own ? defaultLayout : '%(message)s');
  const dateLayout = fields.text('datefmt') || null;
  try {
    compileLayout(layout, dateLayout);
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    const at = error.message.startsWith('the date') ? 'datefmt' : formatKey;
    throw new LoggingRefusal(document.path, fields.line(at), `formatter ${name}: ${error.message}`, error.hint);
  }
  return { kind: 'human', layout, dateLayout };
}
