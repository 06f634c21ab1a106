/** `/ready` and `/health`, for whoever starts and watches the process. */
import { negotiate } from './http/accept.ts';
import { pythonJson } from '../listings/python-text.ts';
import { refuse, send, sendText } from './http/respond.ts';
import type { Route } from './http/server.ts';

/** Something that does not go as it should. */
export interface HealthFinding {
  readonly severity: 'critical' | 'warning' | 'info';
  readonly what: string;
  /** Free of secrets. */
  readonly why: string;
  readonly hint: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface HealthReport {
  readonly ready: boolean;
  /** State of the ZooKeeper session. */
  readonly session: string;
  /** What is shown is up to date. */
  readonly synced: boolean;
  readonly troubles: readonly HealthFinding[];
}

/** It takes requests: 200, before that 503. */
export function readyRoute(isReady: () => boolean): Route {
  return ({ http }, response) => {
    if (!isReady()) return refuse(http, response, 503);
    if (negotiate(http.headers.accept) === 'json') {
      return send(response, 200, { 'Content-Type': 'application/json' }, 'OK');
    }
    sendText(response, 200, 'OK');
  };
}

/**
 * It lives: 200 whatever is wrong around it, because a restart would mend none of that. Text is a word, JSON tells all:
 * `ok`, `degraded` (warnings) or `critical`.
 */
export function healthRoute(report: () => HealthReport): Route {
  return ({ http }, response) => {
    const { ready, session, synced, troubles } = report();
    const has = (severity: string) => troubles.some((one) => one.severity === severity);
    const status = has('critical') ? 'critical' : has('warning') ? 'degraded' : 'ok';
    if (negotiate(http.headers.accept) !== 'json') return sendText(response, 200, status, noStore);
    const body = pythonJson({
      status,
      ready,
      session,
      synced,
      troubles: troubles.map(({ severity, what, why, hint, since }) => ({
        severity,
        what,
        why,
        hint,
        since: new Date(since).toISOString(),
      })),
    });
    send(response, 200, { 'Content-Type': 'application/json', ...noStore }, body);
  };
}

const noStore = { 'Cache-Control': 'no-store' };
