/** What launchers say of themselves in their health documents, as findings in their own words. */
import { type Finding, limited } from './finding.ts';
import type { Snapshot } from './snapshot.ts';

export function statedFindings({ health }: Snapshot): Finding[] {
  const found: Finding[] = [];
  for (const { name, record, writtenMs } of health) {
    if (!record) {
      found.push({
        severity: 'warning',
        check: 'launcher-health',
        subject: `launcher ${name}`,
        problem: 'what the launcher says of its health cannot be read',
        reasons: [],
        sinceMs: writtenMs,
        hint: 'is it a newer release, or has somebody else written it?',
      });
      continue;
    }
    const subject = `launcher ${record.hostname} (process ${record.processId})`;
    for (const { key, severity, what, why, hint, since, figures } of record.troubles) {
      const numbers = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`);
      found.push({
        severity,
        check: `launcher: ${key}`,
        subject,
        problem: what,
        reasons: [why, ...(numbers.length > 0 ? [numbers.join(', ')] : [])],
        sinceMs: since > 0 ? since * 1000 : null,
        hint,
      });
    }
    if (record.more > 0) {
      found.push({
        severity: 'info',
        check: 'launcher-health',
        subject,
        problem: `it has ${record.more} further troubles`,
        reasons: [],
        sinceMs: null,
        hint: 'its log has all of them',
      });
    }
  }
  return limited(found, 'launchers');
}
