/** The toy driver: each node is a machine of the toy cloud. */
import type { Resources } from '../../../src/base/resources.ts';
import type { PoolLabelConfig } from '../../../src/config/model.ts';
import { AdapterDefaults } from '../../../src/driver-kit/adapter-defaults.ts';
import {
  type Adapter,
  type AdapterContext,
  type CloudResource,
  type CreateStep,
  type DeleteStep,
  type ExternalId,
  idText,
  type Instance,
  type LaunchSpec,
  type ListedInstance,
  type QuotaLimits,
} from '../../../src/driver-kit/contract.ts';
import { ProviderError } from '../../../src/driver-kit/errors.ts';
import { cloudAt, isActive, type ToyCloud, type ToyMachine } from './cloud.ts';
import type { ToyLabelSettings, ToySettings } from './config.ts';

type ToyContext = AdapterContext<ToySettings, null, ToyLabelSettings>;
type ToyLabel = PoolLabelConfig<ToyLabelSettings>;
type ToySpec = LaunchSpec<ToyLabelSettings>;

/** Of a creation: a machine that may have been asked for already, or one that is there. Of a deletion: its id. */
type State = { readonly token: string } | { readonly id: string };

const resourcesOf = (memory: number): Resources => ({ instances: 1, ram: memory });

export class ToyAdapter extends AdapterDefaults implements Adapter<State, ToyLabelSettings> {
  /** The cloud finds the machine of a token again. */
  readonly createIsIdempotent = true;
  private readonly context: ToyContext;
  private readonly cloud: ToyCloud;

  constructor(context: ToyContext) {
    super();
    this.context = context;
    this.cloud = cloudAt(context.provider.settings.address);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  beginCreate(spec: ToySpec): State {
    return { token: `${this.context.provider.name}/${spec.nodeId}/${spec.attempt}` };
  }

  async advanceCreate(state: State, spec: ToySpec): Promise<CreateStep<State>> {
    const machine = 'token' in state ? this.create(state.token, spec) : this.cloud.machines.get(state.id);
    if (!machine) throw new ProviderError('status', 'the machine has gone while it started');
    if (isActive(machine, this.context.runtime)) return { done: true, instance: this.instance(machine, spec) };
    const wait = { kind: 'delay', ms: 10, what: `machine ${machine.id} to be active` } as const;
    return { done: false, state: { id: machine.id }, externalId: machine.id, wait };
  }

  beginDelete(externalId: ExternalId): State {
    return { id: idText(externalId) };
  }

  advanceDelete(state: State): Promise<DeleteStep<State>> {
    if ('id' in state) this.cloud.machines.delete(state.id);
    return Promise.resolve({ done: true });
  }

  listInstances(): Promise<readonly ListedInstance[]> {
    const all = [...this.cloud.machines.values()].map(
      (machine): ListedInstance => ({
        externalId: machine.id,
        metadata: machine.tags,
        resources: resourcesOf(machine.memory),
        native: machine,
      }),
    );
    return Promise.resolve(all);
  }

  listResources(): Promise<readonly CloudResource[]> {
    const all = [...this.cloud.machines.values()];
    return Promise.resolve(all.map(({ id, tags }) => ({ type: 'instance', id, metadata: tags })));
  }

  deleteResource({ id }: CloudResource): Promise<void> {
    this.cloud.machines.delete(id);
    return Promise.resolve();
  }

  override quotaLimits(): Promise<QuotaLimits> {
    const { mostMachines } = this.cloud;
    return Promise.resolve(Number.isFinite(mostMachines) ? { instances: mostMachines } : {});
  }

  quotaForLabel(label: ToyLabel): Promise<Resources> {
    return Promise.resolve(resourcesOf(label.settings.memory));
  }

  private create(token: string, spec: ToySpec): ToyMachine {
    const activeAtMs = this.context.runtime.nowMs() + this.context.provider.settings.bootMs;
    return this.cloud.create({ token, tags: { ...spec.metadata }, memory: spec.label.settings.memory, activeAtMs });
  }

  private instance(machine: ToyMachine, spec: ToySpec): Instance {
    return {
      externalId: machine.id,
      interfaceIp: '192.0.2.1',
      metadata: { ...spec.metadata },
      resources: resourcesOf(machine.memory),
    };
  }
}
