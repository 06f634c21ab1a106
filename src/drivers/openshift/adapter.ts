/** The openshift driver: each node is a project, empty or with a pod in it. */
import { ProviderError } from '../../driver-kit/errors.ts';
import { onAbort } from '../../base/signals.ts';
import { hasStatus } from '../kubernetes-family/api-error.ts';
import type { KubeApi } from '../kubernetes-family/api.ts';
import type { ObjectPlace } from '../kubernetes-family/cluster-adapter.ts';
import { accountManifest, tokenSecretManifest, workerName } from '../kubernetes-family/manifests.ts';
import { descriptionOf, type NodeMark, ownMetadata } from '../kubernetes-family/metadata.ts';
import type { ObjectWatch } from '../kubernetes-family/object-watch.ts';
import { fields, items, type KubeObject, text } from '../kubernetes-family/objects.ts';
import type { LabelKind } from '../kubernetes-family/config.ts';
import { SpaceAdapter, type WorkerToken } from '../kubernetes-family/space-adapter.ts';

const projects = '/apis/project.openshift.io/v1/projects';
const projectRequests = '/apis/project.openshift.io/v1/projectrequests';

export class OpenShiftAdapter extends SpaceAdapter {
  /** Whoever asks for projects sees no more than these, so each is watched for itself while its pod starts. */
  private readonly podWatches = new Map<string, ObjectWatch>();
  /** As the cluster knows the launcher; null: it does not say. */
  private user: string | null = null;

  override async stop(): Promise<void> {
    this.podWatches.clear();
    await super.stop();
  }

  protected async connect(api: KubeApi, signal: AbortSignal): Promise<void> {
    try {
      await api.list(projects, '', signal);
    } catch (error) {
      if (hasStatus(error, 404)) throw new ProviderError('unknown', 'the cluster has no projects: it is no OpenShift');
      this.mayList(error, 'Projects');
    }
    this.user = await userName(api, signal);
  }

  /** Projects take no labels from a request, so the selector is no help. */
  protected async listOwn(signal: AbortSignal) {
    const { items: all } = await this.api.list(projects, '', signal);
    return all
      .filter((object) => !object.terminating && this.isOurs(object))
      .map((object) => ({ id: object.name, object }));
  }

  /**
   * By the description, which a job may have changed, and which projects that the Python launcher has made do not have: then by
   * the name, if the cluster says that it was the launcher's account that asked for it.
   */
  protected override marksOf(object: KubeObject): Readonly<Record<string, string>> {
    const marks = ownMetadata(object);
    if (marks['nodepool_provider_name'] !== undefined) return marks;
    if (this.user === null || object.annotations['openshift.io/requester'] !== this.user) return marks;
    const { name, pools } = this.context.provider;
    const [, pool, nodeId] = /^(.+)-(\d{10})(?:-\d+)?$/.exec(object.name) ?? [];
    if (pool === undefined || nodeId === undefined || !pools.has(pool)) return marks;
    return { nodepool_provider_name: name, nodepool_pool_name: pool, nodepool_node_id: nodeId };
  }

  protected spacePlace(name: string): ObjectPlace {
    return { path: `${projects}/${name}`, name, namespace: null, watch: null };
  }

  protected podPlace(space: string, label: string, signal: AbortSignal): ObjectPlace {
    let watch = this.podWatches.get(space);
    if (!watch) {
      watch = this.addWatch(this.api, `/api/v1/namespaces/${space}/pods`, `pods of ${space}`);
      this.podWatches.set(space, watch);
      watch.start();
      onAbort(signal, () => this.podRuns(space));
    }
    return { path: `/api/v1/namespaces/${space}/pods/${label}`, name: label, namespace: space, watch };
  }

  protected podRuns(space: string): void {
    const watch = this.podWatches.get(space);
    if (!watch) return;
    this.podWatches.delete(space);
    this.dropWatch(watch);
  }

  protected createSpace(name: string, mark: NodeMark, signal: AbortSignal): Promise<KubeObject> {
    const metadata = { name, labels: mark.labels };
    const request = { apiVersion: 'project.openshift.io/v1', kind: 'ProjectRequest', metadata };
    return this.api.create(projectRequests, { ...request, description: descriptionOf(mark) }, signal);
  }

  protected async createAccount(name: string, _kind: LabelKind, signal: AbortSignal): Promise<void> {
    const core = `/api/v1/namespaces/${name}`;
    await Promise.all([
      // Newer versions list no token with an account: it needs a secret of its own.
      this.ensure(`${core}/serviceaccounts`, accountManifest(), signal).then(() =>
        this.ensure(`${core}/secrets`, tokenSecretManifest(), signal).catch((error: unknown) => {
          if (!hasStatus(error, 403)) throw error;
        }),
      ),
      this.ensure(`/apis/authorization.openshift.io/v1/namespaces/${name}/rolebindings`, bindingManifest(name), signal),
    ]);
  }

  protected async workerToken(name: string, signal: AbortSignal): Promise<WorkerToken | null> {
    const secrets = `/api/v1/namespaces/${name}/secrets`;
    try {
      const own = await this.tokenIn(`${secrets}/${workerName}`, signal);
      if (own) return own;
    } catch (error) {
      if (!hasStatus(error, 403, 404)) throw error;
    }
    const account = await this.api.get(`/api/v1/namespaces/${name}/serviceaccounts/${workerName}`, signal);
    for (const listed of items(account.body['secrets'])) {
      const token = await this.tokenIn(`${secrets}/${text(fields(listed)['name'])}`, signal);
      if (token) return token;
    }
    return null;
  }

  protected connectionNames(): Readonly<Record<string, string>> {
    return {};
  }

  /** While a project ends, those who had rights in it are told 403, and it is in no list of theirs. */
  protected async isGone(error: unknown, { name }: ObjectPlace, signal: AbortSignal): Promise<boolean> {
    if (!hasStatus(error, 403)) return hasStatus(error, 404);
    const { items: all } = await this.api.list(projects, '', signal);
    return all.every((object) => object.name !== name);
  }
}

async function userName(api: KubeApi, signal: AbortSignal): Promise<string | null> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  try {
    const { body } = await api.create('/apis/authentication.k8s.io/v1/selfsubjectreviews', review, signal);
    return text(fields(fields(body['status'])['userInfo'])['username']) || null;
  } catch (error) {
    if (hasStatus(error, 403, 404)) return null;
    throw error;
  }
}

function bindingManifest(project: string): object {
  return {
    apiVersion: 'authorization.openshift.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'admin-0' },
    roleRef: { name: 'admin' },
    subjects: [{ kind: 'ServiceAccount', name: workerName, namespace: project }],
    userNames: [`system:serviceaccount:${project}:${workerName}`],
  };
}
