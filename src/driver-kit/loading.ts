/** What all drivers do alike when a checked part of the file becomes a ProviderConfig with its pools and labels. */
import type { Resources } from '../base/resources.ts';
import type { DriverLoadContext, PoolConfig, PoolLabelConfig, ProviderConfig } from '../config/model.ts';
import { didYouMean } from '../config/suggest.ts';

interface CommonProviderKeys {
  readonly name: string;
  readonly priority: number;
  readonly 'max-concurrency': number;
}

interface CommonPoolKeys {
  readonly name?: string | undefined;
  readonly priority?: number | undefined;
  readonly 'max-servers'?: number | undefined;
  readonly 'node-attributes'?: Readonly<Record<string, unknown>> | undefined;
}

/** Without a rate of its own. */
export function commonOfProvider(
  p: CommonProviderKeys,
): Pick<ProviderConfig, 'name' | 'maxConcurrency' | 'priority' | 'ratePerSecond' | 'fingerprint'> {
  const concurrency = p['max-concurrency'];
  return {
    name: p.name,
    maxConcurrency: concurrency < 0 ? Number.POSITIVE_INFINITY : concurrency,
    priority: p.priority,
    ratePerSecond: Number.POSITIVE_INFINITY,
    fingerprint: JSON.stringify(p),
  };
}

/** No pause between calls where the file says no sensible number of calls a second. */
export const rateOf = (callsPerSecond: number): number =>
  callsPerSecond > 0 && Number.isFinite(callsPerSecond) ? callsPerSecond : Number.POSITIVE_INFINITY;

interface TimingKeys {
  readonly 'boot-timeout': number;
  readonly 'launch-timeout': number;
  readonly 'launch-retries': number;
}

export const timingOf = (
  p: TimingKeys,
): Pick<ProviderConfig, 'launchRetries' | 'launchTimeoutMs' | 'bootTimeoutMs'> => ({
  launchRetries: p['launch-retries'],
  launchTimeoutMs: p['launch-timeout'] * 1000,
  bootTimeoutMs: p['boot-timeout'] * 1000,
});

/** `maxServers`: what counts where the pool says nothing. */
export function commonOfPool(
  one: CommonPoolKeys,
  path: readonly PropertyKey[],
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
  context: DriverLoadContext,
  maxServers = Number.POSITIVE_INFINITY,
): Pick<PoolConfig, 'name' | 'providerName' | 'maxServers' | 'priority' | 'nodeAttributes'> {
  if (one.name === undefined) context.error(path, 'name is required');
  return {
    name: one.name ?? '',
    providerName: provider.name,
    maxServers: one['max-servers'] ?? maxServers,
    priority: one.priority ?? provider.priority,
    nodeAttributes: one['node-attributes'] ?? null,
  };
}

/** A part of the file while it is loaded: what is wrong in it is told at a place in it. */
export class Section {
  readonly context: DriverLoadContext;
  readonly path: readonly PropertyKey[];

  constructor(context: DriverLoadContext, ...path: readonly PropertyKey[]) {
    this.context = context;
    this.path = path;
  }

  in(...keys: readonly PropertyKey[]): Section {
    return new Section(this.context, ...this.path, ...keys);
  }

  /** The configuration can't be used; `keys` lead from here to what is wrong. */
  error(message: string, ...keys: readonly PropertyKey[]): void {
    this.context.error([...this.path, ...keys], message);
  }

  warn(message: string, ...keys: readonly PropertyKey[]): void {
    this.context.warn([...this.path, ...keys], message);
  }
}

/** A pool of a cloud that knows none of these. */
export const plainPool = {
  limits: {},
  ignoreProviderQuota: false,
  availabilityZones: null,
  useInternalIp: false,
} as const satisfies Partial<PoolConfig>;

/** A label of a cloud that knows none of these; nodes of it are reached by SSH, and their host keys are not read. */
export const plainLabel = {
  instanceType: null,
  image: null,
  hostKeyChecking: false,
  consoleLog: false,
  connection: { username: null, connectionType: 'ssh', connectionPort: 22, pythonPath: null, shellType: null },
} as const satisfies Partial<PoolLabelConfig>;

/** What a driver says of a pool; the rest is as in plainPool. */
type PoolPart<Settings> = Partial<Pick<PoolConfig, keyof typeof plainPool>> & { readonly settings: Settings };

/** What a driver says of a label; the rest is as in plainLabel. */
type LabelPart<Settings> = Partial<Pick<PoolLabelConfig, keyof typeof plainLabel>> & { readonly settings: Settings };

type PoolKeys = CommonPoolKeys & { readonly labels: readonly { readonly name: string }[] };

interface PoolParts<Keys extends PoolKeys, Pool, Label> {
  /** Most nodes of a pool that does not say it; default: no limit. */
  readonly maxServers?: number | undefined;
  readonly pool: (one: Keys, at: Section, maxServers: number) => PoolPart<Pool>;
  readonly label: (label: Keys['labels'][number], one: Keys, at: Section) => LabelPart<Label>;
}

/** The pools of a provider: what all have in common, and the driver's parts of each pool and label. */
export function loadPools<Keys extends PoolKeys, Pool, Label>(
  p: Pick<ProviderConfig, 'name' | 'priority'> & { readonly pools: readonly Keys[] },
  context: DriverLoadContext,
  parts: PoolParts<Keys, Pool, Label>,
): ReadonlyMap<string, PoolConfig<Pool, Label>> {
  const loadPool = (one: Keys, at: Section): PoolConfig<Pool, Label> => {
    const common = commonOfPool(one, at.path, p, context, parts.maxServers);
    return {
      ...common,
      ...plainPool,
      ...parts.pool(one, at, common.maxServers),
      labels: byName(one.labels.map((label, index) => loadLabel(label, one, at.in('labels', index)))),
    };
  };
  const loadLabel = (label: Keys['labels'][number], one: Keys, at: Section): PoolLabelConfig<Label> => {
    requireLabel(label.name, [...at.path, 'name'], context);
    return { name: label.name, ...plainLabel, ...parts.label(label, one, at) };
  };
  return byName(p.pools.map((one, index) => loadPool(one, new Section(context, 'pools', index))));
}

/** What is given and finite. */
export function limits(values: Readonly<Record<string, number | undefined>>): Resources {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined || !Number.isFinite(value) ? [] : [[name, value] as const],
    ),
  );
}

interface ResourceLimits {
  readonly 'max-cores'?: number | undefined;
  readonly 'max-ram'?: number | undefined;
  readonly 'max-resources'?: Readonly<Record<string, number>> | undefined;
}

/** Those of a pool; where it has none, those of its provider, each resource by itself. */
export function limitsOfPool(instances: number | undefined, pool: ResourceLimits, provider: ResourceLimits): Resources {
  return limits({
    instances,
    cores: pool['max-cores'] ?? provider['max-cores'],
    ram: pool['max-ram'] ?? provider['max-ram'],
    ...provider['max-resources'],
    ...pool['max-resources'],
  });
}

export const byName = <T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [one.name, one]));

/** Tells the context unless the file declares such a label. */
export function requireLabel(
  name: string,
  path: readonly PropertyKey[],
  { labels, error }: Pick<DriverLoadContext, 'labels' | 'error'>,
): void {
  if (!labels.has(name)) error(path, `there is no top-level label ${name}${didYouMean(name, labels.keys())}`);
}

/** The one of that name; without any the context is told what is missing. */
export function referTo<T>(
  all: ReadonlyMap<string, T>,
  name: string | undefined,
  what: string,
  path: readonly PropertyKey[],
  context: Pick<DriverLoadContext, 'error'>,
): T | undefined {
  if (!name) return undefined;
  const found = all.get(name);
  if (found === undefined) context.error(path, `there is no ${what} ${name}${didYouMean(name, all.keys())}`);
  return found;
}

interface ConnectionKeys {
  readonly username?: string | undefined;
  readonly 'connection-type': string;
  readonly 'connection-port'?: number | undefined;
  readonly 'python-path'?: string | undefined;
  readonly 'shell-type'?: string | undefined;
}

export function connectionOf(image: ConnectionKeys): PoolLabelConfig['connection'] {
  const type = image['connection-type'];
  return {
    username: image.username ?? null,
    connectionType: type,
    connectionPort: image['connection-port'] ?? (type === 'winrm' ? 5986 : 22),
    pythonPath: image['python-path'] ?? null,
    shellType: image['shell-type'] ?? null,
  };
}
