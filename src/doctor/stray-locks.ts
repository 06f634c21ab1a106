/** Locks of requests that are gone. */
import { type Finding, listed } from './finding.ts';
import type { Snapshot } from './snapshot.ts';

/** Launchers sweep lock directories eight hours after their last use. */
const sweptAfterMs = 10 * 3_600_000;

export function strayLockFindings({ strayLocks, nodes, nowMs, patienceMs }: Snapshot): Finding[] {
  // Launches for a withdrawn request are led to their end, for the stock. One that takes too long is a finding about its node.
  const launching = new Set(
    nodes.flatMap(({ node }) => (node.state === 'init' || node.state === 'building' ? [node.allocatedTo] : [])),
  );
  const held = strayLocks.filter(
    (lock) => lock.locked && nowMs - lock.changedMs > patienceMs && !launching.has(lock.requestId),
  );
  const left = strayLocks.filter((lock) => !lock.locked && nowMs - lock.changedMs > sweptAfterMs);
  const found: Finding[] = [];
  const base = { check: 'stray-lock', severity: 'warning' } as const;
  if (held.length > 0) {
    found.push({
      ...base,
      subject: `request ${listed(held.map((lock) => lock.requestId))}`,
      problem: 'the lock is held, but the request is gone',
      reasons: [],
      sinceMs: Math.min(...held.map((lock) => lock.changedMs)),
      hint: 'the launcher that holds it should let go by itself; look at its log, restart it if it does not',
    });
  }
  if (left.length > 0) {
    found.push({
      ...base,
      subject: `request ${listed(left.map((lock) => lock.requestId))}`,
      problem: `${left.length} lock directories of requests that are gone are left over`,
      reasons: ['launchers sweep them eight hours after their last use'],
      sinceMs: Math.min(...left.map((lock) => lock.changedMs)),
      hint: 'is any launcher running?',
    });
  }
  return found;
}
