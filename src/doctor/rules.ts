/** All rules that look at the tree and the configuration alone. A new rule is a file beside this one and a line here. */
import { brokenFindings } from './broken-documents.ts';
import { clockFindings } from './clocks.ts';
import type { Finding } from './finding.ts';
import { launcherFindings } from './launchers.ts';
import { nodeFindings } from './nodes.ts';
import { requestFindings } from './requests.ts';
import type { Snapshot } from './snapshot.ts';
import { statedFindings } from './stated.ts';
import { strayLockFindings } from './stray-locks.ts';

export async function treeFindings(snapshot: Snapshot): Promise<Finding[]> {
  return [
    ...launcherFindings(snapshot),
    ...statedFindings(snapshot),
    ...requestFindings(snapshot),
    ...strayLockFindings(snapshot),
    ...(await nodeFindings(snapshot)),
    ...brokenFindings(snapshot),
    ...clockFindings(snapshot),
  ];
}
