/**
 * What a node's document keeps of its launch (`nodepool_machine`), so that another launcher can go on with it. Whoever can
 * write to ZooKeeper can have written it: it is checked when it is read.
 */
import type { ExternalId, Json } from '../../driver-kit/contract.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';

export interface StoredLaunch {
  /** 1 for the first. */
  readonly attempt: number;
  readonly az: string | null;
  /** The driver's machine. */
  readonly state: Json;
}

export interface ResumableLaunch extends StoredLaunch {
  readonly externalId: ExternalId;
}

/** null: nothing that could be gone on with. */
export function resumableLaunch(node: NodeRecord): ResumableLaunch | null {
  const stored = node.machine;
  if (node.state !== 'building' || node.externalId === null || typeof stored !== 'object' || stored === null)
    return null;
  const { attempt, az, state } = stored as Partial<StoredLaunch>;
  if (!Number.isSafeInteger(attempt) || attempt! < 1 || state === undefined) return null;
  if (az !== null && typeof az !== 'string') return null;
  return { attempt: attempt!, az, state, externalId: node.externalId as ExternalId };
}

/** Is it the unfinished launch of a request that has lost its launcher, and so to be gone on with rather than deleted? */
export function awaitsTakeOver(store: Store, entry: NodeEntry): boolean {
  const { node } = entry;
  if (entry.locked || !node || isBroken(node) || node.allocatedTo === null || !resumableLaunch(node)) return false;
  const request = store.requests.get(node.allocatedTo)?.request;
  return request !== undefined && !isBroken(request) && request.state === 'pending';
}
