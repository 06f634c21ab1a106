/** Documents of requests and nodes that cannot be read. */
import { type Finding, grouped, listed } from './finding.ts';
import type { Snapshot } from './snapshot.ts';

export function brokenFindings({ broken }: Snapshot): Finding[] {
  return (['request', 'node'] as const).flatMap((kind) => {
    const of = broken.filter((one) => one.kind === kind);
    return grouped(of, (one) => one.message).map((group) => ({
      check: 'broken-document',
      severity: 'warning' as const,
      subject: `${kind} ${listed(group.map(({ id }) => id))}`,
      problem: `the document of ${group.length === 1 ? `a ${kind}` : `${group.length} ${kind}s`} cannot be read; launchers skip it`,
      reasons: [group[0]!.message],
      sinceMs: null,
      hint:
        kind === 'node'
          ? 'an empty one is removed by a launcher within seconds; others were written by something else: see what, then delete them'
          : 'its owner has to write or delete it',
    }));
  });
}
