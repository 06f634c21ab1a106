/**
 * One request that this launcher serves, from its acceptance on: fills its slots from stock or by launches, waits for
 * capacity, and sees when and how it is to end. request-phase.ts says what there is in each phase, request-ending.ts how it
 * ends. Decisions come from scheduling/plan.ts.
 */
import type { RequestRecord } from '../../records/request.ts';
import { isFull, minReadyRequestor, type Plan, type Waiting } from '../../scheduling/plan.ts';
import { refusal } from '../../scheduling/routing.ts';
import type { HeldRequest } from '../../store/transactions/operations.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import type { Reservation } from '../pools/node-accounting.ts';
import { makeNodes, type NewNodesOwner } from './new-nodes.ts';
import { LockLostError } from './node-launch.ts';
import type { ServedPool, ServedRequest } from '../pools/served-pool.ts';
import { noSpan } from '../../telemetry/tracing.ts';
import { type EndingDeps, lostWithSession, RequestEnding } from './request-ending.ts';
import * as phases from './request-phase.ts';
import type { RequestPhase, Serving } from './request-phase.ts';
import { Slot } from './slot.ts';
import { type FillerDeps, SlotFiller } from './slot-filler.ts';
import { resumableLaunch } from './stored-launch.ts';
import { inherit } from './take-over.ts';
import { WaitSpan } from './traces.ts';

export type HandlerDeps = FillerDeps & EndingDeps;

/** The mirror knows by then of the node what its lock has shown. */
const lostRaceRetryMs = 20;
export class RequestHandler implements ServedRequest, NewNodesOwner {
  readonly id: string;
  readonly pool: ServedPool;
  span = noSpan;
  private readonly waitSpan = new WaitSpan();
  private phase: RequestPhase;
  private readonly offeredRequest: RequestRecord;
  private readonly deps: HandlerDeps;
  private readonly onChange: (handler: RequestHandler) => void;
  private readonly slots: readonly Slot[];
  private readonly filler: SlotFiller;
  private readonly abort = new AbortController();
  readonly signal: AbortSignal = this.abort.signal;
  /** Work on slots that is under way. */
  private readonly working = new Set<Promise<void>>();
  /** Nodes whose launch has begun here. */
  readonly launched = new Set<string>();

  /**
   * `plan`: what it was decided to do with it; null: it is taken over. `tenantHolds`: one for each label; none where the
   * request has no tenant. `onChange`: something changed that others may wait for: capacity, a waiting request, the end.
   */
  constructor(
    request: RequestRecord,
    pool: ServedPool,
    plan: Plan | null,
    tenantHolds: readonly Reservation[],
    deps: HandlerDeps,
    onChange: (handler: RequestHandler) => void,
  ) {
    this.id = request.id;
    this.pool = pool;
    this.offeredRequest = request;
    this.deps = deps;
    this.onChange = onChange;
    this.phase = phases.offered(plan);
    this.slots = request.nodeTypes.map((label, index) => new Slot(label, tenantHolds[index] ?? null));
    this.filler = new SlotFiller(this, this.slots, deps);
    pool.handlers.add(this);
    this.wait(this.waiting);
  }

  get request(): RequestRecord {
    const latest = phases.heldOf(this.phase)?.entry.request;
    return latest && !latest.broken ? latest : this.offeredRequest;
  }

  get gone(): boolean {
    return phases.isGone(this.phase);
  }

  /** It has ended: nothing is served under it any more. */
  get over(): boolean {
    return this.phase.kind === 'over';
  }

  get waiting(): Waiting | null {
    return phases.waitingOf(this.phase);
  }

  get standsBack(): boolean {
    return this.phase.kind === 'serving' && this.phase.standingBack !== null;
  }

  get isStuck(): boolean {
    return phases.isStuck(this.phase, this.slots);
  }

  get isServing(): boolean {
    return this.phase.kind === 'serving';
  }

  get launching(): number {
    return phases.launchesOf(this.phase, this.slots);
  }

  get openLabels(): readonly string[] {
    return phases.openLabelsOf(this.phase, this.slots);
  }

  /** The request is accepted and locked; `created` are the `init` nodes for the launches of the plan, in its order. */
  begin(held: HeldRequest, plan: Plan, reservations: readonly Reservation[], created: readonly NodeEntry[]): void {
    this.serve(held, false);
    if (this.gone) {
      // It vanished while it was being accepted. Its new nodes are removed as orphans.
      for (const reservation of reservations) reservation.release();
      return this.settle();
    }
    let next = 0;
    this.apply(plan, reservations, (slot) => {
      const entry = created[next++];
      if (entry) this.launch(slot, entry);
      else slot.state = 'open';
    });
    if (plan.waiting) this.onChange(this);
    this.settle();
  }

  /**
   * Goes on with a request whose launcher has gone: ready nodes of it count, launches under way are led to their end, what
   * is missing is planned anew.
   */
  takeOver(held: HeldRequest, entries: readonly NodeEntry[]): void {
    this.serve(held, true);
    for (const { slot, entry, kind, zone } of inherit(entries, this.slots, this.pool)) {
      if (zone !== undefined) this.filler.bind(slot, zone);
      slot.state = kind === 'ready' ? 'taking' : 'launching';
      if (kind === 'launch') {
        this.launch(slot, entry);
        continue;
      }
      // Its document counts.
      slot.releaseHolds();
      this.track(slot, this.filler.takeBack(slot, entry.id));
    }
    this.fill();
    this.settle();
  }

  /** It was not accepted after all, or is given back at once. */
  notAccepted(): void {
    this.phase = phases.over(this.phase, false);
    this.leavePool();
  }

  /**
   * Capacity may have come free: tries to fill what is open, unless that would take what those `before` it wait for.
   * Returns false when it still waits.
   */
  fill(before: readonly ServedRequest[] = []): boolean {
    const { phase, pool } = this;
    if (phase.kind === 'ending' || phase.kind === 'over' || this.gone || this.openLabels.length === 0) return true;
    if (phase.kind === 'offered' || this.mustStandBack()) return false;
    // The configuration or the limits may have changed since it was accepted.
    const never = refusal(this.request, pool);
    if (never !== null) {
      this.giveUp(never);
      return true;
    }
    const plan = this.deps.context.plan(pool, this.openLabels, this.request, this.filler.zone);
    if (before.some((other) => pool.takesFrom(plan, other))) return false;
    if (!pool.launches && plan.waiting) {
      this.handBack(plan.waiting.reason);
      return true;
    }
    if (this.request.requestor === minReadyRequestor && isFull(plan)) {
      this.giveUp(plan.waiting!.reason);
      return true;
    }
    const toLaunch: Slot[] = [];
    this.apply(plan, this.deps.context.reserveAll(pool, plan), (slot) => toLaunch.push(slot));
    if (toLaunch.length > 0) void this.createAndLaunch(toLaunch);
    this.settle();
    return plan.waiting === null;
  }

  standBack(earlier: readonly string[], forMs: number): void {
    if (this.phase.kind !== 'serving') return;
    const untilMs = this.deps.runtime.monotonicMs() + forMs;
    this.phase = { ...this.phase, standingBack: { behind: earlier, untilMs } };
    for (const slot of this.slots) if (slot.state === 'done') this.track(slot, this.filler.vacate(slot));
  }

  mustStandBack(): boolean {
    if (this.phase.kind !== 'serving' || !this.phase.standingBack) return false;
    const { behind, untilMs } = this.phase.standingBack;
    const { runtime, context } = this.deps;
    if (runtime.monotonicMs() < untilMs && behind.some((id) => context.isPending(id))) return true;
    this.phase = { ...this.phase, standingBack: null };
    return false;
  }

  /** The request's znode has vanished. Launches under way are finished and become stock. */
  requestGone(): void {
    const phase = phases.vanished(this.phase);
    if (!phase) return;
    this.phase = phase;
    this.wait(null);
    for (const slot of this.openSlots()) slot.state = 'failed';
    this.deps.log.info({ requestId: this.id }, 'The request was deleted while it was being served');
    this.settle();
    this.onChange(this);
  }

  /** Its pool has left the configuration: launches under way are finished, what waits is handed back. */
  retire(): void {
    this.settle();
  }

  /** The session is lost or the lock broken: everything that was locked belongs to nobody now; nothing is written. */
  drop(reason: string): void {
    if (phases.wasDropped(this.phase)) return;
    this.abort.abort(new LockLostError(reason));
    this.end(true);
  }

  /** The launcher stops: nodes and request are given back so that another launcher can take them at once. */
  async handBackForStop(): Promise<void> {
    const launching = this.slots.filter((slot) => slot.state === 'launching');
    const ending = this.phase.kind === 'serving' ? this.beginEnding(this.phase) : null;
    this.abort.abort(new Error('the launcher stops'));
    // Ids that are being learnt or written at this moment are stored first: a launch with an id can be gone on with.
    await Promise.allSettled(this.working);
    if (!ending) return;
    const underWay = launching.some((slot) => slot.node && resumableLaunch(slot.node.node));
    await (underWay && !this.gone ? ending.leaveToSuccessor() : ending.handBack('the launcher stops'));
    this.end();
  }

  private serve(held: HeldRequest, takenOver: boolean): void {
    this.phase = phases.accepted(this.phase, held);
    this.span = this.deps.context.traces.request(this.request, this.pool, takenOver);
  }

  private openSlots(): Slot[] {
    return this.slots.filter((slot) => slot.state === 'open');
  }

  private wait(waiting: Waiting | null): void {
    this.phase = phases.waitingFor(this.phase, waiting);
    this.pool.setWaiting(this, this.waiting !== null);
    this.waitSpan.waits(this.span, this.waiting);
  }

  private apply(plan: Plan, reservations: readonly Reservation[], launch: (slot: Slot) => void): void {
    const open = this.openSlots();
    this.wait(plan.waiting);
    plan.slots.forEach((planned, index) => {
      const slot = open[index]!;
      slot.reservation = reservations[index] ?? null;
      if (planned.kind === 'stock') {
        if (planned.az !== null) this.filler.bind(slot, planned.az);
        slot.state = 'taking';
        this.track(slot, this.filler.take(slot, planned.nodeId));
      } else if (planned.kind === 'launch') {
        slot.state = 'launching';
        launch(slot);
      }
    });
  }

  /** Work on a slot never rejects: an unexpected error fails the slot. What it tells, the slot has to wait for. */
  private track(slot: Slot, work: Promise<Waiting | null | void>): void {
    const done = this.follow(slot, work).finally(() => this.working.delete(done));
    this.working.add(done);
  }

  private async follow(slot: Slot, work: Promise<Waiting | null | void>): Promise<void> {
    try {
      const waiting = await work;
      if (waiting) this.wait(waiting);
    } catch (error) {
      if (!phases.wasDropped(this.phase))
        this.deps.log.error({ requestId: this.id, label: slot.label, err: error }, 'Serving a label failed');
      slot.state = 'failed';
      slot.progress = error instanceof Error ? error.message : String(error);
    }
    slot.reservation?.release();
    slot.reservation = null;
    if (this.over) slot.releaseHolds();
    // Locked, perhaps under a new session, only after the request had ended: nobody else would unlock it.
    if (this.over) await slot.node?.release().catch(() => undefined);
    this.settle();
    if (slot.state === 'open' && this.waiting === null)
      this.deps.runtime.setBackgroundTimer(lostRaceRetryMs, () => this.refill());
    this.onChange(this);
  }

  /** Somebody else was quicker, or the node was of no use: another one may do. */
  private refill(): void {
    if (this.waiting !== null) return;
    this.fill();
    this.onChange(this);
  }

  private async createAndLaunch(slots: readonly Slot[]): Promise<void> {
    for (const [slot, made] of await makeNodes(this, slots, this.deps)) {
      if (made instanceof Error) this.track(slot, Promise.reject(made));
      else if (made) this.launch(slot, made);
      else {
        slot.state = this.gone ? 'failed' : 'open';
        this.track(slot, Promise.resolve());
      }
    }
  }

  private launch(slot: Slot, entry: NodeEntry): void {
    this.launched.add(entry.id);
    this.track(slot, this.filler.launch(slot, entry));
  }

  /** Looks whether the request can end now. */
  private settle(): void {
    const due = phases.endDue(this.phase, this.slots, this.pool.retired);
    switch (due?.kind) {
      case 'withdraw':
        return this.finish((ending) => ending.withdraw(), 'returning its nodes');
      case 'hand-back':
        return this.handBack(due.reason);
      case 'decline':
        return this.finish((ending) => ending.decline(due.reason), 'declining');
      case 'fulfil':
        return this.finish((ending) => this.fulfil(ending), 'fulfilling');
    }
  }

  private giveUp(reason: string): void {
    if (this.phase.kind !== 'serving') return;
    this.phase = { ...this.phase, leaving: { kind: 'declining', reason } };
    this.wait(null);
    for (const slot of this.openSlots()) {
      slot.state = 'failed';
      slot.progress = reason;
    }
    this.settle();
  }

  private async fulfil(ending: RequestEnding): Promise<void> {
    if ((await ending.fulfil()) === 'session') this.drop('the session was lost');
  }

  private handBack(reason: string): void {
    if (this.phase.kind !== 'serving') return;
    const handedBack = this.beginEnding(this.phase).handBack(reason);
    void handedBack.finally(() => this.end());
  }

  private finish(work: (ending: RequestEnding) => Promise<void>, what: string): void {
    if (this.phase.kind !== 'serving') return;
    const ending = this.beginEnding(this.phase);
    void work(ending)
      .catch((error: unknown) => {
        if (!phases.wasDropped(this.phase))
          this.deps.log.error({ requestId: this.id, err: error }, `Ending a request failed while ${what}`);
        return ending.releaseLocks();
      })
      .finally(() => this.end());
  }

  private beginEnding(phase: Serving): RequestEnding {
    const ending = new RequestEnding(this, phase.held, this.slots, this.filler, this.deps);
    this.phase = phases.ends(phase, ending);
    this.wait(null);
    return ending;
  }

  private end(dropped = false): void {
    const before = this.phase;
    this.endTrace(before);
    this.phase = phases.over(before, dropped);
    for (const slot of this.slots) void slot.node?.release().catch(() => undefined);
    this.leavePool();
    this.onChange(this);
  }

  /** Told once, and only of requests that were accepted. */
  private endTrace(phase: RequestPhase): void {
    if (phase.kind === 'offered' || phase.kind === 'over') return;
    const { outcome, reason } = phase.kind === 'ending' ? phase.ending : lostWithSession;
    this.deps.context.onEnded(this.request, outcome);
    this.span.set({ 'nodepool.outcome': outcome });
    if (outcome === 'failed' || outcome === 'declined' || outcome === 'lost') this.span.fail(outcome, reason);
    this.span.end();
  }

  /** The pool serves it no more; nothing is counted for it any longer. */
  private leavePool(): void {
    for (const slot of this.slots) slot.releaseHolds();
    this.wait(null);
    this.pool.handlers.delete(this);
  }
}
