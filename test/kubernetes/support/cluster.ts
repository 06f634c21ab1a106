/** The cluster of the test bed, seen by its administrator, and what a test needs of it. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  AuthenticationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  RbacAuthorizationV1Api,
  type V1Namespace,
  type V1Pod,
} from '@kubernetes/client-node';
import { ApiProxy } from './api-proxy.ts';

export type ContextName = 'admin' | 'kubernetes' | 'openshift' | 'openshiftpods';

export class TestCluster {
  readonly kubeconfig: string;
  /** With the keys of the cluster. */
  readonly pki: string;
  readonly server: string;
  readonly core: CoreV1Api;
  readonly rbac: RbacAuthorizationV1Api;
  private readonly authentication: AuthenticationV1Api;
  private readonly config = new KubeConfig();
  private adminToken: Promise<string> | null = null;

  constructor() {
    const { KUBECONFIG: file } = process.env;
    if (!file) throw new Error('KUBECONFIG names the cluster of test/partners/testbeds/kubernetes: start it with `up`');
    this.kubeconfig = file;
    this.pki = join(dirname(file), 'pki');
    this.config.loadFromFile(file);
    this.config.setCurrentContext('admin');
    this.server = this.config.getCurrentCluster()!.server;
    this.core = this.config.makeApiClient(CoreV1Api);
    this.authentication = this.config.makeApiClient(AuthenticationV1Api);
    this.rbac = this.config.makeApiClient(RbacAuthorizationV1Api);
  }

  proxy(): Promise<ApiProxy> {
    return ApiProxy.start(this.server, this.pki);
  }

  /** The bearer token of a context. */
  token(context: ContextName): string {
    this.config.setCurrentContext(context);
    const token = this.config.getCurrentUser()?.token ?? '';
    this.config.setCurrentContext('admin');
    return token;
  }

  /** A token with all rights; the kubeconfig's own administrator has a certificate, which no proxy can pass on. */
  async administrator(): Promise<string> {
    this.adminToken ??= this.makeAdministrator();
    return this.adminToken;
  }

  /** A client configuration with the same contexts, for another way to the server. */
  async configFor(server: string, adminToken: string): Promise<TemporaryFile> {
    const directory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
    const path = join(directory, 'config');
    const one = new KubeConfig();
    one.loadFromFile(this.kubeconfig);
    const document = JSON.parse(one.exportConfig().replaceAll(this.server, server)) as KubeconfigDocument;
    for (const entry of document.users) if (entry.name === 'admin') entry.user = { token: adminToken };
    await writeFile(path, JSON.stringify(document), { mode: 0o600 });
    return {
      path,
      edit: (change) => {
        change(document);
        return writeFile(path, JSON.stringify(document));
      },
      remove: () => rm(directory, { recursive: true, force: true }),
    };
  }

  /** Calls in the name of a context's account. */
  as(context: ContextName): CustomObjectsApi {
    const config = new KubeConfig();
    config.loadFromFile(this.kubeconfig);
    config.setCurrentContext(context);
    return config.makeApiClient(CustomObjectsApi);
  }

  authority(): string {
    return readFileSync(join(this.pki, 'ca.crt'), 'utf8');
  }

  /** One that has signed nothing that a client sees. */
  frontAuthority(): string {
    return readFileSync(join(this.pki, 'front-ca.crt'), 'utf8');
  }

  /** A token of its own for the account of a context. */
  async accountToken(account: string): Promise<{ readonly token: string; revoke(): Promise<void> }> {
    const [name, namespace] = [uniqueName('token'), 'nodepool-system'];
    const annotations = { 'kubernetes.io/service-account.name': account };
    const type = 'kubernetes.io/service-account-token';
    await this.core.createNamespacedSecret({ namespace, body: { type, metadata: { name, annotations } } });
    const token = await eventually(async () => {
      const { data } = await this.core.readNamespacedSecret({ namespace, name });
      if (!data?.['token']) throw new Error('no token yet');
      return Buffer.from(data['token'], 'base64').toString();
    });
    return {
      token,
      revoke: async () => {
        await this.core.deleteNamespacedSecret({ namespace, name });
      },
    };
  }

  async isAccepted(token: string): Promise<boolean> {
    const { status } = await this.authentication.createTokenReview({ body: { spec: { token } } });
    return status?.authenticated === true;
  }

  async namespaces(prefix: string): Promise<V1Namespace[]> {
    const { items } = await this.core.listNamespace();
    return items.filter(({ metadata }) => metadata?.name?.startsWith(prefix) && !metadata.deletionTimestamp);
  }

  async pods(namespace: string): Promise<V1Pod[]> {
    const { items } = await this.core.listNamespacedPod({ namespace });
    return items.filter(({ metadata }) => !metadata?.deletionTimestamp);
  }

  /** A project for pods; the account of context openshiftpods gets these rights in it. */
  async podProject(name: string, verbs: readonly string[]): Promise<void> {
    await this.core.createNamespace({ body: { metadata: { name } } });
    await this.grant(name, 'openshiftpods', [...verbs]);
    await eventually(() => this.core.readNamespacedServiceAccount({ name: 'default', namespace: name }));
  }

  async grant(namespace: string, account: string, verbs: string[]): Promise<void> {
    const name = 'nodepool-pods';
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs }];
    await this.rbac.createNamespacedRole({ namespace, body: { metadata: { name }, rules } });
    await this.rbac.createNamespacedRoleBinding({
      namespace,
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'nodepool-system' }],
      },
    });
  }

  private async makeAdministrator(): Promise<string> {
    const name = uniqueName('administrator');
    const namespace = 'nodepool-system';
    await this.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    await this.rbac.createClusterRoleBinding({
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    });
    const body = { spec: { audiences: [], expirationSeconds: 36_000 } };
    const { status } = await this.core.createNamespacedServiceAccountToken({ name, namespace, body });
    return status!.token;
  }

  async removeNamespace(name: string): Promise<void> {
    await this.core.deleteNamespace({ name }).catch((error: unknown) => {
      if ((error as { code?: number }).code !== 404) throw error;
    });
  }
}

interface KubeconfigDocument {
  clusters: { name: string; cluster: Record<string, unknown> }[];
  users: { name: string; user: Record<string, unknown> }[];
  contexts: { name: string; context: { cluster: string; user: string } }[];
}

export interface TemporaryFile {
  readonly path: string;
  /** Writes it again. */
  edit(change: (document: KubeconfigDocument) => void): Promise<void>;
  remove(): Promise<void>;
}

/** Repeats it until it neither throws nor rejects. */
export async function eventually<T>(check: () => T | Promise<T>, limitMs = 60_000): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

let names = 0;

/** Unlike any other in this cluster, short, and good for a namespace. */
export const uniqueName = (prefix: string): string =>
  `${prefix}-${process.pid.toString(36)}${(Date.now() % 1e8).toString(36)}${(names++).toString(36)}`;
