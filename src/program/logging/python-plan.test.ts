import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';
import { parsePython } from './python-literal.ts';
import { readPythonPlan } from './python-plan.ts';

function plan(name: string, text: string) {
  const file = join(temporaryDirectory(), name);
  writeFileSync(file, text);
  const { plan: read, renames, notes } = readPythonPlan(file);
  return {
    loggers: Object.fromEntries(read.loggers),
    outputs: Object.fromEntries(read.outputs),
    renames: renames.map((rename) => rename.replace(file, name)),
    notes: notes.map((note) => note.replace(file, name)),
  };
}

function refusal(name: string, text: string): string {
  const file = join(temporaryDirectory(), name);
  writeFileSync(file, text);
  try {
    readPythonPlan(file);
  } catch (error) {
    return (error as Error).message.replace(file, name);
  }
  return 'accepted';
}

const sample = (name: string) =>
  readFileSync(new URL(`../../../test/logging-samples/${name}`, import.meta.url), 'utf8').replaceAll(
    '@DIR@',
    '/var/log',
  );

describe('what maps', () => {
  it('an ini file with handlers that rotate each day', () => {
    const { loggers, outputs, renames, notes } = plan('logging.conf', sample('daily-files.conf'));
    expect(loggers).toEqual({
      '': { level: 'warn', outputs: ['console'], propagate: true },
      nodepool: { level: 'debug', outputs: ['debug', 'normal'], propagate: true },
      zookeeper: { level: 'info', outputs: ['debug', 'normal'], propagate: true },
      'nodepool.builder': { level: 'info', outputs: ['image'], propagate: false },
    });
    expect(outputs['debug']).toEqual({
      level: 'debug',
      format: { kind: 'human', layout: '%(asctime)s %(levelname)s %(name)s: %(message)s', dateLayout: null },
      target: {
        kind: 'file',
        path: '/var/log/launcher-debug.log',
        truncate: false,
        rotation: { by: 'time', when: 'MIDNIGHT', interval: 1, keep: 30, utc: false },
      },
    });
    expect(outputs['console']).toMatchObject({ level: 'warn', target: { kind: 'stream', fd: 1 } });
    expect(renames).toEqual([
      'logging.conf:24: kazoo is zookeeper here',
      'logging.conf:34: nodepool.image.build is nodepool.builder here',
    ]);
    expect(notes).toEqual(['logging.conf: without effect, nothing here logs under these names: requests, openstack']);
  });

  it('a mapping with a watched file, a date format and no handler for the root', () => {
    const { loggers, outputs } = plan('logging.yaml', sample('watched-file.yaml'));
    expect(loggers['']).toEqual({ level: null, outputs: ['null'], propagate: true });
    expect(loggers['nodepool.driver.aws']).toEqual({ level: 'debug', outputs: [], propagate: true });
    expect(outputs['null']?.target).toEqual({ kind: 'nowhere' });
    expect(outputs['console']).toMatchObject({ level: 'error', format: { dateLayout: '%Y-%m-%d %H:%M:%S' } });
    expect(outputs['normal']?.target).toMatchObject({ path: '/var/log/launcher.log', rotation: null });
  });

  it('JSON lines, by the class of the formatter', () => {
    const text = `version: 1
formatters: {j: {'()': pythonjsonlogger.jsonlogger.JsonFormatter, fmt: '%(asctime)s %(message)s'}}
handlers: {c: {class: logging.StreamHandler, formatter: j}}
root: {level: INFO, handlers: [c]}
`;
    const { outputs, notes } = plan('a.yaml', text);
    expect(outputs['c']).toEqual({ level: null, format: { kind: 'json' }, target: { kind: 'stream', fd: 2 } });
    expect(notes).toEqual([expect.stringContaining('JSON lines of formatter j have the fields of this program')]);
  });

  it('defaults of all sections, and values that are taken in by others', () => {
    const text = ini('("%(stem)s-%(KIND)s-100%%.log",)')
      .replace('[loggers]', '[DEFAULT]\nstem=%(root)s/nodepool\nroot=/var/log\nlevel=ERROR\nkind=a\n[loggers]')
      .replace('[handler_h]', '[handler_h]\nkind=b');
    const { loggers, outputs } = plan('a.conf', text);
    expect(loggers['']).toMatchObject({ level: 'error', outputs: ['h'] });
    expect(outputs['h']).toMatchObject({ level: 'error', target: { path: '/var/log/nodepool-b-100%.log' } });
  });

  it("the formatter of Python's own defaults", () => {
    const factory = 'nodepool.logconfig.exception_collection_formatter_factory';
    const { outputs } = plan('a.yaml', formatter(`'()': ${factory}`));
    expect(outputs['h']?.format).toMatchObject({ layout: '%(asctime)s %(levelname)s %(name)s: %(message)s' });
  });

  it('several loggers that are one here: whoever wants more gets it', () => {
    const { loggers } = plan(
      'a.yaml',
      'loggers: {nodepool.NodeLauncher: {level: ERROR}, nodepool.PoolWorker.x: {level: DEBUG}, nodepool.driver.aws.AwsProvider: {level: 40}}\n',
    );
    expect(loggers).toMatchObject({
      'nodepool.launcher': { level: 'debug' },
      'nodepool.driver.aws': { level: 'error' },
    });
  });

  it('values of Python, without running any', () => {
    expect(parsePython(" ('a\\'b', \"c\", [1, -2.5], {'k': None, 'x': True}, sys.stderr,) ")).toEqual([
      "a'b",
      'c',
      [1, -2.5],
      { k: null, x: true },
      'ext://sys.stderr',
    ]);
    expect(parsePython('()')).toEqual([]);
    expect(parsePython('(1)')).toBe(1);
    for (const text of ['(', "('a'", "('a' 'b')", 'os.getcwd()', '[1,,2]', "{'a'}", '']) {
      expect(() => parsePython(text), text).toThrow();
    }
  });
});

const root = 'root: {level: INFO, handlers: [h]}\n';
const handler = (fields: string) => `version: 1\nhandlers:\n  h:\n    ${fields.replaceAll('\n', '\n    ')}\n${root}`;
const formatter = (fields: string) =>
  `version: 1\nformatters:\n  f:\n    ${fields}\nhandlers: {h: {class: logging.StreamHandler, formatter: f}}\n${root}`;
const ini = (args: string) =>
  `[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\nclass=FileHandler\nargs=${args}\n`;

/** The whole message is what a user sees. */
it.each([
  [
    'a.conf',
    ini("('%(stem)s.log',)"),
    'a.conf:11: there is no stem to take in; write it in the same section or in [DEFAULT]',
  ],
  [
    'a.conf',
    ini("('%d.log',)"),
    'a.conf:11: "(\'%d.log\',)" has a % that begins no %(name)s; write %% for the sign itself',
  ],
  [
    'a.conf',
    ini("('%(a)s',)").replace('[loggers]', '[DEFAULT]\na=%(b)s\nb=%(a)s\n[loggers]'),
    'a.conf:14: values take each other in without end; take the circle out',
  ],
  [
    'a.yaml',
    handler('class: logging.handlers.SysLogHandler'),
    'a.yaml:4: handler h: logging.handlers.SysLogHandler has no counterpart here; write a StreamHandler: under systemd what it prints goes to the journal, and from there to syslog',
  ],
  [
    'a.yaml',
    handler('class: my.own.Handler'),
    'a.yaml:4: handler h: my.own.Handler has no counterpart here; there are StreamHandler, NullHandler, FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler',
  ],
  [
    'a.yaml',
    handler('class: other.StreamHandler'),
    'a.yaml:4: handler h: other.StreamHandler has no counterpart here; there are StreamHandler, NullHandler, FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler',
  ],
  [
    'a.yaml',
    handler('class: logging.toString'),
    'a.yaml:4: handler h: logging.toString has no counterpart here; there are StreamHandler, NullHandler, FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler',
  ],
  [
    'a.conf',
    ini("('x',)").replace('FileHandler', 'constructor'),
    'a.conf:10: handler h: constructor has no counterpart here; there are StreamHandler, NullHandler, FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler',
  ],
  [
    'a.conf',
    ini('(constructor,)'),
    'a.conf:11: args of the handler: constructor is Python code; write texts, numbers, sys.stdout or sys.stderr',
  ],
  [
    'a.yaml',
    handler('class: logging.FileHandler'),
    'a.yaml:4: handler h: filename is missing; write the path of the log file',
  ],
  [
    'a.yaml',
    handler('class: logging.StreamHandler\nstream: cfg://x'),
    'a.yaml:5: handler h: cfg://x is Python code; write ext://sys.stdout or ext://sys.stderr',
  ],
  [
    'a.yaml',
    handler('class: logging.StreamHandler\nlevl: INFO'),
    "a.yaml:5: handler h: unknown key levl, did you mean 'level'?; take it out",
  ],
  [
    'a.yaml',
    handler('class: logging.StreamHandler\nlevel: LOUD'),
    'a.yaml:5: handler h: "LOUD" is no level; write DEBUG, INFO, WARNING, ERROR or CRITICAL',
  ],
  [
    'a.yaml',
    handler('class: logging.StreamHandler\nformatter: g'),
    'a.yaml:5: handler h: there is no formatter g; there are none',
  ],
  [
    'a.yaml',
    handler('class: logging.StreamHandler\nfilters: [x]'),
    'a.yaml:5: handler h: filters are Python code; take them out; levels of loggers and handlers are obeyed',
  ],
  [
    'a.yaml',
    handler('class: logging.handlers.TimedRotatingFileHandler\nfilename: /x\nwhen: daily'),
    'a.yaml:6: handler h: DAILY is no time of rotation; there are S, M, H, D, MIDNIGHT, W0, W1, W2, W3, W4, W5, W6',
  ],
  [
    'a.yaml',
    handler('class: logging.FileHandler\nfilename: /x\nencoding: latin-1'),
    'a.yaml:6: handler h: log files are written as UTF-8, not latin-1; write utf-8',
  ],
  [
    'a.yaml',
    formatter("format: '%(threadName)s %(message)s'"),
    'a.yaml:4: formatter f: a line here has no %(threadName)s; take it out of the format; there are asctime, levelname, levelno, name, message, process, created, msecs',
  ],
  [
    'a.yaml',
    formatter("datefmt: '%I o clock'"),
    'a.yaml:4: formatter f: the date format "%I o clock" has %I, which is not known here; there are %Y %y %m %d %H %M %S %F %T %b %a %z %s %%',
  ],
  [
    'a.yaml',
    formatter("format: '100 % %(message)s'"),
    'a.yaml:4: formatter f: "100 % %(message)s" has a % that begins no field; write %% for the sign itself',
  ],
  [
    'a.yaml',
    formatter("{style: '{', format: '{message}'}"),
    "a.yaml:4: formatter f: formats of the style { are not read; write it with style '%'",
  ],
  [
    'a.yaml',
    formatter('class: my.Formatter'),
    'a.yaml:4: formatter f: my.Formatter is Python code; write a `format` of %(asctime)s, %(levelname)s, %(name)s and %(message)s, or a class named JsonFormatter for JSON',
  ],
  ['a.yaml', 'version: 2\n', 'a.yaml:1: only version 1 is known; write `version: 1`'],
  ['a.yaml', 'version: 1\nlogers: {}\n', "a.yaml:2: unknown key logers, did you mean 'loggers'?; take it out"],
  [
    'a.yaml',
    'version: 1\nfilters: {f: {}}\n',
    'a.yaml:2: filters are Python code; take them out; levels of loggers and handlers are obeyed',
  ],
  [
    'a.yaml',
    'version: 1\nloggers: {nodepool: {handlers: [x]}}\n',
    'a.yaml:2: logger nodepool: there is no handler x; there are none',
  ],
  ['a.yaml', 'just text', 'a.yaml:1: the file holds no mapping; write `version: 1` and the sections of dictConfig'],
  ['a.json', '{"version": 1,', 'a.json:1: no YAML'],
  [
    'a.conf',
    ini("(os.path.join('/x', 'y'),)"),
    'a.conf:11: args of the handler: os.path.join is Python code; write texts, numbers, sys.stdout or sys.stderr',
  ],
  ['a.conf', ini("('/x')"), "a.conf:11: args is no tuple; write a comma behind a single value: ('file',)"],
  ['a.conf', ini("('/x', 'a', None, False, 5)"), 'a.conf:11: FileHandler takes no 5 arguments; take the last one out'],
  [
    'a.conf',
    '[loggers]\nkeys=root,x\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\n',
    'a.conf:2: x has no section; write [logger_x] or take it out of the keys',
  ],
  ['a.conf', 'level=INFO\n', "a.conf:1: neither a section nor key=value; write it as Python's fileConfig has it"],
  ['a.conf', '[loggers]\nkeys=root\n[loggers]\n', 'a.conf:3: section [loggers] is there twice; take one of them out'],
])('%s %j is refused', (name, text, expected) => {
  const said = refusal(name, text);
  if (name === 'a.json') expect(said).toContain(expected);
  else expect(said).toBe(expected);
});
