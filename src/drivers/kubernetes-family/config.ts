/** Configuration that the drivers kubernetes, openshift and openshiftpods have in common. */
import {
  commonPoolKeys,
  dynamicTags,
  labelName,
  poolName,
  resourceLimitKeys,
  tags,
} from '../../driver-kit/common-keys.ts';
import { commonOfProvider, limitsOfPool, loadPools, plainLabel, type Section } from '../../driver-kit/loading.ts';
import type { AdapterContext, LaunchSpec } from '../../driver-kit/contract.ts';
import type { Resources } from '../../base/resources.ts';
import type { DriverLoadContext, PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import { ineffective } from '../../config/remarks.ts';
import { anyList, bool, closed, dict, float, int, list, mapping, str } from '../../config/schema.ts';
import { dnsLabelProblem, labelValueProblem } from './names.ts';

/** Provider keys of all three. */
export const familyProviderKeys = {
  'launch-retries': int().default(3).describe('Attempts to launch a node.'),
  ...resourceLimitKeys('no limit'),
};

export const familyPoolKeys = {
  name: poolName(),
  ...commonPoolKeys,
  ...resourceLimitKeys("the provider's"),
  'default-label-cpu': int().optional().describe('Cores of labels that do not say how many.'),
  'default-label-memory': int().optional().describe('Memory in MiB of labels that do not say how much.'),
  'default-label-storage': int().optional().describe('Ephemeral storage in MB of labels that do not say how much.'),
  'default-label-cpu-limit': int().optional().describe("Limit of cores. Default: the label's request."),
  'default-label-memory-limit': int().optional().describe("Limit of memory in MiB. Default: the label's request."),
  'default-label-storage-limit': int()
    .optional()
    .describe("Limit of ephemeral storage in MB. Default: the label's request."),
  'default-label-extra-resources': ineffective(
    mapping(int()).optional(),
    'the Python launcher reads it under another name that its validator refuses, and quotas must agree; give the labels extra-resources',
  ),
};

/** Label keys with and without `spec`. */
export const anyLabelKeys = {
  name: labelName(),
  labels: tags('Labels of the objects in the cluster'),
  'dynamic-labels': dynamicTags('Further labels of the objects'),
  annotations: dict().optional().describe('Annotations of the pod.'),
};

export const specKeys = {
  spec: dict().describe('The whole specification of the pod; nothing is added to it.'),
};

export const generatedPodKeys = {
  'image-pull': str().default('IfNotPresent').describe('`imagePullPolicy` of the container.'),
  'python-path': str().default('auto').describe('Python in the container, for the consumer.'),
  'shell-type': str().optional().describe('Shell in the container, for the consumer.'),
  cpu: int().optional().describe("Cores. Default: the pool's."),
  memory: int().optional().describe("Memory in MiB. Default: the pool's."),
  storage: int().optional().describe("Ephemeral storage in MB. Default: the pool's."),
  'cpu-limit': int().optional().describe("Limit of cores. Default: the pool's limit, else the request."),
  'memory-limit': int().optional().describe("Limit of memory in MiB. Default: the pool's limit, else the request."),
  'storage-limit': int()
    .optional()
    .describe("Limit of ephemeral storage in MB. Default: the pool's limit, else the request."),
  gpu: float().optional().describe('Number of GPUs, with a decimal point; takes gpu-resource.'),
  'gpu-resource': str().optional().describe('Name of the resource that GPUs are, such as `nvidia.com/gpu`.'),
  'extra-resources': mapping(int())
    .default({})
    .describe('Further resources, by name; they count for limits and do not get into the pod.'),
  env: list(closed({ name: str().describe('Name.'), value: str().describe('Value.') }))
    .default([])
    .describe('Environment of the container.'),
  'node-selector': dict().optional().describe("Labels of the cluster's nodes that can take the pod."),
  'scheduler-name': str().optional().describe('Scheduler of the pod.'),
  privileged: bool().optional().describe("Whether the container is privileged. Default: the cluster's."),
  volumes: anyList().optional().describe('`volumes` of the pod.'),
  'volume-mounts': anyList().optional().describe('`volumeMounts` of the container.'),
};

export const imageKey = str().describe('Image of the container.');

export const imagePullSecrets = anyList().default([]).describe('`imagePullSecrets` of the pod.');

type Mapping = Readonly<Record<string, unknown>>;

interface FamilyLabel {
  readonly name: string;
  readonly type?: string;
  readonly spec?: Mapping;
  readonly labels: Mapping;
  readonly 'dynamic-labels': Mapping;
  readonly annotations?: Mapping | undefined;
  readonly image?: string | undefined;
  readonly 'image-pull'?: string;
  readonly 'image-pull-secrets'?: readonly unknown[];
  readonly 'python-path'?: string;
  readonly 'shell-type'?: string | undefined;
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
  readonly storage?: number | undefined;
  readonly 'cpu-limit'?: number | undefined;
  readonly 'memory-limit'?: number | undefined;
  readonly 'storage-limit'?: number | undefined;
  readonly gpu?: number | undefined;
  readonly 'gpu-resource'?: string | undefined;
  readonly 'extra-resources'?: Resources;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly 'node-selector'?: Mapping | undefined;
  readonly 'scheduler-name'?: string | undefined;
  readonly privileged?: boolean | undefined;
  readonly volumes?: readonly unknown[] | undefined;
  readonly 'volume-mounts'?: readonly unknown[] | undefined;
}

interface FamilyPool {
  readonly name: string;
  readonly priority?: number | undefined;
  readonly 'max-servers'?: number | undefined;
  readonly 'node-attributes'?: Mapping | undefined;
  readonly 'max-cores'?: number | undefined;
  readonly 'max-ram'?: number | undefined;
  readonly 'max-resources'?: Resources | undefined;
  readonly 'default-label-cpu'?: number | undefined;
  readonly 'default-label-memory'?: number | undefined;
  readonly 'default-label-storage'?: number | undefined;
  readonly 'default-label-cpu-limit'?: number | undefined;
  readonly 'default-label-memory-limit'?: number | undefined;
  readonly 'default-label-storage-limit'?: number | undefined;
  readonly labels: readonly FamilyLabel[];
}

interface FamilyProvider {
  readonly name: string;
  readonly priority: number;
  readonly 'max-concurrency': number;
  readonly 'launch-retries': number;
  readonly context?: string | undefined;
  readonly 'max-cores'?: number | undefined;
  readonly 'max-ram'?: number | undefined;
  readonly 'max-resources'?: Resources | undefined;
  readonly pools: readonly FamilyPool[];
}

/** `settings` of a provider. */
export interface FamilySettings {
  /** null: the current one of the client configuration. */
  readonly context: string | null;
}

/** `settings` of a pool. */
export interface FamilyPoolSettings {
  /** Why no object of this pool can be created; logged when the file is read. */
  readonly nameProblem: string | null;
}

export type LabelKind = 'namespace' | 'project' | 'pod';

/** null: not set; a 0 in the file counts as that. */
export interface PodResources {
  /** Cores. */
  readonly cpu: number | null;
  readonly memoryMiB: number | null;
  /** Ephemeral, in units of 10^6 bytes. */
  readonly storageMB: number | null;
}

/** `settings` of a label. */
export interface FamilyLabelSettings {
  readonly kind: LabelKind;
  /** The whole pod specification, where the label has one: then what describes a container is not used. */
  readonly spec: Mapping | null;
  readonly image: string | null;
  readonly imagePull: string;
  readonly imagePullSecrets: readonly unknown[];
  readonly requests: PodResources;
  readonly limits: PodResources;
  readonly gpu: { readonly count: number; readonly resource: string } | null;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly nodeSelector: Mapping | null;
  readonly schedulerName: string | null;
  readonly privileged: boolean | null;
  readonly volumes: readonly unknown[] | null;
  readonly volumeMounts: readonly unknown[] | null;
  readonly labels: Mapping;
  /** Templates over the request. */
  readonly dynamicLabels: Mapping;
  readonly annotations: Mapping | null;
  /** What a node of it takes of the limits: instances, cores, ram, and whatever else it asks for. */
  readonly resources: Resources;
  /** Why no object of this label can be created; logged when the file is read. */
  readonly nameProblem: string | null;
}

export interface Family {
  /** What a label of this type is. */
  readonly kindOf: (type: string | undefined) => LabelKind;
  /** Whether pods have the project of their pool, rather than a space of their own. */
  readonly podsShareProject: boolean;
  /** Most nodes of a pool that does not say it. */
  readonly maxServers: number | undefined;
}

type FamilyProviderConfig = ProviderConfig<FamilySettings, FamilyPoolSettings, FamilyLabelSettings>;

export type FamilySpec = LaunchSpec<FamilyLabelSettings>;

export type FamilyContext = AdapterContext<FamilySettings, FamilyPoolSettings, FamilyLabelSettings>;

export function loadFamily(
  p: FamilyProvider,
  family: Family,
  context: DriverLoadContext,
): Omit<FamilyProviderConfig, 'driver'> {
  const problem = labelValueProblem(p.name);
  if (problem !== null) context.warn(['name'], `the name ${problem}; nodes can't be launched`);
  return {
    ...commonOfProvider(p),
    launchRetries: p['launch-retries'],
    // The adapter bounds its own waits.
    launchTimeoutMs: 3_600_000,
    bootTimeoutMs: 60_000,
    pools: loadPools(p, context, {
      maxServers: family.maxServers,
      pool: (one, at, maxServers) => {
        const nameProblem = dnsLabelProblem(one.name, family.podsShareProject ? 'whole' : 'with node id');
        if (nameProblem !== null) at.warn(`the name ${nameProblem}; nodes can't be launched`, 'name');
        return { limits: limitsOfPool(maxServers, one, p), settings: { nameProblem } };
      },
      label: (label, one, at) => loadLabel(label, one, family, at),
    }),
    settings: { context: p.context ?? null },
  };
}

function loadLabel(
  l: FamilyLabel,
  pool: FamilyPool,
  family: Family,
  at: Section,
): Pick<PoolLabelConfig<FamilyLabelSettings>, 'connection' | 'settings'> {
  const kind = family.kindOf(l.type);
  if (l.type !== undefined && l.type !== kind) at.warn(`'${l.type}' is taken for ${kind}`, 'type');
  const nameProblem =
    kind === 'pod'
      ? dnsLabelProblem(l.name, family.podsShareProject ? 'with node id' : 'whole')
      : labelValueProblem(l.name);
  if (nameProblem !== null) at.warn(`the name ${nameProblem}; nodes can't be launched`, 'name');
  if ((l.gpu === undefined) !== (l['gpu-resource'] === undefined)) {
    at.warn('gpu and gpu-resource have an effect only together');
  }
  const [requests, podLimits] = podResources(l, pool);
  const gpu = l.gpu && l['gpu-resource'] ? { count: l.gpu, resource: l['gpu-resource'] } : null;
  const settings: FamilyLabelSettings = {
    kind,
    spec: l.spec ?? null,
    image: l.image ?? null,
    imagePull: l['image-pull'] ?? 'IfNotPresent',
    imagePullSecrets: l['image-pull-secrets'] ?? [],
    requests,
    limits: podLimits,
    gpu,
    env: l.env ?? [],
    nodeSelector: l['node-selector'] ?? null,
    schedulerName: l['scheduler-name'] ?? null,
    privileged: l.privileged ?? null,
    volumes: l.volumes ?? null,
    volumeMounts: l['volume-mounts'] ?? null,
    labels: l.labels,
    dynamicLabels: l['dynamic-labels'],
    annotations: l.annotations ?? null,
    resources: {
      instances: 1,
      cores: requests.cpu ?? 0,
      ram: requests.memoryMiB ?? 0,
      ...(requests.storageMB === null ? {} : { 'ephemeral-storage': requests.storageMB }),
      ...(gpu ? { [gpu.resource]: gpu.count } : {}),
      ...l['extra-resources'],
    },
    nameProblem,
  };
  return {
    connection: {
      ...plainLabel.connection,
      connectionType: kind === 'pod' ? 'kubectl' : kind,
      // Until the node has a document of its own here.
      connectionPort: 22,
      pythonPath: l['python-path'] ?? 'auto',
      shellType: l['shell-type'] ?? null,
    },
    settings,
  };
}

/** A limit is the first of: the label's own, the pool's, the label's request, the pool's request. */
function podResources(l: FamilyLabel, pool: FamilyPool): [requests: PodResources, limits: PodResources] {
  const [requests, podLimits] = [{} as Record<string, number>, {} as Record<string, number>];
  for (const key of ['cpu', 'memory', 'storage'] as const) {
    const request = l[key] ?? pool[`default-label-${key}`] ?? 0;
    requests[key] = request;
    podLimits[key] = l[`${key}-limit`] ?? pool[`default-label-${key}-limit`] ?? request;
  }
  const resources = (from: Record<string, number>): PodResources => ({
    cpu: from['cpu'] || null,
    memoryMiB: from['memory'] || null,
    storageMB: from['storage'] || null,
  });
  return [resources(requests), resources(podLimits)];
}
