/** Python's fileConfig form: `[loggers] keys=…`, a section for each logger, handler and formatter. */
import { type LoggingDocument, LoggingRefusal, type Section, type Value } from './document.ts';
import { type IniSections, interpolated } from './ini-interpolation.ts';
import { parsePython, PythonLiteralError } from './python-literal.ts';

/** The positional arguments of each handler class. */
const fileParameters = ['filename', 'mode', 'encoding', 'delay'];
const parameters: Readonly<Record<string, readonly string[]>> = {
  StreamHandler: ['stream'],
  NullHandler: [],
  FileHandler: fileParameters,
  WatchedFileHandler: fileParameters,
  RotatingFileHandler: ['filename', 'mode', 'maxBytes', 'backupCount', 'encoding', 'delay'],
  TimedRotatingFileHandler: ['filename', 'when', 'interval', 'backupCount', 'encoding', 'delay', 'utc', 'atTime'],
};

export function readIniForm(path: string, text: string): LoggingDocument {
  const sections = interpolated(path, readSections(path, text));
  const refuse = (line: number, problem: string, hint: string) => new LoggingRefusal(path, line, problem, hint);
  const textOf = (section: Section, key: string): string => plain(section.fields.get(key));
  const list = (kind: string): [string, Section][] => {
    const index = sections.get(kind);
    if (!index) throw refuse(1, `there is no section [${kind}]`, `write one with the names in \`keys=\``);
    const names = textOf(index, 'keys')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    return names.map((name) => {
      const section = sections.get(`${kind.slice(0, -1)}_${name}`);
      if (!section) {
        const line = index.fields.get('keys')?.line ?? index.line;
        throw refuse(line, `${name} has no section`, `write [${kind.slice(0, -1)}_${name}] or take it out of the keys`);
      }
      return [name, section];
    });
  };

  const formatters = new Map(list('formatters').map(([name, section]) => [name, section] as const));
  const handlers = new Map(list('handlers').map(([name, section]) => [name, handlerFields(path, section)] as const));
  const loggers = new Map<string, Section>();
  let root: Section | null = null;
  for (const [name, section] of list('loggers')) {
    const fields = new Map(section.fields);
    const names = textOf(section, 'handlers')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    const line = section.fields.get('handlers')?.line ?? section.line;
    fields.set('handlers', { value: names, line });
    const propagate = fields.get('propagate');
    if (propagate) fields.set('propagate', { ...propagate, value: String(propagate.value).trim() !== '0' });
    fields.delete('qualname');
    if (name === 'root') root = { line: section.line, fields };
    else {
      const qualified = textOf(section, 'qualname');
      if (qualified === '')
        throw refuse(section.line, `[logger_${name}] has no qualname`, 'write the name of the logger');
      loggers.set(qualified, { line: section.line, fields });
    }
  }
  if (!root) throw refuse(sections.get('loggers')!.line, 'there is no root among the loggers', 'write [logger_root]');
  return { path, formatters, handlers, loggers, root };
}

/** The text of a value that is not evaluated yet. */
const plain = (field: Value | undefined) => (typeof field?.value === 'string' ? field.value.trim() : '');

/** Makes the fields of a dictConfig handler out of `class`, `level`, `formatter`, `args` and `kwargs`. */
function handlerFields(path: string, section: Section): Section {
  const fields = new Map(section.fields);
  const className = plain(fields.get('class'));
  const short = className.slice(className.lastIndexOf('.') + 1);
  const positional = Object.hasOwn(parameters, short) ? parameters[short] : undefined;
  const evaluated = (key: string): Value | null => {
    const field = fields.get(key);
    fields.delete(key);
    if (!field || String(field.value).trim() === '') return null;
    try {
      return { line: field.line, value: parsePython(String(field.value)) };
    } catch (error) {
      if (!(error instanceof PythonLiteralError)) throw error;
      const hint = 'write texts, numbers, sys.stdout or sys.stderr';
      throw new LoggingRefusal(path, field.line, `${key} of the handler: ${error.message}`, hint);
    }
  };
  const args = evaluated('args');
  const kwargs = evaluated('kwargs');
  // The arguments of an unknown class do not matter: the class is refused by its name.
  if (args && positional) {
    if (!Array.isArray(args.value))
      throw new LoggingRefusal(path, args.line, 'args is no tuple', "write a comma behind a single value: ('file',)");
    for (const [i, value] of args.value.entries()) {
      const name = positional[i];
      if (name === undefined)
        throw new LoggingRefusal(path, args.line, `${className} takes no ${i + 1} arguments`, 'take the last one out');
      fields.set(name, { value, line: args.line });
    }
  }
  for (const [key, value] of Object.entries(kwargs?.value ?? {})) {
    fields.set(key, { value: value as unknown, line: kwargs!.line });
  }
  return { line: section.line, fields };
}

function readSections(path: string, text: string): IniSections {
  const sections = new Map<string, { line: number; fields: Map<string, Value> }>();
  let current: { line: number; fields: Map<string, Value> } | null = null;
  let last: { key: string; line: number } | null = null;
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = i + 1;
    if (/^\s*(?:[#;].*)?$/.test(raw)) continue;
    const header = /^\[([^\]]+)\]\s*$/.exec(raw);
    if (header) {
      if (sections.has(header[1]!))
        throw new LoggingRefusal(path, line, `section [${header[1]}] is there twice`, 'take one of them out');
      current = { line, fields: new Map() };
      sections.set(header[1]!, current);
      last = null;
      continue;
    }
    if (/^\s/.test(raw) && current && last) {
      const before = current.fields.get(last.key)!;
      current.fields.set(last.key, { ...before, value: `${String(before.value)}\n${raw.trim()}` });
      continue;
    }
    const pair = /^([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/.exec(raw);
    if (!pair || !current) {
      throw new LoggingRefusal(path, line, 'neither a section nor key=value', "write it as Python's fileConfig has it");
    }
    last = { key: pair[1]!.toLowerCase(), line };
    current.fields.set(last.key, { value: pair[2]!.trimEnd(), line });
  }
  return sections;
}
