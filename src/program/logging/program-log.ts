/** The log of a program, as its options, its environment and its logging configuration say. */
import { defaultLayout } from '../../telemetry/log/layout.ts';
import { type Level, levelOf, levelWords } from '../../telemetry/log/levels.ts';
import { createLogs, type Logs } from '../../telemetry/log/log.ts';
import type { OutputFormat, Target } from '../../telemetry/log/log-plan.ts';
import { UserError, usageStatus } from '../../base/user-error.ts';
import { formatVariable, levelVariable } from './options.ts';
import { counterpart, loggerNames } from './loggers.ts';
import { type PythonPlan, readPythonPlan } from './python-plan.ts';

export interface LogOptions {
  readonly logconfig?: string;
  readonly debug?: boolean;
  readonly logFormat?: 'human' | 'json';
  /** `LEVEL` or `LOGGER=LEVEL`. */
  readonly logLevel?: readonly string[];
}

export interface LogDefaults {
  readonly level: Level;
  readonly target: Target;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const human: OutputFormat = { kind: 'human', layout: defaultLayout, dateLayout: null };

/** Throws UserError for wishes that cannot be obeyed. */
export function programLogs(options: LogOptions, defaults: LogDefaults): Logs {
  const { plan, renames, notes } = logPlan(options, defaults);
  let logs: Logs;
  try {
    logs = createLogs(plan);
  } catch (error) {
    const hint = 'make its directory for this user, name another file with -l, or stay in the foreground';
    throw new UserError(`a log file can't be written: ${(error as Error).message}; ${hint}`, 1, error);
  }
  for (const rename of renames) logs.named(loggerNames.config).info({}, rename);
  for (const note of notes) logs.named(loggerNames.config).warn({}, note);
  return logs;
}

/** An option outweighs the environment, and the environment outweighs the file. */
export function logPlan(options: LogOptions, defaults: LogDefaults): PythonPlan {
  const { env } = defaults;
  const format = options.logFormat ?? formatOf(env);
  const read =
    options.logconfig === undefined ? null : readPythonPlan(options.logconfig.replace(/^~(?=\/)/, env['HOME'] ?? '~'));
  const loggers = new Map(read?.plan.loggers ?? []);
  const outputs = new Map(read?.plan.outputs ?? []);
  const root = loggers.get('');
  if (outputs.size === 0) {
    outputs.set('default', { level: null, format: human, target: defaults.target });
    loggers.set('', { level: root?.level ?? defaults.level, outputs: ['default'], propagate: true });
  } else {
    // A root without a level is at WARNING, as in Python.
    loggers.set('', { outputs: [], propagate: true, ...root, level: root?.level ?? 'warn' });
  }
  for (const { name, level } of wantedLevels(options, env)) {
    loggers.set(name, { outputs: [], propagate: true, ...loggers.get(name), level });
  }
  // The format of an option or variable holds for all outputs.
  if (format !== undefined) {
    for (const [name, output] of outputs) outputs.set(name, { ...output, format: formats[format] });
  }
  return { plan: { loggers, outputs }, renames: read?.renames ?? [], notes: read?.notes ?? [] };
}

const formats = { human, json: { kind: 'json' } } satisfies Record<string, OutputFormat>;

function formatOf(env: LogDefaults['env']): keyof typeof formats | undefined {
  const word = env[formatVariable];
  if (word === undefined || word === '') return undefined;
  if (word === 'human' || word === 'json') return word;
  throw new UserError(`${formatVariable} is human or json, not ${word}`, usageStatus);
}

interface WantedLevel {
  readonly name: string;
  readonly level: Level;
}

function wantedLevels({ debug, logLevel = [] }: LogOptions, env: LogDefaults['env']): WantedLevel[] {
  const fromEnv = (env[levelVariable] ?? '').split(/[\s,]+/).filter((word) => word !== '');
  const words = [...fromEnv, ...(debug ? ['debug'] : []), ...logLevel];
  return words.flatMap((word) => {
    const [name, level] = word.includes('=') ? (word.split('=', 2) as [string, string]) : [null, word];
    const known = levelOf(level);
    if (known === undefined || known === 'unset')
      throw new UserError(`${word}: ${level} is no log level; write ${levelWords}`, usageStatus);
    if (name === null) return ['', loggerNames.general].map((one) => ({ name: one, level: known }));
    const ours = counterpart(name);
    if (ours === null) {
      const names = [...Object.values(loggerNames), 'nodepool.driver.KIND.PROVIDER'].join(', ');
      throw new UserError(`${word}: nothing logs under ${name}; there are ${names}`, usageStatus);
    }
    return [{ name: ours, level: known }];
  });
}
