/** From files to a configuration: read, substitute, parse, check, resolve. config-validate and the daemons share it. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { ConfigDocument } from './document.ts';
import { ConfigError, type ConfigIssue, inOrder } from './yaml/errors.ts';
import { type GlobalConfig, globalSchema, type SecureConfig, secureSchema } from './global-schema.ts';
import { checkImages, resolveImages } from './images.ts';
import type {
  DiskImageConfig,
  DriverConfigDefinition,
  DriverLoadContext,
  LabelConfig,
  NodepoolConfig,
  ProviderConfig,
  Resources,
  TlsFiles,
} from './model.ts';
import { didYouMean } from './suggest.ts';
import { isMapping } from './yaml/yaml.ts';

export type DriverDefinitions = ReadonlyMap<string, DriverConfigDefinition>;

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
  /** Good for looking at; the daemons take it only where there are no refusals. */
  readonly config: NodepoolConfig;
  /** What the daemons would refuse although the file is valid. */
  readonly refusals: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

/** What `config-validate` judges, as the Python one does, and the secure file. Throws ConfigError with all findings. */
export function validate(o: ConfigFile): Validated {
  return read(o);
}

/** What the daemons run with. Throws ConfigError. */
export function loadConfig(o: ConfigFile): Loaded {
  const { config, refusals, warnings } = read(o);
  if (refusals.length > 0) throw new ConfigError(refusals, { warnings });
  return { config, warnings };
}

function read(o: ConfigFile): Validated {
  const main = new ConfigDocument(o.path, o.env);
  const raw = main.parse(globalSchema, main.value);
  if (isMapping(main.value)) warnOfDuplicates(main, main.value, []);
  const providers = parseProviders(main, o.drivers);
  const secure = o.securePath === undefined ? null : new ConfigDocument(o.securePath, o.env);
  const secrets = secure && readSecure(secure);
  const labels = new Map(raw?.labels.map((l): [string, LabelConfig] => [l.name, labelConfig(l)]));
  if (raw) {
    checkImages(raw.diskimages, main);
    const everyImage = new Map(raw.diskimages.map(({ name }) => [name, null] as const));
    for (const { definition, parsed, at } of providers) {
      definition.check(parsed, contextOf(main, at, labels, everyImage, main.errors));
    }
  }
  const errors = [...inOrder(main.errors), ...inOrder(secure?.errors ?? [])];
  const warnings = () => [...inOrder(main.warnings), ...inOrder(secure?.warnings ?? [])];
  if (!raw || errors.length > 0) throw new ConfigError(errors, { warnings: warnings() });
  const refusals: ConfigIssue[] = [];
  const refuse = (path: readonly PropertyKey[], message: string) => void refusals.push(main.issue(path, message));
  const images = resolveImages(raw.diskimages, refuse);
  if (secure && secrets) addSecretEnvironment(images, secrets, secure, refusals);
  const loaded = new Map<string, ProviderConfig>();
  for (const { definition, parsed, at } of providers) {
    const provider = definition.load(parsed, contextOf(main, at, labels, images, refusals));
    loaded.set(provider.name, provider);
  }
  checkConnections(raw, secrets, main, secure, refusals);
  for (const [index, limit] of raw['tenant-resource-limits'].entries()) {
    if (limit['tenant-name'] === undefined) refuse(['tenant-resource-limits', index], 'tenant-name is required');
  }
  return {
    config: assemble(raw, secrets, labels, images, loaded),
    refusals: inOrder(refusals),
    warnings: warnings(),
  };
}

interface ParsedProvider {
  readonly definition: DriverConfigDefinition;
  readonly parsed: unknown;
  readonly at: readonly PropertyKey[];
}

function parseProviders(main: ConfigDocument, drivers: DriverDefinitions): ParsedProvider[] {
  const providers = isMapping(main.value) ? main.value['providers'] : undefined;
  if (!Array.isArray(providers)) return [];
  return providers.flatMap((provider: unknown, index) => {
    const at = ['providers', index];
    if (!isMapping(provider) || typeof provider['name'] !== 'string') {
      main.error(at, 'must be a mapping with a name');
      return [];
    }
    const driver = driverOf(provider);
    if (driver === 'fake' && ![undefined, 'fake'].includes(provider['driver'] as string | undefined)) {
      const message = `has no effect: a provider whose name begins with 'fake' is always of driver fake`;
      main.warnings.push(main.issue([...at, 'driver'], message, 'key'));
    }
    const definition = drivers.get(driver);
    if (!definition) {
      main.error([...at, 'driver'], `unknown driver '${driver}'${didYouMean(driver, drivers.keys())}`);
      return [];
    }
    warnOfDuplicates(main, provider, at);
    const parsed = main.parse<z.ZodType>(definition.schema, provider, at);
    return parsed === null ? [] : [{ definition, parsed, at }];
  });
}

/** Of several things of one name in a list the last counts, for us as for the Python daemons. */
function warnOfDuplicates(main: ConfigDocument, mapping: Record<string, unknown>, at: readonly PropertyKey[]): void {
  for (const key of ['labels', 'providers', 'pools', 'cloud-images', 'tenant-resource-limits']) {
    const items = mapping[key];
    if (!Array.isArray(items)) continue;
    const nameKey = key === 'tenant-resource-limits' ? 'tenant-name' : 'name';
    const seen = new Set<unknown>();
    for (const [index, item] of items.entries() as Iterable<[number, unknown]>) {
      if (!isMapping(item)) continue;
      const name = item[nameKey];
      if (typeof name === 'string' && seen.has(name)) {
        const message = `${name} is there already, in these ${key} the last one counts`;
        main.warnings.push(main.issue([...at, key, index, nameKey], message));
      }
      seen.add(name);
      if (key === 'pools') warnOfDuplicates(main, item, [...at, key, index]);
    }
  }
}

/** A provider whose name begins with `fake` is always of driver fake. */
function driverOf(provider: Record<string, unknown>): string {
  if (String(provider['name']).startsWith('fake')) return 'fake';
  const driver = provider['driver'];
  return driver === undefined ? 'openstack' : typeof driver === 'string' ? driver : JSON.stringify(driver);
}

function contextOf<I extends DiskImageConfig | null>(
  main: ConfigDocument,
  at: readonly PropertyKey[],
  labels: ReadonlyMap<string, LabelConfig>,
  diskimages: ReadonlyMap<string, I>,
  errors: ConfigIssue[],
): DriverLoadContext<I> {
  return {
    labels,
    diskimages,
    error: (path, message) => void errors.push(main.issue([...at, ...path], message)),
    warn: (path, message) => void main.warnings.push(main.issue([...at, ...path], message)),
  };
}

/** Null for an empty file. */
function readSecure(secure: ConfigDocument): SecureConfig | null {
  if (secure.value === null) return null;
  if (isMapping(secure.value)) {
    const known = ['zookeeper-servers', 'zookeeper-tls', 'diskimages'];
    for (const key of Object.keys(secure.value).filter((name) => !known.includes(name))) {
      const where = didYouMean(key, known) || ', it belongs into the main file';
      secure.warnings.push(secure.issue([key], `has no effect in the secure file${where}`, 'key'));
    }
  }
  return secure.parse(secureSchema, secure.value);
}

function addSecretEnvironment(
  images: Map<string, DiskImageConfig>,
  secrets: SecureConfig,
  secure: ConfigDocument,
  refusals: ConfigIssue[],
): void {
  for (const [index, { name, 'env-vars': env }] of (secrets.diskimages ?? []).entries()) {
    const image = images.get(name);
    if (image) images.set(name, { ...image, envVars: { ...image.envVars, ...env } });
    else {
      const message = `there is no diskimage ${name} in the main file${didYouMean(name, images.keys())}`;
      refusals.push(secure.issue(['diskimages', index, 'name'], message));
    }
  }
}

/** What leads to ZooKeeper, and where we listen. */
function checkConnections(
  raw: GlobalConfig,
  secrets: SecureConfig | null,
  main: ConfigDocument,
  secure: ConfigDocument | null,
  refusals: ConfigIssue[],
): void {
  const from = (given: unknown) => (given && secure ? secure : main);
  const port = (document: ConfigDocument, path: readonly PropertyKey[], value: number | undefined) => {
    if (value === undefined || (value >= 0 && value <= 65_535)) return;
    refusals.push(document.issue(path, `${value} is no port`));
  };
  const servers = serversOf(raw, secrets);
  const serverFile = from(secrets?.['zookeeper-servers']?.length);
  for (const [index, server] of servers.entries()) {
    const path = ['zookeeper-servers', index];
    if (server.host === undefined) refusals.push(serverFile.issue(path, 'host is required'));
    port(serverFile, [...path, 'port'], server.port);
  }
  const chroots = servers.map(chrootOf);
  if (new Set(chroots.filter(Boolean)).size > 1) {
    refusals.push(serverFile.issue(['zookeeper-servers'], 'the servers have different chroots'));
  } else if (chroots.slice(0, -1).some(Boolean)) {
    const message =
      'a chroot belongs to the last server only: the Python Nodepool takes all behind it for a part of it';
    serverFile.warnings.push(serverFile.issue(['zookeeper-servers'], message));
  }
  const tls = tlsOf(raw, secrets);
  const missing = tls ? (['cert', 'key', 'ca'] as const).filter((name) => tls[name] === undefined) : [];
  if (missing.length > 0) {
    const message = `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing: TLS takes cert, key and ca`;
    refusals.push(from(secrets?.['zookeeper-tls']).issue(['zookeeper-tls'], message));
  }
  if (!(raw['zookeeper-timeout'] > 0 && Number.isFinite(raw['zookeeper-timeout']))) {
    refusals.push(main.issue(['zookeeper-timeout'], 'must be more than 0 and finite'));
  }
  port(main, ['webapp', 'port'], raw.webapp.port);
  port(main, ['coordinator', 'port'], raw.coordinator?.port);
  port(main, ['coordinator', 'tls-port'], raw.coordinator?.['tls-port']);
}

type Server = GlobalConfig['zookeeper-servers'][number];

const serversOf = (raw: GlobalConfig, secrets: SecureConfig | null): readonly Server[] =>
  secrets?.['zookeeper-servers']?.length ? secrets['zookeeper-servers'] : raw['zookeeper-servers'];

const tlsOf = (raw: GlobalConfig, secrets: SecureConfig | null) => secrets?.['zookeeper-tls'] ?? raw['zookeeper-tls'];

const chrootOf = (server: Server): string => (server.chroot ?? '').replace(/\/+$/, '');

function assemble(
  raw: GlobalConfig,
  secrets: SecureConfig | null,
  labels: Map<string, LabelConfig>,
  diskimages: Map<string, DiskImageConfig>,
  providers: Map<string, ProviderConfig>,
): NodepoolConfig {
  const { coordinator } = raw;
  const servers = serversOf(raw, secrets);
  return {
    zookeeper: {
      servers: servers.map((s) => ({ host: s.host ?? '', port: s.port })),
      chroot: servers.map(chrootOf).find(Boolean) ?? '',
      tls: tlsFiles(tlsOf(raw, secrets)),
      sessionTimeoutMs: raw['zookeeper-timeout'] * 1000,
    },
    coordinator: {
      dataDir: coordinator?.['data-dir'] ?? defaultDataDir(),
      listen: coordinator?.listen ?? '127.0.0.1',
      port: coordinator?.port ?? null,
      tlsPort: coordinator?.['tls-port'] ?? null,
      tls: tlsFiles(coordinator?.tls),
    },
    webapp: { port: raw.webapp.port, listenAddress: raw.webapp.listen_address },
    labels,
    diskimages,
    providers,
    tenantLimits: new Map(
      raw['tenant-resource-limits'].map((limit) => [limit['tenant-name'] ?? '', tenantLimit(limit)]),
    ),
    maxHoldAgeMs: Math.max(0, raw['max-hold-age']) * 1000,
  };
}

function labelConfig(l: GlobalConfig['labels'][number]): LabelConfig {
  return {
    name: l.name,
    minReady: Math.max(0, l['min-ready']),
    maxReadyAgeMs: Math.max(0, l['max-ready-age']) * 1000,
  };
}

const limitNames: ReadonlyMap<string, string> = new Map([
  ['max-cores', 'cores'],
  ['max-servers', 'instances'],
  ['max-ram', 'ram'],
  ['max-volumes', 'volumes'],
  ['max-volume-gb', 'volume-gb'],
]);

function tenantLimit(limit: Record<string, unknown>): Resources {
  const entries = Object.entries(limit).filter(([key, value]) => key !== 'tenant-name' && value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [limitNames.get(key) ?? key, Number(value)]));
}

function tlsFiles(tls: { [K in keyof TlsFiles]?: string | undefined } | null | undefined): TlsFiles | null {
  return tls?.cert !== undefined && tls.key !== undefined && tls.ca !== undefined
    ? { cert: tls.cert, key: tls.key, ca: tls.ca }
    : null;
}

function defaultDataDir(): string {
  const state = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  return join(state, 'nodepool', 'coordinator');
}
