/** The driver of a simulated cloud: creations and deletions in steps, waiting for listings, delays or events. */
import type {
  Adapter,
  CloudResource,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  LaunchSpec,
  ListedInstance,
  QuotaLimits,
  StepContext,
  Wait,
} from '../../src/driver-kit/contract.ts';
import type { PoolLabelConfig } from '../../src/config/model.ts';
import { asProviderError, ProviderError } from '../../src/driver-kit/errors.ts';
import type { Caller, InstanceState, SimulatedCloud } from './cloud.ts';

/** How the driver finds out what became of an instance. */
export type Watching = 'listing' | 'look';

type State = { readonly token: string } | { readonly id: string; readonly asked?: boolean };

export interface SimulatedAdapterDeps {
  readonly cloud: SimulatedCloud;
  readonly caller: Caller;
}

export interface SimulatedAdapterOptions {
  readonly providerName: string;
  readonly watching: Watching;
}

export class SimulatedAdapter implements Adapter<State> {
  readonly listingIntervalMs = 1000;
  readonly createIsIdempotent: boolean;
  private readonly deps: SimulatedAdapterDeps;
  private readonly options: SimulatedAdapterOptions;

  constructor(deps: SimulatedAdapterDeps, options: SimulatedAdapterOptions) {
    this.deps = deps;
    this.options = options;
    this.createIsIdempotent = deps.cloud.idempotent;
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.deps.cloud.limits(this.deps.caller, signal);
  }

  async stop(): Promise<void> {}

  beginCreate(spec: LaunchSpec): State {
    return { token: `${this.options.providerName}/${spec.nodeId}/${spec.attempt}` };
  }

  async advanceCreate(state: State, spec: LaunchSpec, context: StepContext): Promise<CreateStep<State>> {
    const { cloud, caller } = this.deps;
    if ('token' in state) {
      const { nodepool_node_id, nodepool_pool_name, nodepool_provider_name } = spec.metadata;
      const metadata = { nodepool_node_id, nodepool_pool_name, nodepool_provider_name };
      const resources = needOf(spec.label);
      const id = await cloud.create({ token: state.token, metadata, resources }, caller, context.signal);
      return { done: false, state: { id }, externalId: id, wait: this.wait() };
    }
    const seen = await this.see(state.id, context);
    switch (seen) {
      case 'active':
        return { done: true, instance: instanceOf(state.id, spec) };
      case 'error':
        throw new ProviderError('status', `instance ${state.id} is broken`, { externalId: state.id });
      case 'quota':
        throw new ProviderError('quota', `instance ${state.id} is over the quota`, { externalId: state.id });
      case null:
        if (this.options.watching === 'look') throw new ProviderError('status', `instance ${state.id} has gone`);
        return { done: false, state, externalId: state.id, wait: this.wait() };
      default:
        return { done: false, state, externalId: state.id, wait: this.wait() };
    }
  }

  beginDelete(externalId: ExternalId): State {
    return { id: typeof externalId === 'string' ? externalId : JSON.stringify(externalId) };
  }

  async advanceDelete(state: State, { signal }: StepContext): Promise<DeleteStep<State>> {
    if (!('id' in state)) return { done: true };
    const { cloud, caller } = this.deps;
    if (!state.asked) {
      await cloud.delete(state.id, caller, signal);
      return { done: false, state: { id: state.id, asked: true }, wait: { kind: 'delay', ms: 200 } };
    }
    if ((await cloud.look(state.id, caller, signal)) === null) return { done: true };
    return { done: false, state: { id: state.id }, wait: { kind: 'delay', ms: 1000 } };
  }

  async listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const listed = await this.deps.cloud.list(this.deps.caller, signal);
    return listed.map(({ instance, state }) => ({
      externalId: instance.id,
      metadata: instance.metadata,
      resources: instance.resources,
      native: state,
    }));
  }

  async listResources(signal: AbortSignal): Promise<readonly CloudResource[]> {
    const listed = await this.deps.cloud.list(this.deps.caller, signal);
    return listed.map(({ instance }) => ({ type: 'instance', id: instance.id, metadata: instance.metadata }));
  }

  async deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void> {
    await this.deps.cloud.delete(resource.id, this.deps.caller, signal).catch((error: unknown) => {
      if (asProviderError(error).code !== 'not-found') throw error;
    });
  }

  quotaLimits(signal: AbortSignal): Promise<QuotaLimits> {
    return this.deps.cloud.limits(this.deps.caller, signal);
  }

  async quotaForLabel(label: PoolLabelConfig): Promise<Record<string, number>> {
    return needOf(label);
  }

  async availabilityZones(): Promise<readonly (string | null)[]> {
    return ['az1', 'az2'];
  }

  async labelReady(): Promise<boolean> {
    return true;
  }

  private wait(): Wait {
    return this.options.watching === 'listing' ? { kind: 'listing' } : { kind: 'delay', ms: 500 };
  }

  private async see(id: string, context: StepContext): Promise<InstanceState | null> {
    if (this.options.watching === 'look') return this.deps.cloud.look(id, this.deps.caller, context.signal);
    return (context.listing().get(id)?.native as InstanceState | undefined) ?? null;
  }
}

/** What a node of the label takes. */
export function needOf(label: PoolLabelConfig): Record<string, number> {
  return label.settings as Record<string, number>;
}

function instanceOf(externalId: string, spec: LaunchSpec): Instance {
  return {
    externalId,
    interfaceIp: '192.0.2.7',
    publicIpv4: '192.0.2.7',
    cloud: 'simulated',
    availabilityZone: spec.availabilityZone,
    metadata: { ...spec.metadata },
    resources: needOf(spec.label),
    hostKeys: [],
    nodeProperties: {},
  };
}
