/** Which launcher reports on the whole tree: the election that the Python launchers stand in too. */
import { runElection } from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';

/** Waits to be elected, then runs `lead` until it ends or its signal fires (leadership lost, or `signal`). */
export function leadStatistics(
  store: Store,
  identifier: string,
  lead: (leading: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { client, runtime } = store;
  return runElection({ client, runtime, path: paths.statsElection, identifier, createParents: true }, lead, signal);
}
