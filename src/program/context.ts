/** What every command needs: its options, the configuration, its log. */
import { formatIssue } from '../config/yaml/errors.ts';
import { loadConfig } from '../config/load.ts';
import type { NodepoolConfig } from '../config/model.ts';
import type { Log, Logs } from '../telemetry/log/log.ts';
import { driverDefinitions } from '../drivers/catalogue.ts';
import { loggerNames } from './logging/loggers.ts';
import { type LogOptions, programLogs } from './logging/program-log.ts';

export interface GlobalOptions extends LogOptions {
  readonly config: string;
  readonly secure?: string;
  /** Seconds. */
  readonly connectTimeout?: number;
}

/** Warnings are for those who can do something about the file then: `config-validate`, and the daemons, which pass `remark`. */
export function load(options: GlobalOptions, remark?: (text: string) => void): NodepoolConfig {
  const { config, warnings } = loadConfig({
    path: options.config,
    securePath: options.secure,
    env: process.env,
    drivers: driverDefinitions,
  });
  for (const warning of warnings) remark?.(formatIssue(warning));
  return config;
}

/** Results go to standard output, so the log of a command goes to the other one. */
export function commandLog(options: GlobalOptions): Log {
  const target = { kind: 'stream', fd: 2 } as const;
  return programLogs(options, { level: 'warn', target, env: process.env }).named(loggerNames.general);
}

/** Where a daemon without a terminal logs, unless its logging configuration says otherwise. */
const daemonLogFile = '/var/log/nodepool/nodepool.log';

export function daemonLogs(options: GlobalOptions, to: 'stdout' | 'file'): Logs {
  const file = { kind: 'file', path: daemonLogFile, truncate: false, rotation: null } as const;
  return programLogs(options, {
    level: 'info',
    target: to === 'file' ? file : { kind: 'stream', fd: 1 },
    env: process.env,
  });
}
