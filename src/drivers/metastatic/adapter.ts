/**
 * Nodes in the slots of bigger nodes that other providers launch. Looks for a free slot on what it owns, oldest first, and
 * asks for another backing node where there is none; who owns what, and until when, is the business of BackingNodes.
 */
import type {
  Adapter,
  AdapterContext,
  BackingInstance,
  BackingNode,
  BackingNodes,
  BackingRequest,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  KeepRule,
  LaunchSpec,
  StepContext,
} from '../../driver-kit/contract.ts';
import { CloudlessAdapterDefaults } from '../../driver-kit/adapter-defaults.ts';
import { ProviderError } from '../../driver-kit/errors.ts';
import { idText } from '../../driver-kit/contract.ts';
import { onAbort } from '../../base/signals.ts';
import type { MetastaticLabelSettings } from './config.ts';

type MetastaticContext = AdapterContext<null, null, MetastaticLabelSettings>;
type MetastaticSpec = LaunchSpec<MetastaticLabelSettings>;

/** Of a creation: how often it has waited for a backing node. Of a deletion: the id of the node. */
type State = number | string;

/** More than that is no race any more. */
const mostTurns = 5;

type Allocation =
  | { readonly kind: 'slot'; readonly instance: Instance }
  | { readonly kind: 'wait'; readonly request: BackingRequest };

export class MetastaticAdapter extends CloudlessAdapterDefaults implements Adapter<State, MetastaticLabelSettings> {
  private readonly context: MetastaticContext;
  private readonly backing: BackingNodes;
  /** One allocation at a time: the next one shares what this one has asked for. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(context: MetastaticContext) {
    super();
    if (!context.backing)
      throw new ProviderError('permanent', 'the metastatic driver needs somebody to ask for backing nodes');
    this.context = context;
    this.backing = context.backing();
  }

  start(): Promise<void> {
    const labels = new Map<string, KeepRule>();
    for (const pool of this.context.provider.pools.values()) {
      for (const label of pool.labels.values()) if (!labels.has(label.name)) labels.set(label.name, label.settings);
    }
    this.backing.keep((label) => labels.get(label) ?? null);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  beginCreate(): State {
    return 0;
  }

  async advanceCreate(state: State, spec: MetastaticSpec, context: StepContext): Promise<CreateStep<State>> {
    await this.backing.settled(context.signal);
    const turns = Number(state);
    const mine = this.last.then(() => this.allocate(spec, context.signal));
    this.last = mine.catch(() => undefined);
    const found = await mine;
    if (found.kind === 'slot') return { done: true, instance: found.instance };
    if (turns >= mostTurns)
      throw new ProviderError('unknown', `${turns} backing nodes were gone or full before they could be used`);
    const { request } = found;
    const promise = request.ended.then((end) => {
      request.waiters.delete(spec.nodeId);
      if (end.kind === 'failed') throw new ProviderError('unknown', `no backing node could be had: ${end.reason}`);
    });
    // The machine may have ended before its request.
    promise.catch(() => undefined);
    return { done: false, state: turns + 1, wait: { kind: 'event', promise } };
  }

  private async allocate(spec: MetastaticSpec, signal: AbortSignal): Promise<Allocation> {
    const label = spec.label.settings;
    for (const node of this.backing.nodes()) {
      if (node.label !== spec.label.name || !this.takesMore(node, label)) continue;
      const claim = await this.backing.claim(node.id, spec.nodeId);
      if (claim) return { kind: 'slot', instance: this.instance(spec, node.id, claim.slot, claim.instance) };
    }
    signal.throwIfAborted();
    const request =
      this.backing.requests().find((r) => r.label === spec.label.name && r.waiters.size < r.slots) ??
      (await this.backing.request(label.backingLabel, spec.label.name, label.slots));
    request.waiters.add(spec.nodeId);
    onAbort(signal, () => request.waiters.delete(spec.nodeId));
    return { kind: 'wait', request };
  }

  private takesMore(node: BackingNode, { maxAgeMs }: MetastaticLabelSettings): boolean {
    if (node.failed || node.taken >= node.slots) return false;
    return maxAgeMs === null || this.context.runtime.nowMs() - node.launchedMs <= maxAgeMs;
  }

  private instance(
    spec: MetastaticSpec,
    backingNode: string,
    slot: number,
    { hostKeys, ...instance }: BackingInstance,
  ): Instance {
    return {
      ...instance,
      // Without keys of its own the framework scans the machine.
      ...(spec.label.hostKeyChecking || hostKeys === undefined ? {} : { hostKeys }),
      externalId: spec.nodeId,
      metadata: { ...spec.metadata },
      driverData: { metadata: { ...spec.metadata }, backing_node: backingNode, slot, node: spec.nodeId },
      slot,
      hostId: null,
      resources: { cores: 0, instances: 1, ram: 0 },
    };
  }

  beginDelete(externalId: ExternalId): State {
    return idText(externalId);
  }

  async advanceDelete(nodeId: State): Promise<DeleteStep<State>> {
    await this.backing.free(String(nodeId));
    return { done: true };
  }

  unreachable(externalId: ExternalId): Promise<void> {
    return this.backing.fail(idText(externalId));
  }

  quotaForLabel(): Promise<Record<string, number>> {
    return Promise.resolve({ cores: 0, instances: 1, ram: 0 });
  }
}
