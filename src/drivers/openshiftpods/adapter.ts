/** The openshiftpods driver: each node is a pod in a project that is there already, one for each pool and named as it. */
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
import { hasStatus } from '../kubernetes-family/api-error.ts';
import type { KubeApi } from '../kubernetes-family/api.ts';
import { ClusterAdapter, type DeleteState, type ObjectPlace } from '../kubernetes-family/cluster-adapter.ts';
import { podManifest, workerName } from '../kubernetes-family/manifests.ts';
import { nodeMark } from '../kubernetes-family/metadata.ts';
import { attemptName, podPlaces } from '../kubernetes-family/attempt-names.ts';
import type { FamilyLabelSettings, FamilySpec } from '../kubernetes-family/config.ts';
import type { ObjectWatch } from '../kubernetes-family/object-watch.ts';
import type { KubeObject } from '../kubernetes-family/objects.ts';

type CreateState = {
  readonly step: 'name' | 'create' | 'pod';
  readonly pod: string;
  /** Written on the pod. */
  readonly launch: string;
  /** When the step began, in milliseconds since the epoch. */
  readonly sinceMs: number;
};

/** `project`: '' as long as it is not known where the pod is. */
type PodDeleteState = DeleteState & { readonly project: string; readonly pod: string };

type State = CreateState | PodDeleteState;

const podsOf = (project: string): string => `/api/v1/namespaces/${project}/pods`;

export class OpenShiftPodsAdapter extends ClusterAdapter implements Adapter<State, FamilyLabelSettings> {
  private readonly podWatches = new Map<string, ObjectWatch>();

  protected async connect(api: KubeApi, signal: AbortSignal): Promise<void> {
    if ((await api.access.token()) === null) {
      throw new ProviderError('unknown', 'the context has no token: this driver hands its own one to the jobs');
    }
    for (const project of this.pools) {
      await api
        .list(podsOf(project), this.ownSelector, signal)
        .catch((error: unknown) => this.mayList(error, `Pods of ${project}`));
      this.podWatches.set(project, this.addWatch(api, podsOf(project), `pods of ${project}`));
    }
  }

  beginCreate(spec: FamilySpec): State {
    const { runtime } = this.context;
    const pod = attemptName(spec.label.name, spec.nodeId, spec.attempt);
    return { step: 'name', pod, launch: runtime.randomHex(16), sinceMs: runtime.nowMs() };
  }

  async advanceCreate(state: State, spec: FamilySpec, { signal, log }: StepContext): Promise<CreateStep<State>> {
    if (!('step' in state)) throw new Error('this is the state of a deletion');
    const place = this.place(spec.poolName, state.pod);
    const externalId = `${spec.poolName}-${state.pod}`;
    const sinceMs = this.context.runtime.nowMs();
    switch (state.step) {
      case 'name':
        // Stored before anything is made: whatever happens, it is known what to delete.
        return { done: false, state: { ...state, step: 'create', sinceMs }, externalId, wait: { kind: 'turn' } };
      case 'create': {
        const settings = spec.label.settings;
        const mark = nodeMark(spec, settings, state.launch, log);
        const manifest = podManifest(state.pod, spec.label.name, mark, settings);
        const made = await this.makeOnce(place, state.launch, signal, () =>
          this.api.create(podsOf(spec.poolName), manifest, signal),
        );
        const wait = this.podNews(place, made, 0, signal);
        return { done: false, state: { ...state, step: 'pod', sinceMs }, externalId, wait };
      }
      case 'pod': {
        const end = await this.awaitPod(place, state.sinceMs, signal);
        if ('wait' in end) return { done: false, state, wait: end.wait };
        return { done: true, instance: await this.instance(state, spec, end.machine) };
      }
    }
  }

  beginDelete(externalId: ExternalId): State {
    return { id: idText(externalId), uid: null, looks: 0, project: '', pod: '' };
  }

  async advanceDelete(state: State, context: StepContext): Promise<DeleteStep<State>> {
    if ('step' in state) throw new Error('this is the state of a creation');
    const found = state.project ? { ...state, object: null } : await this.locate(state.id, context.signal);
    if (!found) return { done: true };
    const { project, pod, object } = found;
    const step = await this.advanceDeleteOf(this.place(project, pod), state, context, object);
    return step.done ? step : { ...step, state: { ...step.state, project, pod } };
  }

  async deleteResource({ id }: CloudResource, signal: AbortSignal): Promise<void> {
    const found = await this.locate(id, signal);
    if (found) await this.deleteLeaked(this.place(found.project, found.pod), signal);
  }

  protected async listOwn(signal: AbortSignal) {
    const lists = await Promise.all(
      this.pools.map(async (project) => {
        const items = await this.listProject(project, signal);
        return items
          .filter(({ terminating }) => !terminating)
          .map((object) => ({ id: `${project}-${object.name}`, object }));
      }),
    );
    return lists.flat();
  }

  protected isGone(error: unknown): Promise<boolean> {
    return Promise.resolve(hasStatus(error, 404));
  }

  /** A project whose pods may not be listed hides those of no other. */
  private async listProject(project: string, signal: AbortSignal): Promise<readonly KubeObject[]> {
    try {
      return (await this.api.list(podsOf(project), this.ownSelector, signal)).items;
    } catch (error) {
      if (hasStatus(error, 403)) return [];
      throw error;
    }
  }

  private get pools(): string[] {
    return [...this.context.provider.pools.keys()];
  }

  private place(project: string, pod: string): ObjectPlace {
    return {
      path: `${podsOf(project)}/${pod}`,
      name: pod,
      namespace: project,
      watch: this.podWatches.get(project) ?? null,
    };
  }

  /** Where the pod is; null: nowhere. The project may have left the configuration. */
  private async locate(externalId: string, signal: AbortSignal) {
    for (const { project, pod } of podPlaces(externalId, this.pools)) {
      try {
        const object = await this.look(this.place(project, pod), signal);
        if (this.isOurs(object)) return { project, pod, object };
      } catch (error) {
        const ours = this.pools.includes(project);
        if (!hasStatus(error, 404) && (ours || !hasStatus(error, 403))) throw error;
      }
    }
    return null;
  }

  private async instance({ pod }: CreateState, spec: FamilySpec, machine: string | null): Promise<Instance> {
    const { access } = this.api;
    return {
      externalId: `${spec.poolName}-${pod}`,
      interfaceIp: pod,
      metadata: { ...spec.metadata },
      cloud: this.settings.context,
      hostId: machine,
      connectionPort: {
        namespace: spec.poolName,
        host: access.server,
        skiptls: access.skipsTls,
        ca_crt: access.certificateAuthority(),
        // Read now: it may have been renewed since the last node.
        token: await access.token(),
        user: workerName,
        pod,
      },
      resources: spec.label.settings.resources,
    };
  }
}
