/** Which nodes of a request whose launcher has gone count for which of its slots, and what each needs. Pure. */
import { isBroken } from '../../records/broken.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import type { Slot } from './slot.ts';
import { resumableLaunch } from './stored-launch.ts';

/** What becomes of a slot with the node that is there for it. */
export interface Inherited {
  readonly slot: Slot;
  readonly entry: NodeEntry;
  /** `resume`: its launch is led to its end · `ready`: it counts as it is · `launch`: nobody has begun to launch it. */
  readonly kind: 'resume' | 'ready' | 'launch';
  /** Zone that it binds the request to; undefined: to none. */
  readonly zone: string | null | undefined;
}

/** Nodes that fit no slot stay behind, and are removed as orphans. */
export function inherit(
  entries: readonly NodeEntry[],
  slots: readonly Slot[],
  pool: { readonly providerName: string; readonly poolName: string },
): Inherited[] {
  const inherited: Inherited[] = [];
  const taken = new Set<Slot>();
  for (const entry of [...entries].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const { node } = entry;
    if (!node || isBroken(node)) continue;
    // An earlier pool may have left something behind, which is to be deleted in its own cloud.
    if (node.provider !== pool.providerName || node.pool !== pool.poolName) continue;
    const slot = slots.find((one) => one.state === 'open' && !taken.has(one) && node.labels.includes(one.label));
    if (!slot) continue;
    const launch = resumableLaunch(node);
    if (launch) inherited.push({ slot, entry, kind: 'resume', zone: launch.az });
    else if (node.state === 'ready') inherited.push({ slot, entry, kind: 'ready', zone: node.az ?? undefined });
    else if (node.state === 'init') inherited.push({ slot, entry, kind: 'launch', zone: undefined });
    else continue;
    taken.add(slot);
  }
  return inherited;
}
