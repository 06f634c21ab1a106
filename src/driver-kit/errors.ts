/**
 * The classes of failure that a cloud can have. The launcher reacts differently to each (docs/architecture.md), so an
 * adapter must choose the right one; messages are for people and are never compared.
 */
export type ProviderErrorCode =
  | 'quota'
  | 'capacity'
  | 'throttled'
  | 'timeout'
  | 'not-found'
  | 'conflict'
  | 'permanent'
  | 'network'
  | 'status'
  | 'keyscan'
  | 'image'
  | 'unknown';

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
    this.retriable = code !== 'permanent';
    this.externalId = options.externalId;
    this.retryAfterMs = believable(options.retryAfterMs);
  }
}

/** A cloud that asks for a pause of days, or for none that is a number, must not bring a provider to a stand. */
function believable(retryAfterMs: number | undefined): number | undefined {
  if (retryAfterMs === undefined || !Number.isFinite(retryAfterMs)) return undefined;
  return Math.min(longestRetryAfterMs, Math.max(0, retryAfterMs));
}

/** The account's quota refuses it; not a failed attempt. */
export class QuotaError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('quota', message, options);
  }
}

/** The cloud has no such machines at the moment. */
export class CapacityError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('capacity', message, options);
  }
}

export class ThrottledError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('throttled', message, options);
  }
}

export class TimeoutError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('timeout', message, options);
  }
}

export class NotFoundError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('not-found', message, options);
  }
}

/** Will not work until the configuration changes. */
export class PermanentError extends ProviderError {
  constructor(message: string, options?: ProviderErrorOptions) {
    super('permanent', message, options);
  }
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
