/** From files to a configuration: read, substitute, parse, check, resolve. The validator and the daemons' loader share it. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { ConfigError, type ConfigIssue, ConfigReferenceError, formatPath } from './errors.ts';
import { type GlobalConfig, globalSchema } from './global-schema.ts';
import type {
  DiskImageConfig,
  DriverConfigDefinition,
  LabelConfig,
  NodepoolConfig,
  ProviderConfig,
  Resources,
  TlsFiles,
} from './model.ts';
import { asInt, findingSeparator, toJsonSchema } from './schema.ts';
import { readSource } from './source-text.ts';
import { didYouMean } from './suggest.ts';
import { isMapping, parseYaml, unwrap, type YamlSource } from './yaml.ts';

export type DriverDefinitions = ReadonlyMap<string, DriverConfigDefinition>;

/** Drivers of the Python Nodepool; those without a definition here are known by name only. */
const driverNames = [
  'aws',
  'azure',
  'fake',
  'gce',
  'ibmvpc',
  'kubernetes',
  'metastatic',
  'openshift',
  'openshiftpods',
  'openstack',
  'static',
] as const;

export interface ConfigFile {
  readonly path: string;
  readonly securePath?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly drivers: DriverDefinitions;
}

export interface Loaded {
  readonly config: NodepoolConfig;
  readonly warnings: readonly ConfigIssue[];
}

export interface Validated {
  readonly raw: GlobalConfig;
  readonly source: YamlSource;
  readonly warnings: readonly ConfigIssue[];
}

/** What `config-validate` judges: throws ConfigError with all findings. */
export function validate(o: ConfigFile): Validated {
  const source = parseYaml(readSource(o.path, o.env), o.path);
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const issueAt = (path: readonly PropertyKey[], message: string, what: 'key' | 'value' = 'value'): ConfigIssue => ({
    file: o.path,
    ...source.locate(path, what),
    path: formatPath(path),
    message,
  });
  const check = (schema: z.ZodType, value: unknown, at: readonly PropertyKey[]): boolean => {
    const result = schema.safeParse(value);
    for (const issue of result.error?.issues ?? []) issues.push(...flatten(issue, at, issueAt));
    return result.success;
  };
  check(globalSchema, source.value, []);
  const providers = isMapping(source.value) ? source.value['providers'] : undefined;
  if (Array.isArray(providers)) {
    providers.forEach((provider: unknown, index) => {
      const at = ['providers', index];
      if (!isMapping(provider) || typeof provider['name'] !== 'string') {
        issues.push(issueAt(at, 'must be a mapping with a name'));
        return;
      }
      const driver = driverOf(provider);
      const definition = o.drivers.get(driver);
      if (definition) check(definition.schema, provider, at);
      else if ((driverNames as readonly string[]).includes(driver)) {
        warnings.push(issueAt(at, `driver ${driver} is not built yet, its settings are not checked`));
      } else issues.push(issueAt([...at, 'driver'], `unknown driver '${driver}'${didYouMean(driver, driverNames)}`));
    });
  }
  if (issues.length > 0) throw new ConfigError(issues);
  const raw = source.value as GlobalConfig;
  issues.push(...checkImages(raw, issueAt));
  if (issues.length > 0) throw new ConfigError(issues);
  return { raw, source, warnings };
}

/** A provider whose name begins with `fake` is always of driver fake. */
function driverOf(provider: Record<string, unknown>): string {
  if (String(provider['name']).startsWith('fake')) return 'fake';
  const driver = provider['driver'];
  return driver === undefined ? 'openstack' : typeof driver === 'string' ? driver : JSON.stringify(driver);
}

type IssueAt = (path: readonly PropertyKey[], message: string, what?: 'key' | 'value') => ConfigIssue;

function flatten(issue: z.core.$ZodIssue, at: readonly PropertyKey[], issueAt: IssueAt): ConfigIssue[] {
  const path = [...at, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split(findingSeparator);
    return issue.keys.map((key, index) => issueAt([...path, key], messages[index] ?? issue.message, 'key'));
  }
  return [issueAt(path, issue.message)];
}

function checkImages(raw: GlobalConfig, issueAt: IssueAt): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const names = new Set<string>();
  raw.diskimages?.forEach((image, index) => {
    if (names.has(image.name))
      issues.push(issueAt(['diskimages', index, 'name'], `diskimage ${image.name} is defined twice`));
    names.add(image.name);
  });
  raw.diskimages?.forEach((image, index) => {
    if (!image.parent) return;
    if (!names.has(image.parent)) {
      issues.push(
        issueAt(
          ['diskimages', index, 'parent'],
          `there is no diskimage ${image.parent}${didYouMean(image.parent, [...names])}`,
        ),
      );
    }
  });
  return issues;
}

/** What the daemons run with. Throws ConfigError. */
export function loadConfig(o: ConfigFile): Loaded {
  const { raw, source, warnings } = validate(o);
  const secure =
    o.securePath === undefined
      ? null
      : (parseYaml(readSource(o.securePath, o.env), o.securePath).value as Partial<GlobalConfig> | null);
  const labels = new Map((raw.labels ?? []).map((l): [string, LabelConfig] => [l.name, labelConfig(l)]));
  const diskimages = loadImages(raw);
  const providers = new Map<string, ProviderConfig>();
  const issues: ConfigIssue[] = [];
  ((raw.providers ?? []) as Record<string, unknown>[]).forEach((provider, index) => {
    const definition = o.drivers.get(driverOf(provider));
    if (!definition) return;
    try {
      providers.set(String(provider['name']), definition.load(provider, { labels, diskimages }));
    } catch (error) {
      if (!(error instanceof ConfigReferenceError)) throw error;
      const path = ['providers', index, ...error.path];
      issues.push({ file: o.path, ...source.locate(path), path: formatPath(path), message: error.message });
    }
  });
  const chroots = new Set((serversOf(raw, secure) ?? []).map((s) => (s.chroot ?? '').replace(/\/+$/, '')));
  if (chroots.size > 1)
    issues.push({
      file: o.path,
      ...source.locate(['zookeeper-servers']),
      path: 'zookeeper-servers',
      message: 'the servers disagree about the chroot',
    });
  serversOf(raw, secure)?.forEach((server, index) => {
    const path = ['zookeeper-servers', index];
    if (server.host === undefined)
      issues.push({ file: o.path, ...source.locate(path), path: formatPath(path), message: 'host is required' });
  });
  if (issues.length > 0) throw new ConfigError(issues);
  return { config: assemble(raw, secure, [...chroots][0] ?? '', labels, diskimages, providers), warnings };
}

function serversOf(raw: GlobalConfig, secure: Partial<GlobalConfig> | null) {
  return secure?.['zookeeper-servers']?.length ? secure['zookeeper-servers'] : raw['zookeeper-servers'];
}

function assemble(
  raw: GlobalConfig,
  secure: Partial<GlobalConfig> | null,
  chroot: string,
  labels: Map<string, LabelConfig>,
  diskimages: Map<string, DiskImageConfig>,
  providers: Map<string, ProviderConfig>,
): NodepoolConfig {
  const coordinator = raw.coordinator ?? {};
  const timeout = raw['zookeeper-timeout'];
  return {
    zookeeper: {
      servers: (serversOf(raw, secure) ?? []).map((s) => ({ host: s.host!, port: asInt(s.port, 2281) })),
      chroot,
      tls: tlsFiles(secure?.['zookeeper-tls'] ?? raw['zookeeper-tls']),
      sessionTimeoutMs: (timeout?.value ?? 10) * 1000,
    },
    coordinator: {
      dataDir: coordinator['data-dir'] ?? defaultDataDir(),
      listen: coordinator.listen ?? '127.0.0.1',
      port: coordinator.port === undefined ? null : Number(coordinator.port),
      tlsPort: coordinator['tls-port'] === undefined ? null : Number(coordinator['tls-port']),
      tls: tlsFiles(coordinator.tls),
    },
    webapp: { port: asInt(raw.webapp?.port, 8005), listenAddress: raw.webapp?.listen_address ?? '127.0.0.1' },
    labels,
    diskimages,
    providers,
    tenantLimits: new Map(
      (raw['tenant-resource-limits'] ?? []).map((limit) => [limit['tenant-name'] ?? '', tenantLimit(limit)]),
    ),
    maxHoldAgeMs: Math.max(0, asInt(raw['max-hold-age'], 0)) * 1000,
  };
}

function labelConfig(l: NonNullable<GlobalConfig['labels']>[number]): LabelConfig {
  return {
    name: l.name,
    minReady: Math.max(0, asInt(l['min-ready'], 0)),
    maxReadyAgeMs: Math.max(0, asInt(l['max-ready-age'], 0)) * 1000,
  };
}

const limitNames: Readonly<Record<string, string>> = {
  'max-cores': 'cores',
  'max-servers': 'instances',
  'max-ram': 'ram',
  'max-volumes': 'volumes',
  'max-volume-gb': 'volume-gb',
};

function tenantLimit(limit: Record<string, unknown>): Resources {
  const entries = Object.entries(limit).filter(([key]) => key !== 'tenant-name');
  return Object.fromEntries(entries.map(([key, value]) => [limitNames[key] ?? key, Number(value)]));
}

function tlsFiles(tls: { [K in keyof TlsFiles]?: string | undefined } | undefined): TlsFiles | null {
  return tls?.cert !== undefined && tls.key !== undefined && tls.ca !== undefined
    ? { cert: tls.cert, key: tls.key, ca: tls.ca }
    : null;
}

function defaultDataDir(): string {
  const state = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  return join(state, 'nodepool', 'coordinator');
}

/** Concrete images with their parents' values. */
function loadImages(raw: GlobalConfig): Map<string, DiskImageConfig> {
  const all = new Map((raw.diskimages ?? []).map((image) => [image.name, image]));
  const images = new Map<string, DiskImageConfig>();
  for (const image of all.values()) {
    if (image.abstract) continue;
    const seen = new Set<string>();
    let [username, pythonPath]: [string | undefined, string | undefined] = [undefined, undefined];
    for (
      let at: typeof image | undefined = image;
      at && !seen.has(at.name);
      at = at.parent ? all.get(at.parent) : undefined
    ) {
      seen.add(at.name);
      username ||= at.username;
      pythonPath ||= at['python-path'];
    }
    images.set(image.name, {
      name: image.name,
      username: username ?? 'zuul',
      pythonPath: pythonPath ?? 'auto',
      shellType: null,
    });
  }
  return images;
}

/** For editors: the JSON Schema of a whole file. */
export function configJsonSchema(drivers: DriverDefinitions): object {
  const schema = toJsonSchema(globalSchema) as { properties: Record<string, unknown> };
  const providers = [...drivers.values()].map((driver) => toJsonSchema(driver.schema));
  schema.properties['providers'] = {
    type: 'array',
    items: { anyOf: [...providers, { type: 'object', required: ['name'] }] },
  };
  return schema;
}

/** Canonical text of a value, for comparison. */
export function fingerprint(value: unknown): string {
  return JSON.stringify(unwrap(value));
}
