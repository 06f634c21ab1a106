/** A logger that hands everything to one function. */
import type { Logger } from '../contract/logger.ts';

export function loggerTo(said: (message: string, fields: object, level: keyof Logger) => void): Logger {
  const at = (level: keyof Logger) => (fields: object, message: string) => said(message, fields, level);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
