/**
 * Clocks that differ: ages, timeouts and the order of events suffer from it. A document carries the time of its writer and its
 * znode that of the server, so that nothing has to be written to compare the two.
 */
import { type Finding, grouped } from './finding.ts';
import type { Snapshot } from './snapshot.ts';

/** A write takes time between its writer's clock and the server's. */
const toleratedMs = 3000;
const toleratedOfRequestorsMs = 5000;

export function clockFindings(snapshot: Snapshot): Finding[] {
  return [...launcherClocks(snapshot), ...ownClock(snapshot), ...requestorClocks(snapshot)];
}

function finding(subject: string, aheadMs: number): Finding {
  const seconds = Math.round(Math.abs(aheadMs) / 100) / 10;
  return {
    severity: 'warning',
    check: 'clock-skew',
    subject,
    problem: `its clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ZooKeeper`,
    reasons: [],
    sinceMs: null,
    hint: 'synchronise the clocks (NTP): ages and timeouts are wrong by as much',
  };
}

function launcherClocks({ health }: Snapshot): Finding[] {
  return health.flatMap(({ record, writtenMs }) => {
    if (!record || record.written <= 0) return [];
    const aheadMs = record.written * 1000 - writtenMs;
    return Math.abs(aheadMs) > toleratedMs ? [finding(`launcher ${record.hostname}`, aheadMs)] : [];
  });
}

/** A document from the future shows that this clock is behind. That it is ahead cannot be told without writing. */
function ownClock({ nodes, requests, health, nowMs }: Snapshot): Finding[] {
  let newestMs = 0;
  for (const { changedMs } of nodes) newestMs = Math.max(newestMs, changedMs);
  for (const { changedMs } of requests) newestMs = Math.max(newestMs, changedMs);
  for (const { writtenMs } of health) newestMs = Math.max(newestMs, writtenMs);
  return newestMs - nowMs > toleratedMs ? [finding('this machine', nowMs - newestMs)] : [];
}

/** Only requests that nobody has written to since they were made: the time of their state is that of their making. */
function requestorClocks({ requests }: Snapshot): Finding[] {
  const fresh = requests.filter(({ request, version }) => version === 0 && request.stateTime > 0);
  return grouped(fresh, ({ request }) => request.requestor ?? 'unknown').flatMap((group) => {
    const { request, createdMs } = group.reduce((a, b) => (b.createdMs > a.createdMs ? b : a));
    const aheadMs = request.stateTime * 1000 - createdMs;
    return Math.abs(aheadMs) > toleratedOfRequestorsMs
      ? [finding(`requestor ${request.requestor ?? 'unknown'}`, aheadMs)]
      : [];
  });
}
