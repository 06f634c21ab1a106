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

export interface SlotFillerOptions {
  readonly requestId: string;
  readonly request: () => RequestRecord;
  readonly pool: ServedPool;
  readonly slots: readonly Slot[];
  readonly operations: Operations;
  readonly context: LaunchContext;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** The request's, while it is served. */
  readonly span: () => Span;
  readonly signal: AbortSignal;
  /** The request's znode has vanished: nothing is begun for it any more. */
  readonly isGone: () => boolean;
  /** There was no room for a launch after all: the slot is open again. */
  readonly onRefused: (waiting: Waiting) => void;
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
  private readonly o: SlotFillerOptions;
  private boundZone: string | null | undefined;

  constructor(options: SlotFillerOptions) {
    this.o = options;
  }

  /** Zone of the request's nodes; undefined: free to choose. */
  get zone(): string | null | undefined {
    return this.o.slots.some((slot) => slot.bound) ? this.boundZone : undefined;
  }

  /** A node of the request is in that zone, or will be. */
  bind(slot: Slot, zone: string | null): void {
    if (this.zone === undefined) this.boundZone = zone;
    slot.bound = true;
  }

  async take(slot: Slot, nodeId: string): Promise<void> {
    const { context, pool, operations, signal } = this.o;
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
    const { tenantName, requestor } = this.o.request();
    slot.node = taken.node;
    slot.fields = { allocatedTo: this.o.requestId, tenantName, requestor };
    slot.state = 'done';
    slot.progress = 'taken from stock';
  }

  async launch(slot: Slot, entry: NodeEntry): Promise<void> {
    // A pool that leaves the configuration meanwhile keeps its provider, which must not stop before it is used.
    const release = this.o.pool.provider.hold();
    try {
      await this.begin(slot, entry);
    } finally {
      release();
    }
  }

  private async begin(slot: Slot, entry: NodeEntry): Promise<void> {
    const { context, pool, operations } = this.o;
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
      return;
    }
    killPoint('after-building');
    const waiting = await context.overcommitted(pool, building.node, this.o.signal);
    if (waiting) return this.refused(slot, building.node, waiting);
    await this.runLaunch({ slot, node: building.node, provider, label, image, resume: null });
  }

  async takeBack(slot: Slot, nodeId: string): Promise<void> {
    const release = this.o.pool.provider.hold();
    try {
      await this.goOn(slot, nodeId);
    } finally {
      release();
    }
  }

  private async goOn(slot: Slot, nodeId: string): Promise<void> {
    const { context, pool, operations, log, requestId } = this.o;
    const { provider } = pool;
    const label = pool.labelConfig(slot.label);
    const locked = await operations.lockNode(nodeId, {
      expect: (node) => node.allocatedTo === requestId && (node.state === 'ready' || resumableLaunch(node) !== null),
    });
    const launch = locked.ok ? resumableLaunch(locked.node.node) : null;
    if (!locked.ok || (launch && !label)) {
      if (locked.ok) await locked.node.release();
      this.reopen(slot);
      return;
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

  /** Open again, as if it had never had a node. */
  reset(slot: Slot): void {
    slot.node = null;
    slot.fields = {};
    slot.unwritten = true;
    slot.progress = '';
    this.reopen(slot);
  }

  /** Unlocked, with what there is still to be said about it. */
  async letGo(node: HeldNode, fields: NodeFields): Promise<void> {
    if (!node.held) return;
    await node.write(fields);
    await node.release();
  }

  private async refused(slot: Slot, node: HeldNode, waiting: Waiting): Promise<void> {
    slot.progress = waiting.reason;
    await this.letGo(node, { state: 'aborted' });
    slot.node = null;
    this.reopen(slot);
    this.o.onRefused(waiting);
  }

  private reopen(slot: Slot): void {
    const { context, pool, request } = this.o;
    slot.bound = false;
    slot.releaseHolds();
    slot.state = this.o.isGone() ? 'failed' : 'open';
    if (slot.state === 'open') slot.tenantHold = context.holdForTenant(pool, request(), [slot.label])[0] ?? null;
  }

  /** That of the request's other nodes, or of its last attempt unless that was refused for want of capacity. */
  private zoneFor(slot: Slot, label: PoolLabelConfig): string | null {
    const zone = this.zone === undefined ? this.o.context.chooseZone(this.o.pool, label) : (this.boundZone ?? null);
    this.bind(slot, zone);
    return zone;
  }

  private async runLaunch({ slot, node, provider, label, image, resume }: Begun): Promise<void> {
    const { context, pool, request } = this.o;
    slot.node = node;
    context.traces.remember(node.id, this.o.span());
    const outcome = await launchNode({
      node,
      resume,
      provider,
      pool: pool.config,
      label,
      imageExternalId: image?.externalId ?? null,
      request: context.requestView(request()),
      zone: () => this.zoneFor(slot, label),
      onAttempt: (end) => {
        if (end.result === 'capacity') slot.bound = false;
        return context.attempted(pool, label, request(), end);
      },
      runtime: this.o.runtime,
      log: this.o.log,
      span: this.o.span(),
      signal: this.o.signal,
      onProgress: (text) => {
        slot.progress = text;
      },
    });
    switch (outcome.kind) {
      case 'launched':
        slot.fields = { state: 'ready', ...outcome.fields, ...(resume ? { launcher: pool.id } : {}) };
        slot.progress = 'ready';
        if (!this.o.isGone() && !this.isLast(slot)) await this.writeReady(slot, node);
        slot.state = 'done';
        return;
      case 'aborted':
        return this.refused(slot, node, { kind: 'refused', resource: '', scope: 'provider', reason: outcome.reason });
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
    return this.o.slots.every((other) => other === slot || other.state === 'done');
  }
}
