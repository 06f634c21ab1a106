/** What every command needs: its options, the configuration, its log. */
import { formatIssue } from '../config/errors.ts';
import { loadConfig } from '../config/load.ts';
import type { NodepoolConfig } from '../config/model.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { driverDefinitions } from './drivers.ts';
import { loggedLevel } from './log-config.ts';

export interface GlobalOptions {
  readonly config: string;
  readonly secure?: string;
  readonly logconfig?: string;
  readonly debug?: boolean;
  /** Seconds. */
  readonly connectTimeout?: number;
  readonly logFormat?: 'human' | 'json';
}

export function load(o: GlobalOptions, log: Log): NodepoolConfig {
  const { config, warnings } = loadConfig({
    path: o.config,
    securePath: o.secure,
    env: process.env,
    drivers: driverDefinitions,
  });
  for (const warning of warnings) log.warn({}, formatIssue(warning));
  return config;
}

/** Results go to standard output, so the log of a command goes to the other one. */
export function commandLog(o: GlobalOptions): Log {
  return createLog({ level: loggedLevel(o) ?? 'warn', format: o.logFormat ?? 'human', to: 2 });
}

export function daemonLog(o: GlobalOptions): Log {
  return createLog({ level: loggedLevel(o) ?? 'info', format: o.logFormat ?? 'human', to: 1 });
}
