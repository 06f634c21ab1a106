/** How attempts to launch a node and requests end: words shared by those who serve and those who count. */
import type { ProviderErrorCode } from '../../driver-kit/errors.ts';

export type AttemptResult = 'ready' | 'session' | ProviderErrorCode;

export interface AttemptOf {
  readonly provider: string;
  readonly label: string;
  readonly az: string | null;
  readonly requestor: string | null;
}

export interface AttemptEnd {
  readonly result: AttemptResult;
  /** What the cloud said; '' for a success. */
  readonly said: string;
  readonly retryAfterMs: number;
  readonly zone: string | null;
  readonly tookMs: number;
}

export interface AttemptListener {
  attempted(result: AttemptResult, of: AttemptOf, ms: number): void;
}

/** Declined: left to other pools. Withdrawn: its consumer has deleted it. Lost: with the session. */
export type RequestOutcome = 'fulfilled' | 'failed' | 'declined' | 'withdrawn' | 'handed-back' | 'lost';
