/** What keeps the coordinator from starting; `code` is stable, the message says what to do. */
export type CoordinatorErrorCode = 'in-use' | 'port-in-use' | 'not-loopback' | 'tls' | 'data-dir' | 'disk';

export class CoordinatorError extends Error {
  readonly code: CoordinatorErrorCode;

  constructor(code: CoordinatorErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CoordinatorError';
    this.code = code;
  }
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
