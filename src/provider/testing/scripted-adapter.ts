/** An adapter whose every answer a test writes, for tests of the framework itself. */
import type { PoolLabelConfig } from '../../config/model.ts';
import type {
  Adapter,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  Json,
  LaunchSpec,
  ListedInstance,
  StepContext,
} from '../../driver-kit/contract.ts';

type Call<A extends unknown[], R> = (...args: A) => R | Promise<R>;

export class ScriptedAdapter implements Adapter {
  /** What was called, in order. */
  readonly calls: string[] = [];
  onStart: Call<[AbortSignal], void> = () => undefined;
  onStop: Call<[], void> = () => undefined;
  onCreate: Call<[Json, LaunchSpec, StepContext], CreateStep<Json>> = (_state, spec) => ({
    done: true,
    instance: instanceOf(`i-${spec.nodeId}`),
  });
  onDelete: Call<[Json, StepContext], DeleteStep<Json>> = () => ({ done: true });
  onList: Call<[AbortSignal], readonly ListedInstance[]> = () => [];
  onLimits: Call<[AbortSignal], Record<string, number>> = () => ({});
  onNeed: Call<[PoolLabelConfig], Record<string, number>> = () => ({ instances: 1 });
  onReady: Call<[PoolLabelConfig], boolean> = () => true;
  onZones: Call<[], readonly (string | null)[]> = () => [null];
  imageCheckMs = 300_000;

  start(signal: AbortSignal): Promise<void> {
    return this.call('start', () => this.onStart(signal));
  }
  stop(): Promise<void> {
    return this.call('stop', () => this.onStop());
  }
  beginCreate(): Json {
    return { step: 0 };
  }
  advanceCreate(state: Json, spec: LaunchSpec, context: StepContext): Promise<CreateStep<Json>> {
    return this.call(`create ${spec.nodeId}`, () => this.onCreate(state, spec, context));
  }
  beginDelete(externalId: ExternalId): Json {
    return { externalId };
  }
  advanceDelete(state: Json, context: StepContext): Promise<DeleteStep<Json>> {
    return this.call('delete', () => this.onDelete(state, context));
  }
  listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    return this.call('list', () => this.onList(signal));
  }
  listResources(): Promise<readonly []> {
    return Promise.resolve([]);
  }
  deleteResource(): Promise<void> {
    return Promise.resolve();
  }
  quotaLimits(signal: AbortSignal): Promise<Record<string, number>> {
    return this.call('limits', () => this.onLimits(signal));
  }
  quotaForLabel(label: PoolLabelConfig): Promise<Record<string, number>> {
    return this.call(`need ${label.name}`, () => this.onNeed(label));
  }
  availabilityZones(): Promise<readonly (string | null)[]> {
    return this.call('zones', () => this.onZones());
  }
  labelReady(label: PoolLabelConfig): Promise<boolean> {
    return this.call(`ready ${label.name}`, () => this.onReady(label));
  }

  count(call: string): number {
    return this.calls.filter((c) => c === call).length;
  }

  private async call<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    this.calls.push(what);
    return work();
  }
}

export function instanceOf(externalId: string): Instance {
  return { externalId, interfaceIp: '192.0.2.1', metadata: {}, resources: { instances: 1 } };
}
