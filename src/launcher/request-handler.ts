/**
 * One accepted request from `pending` to its end: fills its labels from stock or by launches, waits for capacity, hands the
 * nodes over, or gives everything back. Decisions come from scheduling/plan.ts; writes go through store/operations.ts.
 */
import type { Logger } from '../provider/logger.ts';
import type { PoolLabelConfig } from '../config/model.ts';
import { isBroken } from '../records/broken.ts';
import type { NodeFields } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import type { Plan, PlannedSlot } from '../scheduling/plan.ts';
import { refusal } from '../scheduling/routing.ts';
import type { Runtime } from '../runtime.ts';
import type { HeldNode, HeldRequest, Operations } from '../store/operations.ts';
import type { NodeEntry } from '../store/store.ts';
import { killPoint } from './kill-points.ts';
import type { LaunchContext, ResolvedImage } from './launch-context.ts';
import type { Reservation } from './node-books.ts';
import { launchNode } from './node-launch.ts';
import type { OwnPool } from './own-pool.ts';
import { type ResumableLaunch, resumableLaunch } from './stored-launch.ts';

export interface HandlerOptions {
  readonly request: RequestRecord;
  readonly pool: OwnPool;
  /** For each label; see Holds. */
  readonly tenantHolds: readonly Reservation[];
  readonly operations: Operations;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Something changed that others may wait for: capacity, a waiting request, the end. */
  readonly onChange: (handler: RequestHandler) => void;
  /** State of the request after this pool has given up. */
  readonly declinedState: (declinedBy: readonly string[]) => 'failed' | 'requested';
}

type SlotState = 'open' | 'taking' | 'launching' | 'done' | 'failed';

interface Slot {
  readonly label: string;
  state: SlotState;
  node: HeldNode | null;
  /** Written when the node is handed over. */
  fields: NodeFields;
  /** False when `fields` have been written already. */
  unwritten: boolean;
  reservation: Reservation | null;
  tenantHold: Reservation | null;
  progress: string;
}

export const minReadyRequestor = 'NodePool:min-ready';

/** By then the mirror knows of the node what its lock has shown. */
const lostRaceRetryMs = 20;

export class RequestHandler {
  readonly id: string;
  readonly pool: OwnPool;
  /** Why it waits; null while it does not. */
  waitsFor: string | null = null;
  private readonly o: HandlerOptions;
  private readonly slots: Slot[];
  private readonly abort = new AbortController();
  private held: HeldRequest | null = null;
  private az: string | null | undefined;
  private gone = false;
  private ending = false;
  private dropped = false;
  private giveUpReason: string | null = null;

  constructor(options: HandlerOptions) {
    this.o = options;
    this.id = options.request.id;
    this.pool = options.pool;
    this.slots = options.request.nodeTypes.map((label, index) => ({
      label,
      state: 'open',
      node: null,
      fields: {},
      unwritten: true,
      reservation: null,
      tenantHold: options.tenantHolds[index] ?? null,
      progress: '',
    }));
  }

  get request(): RequestRecord {
    const latest = this.held?.entry.request;
    return latest && !latest.broken ? latest : this.o.request;
  }

  get waiting(): boolean {
    return this.waitsFor !== null && !this.ending;
  }

  get launching(): number {
    return this.slots.filter((slot) => slot.state === 'launching').length;
  }

  /** Labels that still need a node. */
  get openLabels(): number {
    return this.slots.filter((slot) => slot.state === 'open').length;
  }

  /** What it is doing, in words, a line a label. */
  describe(): string[] {
    return this.slots.map((slot) => {
      const node = slot.node ? ` (node ${slot.node.id})` : '';
      if (slot.state === 'open') return `${slot.label}: waiting: ${this.waitsFor ?? 'about to be decided'}`;
      return `${slot.label}: ${slot.state}${node}${slot.progress ? `: ${slot.progress}` : ''}`;
    });
  }

  /** The request is accepted and locked; `created` are the `init` nodes for the launches of the plan, in its order. */
  begin(held: HeldRequest, plan: Plan, reservations: readonly Reservation[], created: readonly NodeEntry[]): void {
    this.held = held;
    let next = 0;
    this.apply(plan, reservations, (slot) => {
      const entry = created[next++];
      if (entry) void this.guard(slot, this.launch(slot, entry));
      else slot.state = 'open';
    });
    if (plan.waitsFor !== null) this.o.onChange(this);
    this.settle();
  }

  /**
   * Goes on with a request whose launcher has gone: ready nodes of it count, launches under way are led to their end, what
   * is missing is planned anew. Nodes that do not fit stay behind and are removed as orphans.
   */
  takeOver(held: HeldRequest, entries: readonly NodeEntry[]): void {
    this.held = held;
    for (const entry of [...entries].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const { node } = entry;
      if (!node || isBroken(node)) continue;
      const slot = this.openSlots().find(({ label }) => node.labels.includes(label));
      if (!slot) continue;
      const launch = resumableLaunch(node);
      slot.tenantHold?.release();
      if (launch) this.az ??= launch.az;
      if (launch || node.state === 'ready') {
        slot.state = launch ? 'launching' : 'taking';
        void this.guard(slot, this.takeBack(slot, entry.id));
      } else if (node.state === 'init') {
        slot.state = 'launching';
        void this.guard(slot, this.launch(slot, entry));
      }
    }
    this.fill();
    this.settle();
  }

  /** Capacity may have come free: tries to fill what is open. Returns false when it still waits. */
  fill(): boolean {
    if (this.ending || this.gone || this.openLabels === 0) return true;
    const held = this.held;
    if (!held) return false;
    // The configuration or the limits may have changed since it was accepted.
    const never = refusal(this.request, this.pool);
    if (never !== null) {
      this.giveUp(never);
      return true;
    }
    const { plan, reservations } = this.o.context.planFor(
      this.pool,
      this.openSlots().map((s) => s.label),
      this.request,
      this.az,
    );
    if (!this.pool.launches && plan.waitsFor !== null) {
      for (const reservation of reservations) reservation?.release();
      void this.handBack(plan.waitsFor);
      return true;
    }
    if (plan.waitsFor !== null && this.request.requestor === minReadyRequestor) {
      for (const reservation of reservations) reservation?.release();
      this.giveUp(plan.waitsFor);
      return true;
    }
    const toLaunch: Slot[] = [];
    this.apply(plan, reservations, (slot) => toLaunch.push(slot));
    if (toLaunch.length > 0) void this.createAndLaunch(held, toLaunch);
    this.settle();
    return plan.waitsFor === null;
  }

  /** The request's znode has vanished. Launches under way are finished and become stock. */
  requestGone(): void {
    if (this.gone || this.ending) return;
    this.gone = true;
    this.waitsFor = null;
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
    this.abort.abort(new Error(reason));
    this.end();
  }

  /** The launcher stops: nodes and request are given back so that another launcher can take them at once. */
  async handBackForStop(): Promise<void> {
    const underWay = this.slots.some(
      (slot) => slot.state === 'launching' && slot.node && resumableLaunch(slot.node.node),
    );
    this.abort.abort(new Error('the launcher stops'));
    if (underWay && !this.gone && !this.ending) await this.leaveToSuccessor();
    else await this.handBack('the launcher stops');
  }

  /** Unlocked as it is: another launcher of this pool takes it over, and without one it is reset as lost. */
  private async leaveToSuccessor(): Promise<void> {
    this.ending = true;
    this.waitsFor = null;
    for (const slot of this.slots) {
      if (slot.node && slot.state === 'done' && slot.unwritten) {
        await slot.node.write({ ...slot.fields, allocatedTo: this.id }).catch(() => undefined);
      }
    }
    await this.releaseLocks();
    this.end();
  }

  private openSlots(): Slot[] {
    return this.slots.filter((slot) => slot.state === 'open');
  }

  private apply(plan: Plan, reservations: readonly (Reservation | null)[], launch: (slot: Slot) => void): void {
    const open = this.openSlots();
    this.waitsFor = plan.waitsFor;
    plan.slots.forEach((planned: PlannedSlot, index) => {
      const slot = open[index]!;
      slot.reservation = reservations[index] ?? null;
      if (planned.kind === 'stock') {
        if (planned.az !== null) this.az ??= planned.az;
        slot.state = 'taking';
        void this.guard(slot, this.take(slot, planned.nodeId));
      } else if (planned.kind === 'launch') {
        slot.state = 'launching';
        launch(slot);
      }
    });
  }

  /** Work on a slot never rejects: an unexpected error fails the slot. */
  private async guard(slot: Slot, work: Promise<void>): Promise<void> {
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

  private async take(slot: Slot, nodeId: string): Promise<void> {
    const usable = await this.o.context.checkStock(this.pool, nodeId, this.abort.signal);
    killPoint('before-reuse');
    const taken = usable
      ? await this.o.operations.lockNode(nodeId, {
          expect: (node) => node.state === 'ready' && node.allocatedTo === null && node.labels.includes(slot.label),
        })
      : null;
    if (!taken?.ok) {
      slot.state = 'open';
      return;
    }
    killPoint('after-reuse-lock');
    slot.node = taken.node;
    slot.fields = {
      allocatedTo: this.id,
      tenantName: this.request.tenantName,
      requestor: this.request.requestor,
    };
    slot.state = 'done';
    slot.progress = 'taken from stock';
  }

  private async createAndLaunch(held: HeldRequest, slots: Slot[]): Promise<void> {
    const created = await this.o.operations
      .createNodes(
        held,
        slots.map((slot) => this.o.context.newNode(this.pool, slot.label, this.request)),
      )
      .catch((error: unknown) => {
        this.o.log.error({ requestId: this.id, err: error }, 'Creating node records failed');
        return null;
      });
    slots.forEach((slot, index) => {
      const entry = created?.[index];
      if (entry) void this.guard(slot, this.launch(slot, entry));
      else void this.guard(slot, Promise.reject(new Error('the node record could not be created')));
    });
  }

  private async launch(slot: Slot, entry: NodeEntry): Promise<void> {
    // The node's document counts for the tenant.
    slot.tenantHold?.release();
    const label = this.pool.labelConfig(slot.label);
    if (!label) throw new Error(`label ${slot.label} has left the configuration`);
    if (this.az === undefined) this.az = this.o.context.chooseZone(this.pool);
    const image = this.o.context.image(this.pool, label);
    killPoint('before-lock');
    const building = await this.o.operations.startBuilding(entry, {
      ...this.o.context.buildingFields(this.pool, label, image),
    });
    // From here on the record itself counts as use.
    slot.reservation?.release();
    if (!building.ok) {
      slot.state = this.gone ? 'failed' : 'open';
      return;
    }
    killPoint('after-building');
    await this.runLaunch(slot, building.node, label, image, null);
  }

  private async takeBack(slot: Slot, nodeId: string): Promise<void> {
    const label = this.pool.labelConfig(slot.label);
    const locked = await this.o.operations.lockNode(nodeId, {
      expect: (node) => node.allocatedTo === this.id && (node.state === 'ready' || resumableLaunch(node) !== null),
    });
    const launch = locked.ok ? resumableLaunch(locked.node.node) : null;
    if (!locked.ok || (launch && !label)) {
      if (locked.ok) await locked.node.release();
      slot.state = this.gone ? 'failed' : 'open';
      return;
    }
    if (launch && label) {
      this.o.log.info({ nodeId, requestId: this.id, externalId: launch.externalId }, 'Taking over a launch');
      // A later attempt fails without its image; this one needs it no more.
      const image = this.o.context.imageIfReady(this.pool, label);
      return this.runLaunch(slot, locked.node, label, image, launch);
    }
    slot.node = locked.node;
    slot.state = 'done';
    slot.fields = { state: 'ready' };
    slot.unwritten = false;
    slot.progress = 'ready, launched by a launcher that has gone';
  }

  private async runLaunch(
    slot: Slot,
    node: HeldNode,
    label: PoolLabelConfig,
    image: ResolvedImage | null,
    resume: ResumableLaunch | null,
  ): Promise<void> {
    slot.node = node;
    const az = resume ? resume.az : (this.az ?? null);
    const outcome = await launchNode({
      node,
      resume,
      provider: this.pool.provider,
      pool: this.pool.config,
      label,
      imageExternalId: image?.externalId ?? null,
      request: this.o.context.requestView(this.request),
      az,
      onAttempt: (result, ms) => this.o.context.attempted(this.pool, this.request, az, result, ms),
      runtime: this.o.runtime,
      log: this.o.log,
      signal: this.abort.signal,
      onProgress: (text) => {
        slot.progress = text;
      },
    });
    switch (outcome.kind) {
      case 'launched':
        slot.fields = { state: 'ready', ...outcome.fields, ...(resume ? { launcher: this.pool.id } : {}) };
        slot.progress = 'ready';
        if (!this.gone && !this.isLast(slot)) await this.writeReady(slot, node);
        slot.state = 'done';
        return;
      case 'aborted':
        slot.progress = `refused for quota: ${outcome.reason}`;
        await this.letGo(node, { state: 'aborted' });
        slot.node = null;
        slot.state = this.gone ? 'failed' : 'open';
        slot.tenantHold = this.o.context.holdForTenant(this.pool, this.request, [slot.label])[0] ?? null;
        this.waitsFor = `the cloud refused a launch for its quota: ${outcome.reason}`;
        return;
      case 'failed':
        slot.progress = outcome.reason;
        await this.letGo(node, { state: 'failed' });
        slot.node = null;
        slot.state = 'failed';
        return;
      case 'lost':
        slot.progress = outcome.reason;
        slot.state = 'failed';
        // Locked only after everything else had been handed back: left unlocked like those.
        if (node.held) await node.release();
    }
  }

  /** With siblings still on their way, `ready` is written at once; the last one goes with the hand-over. */
  private async writeReady(slot: Slot, node: HeldNode): Promise<void> {
    const written = await node.write(slot.fields);
    if (written.ok) slot.unwritten = false;
  }

  private isLast(slot: Slot): boolean {
    return this.slots.every((other) => other === slot || other.state === 'done');
  }

  private async letGo(node: HeldNode, fields: NodeFields): Promise<void> {
    if (!node.held) return;
    await node.write(fields);
    await node.release();
  }

  /** Looks whether the request can end now. */
  private settle(): void {
    if (this.ending || !this.held) return;
    if (this.slots.some((slot) => slot.state === 'taking' || slot.state === 'launching')) return;
    if (this.gone) this.finish(this.returnNodes(), 'returning its nodes');
    else if (this.pool.retired && this.openLabels > 0) void this.handBack('its pool has left the configuration');
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
    for (const slot of this.slots) await this.returnNode(slot);
    await this.held!.release();
  }

  private async returnNode(slot: Slot): Promise<void> {
    const node = slot.node;
    if (!node?.held) return;
    const fromStock = slot.fields.state === undefined;
    if (slot.state === 'done' && !fromStock) {
      await node.write({ ...(slot.unwritten ? slot.fields : {}), allocatedTo: null });
    }
    await node.release();
    slot.node = null;
  }

  private giveUp(reason: string): void {
    this.giveUpReason = reason;
    this.waitsFor = null;
    for (const slot of this.openSlots()) {
      slot.state = 'failed';
      slot.progress = reason;
    }
    this.settle();
  }

  private async decline(reason: string): Promise<void> {
    const held = this.held!;
    killPoint('before-decline');
    for (const slot of this.slots) await this.returnNode(slot);
    const declinedBy = [...new Set([...this.request.declinedBy, this.pool.id])];
    const state = this.o.declinedState(declinedBy);
    this.o.log.warn(
      { requestId: this.id, eventId: this.request.eventId, pool: this.pool.id, state, reason },
      'Declined request',
    );
    await held.update({ state, declinedBy });
    killPoint('after-decline');
    await held.release();
  }

  /** Back to `requested`, so that it can be decided anew, here or elsewhere. */
  private async handBack(reason: string): Promise<void> {
    if (this.ending || !this.held) return;
    this.ending = true;
    this.waitsFor = null;
    try {
      for (const slot of this.slots) {
        // A half-launched node is left unlocked in `building`: whoever comes next finds and removes it.
        if (slot.state === 'launching') await slot.node?.release();
        else await this.returnNode(slot);
      }
      if (!this.gone) await this.held.update({ state: 'requested', nodes: [] });
      await this.held.release();
    } catch (error) {
      this.o.log.warn({ requestId: this.id, reason, err: error }, 'Handing a request back failed');
    } finally {
      this.end();
    }
  }

  private async releaseLocks(): Promise<void> {
    for (const slot of this.slots) if (slot.node?.held) await slot.node.release().catch(() => undefined);
    await this.held?.release().catch(() => undefined);
  }

  private end(): void {
    for (const slot of this.slots) {
      slot.reservation?.release();
      slot.tenantHold?.release();
    }
    this.pool.handlers.delete(this);
    this.o.onChange(this);
  }
}
