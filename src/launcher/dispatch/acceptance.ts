/**
 * Takes requests that the dispatcher has decided upon: locks them as `pending` with their new nodes, and starts their
 * handlers, which it keeps until they are over. Also for requests of launchers that have gone.
 */
import type { Logger } from '../../base/logger.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { Plan } from '../../scheduling/plan.ts';
import type { HeldRequest, Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';
import type { Reservation } from '../pools/node-accounting.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import type { LaunchContext } from '../serving/launch-context.ts';
import { RequestHandler } from '../serving/request-handler.ts';
import type { Choice } from './pool-choice.ts';

export interface AcceptanceDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** State of the request after these pools have given up. */
  readonly stateAfterDecline: (request: RequestRecord, declinedBy: readonly string[]) => 'failed' | 'requested';
}

export interface AcceptanceEvents {
  /** The request is to be routed again. */
  readonly onRequest: (id: string) => void;
  /** Something that requests may wait for has come free, or is waited for. */
  readonly onCapacity: () => void;
  /** A request has begun or ended to wait, or has ended: its pool may have paused or go on. */
  readonly onHandlerChange: () => void;
  /** The request is served here no more. */
  readonly onEnded: (requestId: string) => void;
}

/** What is counted as used from the decision on. */
interface Holds {
  readonly capacity: readonly Reservation[];
  /** One for each label of the request; none where it has no tenant. */
  readonly tenant: readonly Reservation[];
}

/** After a lock attempt that somebody else won, the request is looked at again at its next change or after this. */
const lostRaceRetryMs = 1000;

export class Acceptance {
  private readonly deps: AcceptanceDeps;
  private readonly events: AcceptanceEvents;
  private readonly handlers = new Map<string, RequestHandler>();
  private readonly accepting = new Set<Promise<void>>();
  private stopped = false;

  constructor(deps: AcceptanceDeps, events: AcceptanceEvents) {
    this.deps = deps;
    this.events = events;
  }

  handler(requestId: string): RequestHandler | undefined {
    return this.handlers.get(requestId);
  }

  /** What the choice needs is counted at once, the request is served as soon as it is accepted. */
  begin(request: RequestRecord, choice: Choice): void {
    const accepting = this.accept(request, choice, this.hold(request, choice)).catch((error: unknown) => {
      this.deps.log.warn({ requestId: request.id, err: error }, 'Giving a request back failed');
    });
    this.accepting.add(accepting);
    void accepting.finally(() => this.accepting.delete(accepting));
  }

  /** Serves a locked `pending` request of a launcher that has gone, with what that one had begun. */
  takeOver(held: HeldRequest, pool: ServedPool, nodes: readonly NodeEntry[]): void {
    if (this.stopped) {
      void held.release().catch(() => undefined);
      return;
    }
    const { request } = held.entry;
    const handler = this.newHandler(request, pool, null, this.deps.context.holdForTenant(pool, request));
    handler.takeOver(held, nodes);
    if (!this.deps.store.requests.get(held.id)) handler.requestGone();
    this.events.onCapacity();
  }

  /** Everything that was locked under the lost session is forgotten. */
  sessionLost(): void {
    for (const handler of [...this.handlers.values()]) handler.drop('the ZooKeeper session was lost');
  }

  /** Nothing new is accepted; requests under way are handed back. */
  async stop(): Promise<void> {
    this.stopped = true;
    const handedBack = [...this.handlers.values()].map((handler) => handler.handBackForStop());
    // What is being accepted at this moment is given back as soon as it is.
    await Promise.allSettled([...handedBack, ...this.accepting]);
  }

  private hold(request: RequestRecord, { pool, plan }: Choice): Holds {
    const { context } = this.deps;
    return { capacity: context.reserveAll(pool, plan), tenant: context.holdForTenant(pool, request) };
  }

  private async accept(request: RequestRecord, choice: Choice, holds: Holds): Promise<void> {
    const { pool, plan } = choice;
    const { store, operations, context, runtime, log } = this.deps;
    const handler = this.newHandler(request, pool, plan, holds.tenant);
    let why: string;
    try {
      const entry = store.requests.get(request.id);
      const created = plan.slots.flatMap((slot) =>
        slot.kind === 'launch' ? [context.newNode(pool, slot.label, request)] : [],
      );
      killPoint('before-accept');
      const result = entry
        ? await operations.acceptRequest(entry, { state: 'pending' }, created)
        : ({ ok: false, reason: 'gone' } as const);
      if (result.ok) {
        killPoint('after-accept');
        if (this.stopped || pool.retired || handler.over) {
          for (const reservation of holds.capacity) reservation.release();
          return await this.giveBack(handler, result.request);
        }
        handler.begin(result.request, plan, holds.capacity, result.nodes);
        if (!store.requests.get(request.id)) handler.requestGone();
        return;
      }
      why = result.reason;
    } catch (error) {
      why = 'error';
      log.warn({ requestId: request.id, err: error }, 'Accepting a request failed');
    }
    for (const reservation of holds.capacity) reservation.release();
    this.forget(handler);
    if (why !== 'gone') runtime.setBackgroundTimer(lostRaceRetryMs, () => this.events.onRequest(request.id));
    this.events.onCapacity();
  }

  private newHandler(
    request: RequestRecord,
    pool: ServedPool,
    plan: Plan | null,
    tenantHolds: readonly Reservation[],
  ): RequestHandler {
    const changed = (handler: RequestHandler) => this.handlerChanged(handler);
    const handler = new RequestHandler(request, pool, plan, tenantHolds, this.deps, changed);
    this.handlers.set(request.id, handler);
    return handler;
  }

  private async giveBack(handler: RequestHandler, held: HeldRequest): Promise<void> {
    this.forget(handler);
    try {
      await held.update({ state: 'requested' });
    } finally {
      await held.release();
    }
  }

  private forget(handler: RequestHandler): void {
    handler.notAccepted();
    this.ended(handler);
  }

  private ended(handler: RequestHandler): void {
    // Another one may serve it by now.
    if (this.handlers.get(handler.id) === handler) this.handlers.delete(handler.id);
    this.events.onEnded(handler.id);
  }

  private handlerChanged(handler: RequestHandler): void {
    if (!handler.pool.handlers.has(handler)) {
      this.ended(handler);
      this.events.onRequest(handler.id);
    }
    this.events.onHandlerChange();
    this.events.onCapacity();
  }
}
