/**
 * The ways in which a request ends here: fulfilled, declined, withdrawn, handed back, left to a successor. Each is a
 * procedure over the locked request and its slots, and tells its outcome as soon as that is certain.
 */
import type { Logger } from '../../base/logger.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { HeldRequest, Operations } from '../../store/transactions/operations.ts';
import type { RequestOutcome } from './outcomes.ts';
import type { Slot } from './slot.ts';
import type { SlotFiller, SlotOwner } from './slot-filler.ts';

export interface EndingDeps {
  readonly operations: Operations;
  readonly log: Logger;
  /** State of the request after these pools have given up. */
  readonly stateAfterDecline: (request: RequestRecord, declinedBy: readonly string[]) => 'failed' | 'requested';
}

/** How a request ends when nothing of it can be written any more. */
export const lostWithSession = { outcome: 'lost', reason: 'the session or its lock was lost' } as const;

export class RequestEnding {
  /** What the request has come to so far. */
  outcome: RequestOutcome = lostWithSession.outcome;
  /** Why it was not fulfilled. */
  reason: string = lostWithSession.reason;
  private readonly owner: SlotOwner;
  private readonly held: HeldRequest;
  private readonly slots: readonly Slot[];
  private readonly filler: SlotFiller;
  private readonly deps: EndingDeps;

  constructor(owner: SlotOwner, held: HeldRequest, slots: readonly Slot[], filler: SlotFiller, deps: EndingDeps) {
    this.owner = owner;
    this.held = held;
    this.slots = slots;
    this.filler = filler;
    this.deps = deps;
  }

  /** Hands the nodes over. `session`: nothing can be written any more. */
  async fulfil(): Promise<'done' | 'session'> {
    const { held, slots, owner } = this;
    const nodeIds = slots.map((slot) => slot.node!.id);
    killPoint('before-fulfil');
    const result = await this.deps.operations.fulfil(
      held,
      slots.map((slot) => ({ held: slot.node!, fields: slot.unwritten ? slot.fields : {} })),
      { state: 'fulfilled', nodes: nodeIds },
    );
    if (result.ok) {
      killPoint('after-fulfil');
      this.outcome = 'fulfilled';
      owner.span.set({ 'nodepool.node.ids': nodeIds });
      this.deps.log.info({ requestId: owner.id, eventId: owner.request.eventId, nodes: nodeIds }, 'Fulfilled request');
      return 'done';
    }
    if (result.reason === 'session') return 'session';
    await this.withdraw();
    return 'done';
  }

  /** Its consumer has deleted it: nodes that are good become free stock, the request's lock is let go. */
  async withdraw(): Promise<void> {
    this.outcome = 'withdrawn';
    for (const slot of this.slots) await this.filler.giveBack(slot);
    await this.held.release();
  }

  /** The pool cannot serve it; others may. */
  async decline(reason: string): Promise<void> {
    const { held, owner } = this;
    this.reason = reason;
    killPoint('before-decline');
    for (const slot of this.slots) await this.filler.giveBack(slot);
    const declinedBy = [...new Set([...owner.request.declinedBy, owner.pool.id])];
    const state = this.stateAfter(declinedBy);
    this.deps.log.warn(
      { requestId: owner.id, eventId: owner.request.eventId, pool: owner.pool.id, state, reason },
      'Declined request',
    );
    await held.update({ state, declinedBy });
    this.outcome = state === 'failed' ? 'failed' : 'declined';
    killPoint('after-decline');
    await held.release();
  }

  /** Back to `requested`, so that it can be decided anew, here or elsewhere. */
  async handBack(reason: string): Promise<void> {
    const { held, owner } = this;
    try {
      for (const slot of this.slots) {
        // A half-launched node is left unlocked in `building`: whoever comes next finds and removes it.
        if (slot.state === 'launching') await slot.node?.release();
        else await this.filler.giveBack(slot);
      }
      if (!owner.gone) await held.update({ state: 'requested', nodes: [] });
      this.outcome = owner.gone ? 'withdrawn' : 'handed-back';
      await held.release();
    } catch (error) {
      this.deps.log.warn({ requestId: owner.id, reason, err: error }, 'Handing a request back failed');
      // Unlocked, it is repaired as a lost request.
      await this.releaseLocks();
    }
  }

  /** Unlocked as it is: another launcher of this pool takes it over, and without one it is reset as lost. */
  async leaveToSuccessor(): Promise<void> {
    for (const slot of this.slots) {
      if (slot.node && slot.state === 'done' && slot.unwritten) {
        await slot.node.write({ ...slot.fields, allocatedTo: this.owner.id }).catch(() => undefined);
      }
    }
    await this.releaseLocks();
    this.outcome = 'handed-back';
  }

  async releaseLocks(): Promise<void> {
    for (const slot of this.slots) if (slot.node?.held) await slot.node.release().catch(() => undefined);
    await this.held.release().catch(() => undefined);
  }

  private stateAfter(declinedBy: readonly string[]): 'failed' | 'requested' {
    return this.deps.stateAfterDecline(this.owner.request, declinedBy);
  }
}
