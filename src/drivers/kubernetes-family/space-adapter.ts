/** Nodes that are spaces of their own in a cluster, namespace or project, with an account for the job and perhaps a pod. */
import type {
  Adapter,
  CloudResource,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  StepContext,
} from '../../driver-kit/contract.ts';
import { ProviderError } from '../../driver-kit/errors.ts';
import { idText } from '../../driver-kit/contract.ts';
import { ApiError, hasStatus } from './api-error.ts';
import { ClusterAdapter, type DeleteState, type ObjectPlace } from './cluster-adapter.ts';
import { podManifest, workerName } from './manifests.ts';
import { type NodeMark, nodeMark } from './metadata.ts';
import { attemptName } from './attempt-names.ts';
import { fields, type KubeObject, text } from './objects.ts';
import type { FamilyLabelSettings, FamilySpec, LabelKind } from './config.ts';

/** Steps, in this order; `container` and `pod` only where there is one. */
type CreateState = {
  readonly step: 'name' | 'space' | 'account' | 'container' | 'pod' | 'token';
  readonly name: string;
  /** Written on the space. */
  readonly launch: string;
  /** When the step began, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Where the pod runs. */
  readonly machine: string | null;
};

type State = CreateState | DeleteState;

export interface WorkerToken {
  readonly token: string;
  /** PEM in base64. */
  readonly caCrt: string;
}

const tokenLimitMs = 30_000;
/** Rights and the default account of a new space come a moment after it. */
const settlingMs = 5000;
const settlingPauseMs = 200;

export abstract class SpaceAdapter extends ClusterAdapter implements Adapter<State, FamilyLabelSettings> {
  beginCreate(spec: FamilySpec): State {
    const name = attemptName(spec.poolName, spec.nodeId, spec.attempt);
    const { runtime } = this.context;
    return { step: 'name', name, launch: runtime.randomHex(16), sinceMs: runtime.nowMs(), machine: null };
  }

  async advanceCreate(state: State, spec: FamilySpec, context: StepContext): Promise<CreateStep<State>> {
    if (!('step' in state)) throw new Error('this is the state of a deletion');
    const { signal } = context;
    const kind = spec.label.settings.kind;
    switch (state.step) {
      case 'name':
        // Stored before anything is made: whatever happens, it is known what to delete.
        return this.next(state, 'space');
      case 'space': {
        const mark = nodeMark(spec, spec.label.settings, state.launch, context.log);
        const place = this.spacePlace(state.name);
        await this.makeOnce(place, state.launch, signal, () => this.createSpace(state.name, mark, signal));
        return this.next(state, 'account');
      }
      case 'account': {
        const furnished = await this.settled(state, () =>
          this.createAccount(state.name, kind, signal).then(() => true),
        );
        return furnished === null ? this.again(state) : this.next(state, kind === 'pod' ? 'container' : 'token');
      }
      case 'container': {
        const place = this.podPlace(state.name, spec.label.name, signal);
        const pod = await this.settled(state, () => this.createPod(place, state, spec, context));
        if (pod === null) return this.again(state);
        const wait = this.podNews(place, pod, 0, signal);
        return { done: false, state: { ...state, step: 'pod', sinceMs: this.context.runtime.nowMs() }, wait };
      }
      case 'pod': {
        const end = await this.awaitPod(this.podPlace(state.name, spec.label.name, signal), state.sinceMs, signal);
        if ('wait' in end) return { done: false, state, wait: end.wait };
        this.podRuns(state.name);
        return this.next({ ...state, machine: end.machine }, 'token');
      }
      case 'token': {
        const worker = await this.workerToken(state.name, signal);
        if (worker) return { done: true, instance: this.instance(state, spec, worker) };
        const waitedMs = this.context.runtime.nowMs() - state.sinceMs;
        if (waitedMs > tokenLimitMs) {
          throw new ProviderError(
            'timeout',
            `no token for account ${workerName} in ${state.name} after ${tokenLimitMs / 1000} s`,
          );
        }
        const ms = Math.min(1000, Math.max(20, waitedMs));
        return { done: false, state, wait: { kind: 'delay', ms, what: `the token of account ${workerName}` } };
      }
    }
  }

  beginDelete(externalId: ExternalId): State {
    return { id: idText(externalId), uid: null, looks: 0 };
  }

  async advanceDelete(state: State, context: StepContext): Promise<DeleteStep<State>> {
    if ('step' in state) throw new Error('this is the state of a creation');
    this.podRuns(state.id);
    return this.advanceDeleteOf(this.spacePlace(state.id), state, context);
  }

  deleteResource({ id }: CloudResource, signal: AbortSignal): Promise<void> {
    return this.deleteLeaked(this.spacePlace(id), signal);
  }

  protected abstract spacePlace(name: string): ObjectPlace;
  protected abstract createSpace(name: string, mark: NodeMark, signal: AbortSignal): Promise<KubeObject>;
  /** Everything that the job's account needs, besides the pod; may be called again. */
  protected abstract createAccount(name: string, kind: LabelKind, signal: AbortSignal): Promise<void>;
  /** null: not yet. */
  protected abstract workerToken(name: string, signal: AbortSignal): Promise<WorkerToken | null>;
  protected abstract podPlace(space: string, label: string, signal: AbortSignal): ObjectPlace;
  /** Nothing is awaited in this space any more. */
  protected abstract podRuns(space: string): void;
  /** Members of the connection document that are not alike for all. */
  protected abstract connectionNames(space: string, kind: LabelKind): Readonly<Record<string, string>>;

  /** What is there already was made by an earlier try. */
  protected async ensure(path: string, body: object, signal: AbortSignal): Promise<void> {
    try {
      await this.api.create(path, body, signal);
    } catch (error) {
      if (!hasStatus(error, 409)) throw error;
    }
  }

  protected async tokenIn(secretPath: string, signal: AbortSignal): Promise<WorkerToken | null> {
    const secret = await this.api.get(secretPath, signal).catch((error: unknown) => {
      if (hasStatus(error, 404)) return null;
      throw error;
    });
    const data = fields(secret?.body['data']);
    const token = Buffer.from(text(data['token']), 'base64').toString('utf8');
    const caCrt = text(data['ca.crt']);
    return token && caCrt ? { token, caCrt } : null;
  }

  private next(state: CreateState, step: CreateState['step']): CreateStep<State> {
    const sinceMs = this.context.runtime.nowMs();
    return { done: false, state: { ...state, step, sinceMs }, externalId: state.name, wait: { kind: 'turn' } };
  }

  private async createPod(place: ObjectPlace, { launch }: CreateState, spec: FamilySpec, { signal, log }: StepContext) {
    const settings = spec.label.settings;
    const mark = nodeMark(spec, settings, launch, log);
    const manifest = podManifest(place.name, spec.label.name, mark, settings);
    try {
      return await this.api.create(place.path.slice(0, place.path.lastIndexOf('/')), manifest, signal);
    } catch (error) {
      // The space is ours, so is what is in it: an earlier try made it.
      if (hasStatus(error, 409)) return this.api.get(place.path, signal);
      throw error;
    }
  }

  /** null: to be repeated in a moment, the space is not complete yet. */
  private async settled<T>({ sinceMs }: CreateState, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      const early = this.context.runtime.nowMs() - sinceMs < settlingMs;
      if (early && error instanceof ApiError && error.code !== 'quota' && hasStatus(error, 403, 404)) return null;
      throw error;
    }
  }

  private again(state: CreateState): CreateStep<State> {
    const what = `${state.name} to be usable`;
    return { done: false, state, wait: { kind: 'delay', ms: settlingPauseMs, what } };
  }

  private instance({ name, machine }: CreateState, spec: FamilySpec, { token, caCrt }: WorkerToken): Instance {
    const { kind, resources } = spec.label.settings;
    const { access } = this.api;
    return {
      externalId: name,
      interfaceIp: kind === 'pod' ? spec.label.name : null,
      metadata: { ...spec.metadata },
      cloud: this.settings.context,
      hostId: machine,
      connectionPort: {
        ...this.connectionNames(name, kind),
        namespace: name,
        host: access.server,
        skiptls: access.skipsTls,
        ...(access.skipsTls ? {} : { ca_crt: caCrt }),
        token,
        user: workerName,
        ...(kind === 'pod' ? { pod: spec.label.name } : {}),
      },
      resources,
    };
  }
}
