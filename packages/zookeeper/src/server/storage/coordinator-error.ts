/** What keeps the coordinator from starting; `code` is stable, the message says what to do. */
import type { coordinatorErrors } from '../../protocol/error-catalogue.ts';

type CoordinatorErrorCode = keyof typeof coordinatorErrors;

export class CoordinatorError extends Error {
  readonly code: CoordinatorErrorCode;

  constructor(code: CoordinatorErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CoordinatorError';
    this.code = code;
  }
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
