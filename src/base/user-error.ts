import type { OwnErrorCode } from './error-codes.ts';

/** Something that the user can mend: printed as a message without a stack, and the program's status. */
export class UserError extends Error {
  readonly code = 'user' satisfies OwnErrorCode;
  readonly status: number;

  constructor(message: string, status = 1, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UserError';
    this.status = status;
  }
}

export const usageStatus = 2;
