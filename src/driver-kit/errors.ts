/**
 * What a cloud's failure is thrown as. The launcher reacts differently to each code (base/error-codes.ts), so an adapter
 * must choose the right one; messages are for people and are never compared.
 */
import { type ProviderErrorCode, providerErrors } from '../base/error-codes.ts';

export type { ProviderErrorCode };

const longestRetryAfterMs = 600_000;

export interface ProviderErrorOptions {
  readonly cause?: unknown;
  /** An instance that the failed call may have left behind. */
  readonly externalId?: unknown;
  readonly retryAfterMs?: number;
}

export class ProviderError extends Error {
  readonly code: ProviderErrorCode;
  /** Worth another attempt at the same place. */
  readonly retriable: boolean;
  readonly externalId: unknown;
  readonly retryAfterMs: number | undefined;

  constructor(code: ProviderErrorCode, message: string, options: ProviderErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProviderError';
    this.code = code;
    this.retriable = providerErrors[code].retriable;
    this.externalId = options.externalId;
    this.retryAfterMs = believable(options.retryAfterMs);
  }
}

/** A cloud that asks for a pause of days, or for none that is a number, must not bring a provider to a stand. */
function believable(retryAfterMs: number | undefined): number | undefined {
  if (retryAfterMs === undefined || !Number.isFinite(retryAfterMs)) return undefined;
  return Math.min(longestRetryAfterMs, Math.max(0, retryAfterMs));
}

/** Anything thrown becomes a ProviderError, so that callers need to know only one shape. */
export function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ProviderError('unknown', message, { cause: error });
}

/** For what must be passed on unchanged, but may in theory not even be an Error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
