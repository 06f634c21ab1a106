/**
 * Clocks that differ: ages, timeouts and the order of events suffer from it. Each document carries the time of its writer, and
 * its znode that of the server, so nothing has to be written to find out.
 */
import { type Finding, grouped } from './finding.ts';
import type { Picture } from './picture.ts';

/** A write takes its time. */
const toleratedMs = 3000;
const toleratedOfOthersMs = 5000;

export function clockFindings(picture: Picture): Finding[] {
  return [...launcherClocks(picture), ...ownClock(picture), ...requestorClocks(picture)];
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

function launcherClocks({ health }: Picture): Finding[] {
  return health.flatMap(({ record, writtenMs }) => {
    if (!record || record.written <= 0) return [];
    const aheadMs = record.written * 1000 - writtenMs;
    return Math.abs(aheadMs) > toleratedMs ? [finding(`launcher ${record.hostname}`, aheadMs)] : [];
  });
}

/** Nothing can have been written in the future; that this clock is ahead cannot be told without writing. */
function ownClock({ nodes, requests, health, nowMs }: Picture): Finding[] {
  let newestMs = 0;
  for (const { changedMs } of nodes) newestMs = Math.max(newestMs, changedMs);
  for (const { changedMs } of requests) newestMs = Math.max(newestMs, changedMs);
  for (const { writtenMs } of health) newestMs = Math.max(newestMs, writtenMs);
  return newestMs - nowMs > toleratedMs ? [finding('this machine', nowMs - newestMs)] : [];
}

/** Of requests that are as they were made, whose state has the time of their making. */
function requestorClocks({ requests }: Picture): Finding[] {
  const fresh = requests.filter(({ request, version }) => version === 0 && request.stateTime > 0);
  return grouped(fresh, ({ request }) => request.requestor ?? 'unknown').flatMap((group) => {
    const { request, createdMs } = group.reduce((a, b) => (b.createdMs > a.createdMs ? b : a));
    const aheadMs = request.stateTime * 1000 - createdMs;
    return Math.abs(aheadMs) > toleratedOfOthersMs
      ? [finding(`requestor ${request.requestor ?? 'unknown'}`, aheadMs)]
      : [];
  });
}
