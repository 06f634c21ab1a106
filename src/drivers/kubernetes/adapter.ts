/** The kubernetes driver: each node is a namespace, empty or with a pod in it. */
import { hasStatus } from '../kubernetes-family/api-error.ts';
import type { KubeApi } from '../kubernetes-family/api.ts';
import type { ObjectPlace } from '../kubernetes-family/cluster-adapter.ts';
import {
  accountManifest,
  namespaceManifest,
  roleBindingManifest,
  roleManifest,
  tokenSecretManifest,
  workerName,
} from '../kubernetes-family/manifests.ts';
import type { NodeMark } from '../kubernetes-family/metadata.ts';
import type { ObjectWatch } from '../kubernetes-family/object-watch.ts';
import type { KubeObject } from '../kubernetes-family/objects.ts';
import type { LabelKind } from '../kubernetes-family/config.ts';
import { SpaceAdapter, type WorkerToken } from '../kubernetes-family/space-adapter.ts';

const namespaces = '/api/v1/namespaces';

export class KubernetesAdapter extends SpaceAdapter {
  private namespaceWatch: ObjectWatch | null = null;
  private podWatch: ObjectWatch | null = null;

  protected async connect(api: KubeApi, signal: AbortSignal): Promise<void> {
    await api.list(namespaces, this.ownSelector, signal).catch((error: unknown) => this.mayList(error, 'Namespaces'));
    this.namespaceWatch = this.addWatch(api, namespaces, 'namespaces');
    this.podWatch = this.addWatch(api, '/api/v1/pods', 'pods');
  }

  protected async listOwn(signal: AbortSignal) {
    const { items } = await this.api.list(namespaces, this.ownSelector, signal);
    return items.filter(({ terminating }) => !terminating).map((object) => ({ id: object.name, object }));
  }

  protected spacePlace(name: string): ObjectPlace {
    return { path: `${namespaces}/${name}`, name, namespace: null, watch: this.namespaceWatch };
  }

  protected podPlace(space: string, label: string): ObjectPlace {
    return { path: `${namespaces}/${space}/pods/${label}`, name: label, namespace: space, watch: this.podWatch };
  }

  protected podRuns(): void {}

  protected isGone(error: unknown): Promise<boolean> {
    return Promise.resolve(hasStatus(error, 404));
  }

  protected createSpace(name: string, mark: NodeMark, signal: AbortSignal): Promise<KubeObject> {
    return this.api.create(namespaces, namespaceManifest(name, mark), signal);
  }

  protected async createAccount(name: string, kind: LabelKind, signal: AbortSignal): Promise<void> {
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${name}`;
    await Promise.all([
      // A token secret without its account is removed by the cluster.
      this.ensure(`${namespaces}/${name}/serviceaccounts`, accountManifest(), signal).then(() =>
        this.ensure(`${namespaces}/${name}/secrets`, tokenSecretManifest(), signal),
      ),
      this.ensure(`${roles}/roles`, roleManifest(kind), signal).then(() =>
        this.ensure(`${roles}/rolebindings`, roleBindingManifest(kind, name), signal),
      ),
    ]);
  }

  protected workerToken(name: string, signal: AbortSignal): Promise<WorkerToken | null> {
    return this.tokenIn(`${namespaces}/${name}/secrets/${workerName}`, signal);
  }

  protected connectionNames(space: string): Readonly<Record<string, string>> {
    return { name: space };
  }
}
