/** The documents that make a node (spec: driver-kubernetes §4). */
import { type NodeMark, scalars } from './metadata.ts';
import type { FamilyLabelSettings, LabelKind, PodResources } from './config.ts';

/** Of the service account, and of the secret with its token. */
export const workerName = 'zuul-worker';

const allVerbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

const fullRules = [
  {
    apiGroups: [''],
    resources: [
      'pods',
      'pods/exec',
      'pods/log',
      'pods/portforward',
      'services',
      'endpoints',
      'crontabs',
      'jobs',
      'deployments',
      'replicasets',
      'configmaps',
      'secrets',
    ],
    verbs: allVerbs,
  },
  // In the core group, where they are listed for compatibility, these kinds do not exist.
  { apiGroups: ['apps'], resources: ['deployments', 'replicasets'], verbs: allVerbs },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: allVerbs },
];

const podRules = [
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
  { apiGroups: [''], resources: ['pods/exec'], verbs: allVerbs },
  // `pods/logs` is what operators know from the Python Nodepool; the real name is `pods/log`.
  { apiGroups: [''], resources: ['pods/logs', 'pods/log'], verbs: allVerbs },
  { apiGroups: [''], resources: ['pods/portforward'], verbs: allVerbs },
];

export function namespaceManifest(name: string, mark: NodeMark): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...mark } };
}

export function accountManifest(): object {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: workerName } };
}

/** The token controller fills it. */
export function tokenSecretManifest(): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: { name: workerName, annotations: { 'kubernetes.io/service-account.name': workerName } },
  };
}

export function roleManifest(kind: LabelKind): object {
  const [name, rules] = kind === 'pod' ? ['zuul-restricted', podRules] : ['zuul', fullRules];
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules };
}

export function roleBindingManifest(kind: LabelKind, namespace: string): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'zuul-role' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Role',
      name: kind === 'pod' ? 'zuul-restricted' : 'zuul',
    },
    subjects: [{ kind: 'ServiceAccount', name: workerName, namespace }],
  };
}

export function podManifest(name: string, label: string, mark: NodeMark, settings: FamilyLabelSettings): object {
  const annotations = { ...scalars(settings.annotations ?? {}), ...mark.annotations };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: mark.labels, annotations },
    spec: settings.spec ?? generatedSpec(label, settings),
  };
}

function generatedSpec(label: string, pod: FamilyLabelSettings): object {
  return {
    containers: [container(label, pod)],
    ...(pod.imagePullSecrets.length === 0 ? {} : { imagePullSecrets: pod.imagePullSecrets }),
    ...(pod.nodeSelector ? { nodeSelector: pod.nodeSelector } : {}),
    ...(pod.schedulerName ? { schedulerName: pod.schedulerName } : {}),
    ...(pod.volumes ? { volumes: pod.volumes } : {}),
  };
}

function container(name: string, pod: FamilyLabelSettings): object {
  const requests = quantities(pod.requests, pod.gpu);
  const limits = quantities(pod.limits, pod.gpu);
  const resources = { ...(isEmpty(requests) ? {} : { requests }), ...(isEmpty(limits) ? {} : { limits }) };
  return {
    name,
    ...(pod.image === null ? {} : { image: pod.image }),
    imagePullPolicy: pod.imagePull,
    command: ['/bin/sh', '-c'],
    args: ['while true; do sleep 30; done;'],
    env: pod.env,
    ...(isEmpty(resources) ? {} : { resources }),
    ...(pod.volumeMounts ? { volumeMounts: pod.volumeMounts } : {}),
    ...(pod.privileged === null ? {} : { securityContext: { privileged: pod.privileged } }),
  };
}

function quantities(
  { cpu, memoryMiB, storageMB }: PodResources,
  gpu: FamilyLabelSettings['gpu'],
): Record<string, string | number> {
  return {
    ...(cpu === null ? {} : { cpu }),
    ...(memoryMiB === null ? {} : { memory: `${memoryMiB}Mi` }),
    ...(storageMB === null ? {} : { 'ephemeral-storage': `${storageMB}M` }),
    ...(gpu === null ? {} : { [gpu.resource]: gpu.count.toFixed(2) }),
  };
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
