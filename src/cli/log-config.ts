/**
 * `-l FILE`, a logging configuration written for the Python programs (dictConfig as YAML or JSON, or fileConfig). Of it the
 * level is taken; handlers and formatters name Python classes and mean nothing here.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Level } from '../telemetry/log.ts';
import { UserError } from './user-error.ts';

const levels: Readonly<Record<string, Level>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'error',
};

/** undefined where nothing is said. */
export function loggedLevel(o: { readonly debug?: boolean; readonly logconfig?: string }): Level | undefined {
  const configured = o.logconfig === undefined ? undefined : levelOf(expandHome(o.logconfig));
  return o.debug ? 'debug' : configured;
}

function expandHome(path: string): string {
  return path.replace(/^~(?=\/)/, process.env['HOME'] ?? '~');
}

function levelOf(path: string): Level | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`the logging configuration ${path} can't be read: ${(error as Error).message}`, 1, error);
  }
  const name = /\.(?:ya?ml|json)$/.test(path) ? dictLevel(text, path) : iniLevel(text);
  return name === undefined ? undefined : levels[name.toUpperCase()];
}

function dictLevel(text: string, path: string): string | undefined {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new UserError(`the logging configuration ${path} is no YAML: ${(error as Error).message}`, 1, error);
  }
  const found = at(document, ['loggers', 'nodepool', 'level']) ?? at(document, ['root', 'level']);
  return typeof found === 'string' ? found : undefined;
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function iniLevel(text: string): string | undefined {
  const section = (name: string) => new RegExp(`^\\[${name}\\][^[]*?^level\\s*=\\s*(\\w+)`, 'm').exec(text)?.[1];
  return section('logger_nodepool') ?? section('logger_root');
}
