/** Levels of log lines: our own, and the names and numbers that Python's logging has for them. */

export type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** pino's numbers. */
export const levelNumbers: Readonly<Record<Level, number>> = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

const pythonNames: Readonly<Record<string, Level>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'fatal',
  FATAL: 'fatal',
};

const pythonNumbers: Readonly<Record<number, Level>> = {
  10: 'debug',
  20: 'info',
  30: 'warn',
  40: 'error',
  50: 'fatal',
};

/** Reads a level in upper or lower case, or a number of Python's. `unset` for NOTSET, undefined for what is no level. */
export function levelOf(word: string | number): Level | 'unset' | undefined {
  const name = String(word).trim().toUpperCase();
  if (name === 'NOTSET' || name === '0') return 'unset';
  return /^\d+$/.test(name) ? pythonNumbers[Number(name)] : pythonNames[name];
}

export const shownLevel: Readonly<Record<number, string>> = {
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARNING',
  50: 'ERROR',
  60: 'CRITICAL',
};

export const levelWords = 'DEBUG, INFO, WARNING, ERROR or CRITICAL';
