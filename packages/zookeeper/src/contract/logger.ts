/** What the library needs of a logger: fields, and a message that is always the same words. pino satisfies it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const silence = (): void => undefined;

/** What a user who hands in no logger gets. */
export const silent: Logger = { debug: silence, info: silence, warn: silence, error: silence };
