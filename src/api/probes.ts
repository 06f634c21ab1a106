/** `/ready` and `/health`, for whoever starts and watches the process. What they tell is handed to them. */
import type { Trouble } from '../base/trouble.ts';
import { negotiate } from './http/accept.ts';
import { pythonJson } from '../listings/python-text.ts';
import { refuse, send, sendText } from './http/respond.ts';
import type { Route } from './http/server.ts';

/** A trouble as `/health` shows it; its reason must be free of secrets. */
export interface ShownTrouble extends Pick<Trouble, 'severity' | 'what' | 'why' | 'hint'> {
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface HealthReport {
  readonly ready: boolean;
  /** State of the ZooKeeper session. */
  readonly session: string;
  /** The mirrors are up to date, so what is shown is true. */
  readonly synced: boolean;
  readonly troubles: readonly ShownTrouble[];
}

/** `/ready`: 200 once the launcher takes requests, 503 before that. */
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
 * `/health`: always 200, because whoever asks restarts the process otherwise, and a restart would mend nothing of what is
 * wrong around it. As text the answer is one word: `ok`, `degraded` (there are warnings) or `critical`; JSON tells all.
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
