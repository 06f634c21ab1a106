/** What an API server refuses, in the framework's classes of failure. */
import { ProviderError, type ProviderErrorCode, type ProviderErrorOptions } from '../../driver-kit/errors.ts';

export class ApiError extends ProviderError {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The server's word for it, e.g. AlreadyExists; '' where it gave none. */
  readonly reason: string;

  constructor(
    code: ProviderErrorCode,
    message: string,
    details: { readonly status: number; readonly reason: string },
    options?: ProviderErrorOptions,
  ) {
    super(code, message, options);
    this.status = details.status;
    this.reason = details.reason;
  }
}

const longestMessage = 1000;

/** From an answer with a status of 400 or more; `text` is its body, a Status document if all is well. */
export function refusal(what: string, status: number, text: string, retryAfter: string | undefined): ApiError {
  const { message, reason, retryAfterSeconds } = statusDocument(text);
  const seconds = Number(retryAfter ?? retryAfterSeconds);
  const said = (message || text.slice(0, longestMessage)).trim();
  return new ApiError(
    codeOf(status, said),
    `${what}: ${status}${said ? ` ${said}` : ''}`,
    { status, reason },
    { ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}) },
  );
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof ApiError && statuses.includes(error.status);
}

/** The server has no other way of telling a quota's refusal from a missing right. */
function codeOf(status: number, said: string): ProviderErrorCode {
  if (status === 403 && /exceeded quota/i.test(said)) return 'quota';
  if (status === 404) return 'not-found';
  if (status === 409) return 'conflict';
  if (status === 429) return 'throttled';
  // Credentials that are not accepted are the provider's trouble, not the launch's: it is tried again for a while.
  if (status === 401 || status >= 500) return 'network';
  return 'unknown';
}

function statusDocument(text: string): { message: string; reason: string; retryAfterSeconds: number | undefined } {
  let parsed: unknown = null;
  try {
    parsed = JSON.parse(text);
  } catch {
    // A proxy's page: its text is all there is.
  }
  const { message, reason, details } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<
    string,
    unknown
  >;
  const after = (details as { retryAfterSeconds?: unknown } | null | undefined)?.retryAfterSeconds;
  return {
    message: typeof message === 'string' ? message.slice(0, longestMessage) : '',
    reason: typeof reason === 'string' ? reason : '',
    retryAfterSeconds: typeof after === 'number' ? after : undefined,
  };
}
