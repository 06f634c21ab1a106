/**
 * Makes the nodes for slots that are to be launched, all in one transaction. When its answer is lost, the mirrors tell what
 * has been made.
 */
import { isBroken } from '../../records/broken.ts';
import { sleep } from '../../base/runtime.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import { isUnknownOutcome } from '../../store/transactions/unknown-outcome.ts';
import type { Slot } from './slot.ts';
import type { FillerDeps, SlotOwner } from './slot-filler.ts';

/** The mirrors show what was made once they have caught up. */
const lostAnswerRetryMs = 50;

export interface NewNodesOwner extends SlotOwner {
  /** It is being served, and not ending. */
  readonly isServing: boolean;
  /** Nodes of it whose launch has begun here. */
  readonly launched: ReadonlySet<string>;
}

/** For each slot: its node · the error that is to fail it · null: it has none, and is to be planned anew. */
export type NewNodes = ReadonlyMap<Slot, NodeEntry | Error | null>;

export async function makeNodes(owner: NewNodesOwner, slots: readonly Slot[], deps: FillerDeps): Promise<NewNodes> {
  const { operations, context, log } = deps;
  const { pool, request } = owner;
  try {
    const created = await operations.createNodes(slots.map((slot) => context.newNode(pool, slot.label, request)));
    return new Map(slots.map((slot, index) => [slot, created[index]!]));
  } catch (error) {
    log.error({ requestId: owner.id, err: error }, 'Creating node records failed');
    // The answer was lost: the pool is not to blame, and the records may have been made.
    if (isUnknownOutcome(error)) return findNodes(owner, slots, deps);
    return new Map(slots.map((slot) => [slot, error as Error]));
  }
}

async function findNodes(owner: NewNodesOwner, slots: readonly Slot[], deps: FillerDeps): Promise<NewNodes> {
  const { context, runtime } = deps;
  let found = context.newNodesOf(owner.id, owner.pool);
  for (; !found && owner.isServing; found = context.newNodesOf(owner.id, owner.pool)) {
    await sleep(runtime, lostAnswerRetryMs);
  }
  const wanted = owner.isServing && !owner.gone;
  const entries = wanted ? (found ?? []).filter(({ id }) => !owner.launched.has(id)) : [];
  return new Map(slots.map((slot) => [slot, takeFitting(entries, slot.label)]));
}

function takeFitting(entries: NodeEntry[], label: string): NodeEntry | null {
  const at = entries.findIndex(({ node }) => node && !isBroken(node) && node.labels.includes(label));
  return at < 0 ? null : entries.splice(at, 1)[0]!;
}
