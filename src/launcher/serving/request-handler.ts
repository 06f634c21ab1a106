/**
 * One accepted request from `pending` to its end: fills its labels from stock or by launches, waits for capacity, hands the
 * nodes over, or gives everything back. Decisions come from scheduling/plan.ts; writes go through store/operations.ts.
 */
import type { Logger } from '../../base/logger.ts';
import { isBroken } from '../../records/broken.ts';
import type { RequestRecord } from '../../records/request.ts';
import { isFull, minReadyRequestor, type Plan, type PlannedSlot, type Waiting } from '../../scheduling/plan.ts';
import { refusal } from '../../scheduling/routing.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { isUnknownOutcome } from '../../store/transactions/unknown-outcome.ts';
import type { HeldRequest, Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { LaunchContext } from './launch-context.ts';
import type { RequestOutcome } from './outcomes.ts';
import type { Reservation } from '../pools/node-accounting.ts';
import { LockLostError } from './node-launch.ts';
import type { ServedPool, ServedRequest } from '../pools/served-pool.ts';
import { noSpan } from '../../telemetry/tracing.ts';
import { Slot } from './slot.ts';
import { SlotFiller } from './slot-filler.ts';
import { resumableLaunch } from './stored-launch.ts';

export interface HandlerOptions {
  readonly request: RequestRecord;
  readonly pool: ServedPool;
  /** For each label; see Holds. */
  readonly tenantHolds: readonly Reservation[];
  /** What it was decided to do with it; null: it is taken over. */
  readonly plan: Plan | null;
  readonly operations: Operations;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Something changed that others may wait for: capacity, a waiting request, the end. */
  readonly onChange: (handler: RequestHandler) => void;
  /** State of the request after this pool has given up. */
  readonly declinedState: (declinedBy: readonly string[]) => 'failed' | 'requested';
}

/** By then the mirror knows of the node what its lock has shown. */
const lostRaceRetryMs = 20;
/** The mirrors show what was made once they have caught up. */
const lostAnswerRetryMs = 50;

export class RequestHandler implements ServedRequest {
  readonly id: string;
  readonly pool: ServedPool;
  private readonly o: HandlerOptions;
  private readonly slots: readonly Slot[];
  private readonly filler: SlotFiller;
  private readonly abort = new AbortController();
  /** Work on slots that is under way. */
  private readonly working = new Set<Promise<void>>();
  /** Until the request is accepted. */
  private expected: Plan | null;
  private waitsFor: Waiting | null = null;
  private held: HeldRequest | null = null;
  /** Nodes whose launch has begun here. */
  private readonly launched = new Set<string>();
  private isOver = false;
  private gone = false;
  private ending = false;
  private dropped = false;
  private giveUpReason: string | null = null;
  private outcome: RequestOutcome = 'lost';
  /** Of a failure. */
  private endReason = 'the session or its lock was lost';
  private span = noSpan;
  private waitSpan = noSpan;
  private standingBack: { readonly behind: readonly string[]; readonly untilMs: number } | null = null;

  constructor(options: HandlerOptions) {
    this.o = options;
    this.id = options.request.id;
    this.pool = options.pool;
    this.slots = options.request.nodeTypes.map((label, index) => new Slot(label, options.tenantHolds[index] ?? null));
    const { pool, operations, context, runtime, log } = options;
    this.filler = new SlotFiller({
      requestId: this.id,
      request: () => this.request,
      pool,
      slots: this.slots,
      operations,
      context,
      runtime,
      log,
      span: () => this.span,
      signal: this.abort.signal,
      isGone: () => this.gone,
      onRefused: (waiting) => this.wait(waiting),
    });
    this.expected = options.plan;
    pool.handlers.add(this);
    this.wait(options.plan?.waiting ?? null);
  }

  get request(): RequestRecord {
    const latest = this.held?.entry.request;
    return latest && !latest.broken ? latest : this.o.request;
  }

  /** It has ended: nothing is served under it any more. */
  get over(): boolean {
    return this.isOver;
  }

  get waiting(): Waiting | null {
    return this.waitsFor;
  }

  get standsBack(): boolean {
    return this.standingBack !== null;
  }

  get isStuck(): boolean {
    if (this.ending || this.standsBack) return false;
    if (this.waitsFor?.kind !== 'resource' && this.waitsFor?.kind !== 'refused') return false;
    return (
      this.slots.some(({ state }) => state === 'done') &&
      this.slots.every(({ state }) => state === 'done' || state === 'open')
    );
  }

  get launching(): number {
    if (this.expected) return this.expected.slots.filter((slot) => slot.kind === 'launch').length;
    return this.slots.filter((slot) => slot.state === 'launching').length;
  }

  get openLabels(): readonly string[] {
    const waiting = this.expected?.slots.filter((slot) => slot.kind === 'wait');
    return (waiting ?? this.openSlots()).map((slot) => slot.label);
  }

  /** The request is accepted and locked; `created` are the `init` nodes for the launches of the plan, in its order. */
  begin(held: HeldRequest, plan: Plan, reservations: readonly Reservation[], created: readonly NodeEntry[]): void {
    this.held = held;
    this.span = this.o.context.traces.request(this.request, this.pool, false);
    this.expected = null;
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
    if (plan.waiting) this.o.onChange(this);
    this.settle();
  }

  /**
   * Goes on with a request whose launcher has gone: ready nodes of it count, launches under way are led to their end, what
   * is missing is planned anew. Nodes that do not fit stay behind and are removed as orphans.
   */
  takeOver(held: HeldRequest, entries: readonly NodeEntry[]): void {
    this.held = held;
    this.span = this.o.context.traces.request(this.request, this.pool, true);
    for (const entry of [...entries].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const { node } = entry;
      if (!node || isBroken(node)) continue;
      // An earlier pool may have left something behind, which is to be deleted in its own cloud.
      if (node.provider !== this.pool.providerName || node.pool !== this.pool.poolName) continue;
      const slot = this.openSlots().find(({ label }) => node.labels.includes(label));
      if (!slot) continue;
      const launch = resumableLaunch(node);
      if (launch) this.filler.bind(slot, launch.az);
      else if (node.state === 'ready' && node.az !== null) this.filler.bind(slot, node.az);
      if (launch || node.state === 'ready') {
        slot.state = launch ? 'launching' : 'taking';
        // Its document counts.
        slot.releaseHolds();
        this.guard(slot, this.filler.takeBack(slot, entry.id));
      } else if (node.state === 'init') {
        slot.state = 'launching';
        this.launch(slot, entry);
      }
    }
    this.fill();
    this.settle();
  }

  /**
   * Capacity may have come free: tries to fill what is open, unless that would take what those `before` it wait for.
   * Returns false when it still waits.
   */
  fill(before: readonly ServedRequest[] = []): boolean {
    if (this.ending || this.gone || this.openLabels.length === 0) return true;
    const held = this.held;
    if (!held || this.mustStandBack()) return false;
    // The configuration or the limits may have changed since it was accepted.
    const never = refusal(this.request, this.pool);
    if (never !== null) {
      this.giveUp(never);
      return true;
    }
    const plan = this.o.context.plan(this.pool, this.openLabels, this.request, this.filler.zone);
    if (before.some((other) => this.pool.takesFrom(plan, other))) return false;
    if (!this.pool.launches && plan.waiting) {
      void this.handBack(plan.waiting.reason);
      return true;
    }
    if (this.request.requestor === minReadyRequestor && isFull(plan)) {
      this.giveUp(plan.waiting!.reason);
      return true;
    }
    const toLaunch: Slot[] = [];
    this.apply(plan, this.o.context.reserveAll(this.pool, plan), (slot) => toLaunch.push(slot));
    if (toLaunch.length > 0) void this.createAndLaunch(toLaunch);
    this.settle();
    return plan.waiting === null;
  }

  standBack(earlier: readonly string[], forMs: number): void {
    this.standingBack = { behind: earlier, untilMs: this.o.runtime.monotonicMs() + forMs };
    for (const slot of this.slots) {
      if (slot.state !== 'done') continue;
      // Nothing ends or is planned until it is done; a node whose lock is lost meanwhile is left to whoever has it then.
      const given = this.filler.giveBack(slot);
      slot.state = 'taking';
      const unlocked = given.catch(() => slot.node?.release());
      this.guard(
        slot,
        unlocked.then(() => this.filler.reset(slot)),
      );
    }
  }

  mustStandBack(): boolean {
    if (!this.standingBack) return false;
    const { behind, untilMs } = this.standingBack;
    if (this.o.runtime.monotonicMs() < untilMs && behind.some((id) => this.o.context.isPending(id))) return true;
    this.standingBack = null;
    return false;
  }

  /** The request's znode has vanished. Launches under way are finished and become stock. */
  requestGone(): void {
    if (this.gone || this.ending) return;
    this.gone = true;
    this.wait(null);
    for (const slot of this.openSlots()) slot.state = 'failed';
    this.o.log.info({ requestId: this.id }, 'The request was deleted while it was being served');
    this.settle();
    this.o.onChange(this);
  }

  /** Its pool has left the configuration: launches under way are finished, what waits is handed back. */
  retire(): void {
    this.settle();
  }

  /** The session is lost or the lock broken: everything that was locked belongs to nobody now; nothing is written. */
  drop(reason: string): void {
    if (this.dropped) return;
    this.dropped = true;
    this.ending = true;
    this.abort.abort(new LockLostError(reason));
    this.end();
  }

  /** The launcher stops: nodes and request are given back so that another launcher can take them at once. */
  async handBackForStop(): Promise<void> {
    const launching = this.slots.filter((slot) => slot.state === 'launching');
    const decided = this.ending || !this.held;
    this.ending = true;
    this.abort.abort(new Error('the launcher stops'));
    // Ids that are being learnt or written at this moment are stored first: a launch with an id can be gone on with.
    await Promise.allSettled(this.working);
    if (decided) return;
    const underWay = launching.some((slot) => slot.node && resumableLaunch(slot.node.node));
    if (underWay && !this.gone) await this.leaveToSuccessor();
    else await this.giveAllBack('the launcher stops');
  }

  /** Unlocked as it is: another launcher of this pool takes it over, and without one it is reset as lost. */
  private async leaveToSuccessor(): Promise<void> {
    this.wait(null);
    for (const slot of this.slots) {
      if (slot.node && slot.state === 'done' && slot.unwritten) {
        await slot.node.write({ ...slot.fields, allocatedTo: this.id }).catch(() => undefined);
      }
    }
    await this.releaseLocks();
    this.outcome = 'handed-back';
    this.end();
  }

  private openSlots(): Slot[] {
    return this.slots.filter((slot) => slot.state === 'open');
  }

  private wait(waiting: Waiting | null): void {
    // A launch that was refused after the end must not keep back other requests.
    this.waitsFor = this.isOver ? null : waiting;
    this.pool.setWaiting(this, this.waitsFor !== null);
    if (!this.waitsFor) {
      this.waitSpan.end();
      this.waitSpan = noSpan;
    } else if (this.waitSpan === noSpan) {
      const { kind, resource, scope } = this.waitsFor;
      this.waitSpan = this.span.child('AwaitRoom', {
        'nodepool.waiting.kind': kind,
        'nodepool.waiting.resource': resource || null,
        'nodepool.waiting.scope': scope,
      });
    }
  }

  private apply(plan: Plan, reservations: readonly Reservation[], launch: (slot: Slot) => void): void {
    const open = this.openSlots();
    this.wait(plan.waiting);
    plan.slots.forEach((planned: PlannedSlot, index) => {
      const slot = open[index]!;
      slot.reservation = reservations[index] ?? null;
      if (planned.kind === 'stock') {
        if (planned.az !== null) this.filler.bind(slot, planned.az);
        slot.state = 'taking';
        this.guard(slot, this.filler.take(slot, planned.nodeId));
      } else if (planned.kind === 'launch') {
        slot.state = 'launching';
        launch(slot);
      }
    });
  }

  /** Work on a slot never rejects: an unexpected error fails the slot. */
  private guard(slot: Slot, work: Promise<void>): void {
    const done = this.see(slot, work).finally(() => this.working.delete(done));
    this.working.add(done);
  }

  private async see(slot: Slot, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.dropped)
        this.o.log.error({ requestId: this.id, label: slot.label, err: error }, 'Serving a label failed');
      slot.state = 'failed';
      slot.progress = error instanceof Error ? error.message : String(error);
    }
    slot.reservation?.release();
    slot.reservation = null;
    if (this.isOver) slot.releaseHolds();
    // Locked, perhaps under a new session, only after the request had ended: nobody else would unlock it.
    if (this.isOver) await slot.node?.release().catch(() => undefined);
    this.settle();
    if (slot.state === 'open' && this.waitsFor === null)
      this.o.runtime.setBackgroundTimer(lostRaceRetryMs, () => this.refill());
    this.o.onChange(this);
  }

  /** Somebody else was quicker, or the node was of no use: another one may do. */
  private refill(): void {
    if (this.waitsFor !== null) return;
    this.fill();
    this.o.onChange(this);
  }

  private async createAndLaunch(slots: Slot[]): Promise<void> {
    const created = await this.o.operations
      .createNodes(slots.map((slot) => this.o.context.newNode(this.pool, slot.label, this.request)))
      .catch((error: unknown) => {
        this.o.log.error({ requestId: this.id, err: error }, 'Creating node records failed');
        return error as Error;
      });
    if (created instanceof Error && isUnknownOutcome(created)) return this.launchFound(slots);
    slots.forEach((slot, index) => {
      if (created instanceof Error) this.guard(slot, Promise.reject(created));
      else this.launch(slot, created[index]!);
    });
  }

  private launch(slot: Slot, entry: NodeEntry): void {
    this.launched.add(entry.id);
    this.guard(slot, this.filler.launch(slot, entry));
  }

  /** The answer was lost: the pool is not to blame, and the records may have been made. What was not is planned anew. */
  private async launchFound(slots: readonly Slot[]): Promise<void> {
    let found = this.o.context.newNodesOf(this.id, this.pool);
    for (; !found && !this.ending; found = this.o.context.newNodesOf(this.id, this.pool)) {
      await sleep(this.o.runtime, lostAnswerRetryMs);
    }
    const entries = this.ending || this.gone ? [] : (found ?? []).filter(({ id }) => !this.launched.has(id));
    for (const slot of slots) {
      const at = entries.findIndex(({ node }) => node && !isBroken(node) && node.labels.includes(slot.label));
      const [entry] = at < 0 ? [] : entries.splice(at, 1);
      if (entry) {
        this.launch(slot, entry);
        continue;
      }
      slot.state = this.gone ? 'failed' : 'open';
      this.guard(slot, Promise.resolve());
    }
  }

  /** Looks whether the request can end now. */
  private settle(): void {
    if (this.ending || !this.held) return;
    if (this.slots.some((slot) => slot.state === 'taking' || slot.state === 'launching')) return;
    if (this.gone) this.finish(this.returnNodes(), 'returning its nodes');
    else if (this.pool.retired && this.openLabels.length > 0) void this.handBack('its pool has left the configuration');
    else if (this.giveUpReason !== null) this.finish(this.decline(this.giveUpReason), 'declining');
    else if (this.slots.some((slot) => slot.state === 'failed')) {
      const failed = this.slots
        .filter((slot) => slot.state === 'failed')
        .map((slot) => `${slot.label}: ${slot.progress}`);
      this.finish(this.decline(failed.join('; ')), 'declining');
    } else if (this.slots.every((slot) => slot.state === 'done')) this.finish(this.fulfil(), 'fulfilling');
  }

  private finish(work: Promise<void>, what: string): void {
    this.ending = true;
    this.wait(null);
    void work
      .catch((error: unknown) => {
        if (!this.dropped)
          this.o.log.error({ requestId: this.id, err: error }, `Ending a request failed while ${what}`);
        return this.releaseLocks();
      })
      .finally(() => this.end());
  }

  private async fulfil(): Promise<void> {
    const held = this.held!;
    killPoint('before-fulfil');
    const result = await this.o.operations.fulfil(
      held,
      this.slots.map((slot) => ({ held: slot.node!, fields: slot.unwritten ? slot.fields : {} })),
      { state: 'fulfilled', nodes: this.slots.map((slot) => slot.node!.id) },
    );
    if (result.ok) {
      killPoint('after-fulfil');
      this.outcome = 'fulfilled';
      this.span.set({ 'nodepool.node.ids': this.slots.map((slot) => slot.node!.id) });
      this.o.log.info(
        { requestId: this.id, eventId: this.request.eventId, nodes: this.slots.map((slot) => slot.node!.id) },
        'Fulfilled request',
      );
      return;
    }
    if (result.reason === 'session') return this.drop('the session was lost');
    this.gone = true;
    await this.returnNodes();
  }

  /** Nodes that are good become free stock, the request's lock is let go. */
  private async returnNodes(): Promise<void> {
    this.outcome = 'withdrawn';
    for (const slot of this.slots) await this.filler.giveBack(slot);
    await this.held!.release();
  }

  private giveUp(reason: string): void {
    this.giveUpReason = reason;
    this.wait(null);
    for (const slot of this.openSlots()) {
      slot.state = 'failed';
      slot.progress = reason;
    }
    this.settle();
  }

  private async decline(reason: string): Promise<void> {
    const held = this.held!;
    this.endReason = reason;
    killPoint('before-decline');
    for (const slot of this.slots) await this.filler.giveBack(slot);
    const declinedBy = [...new Set([...this.request.declinedBy, this.pool.id])];
    const state = this.o.declinedState(declinedBy);
    this.o.log.warn(
      { requestId: this.id, eventId: this.request.eventId, pool: this.pool.id, state, reason },
      'Declined request',
    );
    await held.update({ state, declinedBy });
    this.outcome = state === 'failed' ? 'failed' : 'declined';
    killPoint('after-decline');
    await held.release();
  }

  /** Back to `requested`, so that it can be decided anew, here or elsewhere. */
  private async handBack(reason: string): Promise<void> {
    if (this.ending || !this.held) return;
    this.ending = true;
    await this.giveAllBack(reason);
  }

  private async giveAllBack(reason: string): Promise<void> {
    const held = this.held!;
    this.wait(null);
    try {
      for (const slot of this.slots) {
        // A half-launched node is left unlocked in `building`: whoever comes next finds and removes it.
        if (slot.state === 'launching') await slot.node?.release();
        else await this.filler.giveBack(slot);
      }
      if (!this.gone) await held.update({ state: 'requested', nodes: [] });
      this.outcome = this.gone ? 'withdrawn' : 'handed-back';
      await held.release();
    } catch (error) {
      this.o.log.warn({ requestId: this.id, reason, err: error }, 'Handing a request back failed');
      // Unlocked, it is repaired as a lost request.
      await this.releaseLocks();
    } finally {
      this.end();
    }
  }

  private async releaseLocks(): Promise<void> {
    for (const slot of this.slots) if (slot.node?.held) await slot.node.release().catch(() => undefined);
    await this.held?.release().catch(() => undefined);
  }

  private end(): void {
    if (!this.isOver && this.held) this.tellEnd();
    this.isOver = true;
    for (const slot of this.slots) void slot.node?.release().catch(() => undefined);
    this.forget();
    this.o.onChange(this);
  }

  private tellEnd(): void {
    const { outcome, span } = this;
    this.o.context.onEnded(this.request, outcome);
    span.set({ 'nodepool.outcome': outcome });
    if (outcome === 'failed' || outcome === 'declined' || outcome === 'lost') span.fail(outcome, this.endReason);
    span.end();
  }

  /** The pool serves it no more; nothing is counted for it any longer. */
  forget(): void {
    for (const slot of this.slots) slot.releaseHolds();
    this.wait(null);
    this.pool.handlers.delete(this);
  }
}
