/**
 * Gets the node for one label of a request: from stock, by a launch, or by going on with the launch of a launcher that has
 * gone. Keeps the request's nodes in one zone. What becomes of the request is the handler's business.
 */
import type { PoolLabelConfig } from '../../config/model.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeFields } from '../../records/node.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Waiting } from '../../scheduling/plan.ts';
import type { HeldNode, Operations } from '../../store/transactions/operations.ts';
import type { NodeEntry } from '../../store/mirrors/store.ts';
import type { Span } from '../../telemetry/tracing.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { LaunchContext, ResolvedImage } from './launch-context.ts';
import { launchNode } from './node-launch.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import type { ProviderPort } from '../pools/provider-port.ts';
import type { Slot } from './slot.ts';
import { type ResumableLaunch, resumableLaunch } from './stored-launch.ts';

/** What filling a slot needs to know of the request. */
export interface SlotOwner {
  readonly id: string;
  readonly pool: ServedPool;
  readonly request: RequestRecord;
  /** The request's, while it is served. */
  readonly span: Span;
  /** Aborted when the launcher stops or has lost its session. */
  readonly signal: AbortSignal;
  /** The request's znode has vanished: nothing is begun for it any more. */
  readonly gone: boolean;
}

export interface FillerDeps {
  readonly operations: Operations;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
}

interface Begun {
  readonly slot: Slot;
  readonly node: HeldNode;
  readonly provider: ProviderPort;
  readonly label: PoolLabelConfig;
  readonly image: ResolvedImage | null;
  readonly resume: ResumableLaunch | null;
}

export class SlotFiller {
  private readonly owner: SlotOwner;
  private readonly slots: readonly Slot[];
  private readonly deps: FillerDeps;
  private boundZone: string | null | undefined;

  constructor(owner: SlotOwner, slots: readonly Slot[], deps: FillerDeps) {
    this.owner = owner;
    this.slots = slots;
    this.deps = deps;
  }

  /** Zone of the request's nodes; undefined: free to choose. */
  get zone(): string | null | undefined {
    return this.slots.some((slot) => slot.bound) ? this.boundZone : undefined;
  }

  /** A node of the request is in that zone, or will be. */
  bind(slot: Slot, zone: string | null): void {
    if (this.zone === undefined) this.boundZone = zone;
    slot.bound = true;
  }

  async take(slot: Slot, nodeId: string): Promise<void> {
    const { context, operations } = this.deps;
    const { pool, signal } = this.owner;
    const usable = await context.checkStock(pool, nodeId, signal);
    killPoint('before-reuse');
    const taken = usable
      ? await operations.lockNode(nodeId, {
          expect: (node) => node.state === 'ready' && node.allocatedTo === null && node.labels.includes(slot.label),
        })
      : null;
    if (!taken?.ok) {
      this.reopen(slot);
      return;
    }
    killPoint('after-reuse-lock');
    const { tenantName, requestor } = this.owner.request;
    slot.node = taken.node;
    slot.fields = { allocatedTo: this.owner.id, tenantName, requestor };
    slot.state = 'done';
    slot.progress = 'taken from stock';
  }

  /** Tells what the slot, open again, has to wait for, if there was no room for the launch after all; null else. */
  async launch(slot: Slot, entry: NodeEntry): Promise<Waiting | null> {
    // A pool that leaves the configuration meanwhile keeps its provider, which must not stop before it is used.
    const release = this.owner.pool.provider.hold();
    try {
      return await this.begin(slot, entry);
    } finally {
      release();
    }
  }

  private async begin(slot: Slot, entry: NodeEntry): Promise<Waiting | null> {
    const { context, operations } = this.deps;
    const { pool, signal } = this.owner;
    const { provider } = pool;
    // The node's document counts, for the pool and for the tenant.
    slot.releaseHolds();
    const label = pool.labelConfig(slot.label);
    if (!label) throw new Error(`label ${slot.label} has left the configuration`);
    const image = context.image(pool, label);
    killPoint('before-lock');
    const building = await operations.startBuilding(entry, { ...context.buildingFields(pool, label, image) });
    if (!building.ok) {
      this.reopen(slot);
      return null;
    }
    killPoint('after-building');
    const waiting = await context.overcommitted(pool, building.node, signal);
    if (waiting) return this.refused(slot, building.node, waiting);
    return this.runLaunch({ slot, node: building.node, provider, label, image, resume: null });
  }

  /** Goes on with a node of a launcher that has gone. Tells the same as `launch`. */
  async takeBack(slot: Slot, nodeId: string): Promise<Waiting | null> {
    const release = this.owner.pool.provider.hold();
    try {
      return await this.goOn(slot, nodeId);
    } finally {
      release();
    }
  }

  private async goOn(slot: Slot, nodeId: string): Promise<Waiting | null> {
    const { context, operations, log } = this.deps;
    const { pool, id: requestId } = this.owner;
    const { provider } = pool;
    const label = pool.labelConfig(slot.label);
    const locked = await operations.lockNode(nodeId, {
      expect: (node) => node.allocatedTo === requestId && (node.state === 'ready' || resumableLaunch(node) !== null),
    });
    const launch = locked.ok ? resumableLaunch(locked.node.node) : null;
    if (!locked.ok || (launch && !label)) {
      if (locked.ok) await locked.node.release();
      this.reopen(slot);
      return null;
    }
    if (launch && label) {
      log.info({ nodeId, requestId, externalId: launch.externalId }, 'Taking over a launch');
      // A later attempt fails without its image; this one needs it no more.
      const image = context.imageIfReady(pool, label);
      return this.runLaunch({ slot, node: locked.node, provider, label, image, resume: launch });
    }
    slot.node = locked.node;
    slot.state = 'done';
    slot.fields = { state: 'ready' };
    slot.unwritten = false;
    slot.progress = 'ready, launched by a launcher that has gone';
    return null;
  }

  /** Puts back what the slot has: a good node becomes free stock. */
  async giveBack(slot: Slot): Promise<void> {
    const { node } = slot;
    if (!node?.held) return;
    const fromStock = slot.fields.state === undefined;
    if (slot.state === 'done' && !fromStock) {
      await node.write({ ...(slot.unwritten ? slot.fields : {}), allocatedTo: null });
    }
    await node.release();
    slot.node = null;
  }

  /** Puts back the node of a filled slot, which is open then, as if it had never had one. */
  async vacate(slot: Slot): Promise<void> {
    const given = this.giveBack(slot);
    // Nothing ends or is planned until it is done; a node whose lock is lost meanwhile is left to whoever has it then.
    slot.state = 'taking';
    await given.catch(() => slot.node?.release());
    slot.node = null;
    slot.fields = {};
    slot.unwritten = true;
    slot.progress = '';
    this.reopen(slot);
  }

  /** Unlocked, with what there is still to be said about it. */
  private async letGo(node: HeldNode, fields: NodeFields): Promise<void> {
    if (!node.held) return;
    await node.write(fields);
    await node.release();
  }

  private async refused(slot: Slot, node: HeldNode, waiting: Waiting): Promise<Waiting> {
    slot.progress = waiting.reason;
    await this.letGo(node, { state: 'aborted' });
    slot.node = null;
    this.reopen(slot);
    return waiting;
  }

  private reopen(slot: Slot): void {
    const { pool, request, gone } = this.owner;
    slot.bound = false;
    slot.releaseHolds();
    slot.state = gone ? 'failed' : 'open';
    if (slot.state === 'open')
      slot.tenantHold = this.deps.context.holdForTenant(pool, request, [slot.label])[0] ?? null;
  }

  /** That of the request's other nodes, or of its last attempt unless that was refused for want of capacity. */
  private zoneFor(slot: Slot, label: PoolLabelConfig): string | null {
    const zone =
      this.zone === undefined ? this.deps.context.chooseZone(this.owner.pool, label) : (this.boundZone ?? null);
    this.bind(slot, zone);
    return zone;
  }

  private async runLaunch({ slot, node, provider, label, image, resume }: Begun): Promise<Waiting | null> {
    const { context, runtime, log } = this.deps;
    const { pool, span, signal } = this.owner;
    slot.node = node;
    context.traces.remember(node.id, span);
    const outcome = await launchNode({
      node,
      resume,
      provider,
      pool: pool.config,
      label,
      imageExternalId: image?.externalId ?? null,
      request: context.requestView(this.owner.request),
      zone: () => this.zoneFor(slot, label),
      onAttempt: (end) => {
        if (end.result === 'capacity') slot.bound = false;
        return context.attempted(pool, label, this.owner.request, end);
      },
      runtime,
      log,
      span,
      signal,
      onProgress: (text) => {
        slot.progress = text;
      },
    });
    switch (outcome.kind) {
      case 'launched':
        slot.fields = { state: 'ready', ...outcome.fields, ...(resume ? { launcher: pool.id } : {}) };
        slot.progress = 'ready';
        if (!this.owner.gone && !this.isLast(slot)) await this.writeReady(slot, node);
        slot.state = 'done';
        return null;
      case 'aborted':
        return this.refused(slot, node, { kind: 'refused', resource: '', scope: 'provider', reason: outcome.reason });
      case 'failed':
        slot.progress = outcome.reason;
        await this.letGo(node, { state: 'failed' });
        slot.node = null;
        slot.state = 'failed';
        return null;
      case 'lost':
        slot.progress = outcome.reason;
        slot.state = 'failed';
        // Locked only after everything else had been handed back: left unlocked like those.
        if (node.held) await node.release();
        return null;
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
}
