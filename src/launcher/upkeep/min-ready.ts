/**
 * Keeps `min-ready` nodes of each label in stock by requests of its own (priority 900, no reuse). Counts everybody's
 * outstanding min-ready requests, so that several launchers do not make too many; a label whose requests fail is tried
 * again with back-off.
 */
import type { LabelConfig } from '../../config/model.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Operations } from '../../store/transactions/operations.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { RequestEntry } from '../../store/mirrors/views.ts';
import { KeyedQueue } from '../../reconcile/keyed-queue.ts';
import { minReadyRequestor } from '../../scheduling/plan.ts';

/** Of a label whose requests fail. */
const retryPauses = { firstMs: 1000, mostMs: 60_000 } as const;
/** Nobody tells when a label can be had again, after a lost session for instance. */
const unavailableRetryMs = 5000;

export interface MinReadyDeps {
  readonly store: Store;
  readonly operations: Operations;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly labels: () => ReadonlyMap<string, LabelConfig>;
  /** Does a pool of this launcher serve the label, with its image there? */
  readonly available: (label: string) => boolean;
}

export class MinReadyReconciler {
  private readonly deps: MinReadyDeps;
  private readonly queue: KeyedQueue;
  /** Requests of this process, by id. */
  private readonly mine = new Map<string, string>();
  /** Labels of requests that may have been made, by event id: the answer has not come, or was lost. */
  private readonly asked = new Map<string, string>();
  /** Labels whose last request has failed: during the pause no other one is made, whatever happens. */
  private readonly failing = new Map<string, Backoff>();
  private readonly unfollow: (() => void)[];

  constructor(deps: MinReadyDeps) {
    this.deps = deps;
    this.queue = new KeyedQueue(
      {
        runtime: deps.runtime,
        log: deps.log,
        work: (label) => this.reconcile(label),
      },
      {
        name: 'min-ready',
        concurrency: 10,
      },
    );
    const { store } = deps;
    this.unfollow = [
      store.nodes.onChange((_id, before, after) => {
        for (const label of labelsOf(before)) this.wake(label);
        for (const label of labelsOf(after)) this.wake(label);
      }),
      store.requests.onChange((id, before, after) => {
        this.adopt(id, after);
        // Also those of other launchers: one that has gone with its launcher leaves its stock to be asked for.
        const label = this.mine.get(id) ?? stockLabelOf(before) ?? stockLabelOf(after);
        if (label !== undefined) this.queue.add(label);
      }),
      store.onSync(() => this.resync()),
    ];
  }

  resync(): void {
    for (const label of this.deps.labels().keys()) this.wake(label);
    for (const label of this.mine.values()) this.queue.add(label);
  }

  troubles(): Trouble[] {
    return this.queue.troubles();
  }

  async stop(): Promise<void> {
    for (const off of this.unfollow) off();
    await this.queue.stop();
    await Promise.allSettled([...this.mine.keys()].map((id) => this.deps.operations.deleteRequest(id)));
  }

  private wake(label: string): void {
    if ((this.deps.labels().get(label)?.minReady ?? 0) > 0) this.queue.add(label);
  }

  private async reconcile(label: string): Promise<number | undefined> {
    const { store, log } = this.deps;
    const wanted = this.deps.labels().get(label)?.minReady ?? 0;
    if (!store.synced) return undefined;
    // Also when nothing is to be kept in stock any more: what was asked for before would stay allocated.
    await this.collectEnded(label);
    if (wanted <= 0) return undefined;
    const pauseMs = this.failing.get(label)?.remainingMs ?? 0;
    if (pauseMs > 0) return pauseMs;
    const need = wanted - this.stock(label) - this.outstanding(label);
    if (need <= 0) return undefined;
    if (!this.deps.available(label)) return unavailableRetryMs;
    log.info({ label, minReady: wanted, need }, 'Asking for nodes to keep in stock');
    await Promise.all(Array.from({ length: need }, () => this.ask(label)));
    return undefined;
  }

  private async ask(label: string): Promise<void> {
    const eventId = this.deps.runtime.randomHex(32);
    this.asked.set(eventId, label);
    const entry = await this.deps.operations.createRequest(
      { nodeTypes: [label], reuse: false, requestor: minReadyRequestor, state: 'requested', eventId },
      '900',
      { ephemeral: true },
    );
    this.asked.delete(eventId);
    this.mine.set(entry.id, label);
  }

  /** A request whose answer was lost is ours all the same: nobody else would free its node. */
  private adopt(id: string, entry: RequestEntry | undefined): void {
    if (!entry || isBroken(entry.request)) return;
    const { requestor, eventId } = entry.request;
    const label = requestor === minReadyRequestor && eventId !== null ? this.asked.get(eventId) : undefined;
    if (label === undefined) return;
    this.asked.delete(eventId!);
    this.mine.set(id, label);
  }

  /** Frees the nodes of fulfilled requests of ours; failed ones delay the next. */
  private async collectEnded(label: string): Promise<void> {
    const { store, operations } = this.deps;
    let failed = false;
    for (const [id, its] of [...this.mine]) {
      if (its !== label) continue;
      const request = store.requests.get(id)?.request;
      if (!request || isBroken(request)) {
        this.mine.delete(id);
        continue;
      }
      if (request.state === 'fulfilled') {
        await operations.freeNodesOf(id, request.nodes);
        this.failing.delete(label);
        this.mine.delete(id);
      } else if (request.state === 'failed') {
        await operations.deleteRequest(id);
        this.mine.delete(id);
        failed = true;
      }
    }
    if (failed) this.noteFailure(label);
  }

  private noteFailure(label: string): void {
    const backoff = this.failing.get(label) ?? new Backoff({ runtime: this.deps.runtime, ...retryPauses });
    backoff.nextMs();
    this.failing.set(label, backoff);
  }

  private stock(label: string): number {
    let count = 0;
    for (const id of this.deps.store.nodes.byLabel(label)) {
      const entry = this.deps.store.nodes.get(id);
      const node = entry?.node;
      if (!node || isBroken(node) || node.state !== 'ready') continue;
      // A node whose request has vanished is about to be freed.
      const freed = node.allocatedTo !== null && !entry.locked && !this.deps.store.requests.get(node.allocatedTo);
      if (node.allocatedTo === null || freed) count++;
    }
    return count;
  }

  private outstanding(label: string): number {
    let count = 0;
    for (const state of ['requested', 'pending', 'fulfilled'] as const) {
      for (const id of this.deps.store.requests.byState(state)) {
        const request = this.deps.store.requests.get(id)?.request;
        if (!request || isBroken(request)) continue;
        if (request.requestor === minReadyRequestor && request.nodeTypes[0] === label) count++;
      }
    }
    return count;
  }
}

function stockLabelOf(entry: RequestEntry | undefined): string | undefined {
  if (!entry || isBroken(entry.request) || entry.request.requestor !== minReadyRequestor) return undefined;
  return entry.request.nodeTypes[0];
}

function labelsOf(entry: ReturnType<Store['nodes']['get']>): readonly string[] {
  return entry?.node && !isBroken(entry.node) ? entry.node.labels : [];
}
